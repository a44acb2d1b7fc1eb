/**
 * The `native` engine between Node's own clients and servers, with HTTP/1.1 or HTTP/2 on either side: what one side
 * sends must reach the other, whatever versions they use.
 */
import { once } from 'node:events';
import {
  createServer as createServer1,
  request as request1,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import {
  connect,
  constants,
  createServer as createServer2,
  type ClientHttp2Session,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2';
import type { AddressInfo, Server } from 'node:net';
import type { Test } from 'tap';

import type { NativeEngineOptions } from '../../src/engine/native/native-engine.ts';
import { forwardTo, RecordingHost } from './engine-cases.ts';
import { nativeFront, type NativeFront } from './native-front.ts';

export type Version = 'http1' | 'http2';

/** The request listener that both servers share. */
export type Listener = (
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
) => void;

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
  readonly trailers: Readonly<Record<string, unknown>>;
  /** Statuses of interim responses. */
  readonly interim: readonly number[];
}

export interface Ask {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: Buffer;
  readonly trailers?: Readonly<Record<string, string>>;
}

export interface Http2Stage {
  readonly front: NativeFront;
  readonly host: RecordingHost;
  readonly server: Server;
  readonly backendPort: number;
  /** Connections to the backend, and sessions of HTTP/2 on them. */
  readonly accepted: ReadonlySet<{ destroy(): void }>;
  /** Of HTTP/2, for all requests of the stage. */
  readonly session: ClientHttp2Session | null;
  send(ask?: Ask): Promise<Answer>;
}

export async function startHttp2Stage(
  t: Test,
  client: Version,
  backend: Version,
  listener: Listener,
  options: NativeEngineOptions = {},
): Promise<Http2Stage> {
  const sessions = new Set<{ destroy(): void }>();
  const server =
    backend === 'http1'
      ? createServer1(listener)
      : createServer2({ settings: { enableConnectProtocol: true } }, listener);
  server.on('session', (session: { destroy(): void; on(name: string, listener: () => void): void }) => {
    sessions.add(session);
    session.on('error', () => undefined);
  });
  server.on('connection', (socket: { destroy(): void }) => sessions.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const host = new RecordingHost(() => forwardTo(port, undefined, backend));
  const front = await nativeFront(options)(host, { address: '127.0.0.1', port });
  front.http2 = client === 'http2';
  const session = client === 'http2' ? connect(`http://127.0.0.1:${front.port}`) : null;
  session?.on('error', () => undefined);
  t.teardown(async () => {
    session?.destroy();
    await front.close();
    for (const each of sessions) each.destroy();
    server.close();
  });
  const send = (ask: Ask = {}): Promise<Answer> =>
    session === null ? sendHttp1(front.port, ask) : sendHttp2(session, ask);
  return { front, host, server, backendPort: port, accepted: sessions, session, send };
}

async function sendHttp1(port: number, ask: Ask): Promise<Answer> {
  const { method = 'GET', path = '/', headers = {}, body, trailers } = ask;
  const request = request1({ port, host: '127.0.0.1', method, path, headers });
  const interim: number[] = [];
  request.on('information', ({ statusCode }: { statusCode: number }) => interim.push(statusCode));
  if (trailers !== undefined) {
    request.setHeader('trailer', Object.keys(trailers).join(', '));
    if (body !== undefined) request.write(body);
    request.addTrailers(trailers);
    request.end();
  } else {
    request.end(body);
  }
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const read = await readAll(response);
  return { status: response.statusCode!, headers: response.headers, body: read, trailers: response.trailers, interim };
}

async function sendHttp2(session: ClientHttp2Session, ask: Ask): Promise<Answer> {
  const { method = 'GET', path = '/', headers = {}, body, trailers } = ask;
  const stream = session.request(
    { ':method': method, ':path': path, ...headers },
    { endStream: body === undefined && trailers === undefined, waitForTrailers: trailers !== undefined },
  );
  const interim: number[] = [];
  let sent: Record<string, unknown> = {};
  stream.on('headers', (fields: Record<string, unknown>) => interim.push(Number(fields[':status'])));
  stream.on('trailers', (fields: Record<string, unknown>) => (sent = fields));
  if (trailers !== undefined) stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  if (body !== undefined || trailers !== undefined) stream.end(body);
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  const closed = once(stream, 'close');
  const [fields] = (await once(stream, 'response')) as [Record<string, unknown>];
  await closed;
  if (stream.rstCode !== constants.NGHTTP2_NO_ERROR) throw new Error(`reset with ${stream.rstCode}`);
  return { status: Number(fields[':status']), headers: fields, body: Buffer.concat(chunks), trailers: sent, interim };
}

export async function readAll(message: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk);
  return Buffer.concat(chunks);
}
