/**
 * Client and backends for the guard's sidecar, in one program, so that events always have the same order: one request
 * at a time, and a backend that waits some milliseconds before it answers, so that the sidecar goes to sleep.
 *
 *     node load.js run      prints `listening`, then reads lines `LOAD COUNT`; prints `done` after that many responses
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { greeting, listen, message, PREFACE } from './http2-peer.ts';

export const LOADS = ['get', 'new-connection', 'call', '1-mib'] as const;
export type Load = (typeof LOADS)[number];

const SERVICE = '10.96.0.10';
const BACKENDS = ['10.96.0.11', '10.96.0.12'];
const THINKING_MS = 5;
/** A protobuf message with its five-byte gRPC prefix. */
const MESSAGE = '\0\0\0\0\x07\n\x05world';
const MIB = 1024 * 1024;

const answer = (body: string): string =>
  `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const SMALL = answer('Hello from Version 1\n');
const LARGE = answer('x'.repeat(MIB));
const request = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: my-server\r\n${more}\r\n`;

const ANSWER = [
  [':status', '200'],
  ['content-type', 'application/grpc'],
] as const;
const CALL = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/helloworld.Greeter/SayHello'],
  [':authority', 'my-server'],
  ['te', 'trailers'],
  ['content-type', 'application/grpc'],
] as const;

function answerCalls(socket: Socket): void {
  socket.write(greeting(), 'latin1');
  listen(socket, (stream) => {
    const response = message(stream, ANSWER, MESSAGE, [['grpc-status', '0']]);
    setTimeout(() => socket.write(response, 'latin1'), THINKING_MS);
  });
}

/** Serves HTTP/1.1 or HTTP/2, depending on the first bytes. */
function serve(socket: Socket): void {
  socket.setNoDelay(true).on('error', () => socket.destroy());
  socket.once('data', (first: Buffer) => {
    if (first.toString('latin1').startsWith('PRI ')) {
      answerCalls(socket);
      socket.emit('data', first);
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

/** Resolves when the socket has given this many bytes. */
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
  // The sidecar may end the connection first.
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

/** The connection for calls, the last call, and its callback. */
const calls = { socket: null as Socket | null, stream: -1, onEnd: null as ((stream: number) => void) | null };

async function call(): Promise<void> {
  if (calls.socket === null) {
    calls.socket = connect(80, SERVICE).setNoDelay(true);
    calls.socket.on('error', () => undefined).write(PREFACE + greeting(), 'latin1');
    listen(calls.socket, (stream) => calls.onEnd?.(stream));
  }
  const stream = (calls.stream += 2);
  const ended = new Promise<void>((resolve, reject) => {
    calls.onEnd = (which) => (which === stream ? resolve() : reject(new Error(`stream ${which} has ended`)));
  });
  calls.socket.write(message(stream, CALL, MESSAGE, null), 'latin1');
  await ended;
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

// Other modules import the names of the loads.
if (process.argv[2] === 'run') await main();
