import t from 'tap';

import { forwardTo } from '../../support/engine-cases.ts';
import { startHarness } from '../../support/engine-harness.ts';
import { eventually } from '../../support/eventually.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
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
  t.match(engine.upstreams(), [{ ...known, active: 2, idle: 0, queued: 1, requests: 2 }]);
  one.upstream.send(OK);
  await one.client.until(OK);
  await one.upstream.until(GET + GET);
  t.match(engine.upstreams(), [{ ...known, active: 2, idle: 0, queued: 0, requests: 3 }]);
  one.upstream.send(OK);
  two.upstream.send(OK);
  await waiting.until(OK);
  await two.client.until(OK);
  t.match(engine.upstreams(), [{ ...known, active: 0, idle: 2, queued: 0, requests: 3 }]);
});

t.test('upstreams: an address that is none any more is listed while it has connections', async (t) => {
  const h = await startHarness(t);
  const { client, upstream } = await h.exchange(GET);
  h.host.answer = () => forwardTo(h.backend.port, ['127.0.0.2']);
  const other = await h.connect();
  other.send(GET);
  await other.until('connect_failure');
  t.match(h.front.engine.upstreams(), [
    { address: '127.0.0.2', active: 0, connects: 2, connectFailures: 2, requests: 2 },
    { address: '127.0.0.1', active: 1, connects: 1, connectFailures: 0, requests: 1 },
  ]);
  upstream.send(OK);
  await client.until(OK);
  await eventually('the address has gone', () => h.front.engine.upstreams().length === 1);
});

t.test('upstreams: a connect that nobody answers, and original destinations', async (t) => {
  // 192.0.2.0/24 is documentation space, and no host answers for it; where the network refuses it, that counts as failed.
  const h = await startHarness(t, { decide: () => forwardTo(80, ['192.0.2.1']), engine: { connectTimeoutMs: 100 } });
  const client = await h.connect();
  client.send(GET);
  await client.until('HTTP/1.1 503 ');
  const [state] = h.front.engine.upstreams();
  t.match(state, { backend: 0, address: '192.0.2.1', port: 80, active: 0, idle: 0, connecting: 0 });
  t.equal(state!.connectFailures, state!.connects);
  h.host.answer = () => ({ kind: 'original', series: 1 });
  const second = await h.exchange(GET);
  t.match(h.front.engine.upstreams()[1], { backend: -1, address: '127.0.0.1', port: h.backend.port, active: 1 });
  second.upstream.send(OK);
  await second.client.until(OK);
});
