/**
 * Writes one response through uWebSockets.js with back-pressure.
 *
 * Stage before: the `uws` engine or an endpoint, with a head and pieces of a body. Stage after: the downstream socket,
 * owned by uWS. Every write is inside `cork`, and no write there is larger than the cork buffer unless it is optional
 * (`tryEnd`): uWS may drop the rest of a larger write when the kernel takes only a part of the corked bytes. So large
 * heads span several corks, and chunks are divided.
 *
 * uWS ends a head only with its first body byte. It can close the connection after a response only when the response is
 * written at once. A streamed response says `Connection: close` and leaves the closing to the downstream.
 */
import type { UwsResponse } from './library.ts';

/** The cork buffer has 16 KiB; the rest is for chunk framing and what uWS adds to a head (Date, framing field). */
const CORK_ROOM_BYTES = 15 * 1024;
const PIECE_BYTES = CORK_ROOM_BYTES;
/**
 * While the kernel accepts no bytes, each attempt may add this much to uWS's buffer: less than a writable event drains.
 */
const PROBE_BYTES = 4 * 1024;

/** A response head. Names and values alternate, as ASCII strings or raw bytes. No framing fields and no Date. */
export interface ResponseHead {
  /**
   * Code and phrase. Lines of fields may follow, all except the last with CRLF, because uWS writes the text unchanged.
   */
  readonly status: string | Uint8Array;
  readonly fields: readonly (string | Uint8Array)[];
}

/** `length`: known Content-Length. `chunked`: any other body. */
type Framing = 'none' | 'length' | 'chunked';

/** The response that `whole` is writing. It is global, because otherwise each response would need its own closure. */
const written = {
  response: null as UwsResponse | null,
  head: new Uint8Array(0) as Uint8Array,
  body: new Uint8Array(0) as Uint8Array,
  close: false,
};

function writeWhole(): void {
  written.response!.writeStatus(written.head);
  written.response!.end(written.body, written.close);
}

export abstract class Downstream {
  /** False once the response is complete or the connection is gone: uWS must not be called again. */
  open = true;
  /** True once uWS has received a part of the response. */
  started = false;
  /** True when the kernel took less than it was given; `onDrained` follows. */
  blocked = false;
  protected readonly response: UwsResponse;
  private framing: Framing = 'none';
  private length = 0;
  /** The rest of the last chunk that the kernel has not taken. */
  private pending: Uint8Array | null = null;

  constructor(response: UwsResponse) {
    this.response = response;
  }

  /** Called when the rest has been sent. */
  protected abstract onDrained(): void;

  /**
   * Writes a complete response with a body and a head in one block. Hot path.
   *
   * @returns false when it is too large for one write; nothing has happened then
   */
  whole(head: Uint8Array, body: Uint8Array, close: boolean): boolean {
    if (head.length + body.length > CORK_ROOM_BYTES) return false;
    this.started = true;
    this.open = false;
    written.response = this.response;
    written.head = head;
    written.body = body;
    written.close = close;
    this.response.cork(writeWhole);
    written.response = null;
    return true;
  }

  /**
   * Writes a complete response. `body` is null for one without a body (HEAD, 204, 304); Content-Length is then a field.
   */
  reply(head: ResponseHead, body: Uint8Array | null, close: boolean): void {
    this.writeHead(head, close && body === null, (room) => {
      this.open = false;
      if (body === null) this.response.endWithoutBody();
      else if (body.length <= room) this.response.end(body, close);
      else throw new Error(`reply of ${body.length} bytes exceeds the cork buffer`);
    });
  }

