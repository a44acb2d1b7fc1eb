/**
 * Writes one response through uWebSockets.js with back-pressure.
 *
 * Stage before: the `uws` engine or an endpoint, with a head and pieces of a body. Stage after: the downstream socket, owned by
 * uWS. Every write happens inside `cork`, and nothing larger than the cork buffer is written there unless it is optional
 * (`tryEnd`): uWS may drop the rest of a larger write when the kernel takes only a part of what was corked.
 * That is why large heads span several corks and chunks are cut to pieces.
 *
 * uWS ends a head with its first body byte only, and it can close after a response only when the response
 * is written at once; a streamed one says `Connection: close` and leaves the closing to the downstream.
 */
import type { UwsResponse } from './library.ts';

/** The cork buffer has 16 KiB; the rest is for chunk framing and what uWS adds to a head (Date, framing field). */
const CORK_ROOM_BYTES = 15 * 1024;
const PIECE_BYTES = CORK_ROOM_BYTES;
/** While the kernel refuses bytes each attempt may add this much to uWS's buffer: less than a writable event drains. */
const PROBE_BYTES = 4 * 1024;

/** A response head; names and values in turn, as strings of ASCII or as raw bytes. No framing fields, no Date. */
export interface ResponseHead {
  /** Code and phrase; behind them may stand lines of fields, all but the last with CRLF: uWS writes what it is given. */
  readonly status: string | Uint8Array;
  readonly fields: readonly (string | Uint8Array)[];
}

/** `length`: known Content-Length. `chunked`: anything else with a body. */
type Framing = 'none' | 'length' | 'chunked';

/** Of the response that is being written as a whole: one function for all of them, as each would need one otherwise. */
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
  /** Some of the response was given to uWS. */
  started = false;
  /** The kernel took less than it was given; `onDrained` follows. */
  blocked = false;
  protected readonly response: UwsResponse;
  private framing: Framing = 'none';
  private length = 0;
  /** What the kernel has not taken of the last chunk. */
  private pending: Uint8Array | null = null;

  constructor(response: UwsResponse) {
    this.response = response;
  }

  /** What was not taken at once has left. */
  protected abstract onDrained(): void;

  /**
   * Hot path. A response known as a whole, with a body, whose head is one block.
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

  /** A response known as a whole: `body` null for one without (HEAD, 204, 304), whose Content-Length is then a field. */
  reply(head: ResponseHead, body: Uint8Array | null, close: boolean): void {
    this.writeHead(head, close && body === null, (room) => {
      this.open = false;
      if (body === null) this.response.endWithoutBody();
      else if (body.length <= room) this.response.end(body, close);
      else throw new Error(`reply of ${body.length} bytes exceeds the cork buffer`);
    });
  }

  /**
   * Starts a response with its first body bytes. `length` null when it is not known. `last`: there are no others; without a
   * length the response is complete only if nothing of them waits, and otherwise wants `end`.
   *
   * @returns false when the downstream takes no more for now
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

  /** @returns false when the downstream takes no more for now; the rest of `chunk` is kept. */
  write(chunk: Uint8Array): boolean {
    if (this.framing === 'length') this.writeCounted(chunk);
    else this.writePieces(chunk);
    return !this.blocked;
  }

  /** The last byte of a chunked response was written. Only when not blocked. */
  end(): void {
    this.response.cork(() => this.finishNow());
  }

  /** The bytes given last are somebody else's from now on. */
  keepPending(): void {
    if (this.pending !== null) this.pending = this.pending.slice();
  }

  /** Breaks the connection off, so that a truncated response is seen as one. */
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
    // Apart from the fields: the first one may be so large that it has a cork of its own.
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
      // False: uWS keeps the piece because an earlier one is not out yet.
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

  /** With a handler registered uWS leaves its own buffer alone, and an empty cork is what makes it write. */
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
