import t from 'tap';

import type { Decision } from '../../../src/routing/decision.ts';
import { FRONTEND, forwardTo } from '../../support/engine-cases.ts';
import { startHarness } from '../../support/engine-harness.ts';
import { eventually } from '../../support/eventually.ts';
import { matches } from '../../support/match.ts';
import { unansweredPort } from '../../support/unanswered.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const NO_ROUTE: Decision = { kind: 'local', status: 404, reason: 'no_route', series: 1 };
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

t.test('upstreams: connections by state and totals for each address of a backend', async (t) => {
  const h = await startHarness(t, { engine: { maxUpstreamConnections: 2 } });
  const { engine } = h.front;
  t.same(engine.upstreams(), [], 'none before the first request');
  const one = await h.exchange(GET);
  const two = await h.exchange(GET);
  const waiting = await h.connect();
  waiting.send(GET);
  await eventually('the queue', () => engine.counters().queued === 1);
  const known = { address: '127.0.0.1', port: h.backend.port, connecting: 0, connects: 2, connectFailures: 0 };
  matches(t, engine.upstreams(), [{ ...known, active: 2, idle: 0, queued: 1, requests: 2 }]);
  one.upstream.send(OK);
  await one.client.until(OK);
  await one.upstream.until(GET + GET);
  matches(t, engine.upstreams(), [{ ...known, active: 2, idle: 0, queued: 0, requests: 3 }]);
  one.upstream.send(OK);
  two.upstream.send(OK);
  await waiting.until(OK);
  await two.client.until(OK);
  matches(t, engine.upstreams(), [{ ...known, active: 0, idle: 2, queued: 0, requests: 3 }]);
});

t.test('upstreams: an address that is none any more is listed while it has connections', async (t) => {
  const h = await startHarness(t);
  const { client, upstream } = await h.exchange(GET);
  h.host.answer = () => forwardTo(h.backend.port, ['127.0.0.2']);
  const other = await h.connect();
  other.send(GET);
  await other.until('connect_failure');
  matches(t, h.front.engine.upstreams(), [
    { address: '127.0.0.2', active: 0, connects: 16, connectFailures: 16, requests: 0 },
    { address: '127.0.0.1', active: 1, connects: 1, connectFailures: 0, requests: 1 },
  ]);
  upstream.send(OK);
  await client.until(OK);
  await eventually('the address has gone', () => h.front.engine.upstreams().length === 1);
});

t.test('upstreams: a connect that nobody answers, and original destinations', async (t) => {
  const port = await unansweredPort(t);
  const h = await startHarness(t, { decide: () => forwardTo(port, ['127.0.0.1']), engine: { connectTimeoutMs: 100 } });
  const client = await h.connect();
  client.send(GET);
  await client.until('x-sideroute-reason: connect_timeout');
  const [state] = h.front.engine.upstreams();
  t.match(state, { backend: 0, address: '127.0.0.1', port, active: 0, idle: 0, connecting: 0 });
  t.equal(state!.connectFailures, state!.connects);
  h.host.answer = () => ({ kind: 'original', series: 1 });
  const second = await h.exchange(GET);
  t.match(h.front.engine.upstreams()[1], { backend: -1, address: '127.0.0.1', port: h.backend.port, active: 1 });
  second.upstream.send(OK);
  await second.client.until(OK);
});

