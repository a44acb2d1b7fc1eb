import t from 'tap';

import type { ForwardPolicy } from '../../../src/routing/decision.ts';
import { forwardTo } from '../../support/engine-cases.ts';
import { startHarness, type HarnessOptions } from '../../support/engine-harness.ts';
import { loopTurns } from '../../support/wire-end.ts';
import { eventually } from '../../support/eventually.ts';
import { matches } from '../../support/match.ts';
import { unansweredPort } from '../../support/unanswered.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

function timed(limits: Partial<ForwardPolicy>): HarnessOptions {
  const policy = { requestTimeoutMs: 0, attemptTimeoutMs: 0, retry: null, ...limits };
  return { decide: (_request, port) => ({ ...forwardTo(port), policy }) };
}

t.test('a head that dribbles is a 408 at its deadline, however often bytes come', async (t) => {
  const h = await startHarness(t, { engine: { headerTimeoutMs: 120 } });
  const client = await h.connect();
  const startMs = performance.now();
  const dribble = setInterval(() => client.send('x'), 10);
  t.teardown(() => clearInterval(dribble));
  client.send('GET /');
  t.match(await client.until('request_timeout'), /^HTTP\/1.1 408 /);
  t.ok(performance.now() - startMs >= 119, 'not before');
  clearInterval(dribble);
  t.equal(await client.untilEnd(), 'fin');
  t.strictSame(h.host.refused, ['request_timeout']);
});

t.test('an idle downstream is closed after its time, counted from the last response', async (t) => {
  const h = await startHarness(t, { engine: { downstreamIdleMs: 100 } });
  const { client, upstream } = await h.exchange(GET);
  const sinceMs = performance.now();
  await eventually('longer than the idle time', () => performance.now() > sinceMs + 150);
  t.ok(client.open, 'a request under way is not idle');
  upstream.send(OK);
  await client.until(OK);
  t.equal(await client.untilEnd(), 'fin');
});

t.test('the timeout of a request is a 504', async (t) => {
  const h = await startHarness(t, timed({ requestTimeoutMs: 100 }));
  const startMs = performance.now();
  const { client, upstream } = await h.exchange(GET);
  t.match(await client.until('x-sideroute-reason: timeout'), /^HTTP\/1.1 504 /);
  t.ok(performance.now() - startMs >= 99, 'not before');
  await upstream.untilEnd();
  matches(t, h.host.outcomes, [{ status: 504, reason: 'timeout' }]);
  // The request was read whole, so its connection goes on.
  h.host.answer = () => forwardTo(h.backend.port);
  client.send(GET);
  await (await h.backend.next()).until(GET);
});

t.test(
  'SPEC T1, T3, E5: the timeout of an attempt is a 504, and a timeout within a response shows as truncation',
  async (t) => {
    const h = await startHarness(t, timed({ attemptTimeoutMs: 60 }));
    const { client } = await h.exchange(GET);
    t.match(await client.until('x-sideroute-reason: timeout'), /^HTTP\/1.1 504 /);
    const cut = await startHarness(t, timed({ requestTimeoutMs: 60 }));
    const second = await cut.exchange(GET);
    second.upstream.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart');
    await second.client.until('part');
    await second.client.untilEnd();
    matches(t, cut.host.outcomes, [{ status: 200, reason: 'timeout' }]);
  },
);

t.test('a connect that is not answered is a 504', async (t) => {
  const port = await unansweredPort(t);
  const h = await startHarness(t, { engine: { connectTimeoutMs: 60 }, decide: () => forwardTo(port) });
  const client = await h.connect();
  client.send(GET);
  t.match(await client.until('x-sideroute-reason: connect_timeout'), /^HTTP\/1.1 504 /);
});

t.test('slow bodies pass the stall limit as long as they move, and end with it when they do not', async (t) => {
  const h = await startHarness(t, { engine: { stallTimeoutMs: 100 } });
  const client = await h.connect();
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n');
  const upstream = await h.backend.next();
  for (let i = 0; i < 10; i++) {
    client.send('x');
    const sinceMs = performance.now();
    await eventually('a while', () => performance.now() > sinceMs + 30);
  }
  t.equal((await upstream.until('x'.repeat(10))).slice(-10), 'x'.repeat(10));
  await upstream.untilEnd();
  t.match(await client.until('x-sideroute-reason: timeout'), /^HTTP\/1.1 504 /);
});

t.test('an upstream may take its time to answer', async (t) => {
  const h = await startHarness(t, { engine: { stallTimeoutMs: 40 } });
  const { client, upstream } = await h.exchange(GET);
  const sinceMs = performance.now();
  await eventually('a while', () => performance.now() > sinceMs + 120);
  upstream.send(OK);
  await client.until(OK);
  await loopTurns(3);
  matches(t, h.host.outcomes, [{ status: 200, reason: null }]);
});
