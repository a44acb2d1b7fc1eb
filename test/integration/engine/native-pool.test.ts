import t from 'tap';

import { backendAt, forwardTo } from '../../support/engine-cases.ts';
import { startHarness } from '../../support/engine-harness.ts';
import { ScriptedBackend, loopTurns, type WireEnd } from '../../support/wire-end.ts';
import { eventually } from '../../support/eventually.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const POST = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

t.test('the connection used last is used next', async (t) => {
  const h = await startHarness(t);
  const one = await h.exchange(GET);
  const two = await h.exchange(GET);
  one.upstream.send(OK);
  await one.client.until(OK);
  two.upstream.send(OK);
  await two.client.until(OK);
  one.client.send(GET);
  t.equal(await two.upstream.until(GET + GET), GET + GET);
  t.equal(one.upstream.text, GET);
  t.match(h.front.engine.counters(), { upstreamOpen: 2, upstreamIdle: 1, upstreamReused: 1 });
});

t.test('an idle connection is closed after its time, or the shorter one its peer announces', async (t) => {
  const h = await startHarness(t, { engine: { upstreamIdleMs: 60 } });
  const { client, upstream } = await h.exchange(GET);
  upstream.send(OK);
  await client.until(OK);
  t.equal(await upstream.untilEnd(), 'fin');
  const announced = await startHarness(t, { engine: { upstreamIdleMs: 60_000 } });
  const second = await announced.exchange(GET);
  second.upstream.send('HTTP/1.1 200 OK\r\nKeep-Alive: max=5, timeout=1\r\nContent-Length: 0\r\n\r\n');
  await second.client.until('\r\n\r\n');
  t.equal(await second.upstream.untilEnd(), 'fin');
});

t.test('a connection serves a limited number of requests, for a limited time', async (t) => {
  const h = await startHarness(t, { engine: { upstreamMaxRequests: 2 } });
  const { client, upstream } = await h.exchange(GET);
  upstream.send(OK);
  await client.take('ok');
  client.send(GET);
  await upstream.until(GET + GET);
  upstream.send(OK);
  await client.take('ok');
  t.equal(await upstream.untilEnd(), 'fin');
  const old = await startHarness(t, { engine: { upstreamMaxAgeMs: 40 } });
  const first = await old.exchange(GET);
  // Older than 40 ms give or take a quarter when its response comes.
  await eventually('age', () => performance.now() > startMs + 60);
  first.upstream.send(OK);
  await first.client.take('ok');
  t.equal(await first.upstream.untilEnd(), 'fin');
});
const startMs = performance.now();

t.test('bytes or an end on an idle connection discard it', async (t) => {
  for (const speak of ['HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil', null]) {
    const h = await startHarness(t);
    const { client, upstream } = await h.exchange(GET);
    upstream.send(OK);
    await client.take('ok');
    if (speak === null) upstream.end();
    else upstream.send(speak);
    await upstream.untilEnd();
    client.send(GET);
    const next = await h.backend.next();
    await next.until(GET);
    next.send(OK);
    t.equal(await client.take('ok'), OK);
    t.equal(h.front.engine.counters().upstreamStale, 1);
  }
});

t.test('a connection with bytes beyond the response is not used again', async (t) => {
  const h = await startHarness(t);
  const { client, upstream } = await h.exchange(GET);
  upstream.send(`${OK}more`);
  t.equal(await client.take('ok'), OK);
  await upstream.untilEnd();
  t.equal(client.text, '');
});

t.test('a GET is sent once more when a reused connection ends without a byte, a POST is not', async (t) => {
  for (const [request, again] of [
    [GET, true],
    ['PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n', true],
    [POST, false],
  ] as const) {
    const h = await startHarness(t);
    const { client, upstream } = await h.exchange(GET);
    upstream.send(OK);
    await client.take('ok');
    client.send(request);
    await upstream.until(GET + request);
    upstream.reset();
    if (again) {
      const next = await h.backend.next();
      t.equal(await next.until(request), request);
      next.reset();
      t.match(await client.until('upstream_reset'), /^HTTP\/1.1 502 /, 'once only');
      t.equal(h.front.engine.counters().retriesReset, 1);
    } else {
      t.match(await client.until('upstream_reset'), /^HTTP\/1.1 502 /);
    }
    await loopTurns(3);
    t.equal(h.backend.connections.length, again ? 2 : 1);
  }
});

