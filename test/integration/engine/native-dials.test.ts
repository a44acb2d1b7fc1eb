/** Connections that are refused: who dials again, how often, and what of a request leaves meanwhile. */
import t, { type Test } from 'tap';

import type { ForwardPolicy } from '../../../src/routing/decision.ts';
import { backendAt, forwardTo } from '../../support/engine-cases.ts';
import { startHarness, type Harness, type HarnessOptions } from '../../support/engine-harness.ts';
import { ScriptedBackend } from '../../support/wire-end.ts';
import { eventually } from '../../support/eventually.ts';
import { closedPort } from '../../support/wire.ts';
import { matches } from '../../support/match.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const POST = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
/** Long enough for a listener to appear in between. */
const SLOW = { redialStepMs: 100 };

function retrying(attempts: number): ForwardPolicy {
  return { requestTimeoutMs: 0, attemptTimeoutMs: 0, retry: { attempts, codes: [503], backoffMs: 1 } };
}

/** Nothing listens where requests go. */
async function refused(t: Test, options: HarnessOptions = {}, policy: ForwardPolicy | null = null) {
  const port = await closedPort();
  return { port, h: await startHarness(t, { decide: () => ({ ...forwardTo(port), policy }), ...options }) };
}

async function ask(h: Harness, request: string) {
  const client = await h.connect();
  client.send(request);
  return client;
}

t.test('a refused connection is dialled 16 times, for any method, and is then a 503', async (t) => {
  for (const request of [GET, POST]) {
    const { h } = await refused(t);
    const client = await ask(h, request);
    t.match(await client.until('connect_failure'), /^HTTP\/1.1 503 /);
    t.match(h.front.engine.counters(), {
      ...{ redials: 15, upstreamConnects: 16, upstreamConnectFailures: 16 },
      ...{ upstreamOpen: 0, retriesPolicy: 0, bytesUpstream: 0 },
    });
    matches(t, h.host.outcomes, [{ status: 503, reason: 'connect_failure', retries: 0, retryDenied: null }]);
  }
});

t.test('a request goes to whoever listens in the end, once and whole, with and without retries', async (t) => {
  for (const policy of [null, retrying(0), retrying(1)]) {
    const { h, port } = await refused(t, { engine: SLOW }, policy);
    const client = await ask(h, POST);
    await eventually('refusals', () => h.front.engine.counters().redials === 2);
    const backend = await ScriptedBackend.listen(t, { port });
    const upstream = await backend.next();
    t.equal(await upstream.until(POST), POST);
    upstream.send(OK);
    t.equal(await client.until('ok'), OK);
    t.equal(backend.connections.length, 1);
    matches(t, h.host.outcomes, [{ status: 200, reason: null, retries: 0, retryDenied: null }]);
    t.equal(h.front.engine.counters().bytesUpstream, POST.length, 'counted when it left');
  }
});

t.test('all addresses are dialled by turns', async (t) => {
  const { h, port } = await refused(t);
  h.host.answer = () => forwardTo(port, ['127.0.0.2', '127.0.0.3']);
  const client = await ask(h, GET);
  await client.until('connect_failure');
  t.equal(h.front.engine.counters().upstreamConnects, 32);
  const backend = await ScriptedBackend.listen(t, { port });
  h.host.answer = () => forwardTo(port, ['127.0.0.2', '127.0.0.1']);
  client.forget();
  client.send(GET);
  await (await backend.next()).until(GET);
  t.equal(h.front.engine.counters().upstreamConnects, 34, 'the second address at once');
});

t.test('refused connections are on no budget and no attempts', async (t) => {
  const port = await closedPort();
  const policy = retrying(2);
  const h = await startHarness(t, {
    engine: { retryBudgetPercent: 0, retryBudgetReserve: 1, ...SLOW },
    decide: () => ({ ...forwardTo(port), policy }),
  });
  const client = await ask(h, GET);
  await eventually('refusals', () => h.front.engine.counters().redials === 2);
  const backend = await ScriptedBackend.listen(t, { port });
  const upstream = await backend.next();
  await upstream.take(GET);
  upstream.send('HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n');
  await upstream.until(GET);
  upstream.send(OK);
  t.equal(await client.until('ok'), OK, 'the one retry of the budget was still there');
  matches(t, h.host.outcomes, [{ status: 200, retries: 1 }]);
});

t.test('where nothing accepts for a while each request dials twice', async (t) => {
  const { h } = await refused(t);
  const clients = await Promise.all(Array.from({ length: 8 }, () => h.connect()));
  const askAll = () =>
    Promise.all(
      clients.map(async (client) => {
        client.send(GET);
        await client.take('accepted a connection.');
      }),
    );
  const begunMs = performance.now();
  await askAll();
  await eventually('a while', () => performance.now() > begunMs + 150);
  const before = h.front.engine.counters().upstreamConnects;
  await askAll();
  t.equal(h.front.engine.counters().upstreamConnects - before, 2 * 8);
});

