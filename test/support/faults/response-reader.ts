/** Reads responses piece by piece without keeping their bodies, and detects whether they are complete. */

export interface ResponseHead {
  readonly status: number;
  /** Lower-case names; of repeated fields the last. */
  readonly fields: ReadonlyMap<string, string>;
}

export interface ResponseEvents {
  /** Also of interim responses. */
  head(head: ResponseHead): void;
  body(piece: Buffer): void;
  /** The response is whole. After 101, or a 2xx to CONNECT, what follows comes to `body`. */
  complete(): void;
}

type Body = { kind: 'none' } | { kind: 'length'; left: number } | { kind: 'chunked' } | { kind: 'close' | 'tunnel' };

const MAX_HEAD_BYTES = 128 * 1024;

export class ResponseReader {
  readonly #events: ResponseEvents;
  /** Method of the request that the next response is to. */
  method = 'GET';
  #pending: Buffer = Buffer.alloc(0);
  #body: Body | null = null;
  /** Bytes left of the chunk; with its line end. Negative: a chunk's line comes next. */
  #chunkLeft = -1;
  #trailers = false;
  /** What came is no HTTP. */
  malformed = false;

  constructor(events: ResponseEvents) {
    this.#events = events;
  }

  /** A response has begun and is not whole. */
  get inResponse(): boolean {
    return this.#body !== null || this.#pending.length > 0;
  }

  /** Its head has been read. */
  get inBody(): boolean {
    return this.#body !== null;
  }

  push(chunk: Buffer): void {
    let rest: Buffer = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    this.#pending = Buffer.alloc(0);
    while (rest.length > 0 && !this.malformed) {
      const left = this.#body === null ? this.#readHead(rest) : this.#readBody(rest);
      if (left === null) {
        this.#pending = rest;
        if (rest.length > MAX_HEAD_BYTES) this.malformed = true;
        return;
      }
      rest = left;
    }
  }

  /** The connection has ended in order: that completes a response which lasts as long as it. */
  end(): void {
    if (this.#body?.kind === 'close') this.#finish();
  }

  #finish(): void {
    if (this.#body?.kind !== 'tunnel') this.#body = null;
    this.#events.complete();
  }

  /** What follows the head; null when it is not whole. */
  #readHead(bytes: Buffer): Buffer | null {
    const end = bytes.indexOf('\r\n\r\n');
    if (end < 0) {
      if (!'HTTP/1.'.startsWith(bytes.toString('latin1', 0, 7)) && bytes[0] !== 0x48) this.malformed = true;
      return null;
    }
    const [statusLine = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
    const status = Number(/^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(statusLine)?.[1]);
    const fields = new Map<string, string>();
    for (const line of lines) {
      const colon = line.indexOf(':');
      fields.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
    }
    const rest = bytes.subarray(end + 4);
    if (Number.isNaN(status)) {
      this.malformed = true;
      return rest;
    }
    if (status < 200 && status !== 101) {
      this.#events.head({ status, fields });
      return rest;
    }
    this.#body = this.#bodyOf(status, fields);
    this.#events.head({ status, fields });
    const { kind } = this.#body;
    if (kind === 'none' || kind === 'tunnel' || (kind === 'length' && this.#body.left === 0)) this.#finish();
    return rest;
  }

  #bodyOf(status: number, fields: ReadonlyMap<string, string>): Body {
    if (status === 101 || (this.method === 'CONNECT' && status < 300)) return { kind: 'tunnel' };
    if (this.method === 'HEAD' || status === 204 || status === 304) return { kind: 'none' };
    if (fields.has('transfer-encoding')) return { kind: 'chunked' };
    const length = fields.get('content-length');
    return length === undefined ? { kind: 'close' } : { kind: 'length', left: Number(length) };
  }

  #readBody(bytes: Buffer): Buffer | null {
    const body = this.#body!;
    if (body.kind === 'chunked') return this.#readChunked(bytes);
    if (body.kind !== 'length') {
      this.#events.body(bytes);
      return bytes.subarray(bytes.length);
    }
    const piece = bytes.subarray(0, body.left);
    body.left -= piece.length;
    this.#events.body(piece);
    if (body.left === 0) this.#finish();
    return bytes.subarray(piece.length);
  }

  #readChunked(bytes: Buffer): Buffer | null {
    if (this.#chunkLeft > 2) {
      const piece = bytes.subarray(0, this.#chunkLeft - 2);
      this.#chunkLeft -= piece.length;
      this.#events.body(piece);
      return bytes.subarray(piece.length);
    }
    const lineEnd = bytes.indexOf('\r\n');
    if (lineEnd < 0) return null;
    const line = bytes.toString('latin1', 0, lineEnd);
    const rest = bytes.subarray(lineEnd + 2);
    if (this.#chunkLeft === 2) {
      if (line !== '') this.malformed = true;
      this.#chunkLeft = -1;
    } else if (this.#trailers) {
      if (line !== '') return rest;
      this.#trailers = false;
      this.#finish();
    } else if (!/^[0-9a-fA-F]+$/.test(line)) {
      this.malformed = true;
    } else {
      const size = Number.parseInt(line, 16);
      if (size === 0) this.#trailers = true;
      else this.#chunkLeft = size + 2;
    }
    return rest;
  }
}
