/** The election, with a clock and a Lease of the test. */
import t from 'tap';
import { KubeError } from '../../../src/kube/client.ts';
import type { Json } from '../../../src/kube/json.ts';
import { LeaseElector, type LeaseApi } from '../../../src/kube/lease.ts';
import { createLogger } from '../../../src/log.ts';

const SETTINGS = { namespace: 'n', name: 'l', durationMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2_000 };

/** Time that passes only when all wait for it. */
class Clock {
  now = 0;
  readonly #waiting: { atMs: number; wake: () => void }[] = [];

  pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiting.push({ atMs: this.now + ms, wake });
      signal.addEventListener('abort', wake, { once: true });
    });
  }

  async pass(ms: number): Promise<void> {
    const endMs = this.now + ms;
    for (;;) {
      await settle();
      this.#waiting.sort((a, b) => a.atMs - b.atMs);
      const next = this.#waiting[0];
      if (next === undefined || next.atMs > endMs) break;
      this.#waiting.shift();
      this.now = next.atMs;
      next.wake();
    }
    this.now = endMs;
    await settle();
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}

class LeaseServer {
  lease: Json | null = null;
  #version = 0;
  /** Replicas that cannot reach it. */
  readonly cutOff = new Set<string>();
  /** Writes take effect at once, and are answered when this has ended. */
  answering: (() => Promise<void>) | null = null;
  writes = 0;

