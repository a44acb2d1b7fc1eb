/**
 * One request and its response between uWebSockets.js and the addon, which does all that comes in between.
 *
 * Stage before: the handler of a uWS app. Stage after: the native engine, by `addon/outer-streams.ts`; and back, by
 * `Downstream`. Nothing may throw into uWS, which would end the process.
 *
 * uWS stops both directions of a socket when it is paused, so an upload is not paused while the response is blocked; the
 * addon bounds what it keeps then. A pause takes effect after what the kernel had already received: uWS goes on reading as
 * long as each read fills its 512 KiB, so that a stalled upload costs about one kernel receive buffer.
 */
import { LENGTH, START, type OuterStreams } from '../../addon/outer-streams.ts';
import { REQUEST_REASONS, type RequestReason } from '../../errors.ts';
import { Downstream, type ResponseHead } from '../../uws-library/downstream.ts';
import type { UwsResponse } from '../../uws-library/library.ts';
import { localReply } from '../local-reply.ts';

const REASONS = Object.keys(REQUEST_REASONS) as RequestReason[];
const NO_FIELDS: ResponseHead['fields'] = [];
/** A longer head is given to uWS line by line, see `Downstream`. */
const LARGE_HEAD_BYTES = 8 * 1024;

/** What streams share; implemented by the engine. */
export interface StreamOwner {
  readonly streams: OuterStreams;
  /** Exactly once. The number of the stream is free again. */
  onEnded(stream: UwsStream): void;
}

export class UwsStream extends Downstream {
  readonly number: number;
  /** Of the caller whose request this is. */
  readonly caller: number;
  private readonly owner: StreamOwner;
  /** False once there is nothing more to say, to either side. */
  private live = true;
  /** The addon knows of it. */
  private begun = false;
  /** The downstream has sent its last byte. */
  private received = true;
  private paused = false;
  /** What was given to be written, or is about to be, ends the response. */
  private complete = false;

  constructor(owner: StreamOwner, number: number, caller: number, response: UwsResponse) {
    super(response);
    this.owner = owner;
    this.number = number;
    this.caller = caller;
  }

  /** A request without a body. Answers `START.inexact` when the head is to be read in another way; nothing has happened then. */
  startRequest(head: string, text: number): number {
    const answer = this.begin(head, text, undefined, true);
    if (answer !== START.inexact) this.watch();
    return answer;
  }

  /** A request with a body, of which uWS gives something, if only nothing, as soon as the handler has returned. */
  startWithBody(head: string, text: number): void {
    this.received = false;
    this.watch();
    this.response.onData((bytes, last) => {
      try {
        if (!this.live || this.complete) return;
        this.received = last;
        if (!this.begun) this.begin(head, text, bytes, last);
        else if (!this.owner.streams.body(this.number, bytes, last)) this.pause();
      } catch {
        this.breakOff();
      }
    });
  }

  /**
   * Hot path. From the addon: a part of the response, see `OuterCarrier`. Both arrays are the addon's when this has returned.
   */
  send(head: Uint8Array | null, body: Uint8Array, length: number, last: boolean, close: boolean): boolean {
    if (!this.live) return true;
    // Before the last bytes, after which uWS must not be called: nothing may leave the connection paused.
    if (last) this.resume();
    if (head !== null && last && length >= 0 && this.whole(head, body, close)) {
      this.finish();
      return true;
    }
    const taken = head === null ? this.writeOn(body) : this.startResponse(headOf(head), body, length, last, close);
    if (!taken) {
      this.keepPending();
      // A write that falls short makes uWS poll again.
      this.paused = false;
      this.complete = last;
    } else if (last) {
      if (this.open) this.end();
      this.finish();
    }
    return taken;
  }

  /** From the addon, as is the next one: the body is wanted again. */
  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    // uWS keeps what it polled for at the last pause of any socket, one value for sockets with unwritten bytes and one
    // for those without. When it woke this socket itself to write, the pause makes that value right.
    this.response.pause();
    this.response.resume();
  }

  reset(): void {
    if (!this.live) return;
    this.finish();
    this.abort();
  }

  /** Called now and then: neither a slow upload nor a stalled reader is a reason to close, as uWS would after 10 s. */
  refresh(): void {
    if (!this.live || !this.open) return;
    if (this.blocked || (!this.received && !this.paused)) {
      this.response.pause();
      this.response.resume();
    } else if (this.paused && this.started) {
      // A pause also holds what uWS may have left of the response.
      this.response.cork(() => undefined);
    }
  }

  private begin(head: string, text: number, body: ArrayBuffer | undefined, last: boolean): number {
    const { owner, number, caller } = this;
    this.begun = true;
    const answer = owner.streams.start(number, caller, head, text, body, last);
    if (answer === START.paused) this.pause();
    else if (answer === START.inexact) this.begun = false;
    else if (answer > START.begun) this.refuse(REASONS[answer - 1]!);
    return answer;
  }

  private watch(): void {
    if (!this.open) return;
    this.response.onAborted(() => {
      this.open = false;
      this.leave();
    });
  }

  /**
   * Not at once: uWS would go on and read what follows as the next request. While this one is unanswered it closes the
   * connection instead, and with the answer the connection is closed too.
   */
  private refuse(reason: RequestReason): void {
    this.begun = false;
    this.complete = true;
    setImmediate(() => {
      if (!this.live) return;
      const { status, fields, body } = localReply(reason);
      this.finish();
      this.reply({ status, fields }, body, true);
    });
  }

  private startResponse(head: ResponseHead, body: Uint8Array, length: number, last: boolean, close: boolean): boolean {
    if (length === LENGTH.bodiless) {
      this.reply(head, null, close);
      return true;
    }
    // The end of an empty body is known at once.
    const known = length === LENGTH.unknown && last && body.length === 0 ? 0 : length;
    return this.start(head, known === LENGTH.unknown ? null : known, body, close, last);
  }

  private writeOn(body: Uint8Array): boolean {
    return body.length === 0 || this.write(body);
  }

  protected override onDrained(): void {
    if (!this.live) return;
    const { complete } = this;
    if (complete && this.open) this.end();
    this.live = !complete;
    this.owner.streams.room(this.number);
    if (complete) this.owner.onEnded(this);
  }

  private pause(): void {
    if (!this.live || this.received) return;
    this.paused = true;
    this.response.pause();
  }

  /** After an exception, which is a bug. */
  breakOff(): void {
    this.leave();
    this.abort();
  }

  private leave(): void {
    if (!this.live) return;
    this.live = false;
    if (this.begun) this.owner.streams.gone(this.number);
    this.owner.onEnded(this);
  }

  private finish(): void {
    this.live = false;
    this.owner.onEnded(this);
  }
}

/** As one block if it is small, which most are; else in lines, which uWS can be given one by one. */
function headOf(bytes: Uint8Array): ResponseHead {
  if (bytes.length <= LARGE_HEAD_BYTES) return { status: bytes, fields: NO_FIELDS };
  const [status, ...lines] = Buffer.from(bytes).toString('latin1').split('\r\n');
  return {
    status: Buffer.from(status!, 'latin1'),
    fields: lines.flatMap((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), Buffer.from(line.slice(colon + 1).replace(/^[ \t]+/, ''), 'latin1')];
    }),
  };
}
