/** Callers that leave, and callers that only have nothing more to say. */
import t, { type Test } from 'tap';

import type { ForwardPolicy } from '../../../src/routing/decision.ts';
import { backendAt, forwardTo } from '../../support/engine-cases.ts';
import { startHarness, type Harness, type HarnessOptions } from '../../support/engine-harness.ts';
import { ScriptedBackend, loopTurns, type WireEnd } from '../../support/wire-end.ts';
import { eventually } from '../../support/eventually.ts';
import { closedPort } from '../../support/wire.ts';
import { matches } from '../../support/match.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const POST = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const BUSY = 'HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy';
const MIB = 1024 * 1024;

function retrying(codes: readonly number[], backoffMs: number): HarnessOptions {
  const policy: ForwardPolicy = { requestTimeoutMs: 0, attemptTimeoutMs: 0, retry: { attempts: 5, codes, backoffMs } };
  return { decide: (_request, port) => ({ ...forwardTo(port), policy }) };
}

/** Once all that the client has sent, its FIN included, has been looked at. */
async function finSeen(client: WireEnd): Promise<void> {
  await eventually('the FIN to leave', () => client.socket.writableFinished);
  await loopTurns(10);
}

t.test(
  'SAFETY 108: FIN after a whole request reaches the backend behind it, and the response comes back',
  async (t) => {
    for (const request of [GET, POST]) {
      for (const together of [true, false]) {
        const h = await startHarness(t);
        const client = await h.connect();
        client.send(request);
        if (together) client.end();
        const upstream = await h.backend.next();
        await upstream.until(request);
        if (!together) client.end();
        t.equal(await upstream.untilEnd(), 'fin');
        t.equal(upstream.text, request);
        upstream.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha');
        await client.until('ha');
        upstream.send('lf');
        await client.until('half');
        t.equal(await client.untilEnd(), 'fin');
        matches(t, h.host.outcomes, [{ status: 200, reason: null }]);
        t.match(
          h.front.engine.counters(),
          { upstreamIdle: 0, upstreamOpen: 0 },
          'its connection is of no use any more',
        );
      }
    }
  },
);

t.test('SAFETY 108: FIN comes after all of a body that the backend is slow to take', async (t) => {
  const h = await startHarness(t);
  const client = await h.connect();
  client.send(`PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: ${16 * MIB}\r\n\r\n`);
  const upstream = await h.backend.next();
  await upstream.until('\r\n\r\n');
  upstream.socket.pause();
  client.send('x'.repeat(16 * MIB));
  client.end();
  await eventually('the body to be held up', () => client.socket.writableLength > 0);
  upstream.socket.resume();
  t.equal(await upstream.untilEnd(20_000), 'fin');
  t.equal(upstream.text.length - upstream.text.indexOf('\r\n\r\n') - 4, 16 * MIB);
  upstream.send(OK);
  t.equal(await client.until('ok'), OK);
});

