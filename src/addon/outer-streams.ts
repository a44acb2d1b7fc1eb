/**
 * The typed interface between the native engine and a carrier: one in JavaScript that has connections of applications of its
 * own, hands their requests over and writes the responses. What `carry` of an engine takes and returns.
 *
 * Streams have numbers that the carrier gives, small ones because each stays for good; a number may be given again when its
 * stream is over. A call never throws for what a connection does. `engine/uws/` is the only user.
 */

/** Called by the addon, within a call to it or from the loop. Must not throw. */
export interface OuterCarrier {
  /**
   * A part of a response lies in `outbox` until this returns: `headBytes` of what follows `HTTP/1.1 ` (0: sent before), and
   * `bodyBytes` at `OUTBOX_BODY`; or, if `own` is given, in that, one behind the other. `flags`: of `PART`. `length`: of the
   * whole body, or one of `LENGTH`. The carrier writes Date and what frames the body.
   *
   * @returns false when some of it waits for the peer: `room` says when not any more
   */
  readonly send: (
    stream: number,
    flags: number,
    headBytes: number,
    bodyBytes: number,
    length: number,
    own?: Uint8Array,
  ) => boolean;
  /** The request's body is wanted again, after it was not. */
  readonly resume: (stream: number) => void;
  /** The connection is to be broken off. The stream is over. */
  readonly reset: (stream: number) => void;
}

/** Offset of bodies in `outbox`. */
export const OUTBOX_BODY = 64 * 1024;
/** `last`: the response ends with this part. `close`: and its connection with that. */
export const PART = { last: 1, close: 2 } as const;
export const LENGTH = { unknown: -1, bodiless: -2 } as const;

/** Answers of `start`; others are the number of a reason, counted from 1, for which the request is refused. */
export const START = {
  begun: 0,
  /** Begun, and no more of its body is wanted before `resume`. */
  paused: -1,
  /** Nothing has happened: what was decoded is not ASCII, and may stand for other bytes than it was made from. */
  inexact: -2,
} as const;

/** What the characters of a head are: UTF-8 was decoded to them; bytes; as far as anybody knows, so that it is refused. */
export const HEAD_TEXT = { decoded: 0, bytes: 1, lossy: 2 } as const;

export interface OuterStreams {
  readonly outbox: Uint8Array;
  /** Requests started for the caller of this number are for that frontend and have that original destination. */
  setCaller(caller: number, frontend: number, address: string, port: number): void;
  /**
   * A request: its whole head, of which `text`, one of `HEAD_TEXT`, says what its characters are, and what has come of its body. `last`: there is
   * no more of the body. Answers with one of `START`, or the number of a reason.
   */
  start(
    stream: number,
    caller: number,
    head: string,
    text: number,
    body: ArrayBuffer | undefined,
    last: boolean,
  ): number;
  /** More of the body, copied. False: none before `resume`. */
  body(stream: number, bytes: ArrayBuffer, last: boolean): boolean;
  /** What `send` has answered false to has left. */
  room(stream: number): void;
  /** The connection is gone; the stream is over. */
  gone(stream: number): void;
  /** Ends all of them: those whose response has not begun with the reason `shutdown`. */
  cut(): void;
}
