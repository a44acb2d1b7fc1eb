/**
 * One request and its response between uWebSockets.js and the addon, which carries out the exchange.
 *
 * Stage before: the handler of a uWS app. Stage after: the native engine, through `addon/outer-streams.ts`; and in the
 * other direction, through `Downstream`. Nothing may throw into uWS, because that would end the process.
 *
 * uWS stops both directions of a socket when it is paused. So an upload is not paused while the response is blocked;
 * the addon limits what it buffers then. A pause takes effect only after the data that the kernel has already received:
 * uWS continues to read as long as each read fills its 512 KiB. So a stalled upload costs about one kernel receive
 * buffer.
 */
import { LENGTH, START, type OuterStreams } from '../../addon/outer-streams.ts';
import { REQUEST_REASONS, type RequestReason } from '../../errors.ts';
import { Downstream, type ResponseHead } from '../../uws-library/downstream.ts';
import type { UwsResponse } from '../../uws-library/library.ts';
import { localReply } from '../local-reply.ts';

const REASONS = Object.keys(REQUEST_REASONS) as RequestReason[];
const NO_FIELDS: ResponseHead['fields'] = [];
/** A longer head is passed to uWS line by line, see `Downstream`. */
const LARGE_HEAD_BYTES = 8 * 1024;

/** The part that all streams share; implemented by the engine. */
export interface StreamOwner {
  readonly streams: OuterStreams;
  /** Called exactly once. The number of the stream may then be reused. */
  onEnded(stream: UwsStream): void;
}

export class UwsStream extends Downstream {
  readonly number: number;
  /** Number of the caller of this request. */
  readonly caller: number;
  private readonly owner: StreamOwner;
  /** False once nothing more may be passed to either side. */
  private live = true;
  /** True once the addon knows of the stream. */
  private begun = false;
  /** True once the downstream has sent its last byte. */
  private received = true;
  private paused = false;
  /** True when the data written, or about to be written, ends the response. */
  private complete = false;

  constructor(owner: StreamOwner, number: number, caller: number, response: UwsResponse) {
    super(response);
    this.owner = owner;
    this.number = number;
    this.caller = caller;
  }

  /**
   * A request without a body. Returns `START.inexact` when the head has to be read in another way; nothing has happened
   * in that case.
   */
  startRequest(head: string, text: number): number {
    const answer = this.begin(head, text, undefined, true);
    if (answer !== START.inexact) this.watch();
    return answer;
  }

  /**
   * A request with a body. uWS calls the data handler at least once after this handler has returned, possibly with no
   * bytes.
   */
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
   * Called by the addon with a part of the response, see `OuterCarrier`. Both arrays belong to the addon again when
   * this returns. Hot path.
   */
  send(head: Uint8Array | null, body: Uint8Array, length: number, last: boolean, close: boolean): boolean {
    if (!this.live) return true;
    // uWS must not be called after the last bytes, so the connection must not stay paused.
    if (last) this.resume();
    if (head !== null && last && length >= 0 && this.whole(head, body, close)) {
      this.finish();
      return true;
    }
    const taken = head === null ? this.writeOn(body) : this.startResponse(headOf(head), body, length, last, close);
    if (!taken) {
      this.keepPending();
      // After a partial write uWS polls for reading again.
      this.paused = false;
      this.complete = last;
    } else if (last) {
      if (this.open) this.end();
      this.finish();
    }
    return taken;
  }

  /** Called by the addon: it wants more of the body. */
  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    // uWS stores what it polled for at the last pause of any socket: one value for sockets with unwritten bytes and one
    // for those without. When uWS itself wakes this socket to write, the pause corrects that value.
    this.response.pause();
    this.response.resume();
  }

  reset(): void {
    if (!this.live) return;
    this.finish();
    this.abort();
  }

  /**
   * Called periodically. uWS closes a connection after 10 s without activity, but a slow upload or a stalled reader is
   * no reason to close.
   */
  refresh(): void {
    if (!this.live || !this.open) return;
    if (this.blocked || (!this.received && !this.paused)) {
      this.response.pause();
      this.response.resume();
    } else if (this.paused && this.started) {
      // A pause also holds back what uWS may have left of the response.
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
   * The connection is not closed at once, because uWS would then read the following bytes as the next request. While
   * this request is unanswered, uWS closes the connection on further data; the answer closes it as well.
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
    // The length of an empty body is known at once.
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

  /** Called after an exception, which is a bug. */
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

/** One block for a small head, which most are; otherwise single lines, which uWS takes one by one. */
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
