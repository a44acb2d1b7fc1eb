/**
 * A request body on its way from uWebSockets.js to undici, with back-pressure.
 *
 * Stage before: the downstream socket, owned by uWS. Stage after: undici, which reads this stream. uWS stops both
 * directions of a socket when it is paused, so an upload is not paused while the response is blocked, and
 * is bounded by `LIMIT_BYTES` then. A pause takes effect after what the kernel had already received: uWS goes on reading
 * as long as each read fills its 512 KiB, so that a stalled upload costs about one kernel receive buffer.
 */
import { Readable } from 'node:stream';

import type { UwsResponse } from '../../uws-library/library.ts';

const WATERMARK_BYTES = 64 * 1024;
const LIMIT_BYTES = 8 * 1024 * 1024;

export class Upload extends Readable {
  /** The downstream has sent its last byte. */
  complete = false;
  private readonly response: UwsResponse;
  private paused = false;

  constructor(response: UwsResponse) {
    super({ highWaterMark: WATERMARK_BYTES });
    this.response = response;
  }

  /**
   * `chunk` is kept. `blocked`: the response cannot be written at this moment.
   *
   * @returns false when too much is kept already
   */
  receive(chunk: Buffer, last: boolean, blocked: boolean): boolean {
    const more = this.push(chunk);
    if (last) {
      this.complete = true;
      this.push(null);
    } else if (!more && !blocked) {
      this.stop();
    }
    return !blocked || this.readableLength <= LIMIT_BYTES;
  }

  /** Let bytes in, whether there is room or not: nobody will read them, or the response has to be written. */
  release(): void {
    if (!this.paused) return;
    this.paused = false;
    // uWS keeps what it polled for at the last pause of any socket, one value for sockets with unwritten bytes and one
    // for those without. When it woke this socket itself to write, the pause makes that value right.
    this.response.pause();
    this.response.resume();
  }

  /** A write that fell short made uWS poll again. */
  woken(): void {
    this.paused = false;
  }

  /** The connection is gone: no more calls to uWS. */
  detach(): void {
    this.complete = true;
    this.paused = false;
  }

  /**
   * uWS closes a connection whose upload is slower than 16 KiB/s over 10 s; this starts its clock anew.
   *
   * @returns false when it is paused
   */
  refresh(): boolean {
    if (this.paused) return false;
    if (!this.complete) {
      this.response.pause();
      this.response.resume();
    }
    return true;
  }

  override _read(): void {
    this.release();
  }

  private stop(): void {
    if (this.paused) return;
    this.paused = true;
    this.response.pause();
  }
}
