/** What the addon has of a route table lives as long as the table, or as a request that was decided by it. */
import t from 'tap';

import type { ForwardDecision } from '../../../src/routing/decision.ts';
import { backendAt, forwardTo, SERIES } from '../../support/engine-cases.ts';
import { startHarness, type RawPeer } from '../../support/engine-harness.ts';
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
  t.match(slow.upstream.received, 'X-Request: of 0');
  t.same(held(), OF_ONE_TABLE);

  const client = await h.connect();
  let quick: RawPeer | null = null;
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