t.test('SAFETY 108: pipelined requests in front of a FIN are answered in order', async (t) => {
  const h = await startHarness(t);
  const client = await h.connect();
  const paths = ['/1', '/2', '/3'];
  client.send(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''));
  client.end();
  const first = await h.backend.next();
  await first.until('/1');
  await finSeen(client);
  t.ok(first.open, 'the FIN is not the first one’s');
  for (const path of paths) {
    const upstream = path === '/3' ? await h.backend.next() : first;
    t.equal(await upstream.take('\r\n\r\n'), `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
    if (path === '/3') t.equal(await upstream.untilEnd(), 'fin');
    upstream.send(OK);
  }
  t.equal(await client.until(OK.length * 3), OK + OK + OK);
  t.equal(await client.untilEnd(), 'fin');
});

t.test('SAFETY 108: a backend that closes when it is told has not failed', async (t) => {
  for (const ending of ['fin', 'reset'] as const) {
    const h = await startHarness(t, retrying([502, 504], 1));
    const { client, upstream } = await h.exchange(GET);
    client.end();
    await upstream.untilEnd();
    if (ending === 'fin') upstream.end();
    else upstream.reset();
    t.match(await client.until('x-sideroute-reason: downstream_reset'), /^HTTP\/1.1 499 Client Closed Request\r\n/);
    t.equal(await client.untilEnd(), 'fin');
    matches(t, h.host.outcomes, [{ status: 499, reason: 'downstream_reset', retries: 0 }]);
    t.equal(h.backend.connections.length, 1);
  }
});

t.test('SAFETY 108: a response that the backend breaks off after the FIN is the caller’s', async (t) => {
  const h = await startHarness(t);
  const { client, upstream } = await h.exchange(GET);
  upstream.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart');
  await client.until('part');
  client.end();
  await upstream.untilEnd();
  upstream.end();
  await client.untilEnd();
  matches(t, h.host.outcomes, [{ status: 200, reason: 'downstream_reset' }]);
});

t.test('SAFETY 108: no retry begins after the FIN', async (t) => {
  await t.test('a status that is listed is passed on', async (t) => {
    const h = await startHarness(t, retrying([503], 1));
    const { client, upstream } = await h.exchange(GET);
    client.end();
    await upstream.untilEnd();
    upstream.send(BUSY);
    t.equal(await client.until('busy'), BUSY);
    matches(t, h.host.outcomes, [{ status: 503, reason: null, retries: 0 }]);
  });
  await t.test('a retry that waits for its time is given up', async (t) => {
    const h = await startHarness(t, retrying([503], 60_000));
    const { client, upstream } = await h.exchange(GET);
    upstream.send(BUSY);
    await eventually('the wait', () => h.front.engine.counters().retriesPolicy === 1);
    client.end();
    t.match(await client.until('x-sideroute-reason: downstream_reset'), /^HTTP\/1.1 499 /);
    t.equal(upstream.text, GET);
  });
  await t.test('nor on a reused connection that has closed', async (t) => {
    const h = await startHarness(t);
    const { client, upstream } = await h.exchange(GET);
    upstream.send(OK);
    await client.take('ok');
    client.send(GET);
    await upstream.until(GET + GET);
    client.end();
    await upstream.untilEnd();
    upstream.reset();
    await client.until('x-sideroute-reason: downstream_reset');
    t.equal(h.backend.connections.length, 1);
  });
});

t.test('SAFETY 108: no wait for a connection begins after the FIN, one that has begun goes on', async (t) => {
  const h = await startHarness(t, { engine: { maxUpstreamConnections: 1, queueTimeoutMs: 60_000 } });
  const EARLY = GET.replace('/', '/early');
  const { client: busy, upstream } = await h.exchange(GET);
  const early = await h.connect();
  early.send(EARLY);
  await eventually('the queue', () => h.front.engine.counters().queued === 1);
  early.end();
  const late = await h.connect();
  late.send(GET);
  late.end();
  t.match(await late.until('x-sideroute-reason: overflow'), /^HTTP\/1.1 503 /);
  t.equal(await late.untilEnd(), 'fin');
  upstream.send(OK);
  await busy.until(OK);
  const next = await h.backend.next();
  t.equal(await next.until(EARLY), EARLY);
  t.equal(await next.untilEnd(), 'fin');
  next.send(OK);
  t.equal(await early.until('ok'), OK);
});

t.test('SAFETY 108: a dial that is under way goes on after the FIN', async (t) => {
  const port = await closedPort();
  const h = await startHarness(t, { engine: { redialStepMs: 100 }, decide: () => forwardTo(port) });
  const client = await h.connect();
  client.send(POST);
  client.end();
  await eventually('refusals', () => h.front.engine.counters().redials === 2);
  const backend = await ScriptedBackend.listen(t, { port });
  const upstream = await backend.next();
  t.equal(await upstream.until(POST), POST);
  t.equal(await upstream.untilEnd(), 'fin');
  upstream.send(OK);
  t.equal(await client.until('ok'), OK);
});

t.test('SAFETY 108: a reset ends the exchange wherever it is, and the backend sees it', async (t) => {
  const over = async (h: Harness, count = 1): Promise<void> => {
    await eventually('the outcome', () => h.host.outcomes.length === count);
    t.match(h.host.outcomes.at(-1), { reason: 'downstream_reset' });
    await eventually('nothing is open', () => h.front.engine.counters().requestsOpen === count - 1);
  };
  await t.test('before the response', async (t) => {
    const h = await startHarness(t);
    const { client, upstream } = await h.exchange(GET);
    client.reset();
    t.equal(await upstream.untilEnd(), 'reset');
    await over(h);
  });
  await t.test('after its FIN', async (t) => {
    const h = await startHarness(t);
    const { client, upstream } = await h.exchange(GET);
    client.end();
    await upstream.untilEnd();
    client.reset();
    await over(h);
    t.equal(h.front.engine.counters().upstreamOpen, 0);
  });
  await t.test('within the response', async (t) => {
    const h = await startHarness(t);
    const { client, upstream } = await h.exchange(GET);
    upstream.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart');
    await client.until('part');
    client.reset();
    t.equal(await upstream.untilEnd(), 'reset');
    await over(h);
  });
  await t.test('waiting for a retry', async (t) => {
    const h = await startHarness(t, retrying([503], 60_000));
    const { client, upstream } = await h.exchange(GET);
    upstream.send(BUSY);
    await eventually('the wait', () => h.front.engine.counters().retriesPolicy === 1);
    client.reset();
    await over(h);
  });
  await t.test('behind a body that the backend does not take', async (t) => {
    const h = await startHarness(t);
    const client = await h.connect();
    client.send(`PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: ${64 * MIB}\r\n\r\n`);
    const upstream = await h.backend.next();
    await upstream.until('\r\n\r\n');
    upstream.socket.pause();
    client.send('x'.repeat(32 * MIB));
    await eventually('the body to be held up', () => client.socket.writableLength > 0);
    client.reset();
    await over(h);
    upstream.socket.resume();
    t.equal(await upstream.untilEnd(), 'reset');
  });
  await t.test('FIN within a body that nobody reads now', async (t) => {
    const h = await startHarness(t);
    const client = await h.connect();
    client.send('PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n');
    const upstream = await h.backend.next();
    await upstream.until('\r\n\r\n');
    client.end();
    t.equal(await upstream.untilEnd(), 'reset');
    await over(h);
  });
});

t.test('SAFETY 108: a mirror is not cut when the caller of a whole request leaves', async (t) => {
  for (const leave of [(client: WireEnd) => client.end(), (client: WireEnd) => client.reset()]) {
    const mirror = await ScriptedBackend.listen(t);
    const target = { backend: { ...backendAt(mirror.port), id: 1, key: 'ns/m' }, plan: null, series: 70 };
    const h = await startHarness(t, { decide: (_request, port) => ({ ...forwardTo(port), mirrors: [target] }) });
    const { client, upstream } = await h.exchange(POST);
    const copy = await mirror.next();
    await copy.until('hello');
    leave(client);
    await upstream.untilEnd();
    await loopTurns(5);
    t.ok(copy.open);
    copy.send(OK);
    await eventually('the copy is answered', () => h.host.mirrors.length === 1);
    t.strictSame(h.host.mirrors, [{ series: 70, result: 'answered' }]);
  }
});

t.test('SAFETY 108: HTTP/1.0 and Connection: close with a FIN are answered as ever', async (t) => {
  for (const request of ['GET / HTTP/1.0\r\n\r\n', 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n']) {
    const h = await startHarness(t);
    const client = await h.connect();
    client.send(request);
    client.end();
    const upstream = await h.backend.next();
    await upstream.until('\r\n\r\n');
    upstream.send(OK);
    await client.until('ok');
    t.equal(await client.untilEnd(), 'fin');
    matches(t, h.host.outcomes, [{ status: 200, reason: null }]);
  }
});

/** Many ask for something that never comes, and leave; what the backend does about it differs. */
const CALLERS = 1_100;
async function leaveInCrowds(t: Test, leave: (client: WireEnd) => void, told: (upstream: WireEnd) => void) {
  const h = await startHarness(t, { engine: { queueTimeoutMs: 60_000 } });
  const clients: WireEnd[] = [];
  for (let i = 0; i < CALLERS; i++) {
    const client = await h.connect();
    client.send(GET);
    clients.push(client);
  }
  await eventually('the rest waits', () => h.front.engine.counters().queued === CALLERS - 1_024, 20_000);
  await eventually('the requests', () => h.backend.connections.every(({ text }) => text === GET));
  for (const peer of h.backend.connections) peer.socket.on('end', () => told(peer));
  h.backend.onConnection = (peer) => peer.socket.on('end', () => told(peer));
  for (const client of clients) leave(client);
  const next = await h.connect();
  next.send(POST);
  const upstream = await eventually('the next request', () => h.backend.connections.find(({ text }) => text === POST));
  upstream.send(OK);
  t.equal(await next.until('ok'), OK);
}

t.test('SAFETY 108: 1,100 callers reset, and the next request is served', async (t) => {
  await leaveInCrowds(
    t,
    (client) => client.reset(),
    () => undefined,
  );
});

t.test('SAFETY 108: 1,100 callers end, the backend closes as it is told, and the next request is served', async (t) => {
  await leaveInCrowds(
    t,
    (client) => client.end(),
    (upstream) => upstream.end(),
  );
});

t.test('SAFETY 108: 1,100 callers end, the backend is deaf, and the next request takes the place of one', async (t) => {
  await leaveInCrowds(
    t,
    (client) => client.end(),
    () => undefined,
  );
});
