/** Retries on the wire: what the backend gets, what the client gets, and what the outcome says. */
import t, { type Test } from 'tap';

import type { ForwardPolicy, RetryPolicy } from '../../../src/routing/decision.ts';
import { forwardTo } from '../../support/engine-cases.ts';
import { startHarness, type Harness, type HarnessOptions } from '../../support/engine-harness.ts';
import { type WireEnd } from '../../support/wire-end.ts';
import { eventually } from '../../support/eventually.ts';
import { closedPort } from '../../support/wire.ts';
import { matches } from '../../support/match.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const POST = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const BUSY = 'HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy';
const RETRY: RetryPolicy = { attempts: 2, codes: [500, 503], backoffMs: 1 };

function retrying(
  retry: Partial<RetryPolicy> = {},
  limits: Partial<ForwardPolicy> = {},
  engine: HarnessOptions['engine'] = {},
): HarnessOptions {
  const policy = { requestTimeoutMs: 0, attemptTimeoutMs: 0, ...limits, retry: { ...RETRY, ...retry } };
  return { engine, decide: (_request, port) => ({ ...forwardTo(port), policy }) };
}

/** The backend answers each request it gets with the next of `answers`, whatever connection it comes on. */
function answering(
  h: Harness,
  answers: readonly (string | ((peer: WireEnd) => void))[],
  request: string,
): () => number {
  let served = 0;
  const seen = new Map<WireEnd, number>();
  const timer = setInterval(() => {
    for (const peer of h.backend.connections) {
      const from = seen.get(peer) ?? 0;
      if (peer.length < from + request.length) continue;
      seen.set(peer, from + request.length);
      const answer = answers[served++] ?? OK;
      if (typeof answer === 'string') peer.send(answer);
      else answer(peer);
    }
  }, 1);
  h.backend.onClose(() => clearInterval(timer));
  return () => served;
}

async function ask(t: Test, options: HarnessOptions, answers: Parameters<typeof answering>[1], request = GET) {
  const h = await startHarness(t, options);
  const served = answering(h, answers, request);
  const client = await h.connect();
  client.send(request);
  return { h, client, served };
}

t.test('SPEC R1, R2: a listed status is retried until another comes, and the client sees only that', async (t) => {
  for (const request of [GET, POST]) {
    const { h, client, served } = await ask(
      t,
      retrying(),
      [BUSY, 'HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n', OK],
      request,
    );
    t.equal(await client.until('ok'), OK);
    t.equal(served(), 3);
    for (const { text } of h.backend.connections) t.equal(text.replaceAll(request, ''), '');
    matches(t, h.host.outcomes, [{ status: 200, reason: null, retries: 2, retryDenied: null }]);
    t.equal(h.front.engine.counters().retriesPolicy, 2);
  }
});

t.test('SPEC R2: a status that is not listed is not retried', async (t) => {
  const answer = 'HTTP/1.1 502 X\r\nContent-Length: 0\r\n\r\n';
  const { h, client, served } = await ask(t, retrying(), [answer]);
  t.equal(await client.until('\r\n\r\n'), answer);
  t.equal(served(), 1);
  matches(t, h.host.outcomes, [{ status: 502, reason: null, retries: 0, retryDenied: null }]);
});

t.test('SPEC R5: when attempts are used up the client gets the last response', async (t) => {
  const last = 'HTTP/1.1 503 Third\r\nContent-Length: 5\r\n\r\nthird';
  const { h, client, served } = await ask(t, retrying(), [BUSY, BUSY, last]);
  t.equal(await client.until('third'), last);
  t.equal(served(), 3);
  matches(t, h.host.outcomes, [{ status: 503, reason: null, retries: 2, retryDenied: null }]);
});

t.test('SPEC R2: a response that is retried costs no connection when all of it has come', async (t) => {
  const { h, client } = await ask(t, retrying(), [BUSY, BUSY, OK]);
  await client.until('ok');
  t.equal(h.backend.connections.length, 1);
});

t.test('SPEC R2: a response that is retried before its end has come is torn down', async (t) => {
  const endless = 'HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbusy\r\n';
  const { h, client } = await ask(t, retrying(), [endless, OK]);
  t.equal(await client.until('ok'), OK);
  t.equal(await h.backend.connections[0]!.untilEnd(), 'reset');
});