t.test('a caller that resets ends the dialling', async (t) => {
  const { h } = await refused(t, { engine: SLOW });
  const client = await ask(h, GET);
  await eventually('refusals', () => h.front.engine.counters().redials === 2);
  client.reset();
  await eventually('the outcome', () => h.host.outcomes.length === 1);
  matches(t, h.host.outcomes, [{ status: 0, reason: 'downstream_reset' }]);
  t.match(h.front.engine.counters(), { requestsOpen: 0, upstreamOpen: 0, redials: 2 });
});

t.test('what a stale pooled connection has failed dials, and takes no other of the pool', async (t) => {
  const h = await startHarness(t, { engine: SLOW });
  const one = await h.exchange(GET);
  const two = await h.exchange(GET);
  for (const { client, upstream } of [one, two]) {
    upstream.send(OK);
    await client.take('ok');
  }
  h.backend.refuse();
  two.client.send(GET);
  // The one used last is used next; the other is as old.
  await two.upstream.until(GET + GET);
  two.upstream.reset();
  await eventually('refusals', () => h.front.engine.counters().redials === 2);
  const restarted = await ScriptedBackend.listen(t, { port: h.backend.port });
  const third = await restarted.next();
  t.equal(await third.until(GET), GET);
  third.send(OK);
  t.equal(await two.client.until('ok'), OK);
  t.equal(one.upstream.text, GET, 'the other pooled one was left alone');
});

t.test('SPEC F10: a mirror that refuses is dialled again, and gets the whole copy', async (t) => {
  const port = await closedPort();
  const mirror = { backend: { ...backendAt(port), id: 1, key: 'ns/m' }, plan: null, series: 70 };
  const decide = (_request: unknown, own: number) => ({ ...forwardTo(own), mirrors: [mirror] });
  const h = await startHarness(t, { decide, engine: SLOW });
  const client = await h.connect();
  client.send(POST.slice(0, -3));
  const upstream = await h.backend.next();
  await upstream.until('he');
  await eventually('refusals', () => h.front.engine.counters().redials === 2);
  client.send('llo');
  await upstream.until(POST);
  const listening = await ScriptedBackend.listen(t, { port });
  const copy = await listening.next();
  t.equal(await copy.until(POST), POST);
  copy.send(OK);
  upstream.send(OK);
  t.equal(await client.until('ok'), OK);
  await eventually('the copy is done', () => h.host.mirrors.length === 1);
  t.strictSame(h.host.mirrors, [{ series: 70, result: 'answered' }]);
});

t.test('SPEC F10: a mirror that goes on refusing is given up', async (t) => {
  const port = await closedPort();
  const mirror = { backend: { ...backendAt(port), id: 1, key: 'ns/m' }, plan: null, series: 70 };
  const decide = (_request: unknown, own: number) => ({ ...forwardTo(own), mirrors: [mirror] });
  const h = await startHarness(t, { decide });
  const { client, upstream } = await h.exchange(POST);
  upstream.send(OK);
  t.equal(await client.until('ok'), OK);
  await eventually('the mirror is over', () => h.host.mirrors.length === 1);
  t.strictSame(h.host.mirrors, [{ series: 70, result: 'connect_failure' }]);
  t.match(h.front.engine.counters(), { redials: 15, upstreamConnectFailures: 16 });
});

t.test('SPEC T1: an attempt whose second dial waits for a place ends no later for it', async (t) => {
  const port = await closedPort();
  const silent = await ScriptedBackend.listen(t);
  const policy = { requestTimeoutMs: 0, attemptTimeoutMs: 4_000, retry: null };
  const series = { '/holds': 1, '/waits': 2, '/other': 3 } as const;
  const h = await startHarness(t, {
    engine: { redialStepMs: 1_000, connectTimeoutMs: 60_000, maxUpstreamConnections: 1, queueTimeoutMs: 60_000 },
    decide: ({ path }) => {
      const backend = path === '/other' ? { ...backendAt(silent.port), id: 1, key: 'ns/other' } : backendAt(port);
      const mine = series[path as keyof typeof series];
      return { kind: 'forward', backend, series: mine, policy: path === '/holds' ? null : policy };
    },
  });
  const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
  const counters = () => h.front.engine.counters();
  await ask(h, get('/waits'));
  await eventually('a pause before the next dial', () => counters().redials === 2);
  const backend = await ScriptedBackend.listen(t, { port });
  await ask(h, get('/holds'));
  const upstream = await backend.next();
  await upstream.until('/holds');
  await eventually('the next dial waits for the place', () => counters().queued === 1);
  // Begins after the one that waits, and before that one has a connection.
  await ask(h, get('/other'));
  await (await silent.next()).until('/other');
  upstream.send(OK);
  await upstream.until('/waits');
  await eventually('both have ended', () => h.host.outcomes.length === 3);
  matches(t, h.host.outcomes, [
    { series: series['/holds'], status: 200 },
    { series: series['/waits'], status: 504, reason: 'timeout' },
    { series: series['/other'], status: 504, reason: 'timeout' },
  ]);
});
