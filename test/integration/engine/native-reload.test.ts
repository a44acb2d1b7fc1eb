/** What the addon has of a route table lives as long as the table, or as a request that was decided by it. */
import t from 'tap';

import type { ForwardDecision } from '../../../src/routing/decision.ts';
import { backendAt, forwardTo, SERIES } from '../../support/engine-cases.ts';
import { startHarness } from '../../support/engine-harness.ts';
import { ScriptedBackend, type WireEnd } from '../../support/wire-end.ts';
import { plan } from '../../support/engine-plan-cases.ts';
import { eventually } from '../../support/eventually.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const RETRY = { attempts: 1, codes: [503], backoffMs: 1 };

/** A decision of the table of a generation; mirrors go to a backend without an address. */
function decision(generation: number, port: number): ForwardDecision {
  const lines = (what: string) => ({ remove: [], append: [{ name: `X-${what}`, value: `of ${generation}` }] });
  const edits = plan({ request: lines('Request'), response: lines('Response') });
  const mirror = { backend: { ...backendAt(1, []), id: 1 }, plan: plan({ request: lines('Mirror') }), series: SERIES };
  const policy = { requestTimeoutMs: 60_000, attemptTimeoutMs: 0, retry: RETRY };
  return { ...forwardTo(port), plan: edits, policy, mirrors: [mirror] };
}

