/** A connection of the traffic client: carries one request at a time, or a few sent together. */
import { connect, type Socket } from 'node:net';
import type { Exchange } from './client-exchange.ts';
import { SILENCE_MS } from './conversation.ts';
import { ResponseReader, type ResponseHead } from './response-reader.ts';

/** How long the client waits for a complete response. */
const PATIENCE_MS = 30_000;
const SLOW_PIECES = 20;
const SLOW_PAUSE_MS = 40;
/** Requests are abandoned within this time. */
const LEAVE_WITHIN_MS = 60;

export function splitTarget(target: string): { host: string; port: number } {
  const colon = target.lastIndexOf(':');
  return { host: target.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(target.slice(colon + 1)) };
}

export class ClientConnection {
  readonly #socket: Socket;
  readonly #reader: ResponseReader;
  #exchanges: Exchange[] = [];
  #connected = false;
  #over = false;
  /** The last response said that the connection ends, or the client's own half has ended. */
  #last = false;
  /** Bytes that no request asked for. */
  #unasked = 0;
  #on100: (() => void) | null = null;
  #sending = false;
  /** Responses so far. */
  #answered = 0;

  constructor(target: string) {
    this.#reader = new ResponseReader({
      head: (head) => this.#head(head),
      body: (piece) => this.#bodyPiece(piece),
      complete: () => this.#complete(),
    });
    this.#socket = connect({ ...splitTarget(target), noDelay: true, allowHalfOpen: true });
    this.#socket.on('connect', () => (this.#connected = true));
    this.#socket.on('data', (chunk) => this.#data(chunk));
    this.#socket.on('end', () => {
      this.#reader.end();
      this.#finish(null);
      this.#socket.end();
    });
    this.#socket.on('error', (error: NodeJS.ErrnoException) => this.#finish(error.code ?? error.message));
    this.#socket.on('close', () => this.#finish('closed'));
  }

  get reusable(): boolean {
    return !this.#over && !this.#last && this.#unasked === 0 && !this.#reader.inResponse;
  }

  close(): void {
    this.#over = true;
    this.#socket.destroy();
  }

  /** Resolves when all have ended. */
  async carry(exchanges: readonly Exchange[]): Promise<void> {
    this.#exchanges = [...exchanges];
    const ends = exchanges.map((exchange) => new Promise<void>((resolve) => (exchange.onEnd = resolve)));
    const patience = setInterval(() => {
      const { conversation } = exchanges[0]!;
      if (conversation !== null && performance.now() - conversation.heardMs < SILENCE_MS) return;
      this.#last = true;
      for (const exchange of exchanges) exchange.end('silent', `nothing complete in ${PATIENCE_MS / 1_000} s`);
    }, PATIENCE_MS);
    this.#reader.method = exchanges[0]!.kind.method;
    this.#send(exchanges);
    await Promise.all(ends);
    clearInterval(patience);
    exchanges[0]!.conversation?.stop();
    this.#exchanges = [];
  }

  #send(exchanges: readonly Exchange[]): void {
    const [first] = exchanges as [Exchange];
    const { style } = first.kind;
    if (style === 'pipelined') return void this.#socket.write(exchanges.map((each) => each.requestHead()).join(''));
    if (style === 'abort') this.#leaveSoon(first);
    if (style === 'slow-read') this.#readSlowly(first);
    if (first.conversation !== null) {
      const chunk = (bytes: Buffer): Buffer =>
        Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
      this.#socket.write(first.requestHead());
      first.conversation.begin(
        (bytes) => this.#socket.write(chunk(bytes)),
        () => this.#socket.write('0\r\n\r\n'),
      );
      return;
    }
    if (style === 'expect' || style === 'slow-send') {
      this.#socket.write(first.requestHead());
      if (style === 'slow-send') void this.#sendSlowly(first);
      else this.#on100 = () => this.#socket.write(Buffer.concat(first.requestBody(1)));
      return;
    }
    this.#socket.write(Buffer.concat([Buffer.from(first.requestHead()), ...first.requestBody(4)]));
    if (style === 'half-close') {
      this.#last = true;
      this.#socket.end();
    }
  }

  #leaveSoon(exchange: Exchange): void {
    setTimeout(() => {
      if (exchange.ended) return;
      this.#last = true;
      if (Math.random() < 0.5) this.#socket.resetAndDestroy();
      else this.#socket.destroy();
      exchange.end('left');
    }, Math.random() * LEAVE_WITHIN_MS);
  }

  #readSlowly(exchange: Exchange): void {
    const timer = setInterval(() => {
      if (exchange.ended) {
        clearInterval(timer);
        this.#socket.resume();
      } else if (this.#socket.isPaused()) this.#socket.resume();
      else this.#socket.pause();
    }, SLOW_PAUSE_MS);
  }

  async #sendSlowly(exchange: Exchange): Promise<void> {
    this.#sending = true;
    for (const piece of exchange.requestBody(SLOW_PIECES)) {
      if (exchange.ended || this.#over) return;
      this.#socket.write(piece);
      await new Promise((resolve) => setTimeout(resolve, exchange.kind.pauseMs));
    }
    this.#sending = false;
  }

  #data(chunk: Buffer): void {
    if (this.#exchanges.length === 0) this.#unasked += chunk.length;
    else this.#reader.push(chunk);
    if (this.#reader.malformed) {
      this.#last = true;
      for (const exchange of this.#exchanges) exchange.end('corrupt', 'no HTTP');
    }
  }

  #head(head: ResponseHead): void {
    const exchange = this.#exchanges[0];
    if (exchange === undefined) return;
    if (head.status === 100) {
      this.#on100?.();
      this.#on100 = null;
      return;
    }
    if (head.status < 200 && head.status !== 101) return;
    exchange.responseHead(head);
    const connection = head.fields.get('connection')?.toLowerCase() ?? '';
    // If a final response comes before the body was sent, nothing more can be sent on this connection.
    const early = this.#sending || this.#on100 !== null;
    if (connection.includes('close') || exchange.kind.style === 'http10' || early) this.#last = true;
  }

  #bodyPiece(piece: Buffer): void {
    const exchange = this.#exchanges[0];
    if (exchange === undefined) return;
    exchange.responseBody(piece);
    if (exchange.isTunnel && exchange.tunnelComplete) this.#endFirst();
  }

  #complete(): void {
    const exchange = this.#exchanges[0];
    if (exchange === undefined) return;
    // In a tunnel more bytes follow; if it was not opened, the response is like any other.
    if (exchange.isTunnel && (exchange.status === 101 || exchange.kind.method === 'CONNECT') && exchange.status < 300) {
      this.#last = true;
      this.#socket.write(exchange.tunnelBytes());
    } else this.#endFirst();
  }

  #endFirst(): void {
    const exchange = this.#exchanges.shift()!;
    this.#answered += 1;
    this.#reader.method = this.#exchanges[0]?.kind.method ?? 'GET';
    exchange.complete();
  }

  /** The connection is over; `why` is null for an end in order. */
  #finish(why: string | null): void {
    if (this.#over) return;
    this.#over = true;
    const exchanges = this.#exchanges;
    this.#exchanges = [];
    exchanges.forEach((exchange, index) => {
      const how = why ?? 'ended';
      if (!this.#connected) exchange.end('unconnected', how);
      else if (index === 0 && this.#reader.inBody) exchange.end('truncated', how);
      else if (index === 0 && this.#reader.inResponse) exchange.end('truncated', `in the head: ${how}`);
      else exchange.end(this.#answered > 0 ? 'untaken' : 'none', how);
    });
  }
}