  /**
   * Starts a response with its first body bytes. `length` is null when unknown. `last`: these are all bytes. Without a
   * length the response is complete only if none of them has to wait; otherwise it needs `end`.
   *
   * @returns false when the downstream accepts no more for now
   */
  start(head: ResponseHead, length: number | null, first: Uint8Array, close: boolean, last = false): boolean {
    if (length === first.length && headBytes(head) + first.length <= CORK_ROOM_BYTES) {
      this.reply(head, first, close);
      return true;
    }
    this.framing = length === null ? 'chunked' : 'length';
    this.length = length ?? 0;
    let taken = 0;
    this.writeHead(head, close, (room) => {
      const slice = first.subarray(0, Math.max(0, room));
      taken = slice.length;
      if (length === null) {
        this.response.write(slice);
        if (last && taken === first.length) this.finishNow();
      } else this.finishIfDone(this.response.tryEnd(slice, length));
    });
    if (this.open) this.response.onWritable(() => this.writable());
    return taken === first.length || this.write(first.subarray(taken));
  }

  /** @returns false when the downstream accepts no more for now; the rest of `chunk` is kept. */
  write(chunk: Uint8Array): boolean {
    if (this.framing === 'length') this.writeCounted(chunk);
    else this.writePieces(chunk);
    return !this.blocked;
  }

  /** Ends a chunked response after its last byte. Only when not blocked. */
  end(): void {
    this.response.cork(() => this.finishNow());
  }

  /** Copies the waiting bytes, because their buffer will be reused. */
  keepPending(): void {
    if (this.pending !== null) this.pending = this.pending.slice();
  }

  /** Aborts the connection, so that the client sees that the response is truncated. */
  abort(): void {
    if (!this.open) return;
    this.open = false;
    this.response.close();
  }

  private writeHead(head: ResponseHead, sayClose: boolean, body: (room: number) => void): void {
    const { response } = this;
    const fields = sayClose ? [...head.fields, 'Connection', 'close'] : head.fields;
    this.started = true;
    let next = 0;
    // Separate from the fields: the first one may be so large that it needs its own cork.
    let hasStatus = false;
    do {
      response.cork(() => {
        let room = CORK_ROOM_BYTES;
        if (!hasStatus) {
          response.writeStatus(head.status);
          room -= head.status.length;
          hasStatus = true;
        }
        while (next < fields.length) {
          const size = fields[next]!.length + fields[next + 1]!.length + 4;
          if (size > room && room < CORK_ROOM_BYTES) return;
          response.writeHeader(fields[next]!, fields[next + 1]!);
          room -= size;
          next += 2;
        }
        next = fields.length + 1;
        body(room);
      });
    } while (next <= fields.length);
  }

  private writeCounted(chunk: Uint8Array): void {
    const { response } = this;
    const before = response.getWriteOffset();
    let accepted = false as boolean;
    response.cork(() => {
      const result = response.tryEnd(chunk, this.length);
      accepted = result[0];
      this.finishIfDone(result);
    });
    if (accepted || !this.open) {
      this.blocked = false;
      this.pending = null;
      return;
    }
    this.blocked = true;
    const written = response.getWriteOffset() - before;
    this.pending = written < chunk.length ? chunk.subarray(written) : null;
  }

  private writePieces(chunk: Uint8Array): void {
    const { response } = this;
    let offset = 0;
    while (offset < chunk.length) {
      const piece = chunk.subarray(offset, offset + (this.blocked ? PROBE_BYTES : PIECE_BYTES));
      offset += piece.length;
      // False: uWS buffers the piece because an earlier one has not been sent yet.
      let accepted = true as boolean;
      response.cork(() => {
        accepted = response.write(piece);
      });
      this.blocked = !accepted;
      if (!accepted) break;
    }
    this.pending = offset < chunk.length ? chunk.subarray(offset) : null;
  }

  private finishNow(): void {
    this.open = false;
    this.response.end();
  }

  private finishIfDone(result: [boolean, boolean]): void {
    if (result[1]) this.open = false;
  }

  /** With a registered handler uWS does not flush its own buffer; an empty cork makes it write. */
  private writable(): boolean {
    try {
      const { pending } = this;
      if (pending !== null) this.write(pending);
      else {
        this.response.cork(() => undefined);
        this.blocked = false;
      }
      if (!this.blocked) this.onDrained();
    } catch {
      this.abort();
    }
    return true;
  }
}

function headBytes(head: ResponseHead): number {
  let bytes = head.status.length;
  for (const field of head.fields) bytes += field.length + 2;
  return bytes;
}
