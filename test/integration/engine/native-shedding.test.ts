/** What the engine does at which usage of memory: the files of the cgroup are ones that the test writes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';

import { loadNative, type MemoryState } from '../../../src/addon/binding.ts';
import { eventually } from '../../support/eventually.ts';
import { startHarness, type Harness } from '../../support/engine-harness.ts';
import { type WireEnd } from '../../support/wire-end.ts';

const LIMIT = 1024 * 1024;
const MIB = 1024 * 1024;
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

interface Guarded {
  readonly told: boolean[];
  /** `sockets`: what of it the buffers of sockets are. */
  use(percent: number, sockets?: number): void;
  state(): MemoryState;
}

function guard(t: Test, countsSockets: boolean): Guarded {
  const directory = mkdtempSync(join(tmpdir(), 'sideroute-shedding-'));
  const [usage, statistics] = [join(directory, 'memory.current'), join(directory, 'memory.stat')];
  const native = loadNative();
  const told: boolean[] = [];
  const use = (percent: number, sockets = 0): void => {
    writeFileSync(statistics, `inactive_file 0\nactive_file 0\nfile_mapped 0\nsock ${sockets}\n`);
    writeFileSync(usage, `${(LIMIT / 100) * percent}\n`);
  };
  use(10);
  native.guardMemory({ bytes: LIMIT, usage, statistics, countsSockets, onOverload: (state) => told.push(state) });
  t.teardown(() => {
    use(10);
    rmSync(directory, { recursive: true });
  });
  return { told, use, state: () => native.memory() };
}

/** The reason of a refusal, else the status, of a request of its own. */
async function ask(h: Harness): Promise<string> {
  const client = await h.connect();
  client.send(GET);
  const head = await client.until('\r\n\r\n');
  client.socket.destroy();
  return /^x-sideroute-reason: (\S+)/im.exec(head)?.[1] ?? head.slice(9, 12);
}

function answerSmall(peer: WireEnd): void {
  peer.socket.on('data', () => peer.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok'));
}

/** Clients that read nothing of large responses. */
async function stalled(h: Harness, count: number): Promise<WireEnd[]> {
  h.backend.onConnection = (peer) => {
    peer.socket.once('data', () => {
      peer.send(`HTTP/1.1 200 OK\r\nContent-Length: ${64 * MIB}\r\n\r\n`);
      peer.socket.write(Buffer.alloc(32 * MIB));
    });
  };
  const clients: WireEnd[] = [];
  for (let i = 0; i < count; i += 1) {
    const client = await h.connect();
    client.socket.pause();
    client.send(GET);
    clients.push(client);
  }
  // What is left of a window depends on what the kernel took of it.
  await eventually('buffers in use', () => h.front.engine.counters().bufferedBytes >= LIMIT / 10, 20_000);
  h.backend.onConnection = answerSmall;
  return clients;
}

t.test('what the rest of the process needs is no reason to refuse anybody', async (t) => {
  const memory = guard(t, false);
  const h = await startHarness(t);
  h.backend.onConnection = answerSmall;
  memory.use(87);
  await eventually('a look at the usage', async () => {
    t.equal(await ask(h), '200');
    return memory.state().level === 'tight';
  });
  for (let i = 0; i < 10; i += 1) t.equal(await ask(h), '200');
  t.same(memory.told, []);
});

t.test('at 80 % requests are refused, at 90 % the largest are broken off, below 75 % all is as before', async (t) => {
  const memory = guard(t, false);
  const h = await startHarness(t);
  const clients = await stalled(h, 16);
  const head = await h.connect();
  head.send(`GET / HTTP/1.1\r\nHost: a\r\nX-Long: ${'x'.repeat(40_000)}`);

  memory.use(85);
  await eventually('a refusal', async () => (await ask(h)) === 'overload');
  t.same(memory.told, [true]);
  t.equal(memory.state().closed, 0);

  memory.use(97);
  t.match(await head.until('\r\n\r\n'), /^HTTP\/1\.1 503 .*\r\nx-sideroute-reason: overload\r\n/is);
  await eventually('the end of the largest', () => memory.state().closed >= 2);
  for (const client of clients) client.socket.resume();
  memory.use(50);
  await eventually('service', async () => (await ask(h)) === '200');
  t.same(memory.told, [true, false]);
  const overloads = h.host.outcomes.filter(({ reason }) => reason === 'overload');
  t.ok(overloads.length >= 1, 'a response that is broken off is an outcome with the reason');
  t.equal(h.host.refused.filter((reason) => reason === 'overload').length >= 2, true);
});

t.test('the buffers of sockets count where the limit is for them too', async (t) => {
  const memory = guard(t, true);
  const h = await startHarness(t);
  h.backend.onConnection = answerSmall;
  memory.use(85, LIMIT / 2);
  await eventually('a refusal', async () => (await ask(h)) === 'overload');
  memory.use(50);
  await eventually('service', async () => (await ask(h)) === '200');
});