  api(identity: string): LeaseApi {
    const reach = (): void => {
      if (this.cutOff.has(identity)) throw new KubeError(0, 'ECONNREFUSED', 'away');
    };
    const store = (lease: Json): Json => {
      this.writes++;
      const metadata = { ...(lease['metadata'] as Json), resourceVersion: String(++this.#version) };
      return (this.lease = { ...lease, metadata });
    };
    return {
      read: async () => {
        reach();
        return this.lease;
      },
      create: async (lease) => {
        reach();
        if (this.lease !== null) throw new KubeError(409, 'AlreadyExists', 'there is one');
        const stored = store(lease);
        await this.answering?.();
        return stored;
      },
      replace: async (lease) => {
        reach();
        const version = (lease['metadata'] as Json)['resourceVersion'];
        if (version !== (this.lease?.['metadata'] as Json)['resourceVersion'])
          throw new KubeError(409, 'Conflict', 'another');
        const stored = store(lease);
        await this.answering?.();
        return stored;
      },
    };
  }

  get holder(): unknown {
    return (this.lease?.['spec'] as Json | undefined)?.['holderIdentity'];
  }
}

class Replica {
  readonly elector: LeaseElector;
  readonly ending = new AbortController();
  readonly ended: Promise<void>;
  working = 0;

  constructor(
    identity: string,
    server: LeaseServer,
    clock: Clock,
    wallClock?: () => Date,
    settings: Partial<typeof SETTINGS> = {},
  ) {
    this.elector = new LeaseElector({
      settings: { ...SETTINGS, ...settings, identity },
      api: server.api(identity),
      logger: createLogger('error', () => undefined),
      lead: async (term) => {
        this.working++;
        await new Promise<void>((resolve) => term.addEventListener('abort', () => resolve(), { once: true }));
        this.working--;
      },
      now: () => clock.now,
      random: () => 0,
      pause: (ms, signal) => clock.pause(ms, signal),
      ...(wallClock === undefined ? {} : { wallClock }),
    });
    this.ended = this.elector.run(this.ending.signal);
  }
}

t.test('one leads, and the other follows when it is silent for the duration of the Lease', async (t) => {
  const clock = new Clock();
  const server = new LeaseServer();
  const a = new Replica('a', server, clock);
  await clock.pass(0);
  const b = new Replica('b', server, clock);
  await clock.pass(60_000);
  t.same([a.working, b.working, server.holder], [1, 0, 'a']);

  server.cutOff.add('a');
  await clock.pass(10_100);
  t.equal(a.working, 0, 'it stops before anybody else begins');
  t.equal(b.working, 0);
  await clock.pass(8_000);
  t.same([a.working, b.working, server.holder], [0, 1, 'b']);
  server.cutOff.delete('a');
  await clock.pass(60_000);
  t.same([a.working, b.working, server.holder], [0, 1, 'b'], 'it does not take it back');
  t.match(server.lease?.['spec'], { leaseTransitions: 1, leaseDurationSeconds: 15 });
  for (const { ending, ended } of [a, b]) {
    ending.abort();
    await ended;
  }
});

t.test('never two at a time, wherever the connection breaks', async (t) => {
  const clock = new Clock();
  const server = new LeaseServer();
  const replicas = ['a', 'b', 'c'].map((identity) => new Replica(identity, server, clock));
  let most = 0;
  let terms = 0;
  // A walk that is the same every time.
  let seed = 7;
  for (let step = 0; step < 2_000; step++) {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    const identity = ['a', 'b', 'c'][seed % 3]!;
    if ((seed >> 8) % 4 === 0) server.cutOff.add(identity);
    else server.cutOff.delete(identity);
    await clock.pass(700 + (seed % 1_000));
    most = Math.max(most, replicas.filter(({ working }) => working > 0).length);
  }
  for (const { elector } of replicas) terms += elector.terms;
  t.equal(most, 1);
  t.ok(terms > 10, `${terms} terms`);
  for (const { ending } of replicas) ending.abort();
  await Promise.all(replicas.map(({ ended }) => ended));
});

t.test('clocks of machines need not agree', async (t) => {
  const clock = new Clock();
  const server = new LeaseServer();
  const a = new Replica('a', server, clock, () => new Date('2020-01-01'));
  await clock.pass(0);
  const b = new Replica('b', server, clock, () => new Date('2035-01-01'));
  await clock.pass(120_000);
  t.same([a.working, b.working], [1, 0]);
  for (const { ending, ended } of [a, b]) {
    ending.abort();
    await ended;
  }
});

t.test('the end lets go of the Lease, once the work has ended, and the next one begins', async (t) => {
  const clock = new Clock();
  const server = new LeaseServer();
  const a = new Replica('a', server, clock);
  await clock.pass(0);
  const b = new Replica('b', server, clock);
  await clock.pass(0);
  a.ending.abort();
  await a.ended;
  t.same([a.working, server.holder], [0, '']);
  await clock.pass(3_000);
  t.same([b.working, server.holder], [1, 'b']);
  b.ending.abort();
  await b.ended;
});

t.test('a renewal that arrived though it was given up does not keep the end from letting go', async (t) => {
  const clock = new Clock();
  const server = new LeaseServer();
  const a = new Replica('a', server, clock);
  await clock.pass(0);
  // Written by this replica, which has not heard of it.
  const metadata = { ...(server.lease!['metadata'] as Json), resourceVersion: 'renewed' };
  server.lease = { ...server.lease, metadata };
  a.ending.abort();
  await a.ended;
  t.equal(server.holder, '');
});

t.test('who has lost it to another lets go at once, and releases nothing', async (t) => {
  const clock = new Clock();
  const server = new LeaseServer();
  const a = new Replica('a', server, clock);
  await clock.pass(5_000);
  const { lease } = server;
  server.lease = {
    ...lease,
    metadata: { ...(lease!['metadata'] as Json), resourceVersion: 'x' },
    spec: { ...(lease!['spec'] as Json), holderIdentity: 'thief' },
  };
  await clock.pass(2_100);
  t.equal(a.working, 0);
  a.ending.abort();
  await a.ended;
  t.equal(server.holder, 'thief');
});

t.test('the deadline is kept whenever the last try has failed', async (t) => {
  const clock = new Clock();
  const server = new LeaseServer();
  const a = new Replica('a', server, clock, undefined, { retryMs: 3_000 });
  await clock.pass(0);
  server.cutOff.add('a');
  // Tries after 3, 6 and 9 seconds fail.
  await clock.pass(9_900);
  t.equal(a.working, 1);
  await clock.pass(200);
  t.equal(a.working, 0);
  a.ending.abort();
  await a.ended;
});

t.test('a term counts from when the write was sent, however late the answer comes', async (t) => {
  const clock = new Clock();
  const server = new LeaseServer();
  const never = new AbortController().signal;
  server.answering = () => clock.pause(4_000, never);
  const a = new Replica('a', server, clock, undefined, { retryMs: 20_000 });
  // Acquired at 0, heard of at 4 s; whoever stands by begins 15 s after the write.
  await clock.pass(4_000);
  t.equal(a.working, 1);
  server.cutOff.add('a');
  await clock.pass(5_900);
  t.equal(a.working, 1);
  await clock.pass(200);
  t.equal(a.working, 0, 'ten seconds after the write');
  a.ending.abort();
  await a.ended;
});

t.test('a Lease whose acquisition was answered after the deadline begins no term', async (t) => {
  const clock = new Clock();
  const server = new LeaseServer();
  const never = new AbortController().signal;
  server.answering = () => clock.pause(11_000, never);
  const a = new Replica('a', server, clock);
  await clock.pass(11_000);
  t.same([a.working, a.elector.terms], [0, 0]);
  server.answering = null;
  await clock.pass(5_000);
  t.same([a.working, a.elector.terms], [1, 1], 'the next write is in time');
  a.ending.abort();
  await a.ended;
});

t.test('a short outage changes nothing', async (t) => {
  const clock = new Clock();
  const server = new LeaseServer();
  const a = new Replica('a', server, clock);
  await clock.pass(5_000);
  server.cutOff.add('a');
  await clock.pass(6_000);
  server.cutOff.delete('a');
  await clock.pass(30_000);
  t.equal(a.working, 1);
  t.equal(a.elector.terms, 1);
  a.ending.abort();
  await a.ended;
});
