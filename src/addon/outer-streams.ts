/**
 * The typed interface between the native engine and a carrier: JavaScript code that has its own downstream connections,
 * passes their requests to the engine and writes the responses. What `carry` of an engine takes and returns.
 *
 * The carrier numbers the streams. Numbers should be small, because the memory for each stays allocated; a number may
 * be reused when its stream has ended. A call never throws because of a connection. `engine/uws/` is the only user.
 */

/** Called by the addon, within a call to it or from the event loop. Must not throw. */
export interface OuterCarrier {
  /**
   * A part of a response. It is in `outbox` until this returns: `headBytes` bytes after `HTTP/1.1 ` (0: sent before),
   * and `bodyBytes` bytes at `OUTBOX_BODY`; if `own` is given, both are in it, one after the other. `flags`: of `PART`.
   * `length`: that of the whole body, or one of `LENGTH`. The carrier writes Date and the framing fields.
   *
   * @returns false when a part waits for the peer; the carrier must call `room` when it has left
   */
  readonly send: (
    stream: number,
    flags: number,
    headBytes: number,
    bodyBytes: number,
    length: number,
    own?: Uint8Array,
  ) => boolean;
  /** The addon wants more of the request body again. */
  readonly resume: (stream: number) => void;
  /** The connection must be aborted. The stream has ended. */
  readonly reset: (stream: number) => void;
}

/** Offset of bodies in `outbox`. */
export const OUTBOX_BODY = 64 * 1024;
/** `last`: the response ends with this part. `close`: the connection ends with the response. */
export const PART = { last: 1, close: 2 } as const;
export const LENGTH = { unknown: -1, bodiless: -2 } as const;

/** Answers of `start`. Other values are the number of a reason, counted from 1, for which the request is refused. */
export const START = {
  begun: 0,
  /** Begun, but send no more of the body before `resume`. */
  paused: -1,
  /** Nothing has happened: the decoded text is not ASCII, so its original bytes are uncertain. */
  inexact: -2,
} as const;

/**
 * Encoding of the text of a head. `decoded`: decoded from UTF-8. `bytes`: one character for each byte. `lossy`: the
 * bytes are not fully known, so the request is refused.
 */
export const HEAD_TEXT = { decoded: 0, bytes: 1, lossy: 2 } as const;

export interface OuterStreams {
  readonly outbox: Uint8Array;
  /** Sets frontend and original destination for the requests started with this caller number. */
  setCaller(caller: number, frontend: number, address: string, port: number): void;
  /**
   * Starts a request with its whole head and the part of its body received so far. `text`: one of `HEAD_TEXT`, the
   * encoding of the head. `last`: the body is complete. Returns one of `START`, or the number of a reason.
   */
  start(
    stream: number,
    caller: number,
    head: string,
    text: number,
    body: ArrayBuffer | undefined,
    last: boolean,
  ): number;
  /** More of the body, which is copied. False: send no more before `resume`. */
  body(stream: number, bytes: ArrayBuffer, last: boolean): boolean;
  /** The part for which `send` returned false has been sent. */
  room(stream: number): void;
  /** The connection is gone, and the stream has ended. */
  gone(stream: number): void;
  /** Ends all streams. Those without a begun response get the reason `shutdown`. */
  cut(): void;
}