t.test('a slow request ends by its own table, whose parts are freed with it', async (t) => {
  let current: ForwardDecision;
  const h = await startHarness(t, { decide: () => current });
  const { engine } = h.front;
  const held = () => {
    const { plans, policies, mirrorGroups } = engine.counters();
    return { plans, policies, mirrorGroups };
  };
  const OF_ONE_TABLE = { plans: 2, policies: 1, mirrorGroups: 1 };
  current = decision(0, h.backend.port);
  const slow = await h.exchange('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n');
  t.match(slow.upstream.text, 'X-Request: of 0');
  t.same(held(), OF_ONE_TABLE);

  const client = await h.connect();
  let quick: WireEnd | null = null;
  for (let generation = 1; generation <= 50; generation++) {
    current = decision(generation, h.backend.port);
    engine.forget(false);
    client.send('GET /quick HTTP/1.1\r\nHost: a\r\n\r\n');
    quick ??= await h.backend.next();
    t.match(await quick.take('\r\n\r\n'), `X-Request: of ${generation}`);
    quick.send(OK);
    t.match(await client.take('ok'), `X-Response: of ${generation}`);
  }
  // The plan of the mirror and the group of mirrors were not needed any more.
  t.same(
    held(),
    { plans: 3, policies: 2, mirrorGroups: 1 },
    'those of the table in force, and what the slow request holds',
  );

  // Its policy still says that this is to be tried again, on another connection.
  slow.upstream.send('HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
  t.match(await quick!.take('\r\n\r\n'), 'X-Request: of 0');
  quick!.send(OK);
  t.match(await slow.client.take('ok'), 'X-Response: of 0');
  t.same(held(), OF_ONE_TABLE);
  engine.forget(false);
  t.same(held(), { plans: 0, policies: 0, mirrorGroups: 0 }, 'a table that has had no request');
});

t.test('what a request holds is freed however it ends', async (t) => {
  let current: ForwardDecision;
  const h = await startHarness(t, { decide: () => current });
  const { engine } = h.front;
  const ends: [string, (one: Awaited<ReturnType<typeof h.exchange>>) => unknown][] = [
    ['the client resets', ({ client }) => client.reset()],
    ['the backend resets', ({ client, upstream }) => (upstream.reset(), client.take('\r\n\r\n'))],
    [
      'the connection is upgraded and ends',
      async ({ client, upstream }) => {
        upstream.send('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
        t.match(await client.take('\r\n\r\n'), 'X-Response: of');
        t.equal(engine.counters().plans, 1, 'in the tunnel it is held');
        client.reset();
      },
    ],
  ];
  for (const [index, [what, end]] of ends.entries()) {
    const policy = { requestTimeoutMs: 60_000, attemptTimeoutMs: 0, retry: null };
    current = { ...decision(index, h.backend.port), mirrors: null, policy };
    const one = await h.exchange('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
    engine.forget(false);
    t.equal(engine.counters().plans, 1, `before ${what}`);
    await end(one);
    await eventually(what, () => engine.counters().plans === 0);
    t.equal(engine.counters().policies, 0);
  }
});

t.test('a backend that no table has is freed, and its number is free, once no request goes there', async (t) => {
  const h = await startHarness(t);
  const { engine } = h.front;
  const addresses = () => engine.upstreams().map(({ backend, active, idle }) => ({ backend, active, idle }));
  t.equal(engine.dropBackend(0), true, 'one that there has never been');
  const { client, upstream } = await h.exchange('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  t.equal(engine.dropBackend(0), false, 'a request waits for its answer');
  upstream.send(OK);
  await client.take('ok');
  t.same(addresses(), [{ backend: 0, active: 0, idle: 1 }]);
  t.equal(engine.dropBackend(0), true);
  t.same(addresses(), []);
  t.equal(await upstream.untilEnd(), 'fin', 'its idle connection is closed');

  // Another backend gets the number.
  const other = await ScriptedBackend.listen(t);
  h.host.answer = () => forwardTo(other.port);
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  const next = await other.next();
  await next.take('\r\n\r\n');
  next.send(OK);
  await client.take('ok');
  t.equal(h.backend.connections.length, 1);
});

t.test('a backend is needed by whoever waits for a connection, for the next try, or as a mirror', async (t) => {
  const retry = { attempts: 1, codes: [503], backoffMs: 60_000 };
  const policy = { requestTimeoutMs: 0, attemptTimeoutMs: 0, retry };
  const h = await startHarness(t, { engine: { maxUpstreamConnections: 2, queueTimeoutMs: 60_000 } });
  const { engine } = h.front;
  const mirror = await ScriptedBackend.listen(t);
  const target = { backend: { ...backendAt(mirror.port), id: 1 }, plan: null, series: SERIES };
  h.host.answer = () => ({ ...forwardTo(h.backend.port), policy, mirrors: [target] });
  const { client, upstream } = await h.exchange('GET /1 HTTP/1.1\r\nHost: a\r\n\r\n');
  const copy = await mirror.next();
  await copy.until('\r\n\r\n');
  t.equal(engine.dropBackend(1), false, 'the mirror has not answered');
  upstream.send('HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n');
  await eventually('a retry that waits', () => engine.counters().retriesPolicy === 1);
  t.equal(engine.dropBackend(0), false, 'the next try has no connection yet');
  client.reset();
  await eventually('given up', () => engine.dropBackend(0));

  h.host.answer = () => forwardTo(h.backend.port);
  await h.exchange('GET /2 HTTP/1.1\r\nHost: a\r\n\r\n');
  await h.exchange('GET /3 HTTP/1.1\r\nHost: a\r\n\r\n');
  const third = await h.connect();
  third.send('GET /4 HTTP/1.1\r\nHost: a\r\n\r\n');
  await eventually('one that waits in the queue', () => engine.counters().queued === 1);
  t.equal(engine.dropBackend(0), false);
  copy.send(OK);
  await eventually('answered by the mirror', () => engine.dropBackend(1));
});

t.test('original destinations that no connection has any more are not kept for ever', async (t) => {
  const h = await startHarness(t, { decide: () => ({ kind: 'original', series: SERIES }) });
  const { engine } = h.front;
  const slow = await h.exchange('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  // Each address of the loopback network reaches it.
  const everywhere = await ScriptedBackend.listen(t, { host: '0.0.0.0' });
  for (let i = 1; i <= 200; i++) {
    h.front.original = { address: `127.0.1.${i}`, port: everywhere.port };
    const client = await h.connect();
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    const upstream = await everywhere.next();
    await upstream.take('\r\n\r\n');
    upstream.send(OK);
    await client.take('ok');
  }
  const { length } = engine.upstreams();
  t.ok(length > 1 && length <= 64, `${length} destinations`);
  slow.upstream.send(OK);
  await slow.client.take('ok');
});

t.test('a backend stays when its request calls back while it begins', async (t) => {
  // More outcomes of mirrors in one turn than are kept until its end: one of these requests has them handed over.
  const requests = 48;
  const mirror = { backend: { ...backendAt(1, []), id: 1 }, plan: null, series: SERIES };
  const mirrors = Array.from({ length: 32 }, () => mirror);
  const h = await startHarness(t);
  let latest = 1;
  h.host.answer = () => {
    latest++;
    return { ...forwardTo(h.backend.port), backend: { ...backendAt(h.backend.port), id: latest }, mirrors };
  };
  let dropped = 0;
  h.host.onMirror = () => {
    if (h.front.engine.dropBackend(latest)) dropped++;
  };
  h.backend.onConnection = (peer) => void peer.until('\r\n\r\n').then(() => peer.send(OK));
  const clients = [];
  for (let i = 0; i < requests; i++) clients.push(await h.connect());
  await eventually('all connections', () => h.front.engine.counters().adopted === requests);
  for (const client of clients) client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  for (const client of clients) await client.until('ok');
  t.equal(dropped, 0);
});
