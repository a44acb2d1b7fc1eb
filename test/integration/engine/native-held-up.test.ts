/**
 * The thread that serves requests does nothing for a while: the process was stopped, or the machine had no time for it. What has
 * arrived meanwhile is served, although by the clock it is too late for it.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';

import t, { type Test } from 'tap';

import type { Decision, ForwardPolicy } from '../../../src/routing/decision.ts';
import { forwardTo } from '../../support/engine-cases.ts';
import { startHarness, type HarnessOptions } from '../../support/engine-harness.ts';
import { ScriptedBackend, WireEnd, loopTurns } from '../../support/wire-end.ts';
import { eventually } from '../../support/eventually.ts';
import { matches } from '../../support/match.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
/** Much longer than anything here takes. */
const LIMIT_MS = 4_000;

/** At the end of this turn of the loop `first` is called, and the thread does nothing more for so long. */
function holdUp(ms: number, first: () => void = () => undefined): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(() => {
      first();
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
      resolve();
    });
  });
}

/** Something that waits for bytes. */
interface Waiting {
  /** They arrive; nobody has seen them yet. */
  readonly arrive: () => void;
  readonly check: (t: Test) => Promise<void>;
}

function timed(limits: Partial<ForwardPolicy>): HarnessOptions {
  const policy = { requestTimeoutMs: 0, attemptTimeoutMs: 0, retry: null, ...limits };
  return { decide: (_request, port): Decision => ({ ...forwardTo(port), policy }) };
}

async function idle(t: Test): Promise<Waiting> {
  const h = await startHarness(t, { engine: { downstreamIdleMs: LIMIT_MS } });
  const { client, upstream } = await h.exchange(GET);
  upstream.send(OK);
  await client.take('ok');
  return {
    arrive: () => client.send(GET),
    check: async (t) => {
      await upstream.until(GET + GET);
      upstream.send(OK);
      t.equal(await client.until('ok'), OK);
    },
  };
}

async function halfHead(t: Test): Promise<Waiting> {
  const h = await startHarness(t, { engine: { headerTimeoutMs: LIMIT_MS } });
  const client = await h.connect();
  const start = GET.slice(0, 10);
  client.send(start);
  await eventually('a part of a head', () => h.front.engine.counters().bufferedBytes > 0);
  return {
    arrive: () => client.send(GET.slice(start.length)),
    check: async (t) => {
      const upstream = await h.backend.next();
      t.equal(await upstream.until(GET), GET);
      t.strictSame(h.host.refused, []);
    },
  };
}

async function answered(t: Test, options: HarnessOptions): Promise<Waiting> {
  const h = await startHarness(t, options);
  const { client, upstream } = await h.exchange(GET);
  return {
    arrive: () => upstream.send(OK),
    check: async (t) => {
      t.equal(await client.until('ok'), OK);
      await eventually('its outcome', () => h.host.outcomes.length > 0);
      matches(t, h.host.outcomes, [{ status: 200, reason: null, retries: 0 }]);
    },
  };
}

async function body(t: Test): Promise<Waiting> {
  const h = await startHarness(t, { engine: { stallTimeoutMs: LIMIT_MS } });
  const client = await h.connect();
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab');
  const upstream = await h.backend.next();
  await upstream.until('ab');
  return {
    arrive: () => client.send('cd'),
    check: async (t) => {
      t.match(await upstream.until('abcd'), /abcd$/);
    },
  };
}

async function queued(t: Test): Promise<Waiting> {
  const h = await startHarness(t, { engine: { maxUpstreamConnections: 1, queueTimeoutMs: LIMIT_MS } });
  const { client, upstream } = await h.exchange(GET);
  const other = await h.connect();
  other.send(GET);
  await eventually('one that waits', () => h.front.engine.counters().queued === 1);
  return {
    arrive: () => upstream.send(OK),
    check: async (t) => {
      t.equal(await client.until('ok'), OK);
      await upstream.until(GET + GET);
      upstream.send(OK);
      t.equal(await other.until('ok'), OK);
    },
  };
}

t.test('what has arrived while the thread was held up is served before what is due by then', async (t) => {
  const waiting = {
    'a request on an idle connection': await idle(t),
    'the rest of a head': await halfHead(t),
    'a response, timeout of the request': await answered(t, timed({ requestTimeoutMs: LIMIT_MS })),
    'a response, timeout of the attempt': await answered(t, timed({ attemptTimeoutMs: LIMIT_MS })),
    'more of a body': await body(t),
    'a response whose connection somebody waits for': await queued(t),
  };
  await holdUp(LIMIT_MS + 100, () => {
    for (const { arrive } of Object.values(waiting)) arrive();
  });
  for (const [name, { check }] of Object.entries(waiting)) await t.test(name, check);
});

t.test('time that passed before a request was seen is not taken off its timeout', async (t) => {
  const [LONG_MS, TIMEOUT_MS] = [300, 400];
  const other = await ScriptedBackend.listen(t);
  const talker = connect(other.port, '127.0.0.1');
  t.teardown(() => talker.destroy());
  const listener = await other.next();
  let seenMs = 0;
  const options = timed({ requestTimeoutMs: TIMEOUT_MS });
  const h = await startHarness(t, {
    decide: (...request) => {
      seenMs = performance.now();
      return options.decide!(...request);
    },
  });
  const client = await h.connect();
  // In the same round of the loop, before the engine.
  listener.socket.once('data', () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LONG_MS));
  await loopTurns(10);
  talker.write('x');
  client.send(GET);
  t.match(await client.until('x-sideroute-reason: timeout'), /^HTTP\/1.1 504 /);
  t.ok(performance.now() - seenMs >= TIMEOUT_MS - 1, 'not before');
});

t.test(
  'a process that is stopped for longer than a connection may be idle answers the request that waits there',
  async (t) => {
    const script = fileURLToPath(new URL('../../support/fixtures/engine-process.js', import.meta.url));
    const backend = await ScriptedBackend.listen(t);
    const engine = fork(script, [String(backend.port), JSON.stringify({ downstreamIdleMs: LIMIT_MS })]);
    t.teardown(() => engine.kill('SIGKILL'));
    const [port] = (await once(engine, 'message')) as [number];
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    await once(socket, 'connect');
    t.teardown(() => socket.destroy());
    const client = new WireEnd(socket);
    client.send(GET);
    const upstream = await backend.next();
    await upstream.until(GET);
    upstream.send(OK);
    await client.take('ok');
    const answeredMs = performance.now();
    engine.kill('SIGSTOP');
    client.send(GET);
    await eventually('longer than it may be idle', () => performance.now() > answeredMs + LIMIT_MS + 100);
    engine.kill('SIGCONT');
    // The connection to the backend has been idle for long, too.
    const again = await eventually(
      'the request',
      () =>
        backend.connections.find((peer) => peer.text === GET && peer !== upstream) ??
        (upstream.text === GET + GET ? upstream : undefined),
    );
    again.send(OK);
    t.equal(await client.until('ok'), OK);
  },
);