t.test('SPEC R3, V2: what may have been processed is not sent again when its connection breaks', async (t) => {
  const reset = (peer: WireEnd): void => peer.reset();
  const partial = (peer: WireEnd): void => {
    peer.send('HTTP/1.1 200 OK\r\nContent-');
    peer.end();
  };
  // Not listed, or not idempotent.
  for (const [request, codes] of [
    [GET, []],
    [GET, [500, 503, 504]],
    [POST, [500, 502, 503, 504]],
  ] as const) {
    for (const broken of [reset, partial]) {
      const { client, served, h } = await ask(t, retrying({ codes }), [broken, OK], request);
      t.match(await client.until('x-sideroute-reason: upstream_reset'), /^HTTP\/1.1 502 /);
      t.equal(served(), 1);
      matches(t, h.host.outcomes, [{ status: 502, reason: 'upstream_reset', retries: 0, retryDenied: null }]);
    }
  }
});

t.test('SPEC R3, V2: an idempotent request is, when the route lists 502', async (t) => {
  for (const request of [GET, POST.replace('POST', 'PUT')]) {
    const partial = (peer: WireEnd): void => {
      peer.send('HTTP/1.1 200 OK\r\nContent-');
      peer.end();
    };
    const { client, served, h } = await ask(
      t,
      retrying({ codes: [502] }),
      [(peer) => peer.reset(), partial, OK],
      request,
    );
    t.equal(await client.until('ok'), OK);
    t.equal(served(), 3);
    matches(t, h.host.outcomes, [{ status: 200, retries: 2 }]);
  }
});

t.test('SPEC R5: resets to the last attempt are a 503 with its reason, not a 502', async (t) => {
  const reset = (peer: WireEnd): void => peer.reset();
  const { client, served, h } = await ask(t, retrying({ codes: [502] }), [reset, reset, reset]);
  t.match(await client.until('x-sideroute-reason: retries_exhausted'), /^HTTP\/1.1 503 /);
  t.equal(served(), 3);
  matches(t, h.host.outcomes, [{ status: 503, reason: 'retries_exhausted', retries: 2 }]);
});

t.test('SPEC R3, V2: where no connection can be made the route is tried as often as it says, any method', async (t) => {
  const port = await closedPort();
  const policy = { requestTimeoutMs: 0, attemptTimeoutMs: 0, retry: { ...RETRY, codes: [] } };
  for (const request of [GET, POST]) {
    // On no budget.
    const engine = { retryBudgetPercent: 0, retryBudgetReserve: 0 };
    const h = await startHarness(t, { engine, decide: () => ({ ...forwardTo(port), policy }) });
    const client = await h.connect();
    client.send(request);
    t.match(await client.until('x-sideroute-reason: connect_failure'), /^HTTP\/1.1 503 /);
    const { retriesPolicy, redials } = h.front.engine.counters();
    t.equal(retriesPolicy, 2);
    // 15 and, while nothing accepts, one with each further attempt.
    t.ok(redials >= 15 + 2 && redials <= 3 * 15, `${redials} dials were repeated`);
    matches(t, h.host.outcomes, [{ status: 503, reason: 'connect_failure', retries: 2 }]);
  }
});

t.test('SPEC R3, V2, V4: an idempotent attempt that times out is tried again when the route lists 504', async (t) => {
  const silent = (): void => undefined;
  const timed = { attemptTimeoutMs: 60 };
  const { client, served, h } = await ask(t, retrying({ codes: [504] }, timed), [silent, silent, OK]);
  t.equal(await client.until('ok'), OK);
  t.equal(served(), 3);
  t.ok(h.host.outcomes[0]!.durationMs >= 120, 'two attempts took their time');
  const all = await ask(t, retrying({ codes: [504] }, timed), [silent, silent, silent]);
  t.match(await all.client.until('x-sideroute-reason: timeout'), /^HTTP\/1.1 504 /);
  t.equal(all.served(), 3);
  for (const [request, codes] of [
    [GET, [500, 502, 503]],
    [POST, [504]],
  ] as const) {
    const once = await ask(t, retrying({ codes }, timed), [silent, OK], request);
    t.match(await once.client.until('x-sideroute-reason: timeout'), /^HTTP\/1.1 504 /);
    t.equal(once.served(), 1);
    matches(t, once.h.host.outcomes, [{ status: 504, reason: 'timeout', retries: 0, retryDenied: null }]);
  }
});

t.test('SPEC V1: with attempts 0 nothing is sent twice, not even on a reused connection that has closed', async (t) => {
  const policy: ForwardPolicy = { requestTimeoutMs: 0, attemptTimeoutMs: 0, retry: null, once: true };
  const options: HarnessOptions = { decide: (_request, port) => ({ ...forwardTo(port), policy }) };
  const { client, served, h } = await ask(t, options, [OK, (peer) => peer.reset(), OK]);
  await client.take('ok');
  client.send(GET);
  t.match(await client.until('x-sideroute-reason: upstream_reset'), /^HTTP\/1.1 502 /);
  t.equal(served(), 2);
  t.match(h.front.engine.counters(), { retriesReset: 0, retriesPolicy: 0 });
  const busy = await ask(t, options, [BUSY, OK]);
  t.equal(await busy.client.until('busy'), BUSY);
});