t.test('a fresh connection that ends without a byte is not tried again', async (t) => {
  const h = await startHarness(t);
  const { client, upstream } = await h.exchange(GET);
  upstream.end();
  t.match(await client.until('upstream_reset'), /^HTTP\/1.1 502 /);
  t.equal(h.backend.connections.length, 1);
});

t.test('a body longer than what is kept is not sent again', async (t) => {
  const h = await startHarness(t, { engine: { maxReplayBytes: 1_000 } });
  const { client, upstream } = await h.exchange(GET);
  upstream.send(OK);
  await client.take('ok');
  client.send(`PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n${'x'.repeat(2_000)}`);
  await upstream.until('x'.repeat(2_000));
  upstream.reset();
  t.match(await client.until('upstream_reset'), /^HTTP\/1.1 502 /);
});

t.test('what must not be sent twice takes a fresh connection rather than one idle for long', async (t) => {
  const h = await startHarness(t, { engine: { freshConnectionAfterMs: 0 } });
  const { client, upstream } = await h.exchange(GET);
  upstream.send(OK);
  await client.take('ok');
  const sinceMs = performance.now();
  await eventually('idle for a while', () => performance.now() > sinceMs + 20);
  client.send(POST);
  const next = await h.backend.next();
  t.equal(await next.until(POST), POST);
});

t.test('requests beyond the limit wait for a connection, those beyond the queue are a 503', async (t) => {
  const h = await startHarness(t, { engine: { maxUpstreamConnections: 1, maxQueuedRequests: 1 } });
  const { client, upstream } = await h.exchange(GET);
  const waiting = await h.connect();
  waiting.send(POST);
  await eventually('the queue', () => h.front.engine.counters().queued === 1);
  const tooMany = await h.connect();
  tooMany.send(GET);
  t.match(await tooMany.until('overflow'), /^HTTP\/1.1 503 /);
  upstream.send(OK);
  await client.until(OK);
  t.equal(await upstream.until(POST), GET + POST);
  upstream.send(OK);
  await waiting.until(OK);
});

t.test('first come, first served: the next request of a busy caller does not overtake one that waits', async (t) => {
  const h = await startHarness(t, { engine: { maxUpstreamConnections: 1 } });
  const paths = ['/1', '/2', '/3'];
  const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
  const busy = await h.connect();
  busy.send(paths.map(get).join(''));
  const upstream = await h.backend.next();
  await upstream.until(get('/1'));
  const waiting = await h.connect();
  waiting.send(get('/waiting'));
  await eventually('the queue', () => h.front.engine.counters().queued === 1);
  for (const path of ['/1', '/waiting', '/2', '/3']) {
    t.equal(await upstream.take('\r\n\r\n'), get(path));
    upstream.send(OK);
  }
  t.equal(await waiting.take('ok'), OK);
  t.equal(await busy.until(OK + OK + OK), OK + OK + OK);
});

