/**
 * Independent readers of request streams: Node's HTTP server, Python's standard library, HAProxy.
 *
 * Each takes streams, and gives the complete requests that it found in each, in order.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { Duplex } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

import { packageRoot } from '../../../src/package-root.ts';
import { loopTurns, type Scope } from '../wire-end.ts';
import { startHaproxy } from './haproxy.ts';
import { each } from './lanes.ts';
import { bodyOf, SENTINEL, SENTINEL_READ, type ReadRequest } from './messages.ts';

/** A Latin-1 stream, split where the next request was sent. `ends`: the connection ends after it. */
export interface Stream {
  readonly pieces: readonly string[];
  readonly ends: boolean;
}

export interface RequestReader {
  readonly name: string;
  /** Reads also requests that are not common (see `isCommon`). */
  readonly readsAll: boolean;
  read(streams: readonly Stream[]): Promise<ReadRequest[][]>;
}

/** A connection whose other end is a stream. */
export class Recorded extends Duplex {
  readonly found: ReadRequest[] = [];
  /** The bytes after a CONNECT, which are not HTTP. */
  behind: string | null = null;

  give(piece: string | null): void {
    if (!this.destroyed) this.push(piece === null ? null : Buffer.from(piece, 'latin1'));
  }

  override _read(): void {
    // Data is pushed by `give`.
  }

  override _write(_bytes: unknown, _encoding: unknown, done: () => void): void {
    done();
  }

  override _final(done: () => void): void {
    done();
    this.destroy();
  }

  /** Asked of sockets. */
  setTimeout(): this {
    return this;
  }
}

function framingOf(request: IncomingMessage): string {
  const coding = request.headers['transfer-encoding'];
  const length = request.headers['content-length'];
  if (coding !== undefined) return coding === 'chunked' && length === undefined ? 'chunked' : `coding ${coding}`;
  return length === undefined ? 'none' : `length:${length}`;
}

/** Number of loop turns in which Node has handled its input. */
const HANDLED_TURNS = 6;

/** `node:http`, in its strict mode, which is the default. */
export function nodeReader(scope: Scope): RequestReader {
  const note = (request: IncomingMessage, payload: Buffer): void => {
    const { method = '', url = '' } = request;
    const socket = request.socket as unknown as Recorded;
    socket.found.push({ method, target: url, framing: framingOf(request), body: bodyOf(payload) });
  };
  const server = createServer({
    maxHeaderSize: 1024 * 1024,
    requestTimeout: 0,
    headersTimeout: 0,
    keepAliveTimeout: 0,
  });
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('error', () => undefined);
    request.on('end', () => {
      if (request.complete) note(request, Buffer.concat(chunks));
      response.end();
    });
  };
  server.on('request', onRequest).on('checkExpectation', onRequest);
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    response.writeContinue();
    onRequest(request, response);
  });
  server.on('connect', (request, stream, rest) => {
    note(request, Buffer.alloc(0));
    if (!(stream instanceof Recorded)) throw new Error('another connection');
    let behind = rest.toString('latin1');
    stream.behind = behind;
    stream.on('data', (bytes: Buffer) => {
      behind += bytes.toString('latin1');
      stream.behind = behind;
    });
    stream.on('end', () => stream.destroy());
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  scope.teardown(() => server.close());
  const read = async ({ pieces, ends }: Stream): Promise<ReadRequest[]> => {
    const socket = new Recorded();
    server.emit('connection', socket);
    for (const piece of pieces) {
      const before = socket.found.length;
      socket.give(piece);
      // As on the wire, where the next request waits for the response.
      for (let turns = 0; turns < HANDLED_TURNS && socket.found.length === before; turns++) await loopTurns();
    }
    if (ends) socket.give(null);
    for (let turns = 0; turns < HANDLED_TURNS && !socket.closed; turns++) await loopTurns();
    socket.destroy();
    if (socket.behind === SENTINEL) return [...socket.found, SENTINEL_READ];
    if (socket.behind === null || socket.behind === '') return socket.found;
    return [...socket.found, { method: 'bytes behind CONNECT', target: socket.behind, framing: '', body: '' }];
  };
  return {
    name: "Node's server",
    readsAll: false,
    read: (streams) => each(streams, 16, read),
  };
}

/** http.server and http.client. */
export function pythonReader(): RequestReader {
  const script = fileURLToPath(new URL('test/fixtures/differential/read-requests.py', packageRoot()));
  return {
    name: 'Python',
    readsAll: true,
    read: async (streams) => {
      const child = spawn('python3', [script], { stdio: ['pipe', 'pipe', 'inherit'] });
      const output = buffer(child.stdout);
      for (const { pieces } of streams) {
        const text = pieces.join('');
        child.stdin.write(Buffer.from(`${text.length}\n${text}`, 'latin1'));
      }
      child.stdin.end();
      const lines = (await output).toString('utf8').split('\n').slice(0, -1);
      return lines.map((line) =>
        (JSON.parse(line) as [string, string, string, string][]).map(([method, target, framing, body]) => {
          return { method, target, framing, body };
        }),
      );
    },
  };
}

const HAPROXY_LANES = 16;
/** What it understood, in a header field of the response, because a response to HEAD has no body. */
const READ = '"%[method] %[url] te=%[req.fhdr(transfer-encoding)] cl=%[req.fhdr(content-length)] %[req.body,sha1,hex]"';
export async function haproxyReader(scope: Scope): Promise<RequestReader> {
  const path = await startHaproxy(
    scope,
    (socket) => `frontend read
  bind unix@${socket}
  option http-buffer-request
  http-request return status 405 hdr x-read ${READ} if METH_CONNECT
  http-request return status 200 hdr x-read ${READ}
`,
  );
  const ask = async (stream: Stream): Promise<string> => {
    const socket = connect({ path, allowHalfOpen: true });
    let text = '';
    socket.on('data', (bytes: Buffer) => (text += bytes.toString('latin1')));
    socket.on('error', () => undefined);
    socket.write(Buffer.from(stream.pieces.join(''), 'latin1'));
    if (stream.ends) socket.end();
    await Promise.race([once(socket, 'end'), once(socket, 'close')]);
    socket.destroy();
    return text;
  };
  return {
    name: 'HAProxy',
    readsAll: false,
    read: (streams) =>
      each(streams, HAPROXY_LANES, async (stream) =>
        [...(await ask(stream)).matchAll(/^x-read: (\S+) (\S+) te=(.*) cl=(.*) ([0-9A-F]{40})\r$/gm)].map(
          ([, method, target, coding, length, body]) => {
            let framing = length === '' ? 'none' : `length:${length!}`;
            if (coding !== '') framing = coding === 'chunked' && length === '' ? 'chunked' : `coding ${coding!}`;
            return { method: method!, target: target!, framing, body: body!.toLowerCase() };
          },
        ),
      ),
  };
}