t.test('SPEC R6: the deadline of the request ends its retries', async (t) => {
  const { client, served, h } = await ask(t, retrying({ attempts: 50, backoffMs: 80 }, { requestTimeoutMs: 150 }), [
    BUSY,
    BUSY,
    BUSY,
    BUSY,
    BUSY,
  ]);
  t.match(await client.until('x-sideroute-reason: timeout'), /^HTTP\/1.1 504 /);
  const before = served();
  t.ok(before >= 1 && before <= 2, `${before} attempts in 150 ms`);
  matches(t, h.host.outcomes, [{ status: 504, reason: 'timeout' }]);
});

t.test('SPEC R4, V3: a retry waits at least the backoff, and longer each time', async (t) => {
  const times: number[] = [];
  const busy = (peer: WireEnd): void => {
    times.push(performance.now());
    peer.send(BUSY);
  };
  const { client } = await ask(t, retrying({ backoffMs: 50 }), [busy, busy, busy]);
  await client.until('busy');
  t.equal(times.length, 3);
  // Timers tick in steps of 4 ms and the backend of this test looks every millisecond.
  t.ok(times[1]! - times[0]! >= 45, `first after ${times[1]! - times[0]!} ms`);
  t.ok(times[2]! - times[1]! >= 95, `second after ${times[2]! - times[1]!} ms`);
});

t.test('SPEC R1: a body is kept for a retry up to its limit, and the outcome says when it is not', async (t) => {
  for (const [length, denied] of [
    [64 * 1024, null],
    [64 * 1024 + 1, 'body'],
  ] as const) {
    const request = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n${'x'.repeat(length)}`;
    const { client, served, h } = await ask(t, retrying(), [BUSY, OK], request);
    t.equal(await client.until(denied === null ? 'ok' : 'busy'), denied === null ? OK : BUSY);
    t.equal(served(), denied === null ? 2 : 1);
    matches(t, h.host.outcomes, [{ retries: denied === null ? 1 : 0, retryDenied: denied }]);
  }
});

t.test('SPEC R1: a body that still comes is sent on with the next attempt', async (t) => {
  const h = await startHarness(t, retrying({ attempts: 1 }));
  const client = await h.connect();
  client.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n');
  const first = await h.backend.next();
  await first.until('abc\r\n');
  first.send(BUSY);
  const second = await h.backend.next();
  await second.until('abc\r\n');
  client.send('2\r\nde\r\n0\r\n\r\n');
  t.equal(
    await second.until('0\r\n\r\n'),
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n',
  );
  second.send(OK);
  t.equal(await client.until('ok'), OK);
});

t.test('SPEC R1: sending again on a reused connection that has closed is one of the attempts', async (t) => {
  const reset = (peer: WireEnd): void => peer.reset();
  const { client, served, h } = await ask(t, retrying({ codes: [502] }), [OK, reset, reset, reset, OK]);
  await client.take('ok');
  client.send(GET);
  t.match(await client.until('x-sideroute-reason: retries_exhausted'), /^HTTP\/1.1 503 /);
  t.equal(served(), 4, 'one request, then three attempts');
  t.match(h.host.outcomes[1], { status: 503, retries: 2 });
  t.match(h.front.engine.counters(), { retriesReset: 1, retriesPolicy: 1 });
});

t.test('SPEC R1: no retry once the response has begun for the client', async (t) => {
  const cut = (peer: WireEnd): void => {
    peer.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart');
    peer.reset();
  };
  const { client, served } = await ask(t, retrying(), [cut]);
  await client.untilEnd();
  t.equal(client.text.slice(-4), 'part');
  t.equal(served(), 1);
});

t.test('SPEC R1: retries stay within their part of the requests, beyond a small reserve', async (t) => {
  const h = await startHarness(t, retrying({ attempts: 3 }, {}, { retryBudgetPercent: 20, retryBudgetReserve: 10 }));
  const served = answering(h, Array<string>(1000).fill(BUSY), GET);
  const client = await h.connect();
  for (let i = 1; i <= 200; i++) {
    client.send(GET);
    await client.take('busy');
  }
  // 200 requests, the reserve of 10, 40 earned, and one a second while it lasts.
  t.ok(served() > 200 + 40 && served() <= 200 + 40 + 10 + 5, `${served()} requests at the backend`);
  t.ok(h.host.outcomes.some(({ retryDenied }) => retryDenied === 'budget'));
  await eventually('every outcome', () => h.host.outcomes.length === 200);
});
