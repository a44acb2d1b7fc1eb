/**
 * Lets an HTTP/1.x server speak HTTP/2 on connections that begin with its preface, with faults instead of responses.
 */
import type { Server } from 'node:http';
import {
  constants,
  createServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type Http2Session,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';
import { wholeBody } from './body.ts';

/** The start of `PRI * HTTP/2.0`; no HTTP/1.x method begins like this. */
const PREFACE = Buffer.from('PRI');
/** Streams on a connection at a time. */
const MAX_STREAMS = 64;

type Misbehave = (stream: ServerHttp2Stream, id: string, name: string) => void;

const PARTIAL = (stream: ServerHttp2Stream, id: string, name: string, then: () => void): void => {
  // The connection has gone already.
  if (stream.destroyed || stream.closed) return;
  stream.respond({ ':status': 200, 'x-backend': name, 'x-id': id, 'content-length': 9_000 });
  // Continues when the kernel has taken it.
  stream.write(wholeBody(id, 100), () => setTimeout(then, 2));
};

const sockets = new WeakMap<Http2Session, Socket>();

export const HTTP2_FAULTS: Readonly<Record<string, Misbehave>> = {
  /** Nothing has been done for it. */
  refuse: (stream) => stream.close(constants.NGHTTP2_REFUSED_STREAM),
  'reset-before': (stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR),
  'reset-body': (stream, id, name) => PARTIAL(stream, id, name, () => stream.close(constants.NGHTTP2_INTERNAL_ERROR)),
  /** All is well, and less than the head said. */
  'short-body': (stream, id, name) => PARTIAL(stream, id, name, () => stream.end()),
  /** The connection, with all that is on it. */
  cut: (stream) => {
    const { session } = stream;
    if (session !== undefined) sockets.get(session)?.resetAndDestroy();
  },
  'cut-body': (stream, id, name) =>
    PARTIAL(stream, id, name, () => {
      const { session } = stream;
      if (session !== undefined) sockets.get(session)?.resetAndDestroy();
    }),
  hang: (stream) => void stream.resume(),
  stall: (stream, id, name) => PARTIAL(stream.resume(), id, name, () => undefined),
};

export class Http2Side {
  readonly #sessions = new Map<ServerHttp2Session, number>();

  /** Takes connections that begin with the preface from `server`. */
  constructor(server: Server, answer: (request: Http2ServerRequest, response: Http2ServerResponse) => void) {
    const http2 = createServer({ settings: { maxConcurrentStreams: MAX_STREAMS } }, answer);
    http2.on('session', (session) => {
      this.#sessions.set(session, 0);
      session.on('error', () => undefined);
      session.on('close', () => this.#sessions.delete(session));
      session.on('stream', (stream) => {
        this.#count(session, 1);
        stream.on('error', () => undefined);
        stream.on('close', () => this.#count(session, -1));
      });
    });
    const [http1] = server.listeners('connection') as ((socket: Socket) => void)[];
    server.off('connection', http1!);
    server.prependListener('connection', (socket: Socket) => {
      socket.on('error', () => socket.destroy());
      this.#detect(socket, (isHttp2) => {
        if (isHttp2) {
          http2.once('session', (session) => sockets.set(session, socket));
          http2.emit('connection', socket);
        } else http1!.call(server, socket);
      });
    });
  }

  /** Ends connections in order: those that carry nothing now, or all. What is under way goes on. */
  close(idle: boolean): void {
    for (const [session, streams] of this.#sessions) if (!session.closed && (streams === 0 || !idle)) session.close();
  }

  #count(session: ServerHttp2Session, by: number): void {
    const streams = this.#sessions.get(session);
    if (streams !== undefined) this.#sessions.set(session, streams + by);
  }

  #detect(socket: Socket, found: (isHttp2: boolean) => void): void {
    let first: Buffer = Buffer.alloc(0);
    const look = (): void => {
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) return;
      first = first.length === 0 ? chunk : Buffer.concat([first, chunk]);
      const length = Math.min(first.length, PREFACE.length);
      const fits = first.subarray(0, length).equals(PREFACE.subarray(0, length));
      if (fits && length < PREFACE.length) return;
      socket.off('readable', look).off('end', leave);
      socket.unshift(first);
      found(fits);
    };
    // The client has sent nothing and will not.
    const leave = (): void => void socket.end();
    socket.on('readable', look).on('end', leave);
  }
}
