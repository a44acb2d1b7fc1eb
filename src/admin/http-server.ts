/**
 * An endpoint on `node:http`, for Node versions without a binary of uWebSockets.js. It behaves like uWebSockets.js: the
 * same sizes, the same timeouts, only HTTP/1.1.
 *
 * Stage before: `endpoint-server.ts`.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isIPv6, type AddressInfo, type Socket } from 'node:net';

import { statusPhrase } from '../status-phrases.ts';
import { DEFAULT_MAX_HEAD_BYTES } from '../uws-library/library.ts';
import { ConnectionLimit } from './connection-limit.ts';
import type { EndpointServer, Reply, ReplyHead, EndpointHead, ServerOptions } from './endpoint-server.ts';

/** A connection without traffic in either direction for this long is closed. */
const IDLE_MS = 10_000;
/** From the first byte of a head to its last. */
const HEAD_MS = 10_000;
/** Bodies are discarded, but sending them takes time. */
const REQUEST_MS = 30_000;
/** Interval at which Node checks for connections beyond these limits. */
const CHECK_MS = 5_000;
const MAX_FIELDS = 100;

export class HttpServer implements EndpointServer {
  readonly #server: Server;

  constructor(options: ServerOptions) {
    this.#server = createServer({
      maxHeaderSize: DEFAULT_MAX_HEAD_BYTES,
      headersTimeout: HEAD_MS,
      requestTimeout: REQUEST_MS,
      keepAliveTimeout: IDLE_MS,
      connectionsCheckingInterval: CHECK_MS,
    });
    this.#server.timeout = IDLE_MS;
    // With a limit Node would drop further fields, but all are needed to count them.
    this.#server.maxHeadersCount = 0;
    if (options.public) limitConnections(this.#server);
    const served = new WeakSet<Socket>();
    const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
      const { socket } = request;
      request.on('error', () => undefined).resume();
      response.on('error', () => undefined);
      // The connection ends with the response to the first request, so further requests on it are ignored.
      if (options.public && served.has(socket)) return;
      served.add(socket);
      const refused = refusal(request);
      const reply = new HttpReply(response, options.public || refused !== null);
      if (refused === null) options.onRequest(headOf(request), reply);
      else
        reply.send(
          { status: refused, fields: ['Content-Type', 'text/plain'] },
          Buffer.from(`${statusPhrase(refused)}\n`),
        );
    };
    this.#server.on('request', onRequest);
    // The value of Expect does not matter, because the body is discarded.
    this.#server.on('checkExpectation', onRequest);
  }

  async listen(address: string, port: number): Promise<number> {
    const server = this.#server;
    await new Promise<void>((resolve, reject) => {
      const failed = (error: Error): void => {
        server.off('listening', listening);
        reject(error);
      };
      const listening = (): void => {
        server.off('error', failed);
        resolve();
      };
      server.once('error', failed).once('listening', listening);
      server.listen({ host: address, port, exclusive: true });
    });
    // A connection cannot be accepted when no descriptors are left; a later one may be.
    server.on('error', () => undefined);
    return (server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

function limitConnections(server: Server): void {
  const limit = new ConnectionLimit();
  server.on('connection', (socket: Socket) => {
    socket.once('close', () => limit.closed());
    // A socket without an address has ended already.
    if (socket.remoteAddress === undefined || !limit.takes(bytesOf(socket.remoteAddress))) socket.destroy();
  });
}

/** An address in binary form. */
function bytesOf(address: string): Uint8Array {
  const [, , embedded = null] = /^(.*:)?(\d+\.\d+\.\d+\.\d+)$/.exec(address) ?? [];
  const tail = embedded === null ? [] : embedded.split('.').map(Number);
  if (!isIPv6(address)) return Uint8Array.from(tail);
  const text = embedded === null ? address : address.slice(0, -embedded.length).replace(/([^:]):$/, '$1');
  const [head = '', rest = ''] = text.replace(/%.*/, '').split('::');
  const bytes = (part: string): number[] =>
    part.split(':').flatMap((group) => (group === '' ? [] : [parseInt(group, 16) >> 8, parseInt(group, 16) & 255]));
  const before = bytes(head);
  const after = [...bytes(rest), ...tail];
  return Uint8Array.from([...before, ...Array<number>(16 - before.length - after.length).fill(0), ...after]);
}

/** The status that refuses a request, independent of its path. */
function refusal({ httpVersion, rawHeaders }: IncomingMessage): number | null {
  if (httpVersion !== '1.1') return 505;
  return rawHeaders.length > 2 * MAX_FIELDS ? 431 : null;
}

function headOf({ method = '', url = '', rawHeaders }: IncomingMessage): EndpointHead {
  const queryAt = url.indexOf('?');
  return {
    method,
    path: queryAt === -1 ? url : url.slice(0, queryAt),
    query: queryAt === -1 ? '' : url.slice(queryAt + 1),
    // The raw fields, because Node drops some repeated ones.
    values: (name) => rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]!.toLowerCase() === name),
  };
}

class HttpReply implements Reply {
  open = true;
  started = false;
  readonly #response: ServerResponse;
  readonly #close: boolean;
  #wake = (): void => undefined;
  #gone = (): void => undefined;

  constructor(response: ServerResponse, close: boolean) {
    this.#response = response;
    this.#close = close;
    response.once('close', () => {
      const left = this.open;
      this.open = false;
      this.#wake();
      if (left) this.#gone();
    });
  }

  send(head: ReplyHead, body: Uint8Array | null): void {
    this.#begin(head, body === null ? [] : ['Content-Length', String(body.length)]);
    this.open = false;
    if (body === null) this.#response.end();
    else this.#response.end(body);
  }

  write(head: ReplyHead, piece: Uint8Array): Promise<void> {
    if (!this.started) this.#begin(head, []);
    return new Promise((resolve) => {
      this.#wake = resolve;
      // The callback is called when the kernel has all bytes; Node keeps no copy. An error arrives there long before
      // `close`. A handler that produced pieces until then would block the event loop.
      this.#response.write(piece, (error) => {
        if (error != null) this.open = false;
        resolve();
      });
    });
  }

  onGone(callback: () => void): void {
    this.#gone = callback;
  }

  end(): void {
    this.open = false;
    this.#response.end();
  }

  abort(): void {
    if (!this.open) return;
    this.open = false;
    this.#response.destroy();
  }

  #begin({ status, fields }: ReplyHead, framing: readonly string[]): void {
    this.started = true;
    const connection = this.#close ? ['Connection', 'close'] : [];
    this.#response.writeHead(status, statusPhrase(status), [...fields, ...framing, ...connection]);
  }
}
