/**
 * Client and backends of the guard's sidecar, in one program, so that the order of events is the same every time: one request at a time, and
 * a backend that lets some milliseconds pass before it answers, in which the sidecar goes to sleep.
 *
 *     node load.js      prints `listening`, then takes a line `LOAD COUNT`, and prints `done` when that many requests were answered
 */
import { once } from 'node:events';
import { connect as connectHttp2, createServer as createHttp2Server, type ClientHttp2Session } from 'node:http2';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

export const LOADS = ['get', 'new-connection', 'call', '1-mib'] as const;
export type Load = (typeof LOADS)[number];

const SERVICE = '10.96.0.10';
const BACKENDS = ['10.96.0.11', '10.96.0.12'];
const THINKING_MS = 5;
/** Of protobuf, with the five bytes before it. */
const MESSAGE = '\0\0\0\0\x07\n\x05world';
const MIB = 1024 * 1024;

const answer = (body: string): string =>
  `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const SMALL = answer('Hello from Version 1\n');
const LARGE = answer('x'.repeat(MIB));
const request = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: my-server\r\n${more}\r\n`;

const http2 = createHttp2Server().on('stream', (stream) => {
  stream.resume().once('end', () =>
    setTimeout(() => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(MESSAGE);
    }, THINKING_MS),
  );
});

/** HTTP/1.1 or HTTP/2, by how it begins. */
function serve(socket: Socket): void {
  socket.setNoDelay(true).on('error', () => socket.destroy());
  socket.once('data', (first: Buffer) => {
    if (first.toString('latin1').startsWith('PRI ')) {
      socket.pause().unshift(first);
      http2.emit('connection', socket);
      return;
    }
    let text = '';
    const take = (chunk: Buffer): void => {
      text += chunk.toString('latin1');
      if (!text.endsWith('\r\n\r\n')) return;
      const response = text.startsWith('GET /1-mib') ? LARGE : SMALL;
      text = '';
      setTimeout(() => socket.write(response), THINKING_MS);
    };
    socket.on('data', take);
    take(first);
  });
}

/** Resolves when the socket has given so many bytes. */
function received(socket: Socket, bytes: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let left = bytes;
    const take = (chunk: Buffer): void => {
      left -= chunk.length;
      if (left > 0) return;
      socket.off('data', take).off('close', ended);
      if (left < 0) reject(new Error(`${-left} bytes too many`));
      else resolve();
    };
    const ended = (): void => reject(new Error('the connection has ended'));
    socket.on('data', take).once('close', ended);
  });
}

const kept = new Map<string, Socket>();

async function keepAlive(path: string, response: string): Promise<void> {
  // The sidecar may end first.
  const socket =
    kept.get(path) ??
    connect(80, SERVICE)
      .setNoDelay(true)
      .on('error', () => undefined);
  kept.set(path, socket);
  const whole = received(socket, response.length);
  socket.write(request(path));
  await whole;
}

async function newConnection(): Promise<void> {
  const socket = connect(80, SERVICE).setNoDelay(true);
  socket.write(request('/', 'Connection: close\r\n'));
  let text = '';
  for await (const chunk of socket) text += (chunk as Buffer).toString('latin1');
  if (!text.endsWith('Version 1\n')) throw new Error(text);
}

let session: ClientHttp2Session | undefined;

async function call(): Promise<void> {
  session ??= connectHttp2(`http://${SERVICE}`).on('error', () => undefined);
  const stream = session.request({
    ':method': 'POST',
    ':path': '/helloworld.Greeter/SayHello',
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  stream.end(MESSAGE);
  const [trailers] = (await once(stream.resume(), 'trailers')) as [Record<string, unknown>];
  if (trailers['grpc-status'] !== '0') throw new Error(JSON.stringify(trailers));
  if (!stream.closed) await once(stream, 'close');
}

const RUN: Readonly<Record<Load, () => Promise<void>>> = {
  get: () => keepAlive('/', SMALL),
  'new-connection': newConnection,
  call,
  '1-mib': () => keepAlive('/1-mib', LARGE),
};

async function main(): Promise<void> {
  for (const address of BACKENDS) await once(createServer(serve).listen(80, address), 'listening');
  process.stdout.write('listening\n');
  for await (const line of createInterface({ input: process.stdin })) {
    const [load, count] = line.split(' ');
    for (let i = 0; i < Number(count); i++) await RUN[load as Load]();
    process.stdout.write('done\n');
  }
  process.exit(0);
}

// The names of the loads are asked for by others, too.
if (process.argv[2] === 'run') await main();