t.test('downstream connections: what goes on on each of them', async (t) => {
  const h = await startHarness(t, { decide: ({ path }, port) => (path === '/none' ? NO_ROUTE : forwardTo(port)) });
  const { engine } = h.front;
  const list = () => engine.downstreamConnections(0, 100);
  const upstreamAddress = { address: '127.0.0.1', port: h.backend.port };

  const idle = await h.connect();
  await eventually('an idle connection', () => list().length === 1);
  const original = { address: '127.0.0.1', port: h.backend.port };
  const peer = { address: '127.0.0.1', port: idle.socket.localPort! };
  matches(t, list(), [
    { state: 'idle', frontend: FRONTEND, original, peer, served: 0, requests: [], bytesReceived: 0, bytesSent: 0 },
  ]);
  t.type(list()[0]!.idleMs, 'number');

  const reading = await h.connect();
  reading.send('GET / HT');
  await eventually('half a head', () => list()[1]?.state === 'reading_head');
  matches(t, list()[1], { served: 0, requests: [], open: 0, idleMs: null, bytesReceived: 8, protocol: 'http1' });

  const { client, upstream } = await h.exchange(`POST /a/b?c=d HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n`);
  matches(t, list()[2], {
    ...{ state: 'request', served: 0, idleMs: null },
    open: 1,
    requests: [{ method: 'POST', path: '/a/b', backend: 0, upstream: upstreamAddress, retries: 0, waiting: null }],
  });
  client.send('hello');
  await upstream.until('hello');
  upstream.send(OK);
  await client.take(OK);
  await eventually('idle again', () => list()[2]?.state === 'idle');
  const sent = `POST /a/b?c=d HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello`.length;
  matches(t, list()[2], { served: 1, requests: [], bytesReceived: sent, bytesSent: OK.length });

  const long = `/${'x'.repeat(300)}`;
  const other = await h.connect();
  other.send(`PROPFIND ${long} HTTP/1.1\r\nHost: a\r\n\r\n`);
  await upstream.until('PROPFIND');
  matches(t, list()[3], { requests: [{ method: 'PROPFIND', path: long.slice(0, 128), upstream: upstreamAddress }] });
  upstream.send('HTTP/1.1 204 No Content\r\n\r\n');
  await other.take('\r\n\r\n');

  const upgrade = await h.connect();
  upgrade.send('GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  await upstream.until('GET /ws ');
  upstream.send('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi');
  await upgrade.until('hi');
  matches(t, list()[4], {
    state: 'tunnel',
    served: 0,
    requests: [{ method: 'GET', path: '/ws', upstream: upstreamAddress }],
  });

  const answered = await h.connect();
  answered.send('POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe');
  await eventually('a reply that waits', () => list()[5]?.requests[0]?.waiting === 'discard');
  matches(t, list()[5], {
    state: 'request',
    requests: [{ method: 'POST', path: '/none', backend: null, upstream: null }],
  });

  t.same(
    [...engine.downstreamConnections(0, 2), ...engine.downstreamConnections(list()[1]!.id, 100)].map(({ id }) => id),
    list().map(({ id }) => id),
    'part by part',
  );
  t.same(engine.downstreamConnections(list().at(-1)!.id, 100), []);
  idle.reset();
  await eventually('a connection less', () => list().length === 5);
  void engine.drain(10_000);
  t.match(list()[1], { state: 'draining' });
});

t.test('upstream connections: lent, in the pool, being made', async (t) => {
  const h = await startHarness(t);
  const { engine } = h.front;
  const list = () => engine.upstreamConnections(0, 100);
  const one = await h.exchange(GET);
  const two = await h.exchange(GET);
  const common = { backend: 0, address: '127.0.0.1', port: h.backend.port, requests: 1, bytesSent: GET.length };
  matches(t, list(), [
    { ...common, state: 'active', idleMs: null, bytesReceived: 0 },
    { ...common, state: 'active', idleMs: null, bytesReceived: 0 },
  ]);
  two.upstream.send(OK);
  await two.client.take(OK);
  matches(t, list(), [{ state: 'active' }, { ...common, state: 'idle', bytesReceived: OK.length }]);
  t.type(list()[1]!.idleMs, 'number');
  two.client.send(GET);
  await two.upstream.until(GET + GET);
  t.match(list()[1], { state: 'active', requests: 2 });
  one.upstream.reset();
  await one.client.until('upstream_reset');
  t.equal(list().length, 1);
  t.same(engine.upstreamConnections(list()[0]!.id, 1), []);
});

t.test('parts of a list are bounded, and their arguments checked', async (t) => {
  const h = await startHarness(t);
  const { engine } = h.front;
  for (const [after, max, message] of [
    [-1, 1, /after must be an integer/],
    [0.5, 1, /after must be an integer/],
    [0, 0, /max must be an integer from 1 to 10000/],
    [0, 10_001, /max must be/],
  ] as const) {
    t.throws(() => engine.downstreamConnections(after, max), message);
    t.throws(() => engine.upstreamConnections(after, max), message);
  }
});
