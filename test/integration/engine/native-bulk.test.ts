/**
 * The `native` engine under volume, in a process of its own so that its memory is measured alone. SIDEROUTE_FULL=1 runs
 * the full sizes. What random ends leave behind is `native-chaos.test.ts`.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';

import { eventually } from '../../support/eventually.ts';

const FULL = process.env['SIDEROUTE_FULL'] === '1';
const MIB = 1024 * 1024;
const TOTAL = (FULL ? 1024 : 256) * MIB;
const STALL_MS = FULL ? 60_000 : 3_000;
const STALLED = 100;
const STALLED_BYTES = 100 * MIB;
t.setTimeout(FULL ? 600_000 : 120_000);

/** A prime period: bytes lost, repeated or swapped in blocks of any usual size show. */
const PERIOD = 65_521;
const pattern = Buffer.alloc(MIB + PERIOD);
for (let i = 0; i < pattern.length; i++) pattern[i] = (((i % PERIOD) * 2_654_435_761) >>> 13) & 0xff;

/** Compares every byte that arrives with the pattern at its position. */
class BodyCheck {
  bytes = 0;
  intact = true;
  done = false;
  private readonly chunked: boolean;
  /** Bytes left of the chunk, -1 in a line between chunks. */
  private left = -1;
  private line = '';

  constructor(chunked: boolean) {
    this.chunked = chunked;
  }

  push(data: Buffer): void {
    if (!this.chunked) this.content(data);
    else this.chunks(data);
  }

  private chunks(data: Buffer): void {
    let at = 0;
    while (at < data.length) {
      if (this.left > 0) {
        const part = data.subarray(at, at + this.left);
        this.content(part);
        at += part.length;
        this.left -= part.length;
        if (this.left === 0) this.left = -1;
        continue;
      }
      const end = data.indexOf('\n', at);
      this.line += data.toString('latin1', at, end < 0 ? data.length : end + 1);
      if (end < 0) return;
      at = end + 1;
      const text = this.line.trim();
      this.line = '';
      // The line end after a chunk's bytes.
      if (text === '') continue;
      const size = Number.parseInt(text, 16);
      if (size === 0) this.done = true;
      else this.left = size;
    }
  }

  private content(data: Buffer): void {
    for (let at = 0; at < data.length; at += MIB) {
      const part = data.subarray(at, at + MIB);
      const offset = this.bytes % PERIOD;
      if (part.compare(pattern, offset, offset + part.length) !== 0) this.intact = false;
      this.bytes += part.length;
    }
  }
}

/** Writes `total` bytes of the pattern as fast as they are taken. */
async function pump(socket: Socket, total: number, chunked: boolean): Promise<void> {
  const closed = new Promise((resolve) => socket.once('close', resolve));
  for (let sent = 0; sent < total && !socket.destroyed;) {
    const size = Math.min(64 * 1024, total - sent);
    const offset = sent % PERIOD;
    if (chunked) socket.write(`${size.toString(16)}\r\n`);
    let more = socket.write(pattern.subarray(offset, offset + size));
    if (chunked) more = socket.write('\r\n');
    sent += size;
    if (!more) await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), closed]);
  }
  if (chunked && !socket.destroyed) socket.write('0\r\n\r\n');
}

interface Framing {
  readonly name: string;
  readonly field: string;
  readonly chunked: boolean;
}
const FRAMINGS: readonly Framing[] = [
  { name: 'Content-Length', field: `Content-Length: ${TOTAL}`, chunked: false },
  { name: 'chunked', field: 'Transfer-Encoding: chunked', chunked: true },
];

/** Calls `onHead` with each head, then `onBody` with what follows it, until `onHead` is to be called again. */
function readHead(socket: Socket, onHead: (head: string) => ((data: Buffer) => void) | null): void {
  let text = Buffer.alloc(0);
  let onBody: ((data: Buffer) => void) | null = null;
  socket.on('error', () => undefined);
  socket.on('data', (data: Buffer) => {
    if (onBody !== null) {
      onBody(data);
      return;
    }
    text = Buffer.concat([text, data]);
    const end = text.indexOf('\r\n\r\n');
    if (end < 0) return;
    const rest = text.subarray(end + 4);
    onBody = onHead(text.toString('latin1', 0, end + 4));
    text = Buffer.alloc(0);
    if (rest.length > 0) onBody?.(rest);
  });
}

interface Bulk {
  readonly port: number;
  /** Resident bytes of the engine's process now, and the most since the last `resetPeak`. */
  resident(): number;
  peak(): number;
  resetPeak(): void;
  /** What the backend has received of the last upload. */
  upload: BodyCheck;
}

