/** An HTTP/2 connection of the traffic client, and the few connections that requests to a target share. */
import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import type { Exchange } from './client-exchange.ts';
import { SILENCE_MS } from './conversation.ts';

/** How long the client waits for a complete response. */
const PATIENCE_MS = 30_000;
const SLOW_PIECES = 20;
const SLOW_PAUSE_MS = 40;
/** Requests are abandoned within this time. */
const LEAVE_WITHIN_MS = 60;
/**
 * Windows of a connection and of a stream. Node's defaults are so small that a client that is a tenth of a second late,
 * as on a busy machine, gets only half a megabyte per second for all its requests.
 */
const CONNECTION_WINDOW = 8 * 1024 * 1024;
const STREAM_WINDOW = 256 * 1024;
/** Connections per target, which take turns. */
const SHARED = 4;
/** After this many requests a connection ends regularly. */
const MAX_CARRIED = 500;

export class Http2Connection {
  readonly #session: ClientHttp2Session;
  #connected = false;
  #why = 'closed';
  #carried = 0;

  constructor(target: string) {
    this.#session = connect(`http://${target}`, { settings: { initialWindowSize: STREAM_WINDOW } });
    this.#session.on('connect', () => {
      this.#connected = true;
      // Reported in a later turn, when the session may have ended already.
      if (!this.#session.destroyed) this.#session.setLocalWindowSize(CONNECTION_WINDOW);
    });
    this.#session.on('error', (error: NodeJS.ErrnoException) => (this.#why = error.code ?? error.message));
    this.#session.on('goaway', (code: number) => (this.#why = `GOAWAY ${code}`));
  }

  get usable(): boolean {
    return !this.#session.closed && !this.#session.destroyed && this.#carried < MAX_CARRIED;
  }

  /** What is under way comes to its end. */
  close(): void {
    if (!this.#session.destroyed) this.#session.close();
  }

  /** Resolves when it has ended. */
  async carry(exchange: Exchange): Promise<void> {
    this.#carried += 1;
    const ended = new Promise<void>((resolve) => (exchange.onEnd = resolve));
    const bodiless = exchange.kind.bodyBytes === 0 && exchange.conversation === null;
    const stream = this.#session.request(exchange.requestFields(), { endStream: bodiless });
    this.#listen(stream, exchange);
    this.#send(stream, exchange);
    await ended;
  }

  #listen(stream: ClientHttp2Stream, exchange: Exchange): void {
    let headed = false;
    let whole = false;
    const patience = setInterval(() => {
      const { conversation } = exchange;
      if (conversation !== null && performance.now() - conversation.heardMs < SILENCE_MS) return;
      exchange.end('silent', `nothing ${conversation === null ? 'complete' : ''} in ${PATIENCE_MS / 1_000} s`);
      stream.close(constants.NGHTTP2_CANCEL);
    }, PATIENCE_MS);
    stream.on('response', (fields) => {
      headed = true;
      const entries = Object.entries(fields).map(([name, value]) => [name, String(value)] as const);
      exchange.responseHead({ status: Number(fields[':status']), fields: new Map(entries) });
    });
    stream.on('trailers', (fields: Readonly<Record<string, unknown>>) => exchange.responseTrailers(fields));
    stream.on('data', (chunk: Buffer) => exchange.responseBody(chunk));
    stream.on('end', () => (whole = true));
    stream.on('error', () => undefined);
    stream.on('close', () => {
      clearInterval(patience);
      exchange.conversation?.stop();
      const { rstCode } = stream;
      const how = rstCode === constants.NGHTTP2_NO_ERROR ? this.#why : `reset with ${rstCode}, ${this.#why}`;
      if (headed && whole && rstCode === constants.NGHTTP2_NO_ERROR) exchange.complete();
      else if (headed) exchange.end('truncated', how);
      else if (rstCode === constants.NGHTTP2_REFUSED_STREAM) exchange.end('untaken', how);
      else exchange.end(this.#connected ? 'none' : 'unconnected', how);
    });
  }

  #send(stream: ClientHttp2Stream, exchange: Exchange): void {
    const { kind, conversation } = exchange;
    if (conversation !== null) {
      conversation.begin(
        (bytes) => stream.write(bytes),
        () => stream.end(),
      );
      return;
    }
    if (kind.style === 'abort') this.#leaveSoon(stream, exchange);
    if (kind.style === 'slow-read') this.#readSlowly(stream);
    if (kind.style === 'slow-send') return void this.#sendSlowly(stream, exchange);
    if (kind.bodyBytes === 0) return;
    for (const piece of exchange.requestBody(4)) stream.write(piece);
    stream.end();
  }

  /** Now and then with the whole connection, where nobody else is on it. */
  #leaveSoon(stream: ClientHttp2Stream, exchange: Exchange): void {
    const alone = this.#carried === 1 && Math.random() < 0.5;
    setTimeout(() => {
      if (exchange.ended) return;
      exchange.end('left');
      if (alone && this.#carried === 1) this.#session.destroy();
      else stream.close(constants.NGHTTP2_CANCEL);
    }, Math.random() * LEAVE_WITHIN_MS);
  }

  #readSlowly(stream: ClientHttp2Stream): void {
    const timer = setInterval(() => {
      if (stream.isPaused()) stream.resume();
      else stream.pause();
    }, SLOW_PAUSE_MS);
    stream.once('close', () => clearInterval(timer));
    // When everything has arrived it is read without pauses, because a stream that ends while paused reports its end
    // only later.
    stream.once('end', () => clearInterval(timer));
  }

  async #sendSlowly(stream: ClientHttp2Stream, exchange: Exchange): Promise<void> {
    for (const piece of exchange.requestBody(SLOW_PIECES)) {
      if (exchange.ended || stream.destroyed) return;
      stream.write(piece);
      await new Promise((resolve) => setTimeout(resolve, exchange.kind.pauseMs));
    }
    if (!stream.destroyed) stream.end();
  }
}

/** A few connections per target, which carry many requests at a time and are replaced by new ones. */
export class Http2Connections {
  readonly #shared = new Map<string, Http2Connection[]>();
  #turn = 0;

  take(target: string): Http2Connection {
    const shared = this.#shared.get(target) ?? [];
    this.#shared.set(target, shared);
    const at = (this.#turn += 1) % SHARED;
    const taken = shared[at];
    if (taken?.usable === true) return taken;
    taken?.close();
    return (shared[at] = new Http2Connection(target));
  }

  close(): void {
    for (const shared of this.#shared.values()) for (const connection of shared) connection.close();
    this.#shared.clear();
  }
}