t.test('first come, first served: of many busy callers and a few patient ones none is left out', async (t) => {
  const h = await startHarness(t, { engine: { maxUpstreamConnections: 4, queueTimeoutMs: 60_000 } });
  const served: string[] = [];
  let begun = false;
  const answered = new Map<WireEnd, number>();
  const timer = setInterval(() => {
    if (!begun) return;
    for (const peer of h.backend.connections) {
      const requests = peer.text.split('\r\n\r\n');
      for (let i = answered.get(peer) ?? 0; i < requests.length - 1; i++) {
        served.push(requests[i]!.split(' ')[1]!);
        answered.set(peer, i + 1);
        peer.send(OK);
      }
    }
  }, 1);
  t.teardown(() => clearInterval(timer));
  const busy = await Promise.all(Array.from({ length: 4 }, () => h.connect()));
  for (const client of busy) client.send('GET /busy HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(200));
  await eventually('every place is taken', () => h.backend.connections.length === 4);
  const patient = await Promise.all(Array.from({ length: 5 }, () => h.connect()));
  for (const client of patient) client.send('GET /patient HTTP/1.1\r\nHost: a\r\n\r\n');
  await eventually('the queue', () => h.front.engine.counters().queued === 5);
  begun = true;
  for (const client of patient) t.equal(await client.until('ok'), OK);
  const before = served.lastIndexOf('/patient');
  // Four were under way, and four more waited at most behind the last of the five.
  t.ok(before < 4 + 5 + 4, `the last of them is the ${before + 1}th request`);
});

t.test('first come, first served: a mirror takes no connection that somebody waits for', async (t) => {
  const other = await ScriptedBackend.listen(t);
  const h = await startHarness(t, { engine: { maxUpstreamConnections: 1 } });
  const shared = { backend: forwardTo(h.backend.port).backend, plan: null, series: 70 };
  const elsewhere = { ...forwardTo(other.port), backend: { ...backendAt(other.port), id: 1, key: 'ns/o' } };
  h.host.answer = ({ path }) =>
    path === '/mirrored' ? { ...elsewhere, mirrors: [shared] } : forwardTo(h.backend.port);
  const busy = await h.connect();
  busy.send('GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /mirrored HTTP/1.1\r\nHost: a\r\n\r\n');
  const upstream = await h.backend.next();
  await upstream.take('\r\n\r\n');
  const waiting = await h.connect();
  waiting.send(GET);
  await eventually('the queue', () => h.front.engine.counters().queued === 1);
  upstream.send(OK);
  t.equal(await upstream.take('\r\n\r\n'), GET, 'the one that waited');
  upstream.send(OK);
  t.equal(await waiting.until('ok'), OK);
  await (await other.next()).until('GET /mirrored');
  t.strictSame(h.host.mirrors, [{ series: 70, result: 'overflow' }]);
});

t.test('mirrors leave half of the connections to requests', async (t) => {
  const other = await ScriptedBackend.listen(t);
  const h = await startHarness(t, { engine: { maxUpstreamConnections: 4 } });
  const shared = { backend: forwardTo(h.backend.port).backend, plan: null, series: 70 };
  const elsewhere = { ...forwardTo(other.port), backend: { ...backendAt(other.port), id: 1, key: 'ns/o' } };
  h.host.answer = () => ({ ...elsewhere, mirrors: [shared] });
  const clients = await Promise.all(Array.from({ length: 4 }, () => h.connect()));
  for (const client of clients) client.send(GET);
  await eventually('two are given up', () => h.host.mirrors.length === 2);
  t.strictSame(
    h.host.mirrors.map(({ result }) => result),
    ['overflow', 'overflow'],
  );
  t.equal(h.backend.connections.length, 2);
  h.host.answer = () => forwardTo(h.backend.port);
  const client = await h.connect();
  client.send(POST);
  const upstream = await eventually(
    'the request',
    () => h.backend.connections.find(({ text }) => text.includes(POST)) ?? null,
  );
  upstream.send(OK);
  t.equal(await client.until('ok'), OK);
});

t.test('a request that waits too long for a connection is a 503', async (t) => {
  const h = await startHarness(t, { engine: { maxUpstreamConnections: 1, queueTimeoutMs: 50 } });
  await h.exchange(GET);
  const waiting = await h.connect();
  waiting.send(GET);
  t.match(await waiting.until('overflow'), /^HTTP\/1.1 503 /);
});

t.test('a request that waits and is given up makes room', async (t) => {
  const h = await startHarness(t, { engine: { maxUpstreamConnections: 1 } });
  const { client, upstream } = await h.exchange(GET);
  const waiting = await h.connect();
  waiting.send(GET);
  await eventually('the queue', () => h.front.engine.counters().queued === 1);
  waiting.reset();
  await eventually('the outcome', () => h.host.outcomes.length === 1);
  upstream.send(OK);
  await client.until(OK);
  await loopTurns(3);
  t.equal(upstream.text, GET);
  t.match(h.front.engine.counters(), { requestsOpen: 0, upstreamIdle: 1 });
});

t.test('a connection to an address that is no longer one of the backend closes after its request', async (t) => {
  const h = await startHarness(t);
  const { client, upstream } = await h.exchange(GET);
  h.host.answer = () => forwardTo(h.backend.port, ['127.0.0.2']);
  const other = await h.connect();
  other.send(GET);
  await eventually('the decision', () => h.host.asked.length === 2);
  upstream.send(OK);
  await client.until(OK);
  t.equal(await upstream.untilEnd(), 'fin');
});