async function startBulk(t: Test): Promise<Bulk> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    readHead(socket, (head) => {
      const chunked = /transfer-encoding: chunked/i.test(head);
      if (head.startsWith('POST')) {
        const check = new BodyCheck(chunked);
        bulk.upload = check;
        return (data) => {
          check.push(data);
          if (check.done || check.bytes === TOTAL) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
        };
      }
      const [, kind] = /^GET \/(\S+)/.exec(head)!;
      if (kind === 'small') socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      else {
        const total = kind === 'stalled' ? STALLED_BYTES : TOTAL;
        const field = kind === 'chunked' ? 'Transfer-Encoding: chunked' : `Content-Length: ${total}`;
        socket.write(`HTTP/1.1 200 OK\r\n${field}\r\n\r\n`);
        void pump(socket, total, kind === 'chunked');
      }
      return null;
    });
  }).listen(0, '127.0.0.1', 1024);
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const script = fileURLToPath(new URL('../../support/fixtures/engine-process.js', import.meta.url));
  // The runner loads itself into every child, which would be measured here.
  const env = { ...process.env };
  delete env['NODE_OPTIONS'];
  const child = fork(script, [String((server.address() as AddressInfo).port)], { env, execArgv: [] });
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.disconnect();
    await once(child, 'exit');
  });
  const [port] = (await once(child, 'message')) as [number];
  const status = (name: string): number => {
    const text = readFileSync(`/proc/${child.pid}/status`, 'latin1');
    return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)![1]) * 1024;
  };
  const bulk: Bulk = {
    port,
    resident: () => status('VmRSS'),
    peak: () => status('VmHWM'),
    resetPeak: () => writeFileSync(`/proc/${child.pid}/clear_refs`, '5'),
    upload: new BodyCheck(false),
  };
  return bulk;
}

async function dial(t: Test, port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => undefined);
  t.teardown(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** Round trips of small requests on one connection, in ms. */
async function roundTrips(t: Test, port: number, durationMs: number): Promise<number[]> {
  const socket = await dial(t, port);
  const times: number[] = [];
  const end = performance.now() + durationMs;
  for (let start = performance.now(); start < end; start = performance.now()) {
    socket.write('GET /small HTTP/1.1\r\nHost: a\r\n\r\n');
    for (let text = ''; !text.endsWith('\r\n\r\nok');) {
      const [data] = (await once(socket, 'data')) as [Buffer];
      text += data.toString('latin1');
    }
    times.push(performance.now() - start);
  }
  socket.destroy();
  return times.sort((a, b) => a - b);
}

const percentile = (sorted: readonly number[], share: number): number => sorted[Math.floor(sorted.length * share)]!;
const mib = (bytes: number): string => (bytes / MIB).toFixed(1);

t.test(`${TOTAL / MIB} MiB go each way intact with under 64 MiB more memory`, async (t) => {
  const bulk = await startBulk(t);
  await roundTrips(t, bulk.port, 50);
  const before = bulk.resident();
  bulk.resetPeak();
  for (const { name, field, chunked } of FRAMINGS) {
    const up = await dial(t, bulk.port);
    const answered = once(up, 'data') as Promise<[Buffer]>;
    up.write(`POST /up HTTP/1.1\r\nHost: a\r\n${field}\r\n\r\n`);
    const startMs = performance.now();
    await pump(up, TOTAL, chunked);
    t.match((await answered)[0].toString('latin1'), /^HTTP\/1\.1 200 OK\r\n/);
    t.match(bulk.upload, { bytes: TOTAL, intact: true, done: chunked }, `up, ${name}`);
    up.destroy();
    const upMs = performance.now() - startMs;

    const down = await dial(t, bulk.port);
    const check = new BodyCheck(chunked);
    readHead(down, () => (data) => check.push(data));
    down.write(`GET /${chunked ? 'chunked' : 'length'} HTTP/1.1\r\nHost: a\r\n\r\n`);
    await eventually('the download', () => check.done || (!chunked && check.bytes >= TOTAL), 120_000);
    t.match(check, { bytes: TOTAL, intact: true, done: chunked }, `down, ${name}`);
    down.destroy();
    t.comment(`${name}: up ${upMs.toFixed(0)} ms, both ${(performance.now() - startMs).toFixed(0)} ms`);
  }
  t.comment(`memory: ${mib(before)} MiB before, ${mib(bulk.peak())} MiB at most`);
  t.ok(bulk.peak() - before < 64 * MIB, `${mib(bulk.peak() - before)} MiB more`);
});

t.test('100 readers that stall cost at most 512 KiB each, and the others are served', async (t) => {
  const bulk = await startBulk(t);
  await roundTrips(t, bulk.port, 200);
  const alone = await roundTrips(t, bulk.port, Math.min(STALL_MS, 10_000));
  const before = bulk.resident();
  bulk.resetPeak();
  const readers = await Promise.all(Array.from({ length: STALLED }, () => dial(t, bulk.port)));
  for (const reader of readers) {
    reader.write('GET /stalled HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(reader, 'readable');
  }
  const beside = await roundTrips(t, bulk.port, STALL_MS);
  const each = (bulk.peak() - before) / STALLED;
  const [p99Alone, p99Beside] = [percentile(alone, 0.99), percentile(beside, 0.99)];
  t.comment(`memory: ${(each / 1024).toFixed(1)} KiB each; p99 ${p99Alone.toFixed(3)} and ${p99Beside.toFixed(3)} ms`);
  t.ok(each <= 512 * 1024, `${(each / 1024).toFixed(0)} KiB each`);
  t.ok(
    readers.every((reader) => !reader.destroyed),
    'all are still connected',
  );
  // Times are compared only in the full run, on a quiet machine; in the suite the others just have to be served.
  t.ok(beside.length > 100, `${beside.length} requests were served beside them`);
  if (FULL) t.ok(p99Beside <= 2 * p99Alone, `p99 ${p99Beside.toFixed(2)} ms, alone ${p99Alone.toFixed(2)} ms`);
});
