/** Mirrors on the wire: what a mirror gets, and that nothing it does reaches the client. */
import t, { type Test } from 'tap';

import type { NativeEngineOptions } from '../../../src/engine/native/native-engine.ts';
import type { Backend, ForwardDecision, ForwardPlan, MirrorTarget } from '../../../src/routing/decision.ts';
import { backendAt, forwardTo } from '../../support/engine-cases.ts';
import { startHarness, type Harness } from '../../support/engine-harness.ts';
import { ScriptedBackend, loopTurns } from '../../support/wire-end.ts';
import { eventually } from '../../support/eventually.ts';
import { closedPort } from '../../support/wire.ts';
import { matches } from '../../support/match.ts';

const GET = 'GET /p?q=1 HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n';
const POST = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const FIRST_SERIES = 70;

interface Setup {
  readonly mirrors?: number;
  readonly plan?: ForwardPlan | null;
  readonly engine?: NativeEngineOptions;
  /** Instead of a listening one. */
  readonly port?: number;
}

async function mirrored(t: Test, setup: Setup = {}): Promise<{ h: Harness; mirrors: ScriptedBackend[] }> {
  const mirrors: ScriptedBackend[] = [];
  const targets: MirrorTarget[] = [];
  for (let i = 0; i < (setup.mirrors ?? 1); i++) {
    const mirror = await ScriptedBackend.listen(t);
    const backend: Backend = { ...backendAt(setup.port ?? mirror.port), id: i + 1, key: `ns/m${i}` };
    mirrors.push(mirror);
    targets.push({ backend, plan: setup.plan ?? null, series: FIRST_SERIES + i });
  }
  const decide = (_request: unknown, port: number): ForwardDecision => ({ ...forwardTo(port), mirrors: targets });
  const h = await startHarness(t, { decide, ...(setup.engine === undefined ? {} : { engine: setup.engine }) });
  return { h, mirrors };
}

/** One request on a connection of its own, answered by the backend on whichever connection it comes. */
async function serve(h: Harness, request: string): Promise<void> {
  const client = await h.connect();
  client.send(request);
  const upstream = await eventually('the request', () =>
    h.backend.connections.find(({ text }) => text.includes(request)),
  );
  await upstream.take(request);
  upstream.send(OK);
  t.equal(await client.until('ok'), OK);
  client.end();
}

t.test('SPEC F10: every mirror gets method, URI, fields and body, its response goes nowhere', async (t) => {
  const chunked =
    'POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n';
  for (const request of [GET, POST, chunked]) {
    const { h, mirrors } = await mirrored(t, { mirrors: 3 });
    const { client, upstream } = await h.exchange(request);
    for (const mirror of mirrors) {
      const peer = await mirror.next();
      t.equal(await peer.until(request.length), request);
      peer.send('HTTP/1.1 500 Mirror\r\nContent-Length: 6\r\n\r\nmirror');
    }
    upstream.send(OK);
    t.equal(await client.until('ok'), OK);
    await eventually('every mirror is done', () => h.host.mirrors.length === 3);
    t.strictSame(h.host.mirrors.map(({ series, result }) => `${series} ${result}`).sort(), [
      '70 answered',
      '71 answered',
      '72 answered',
    ]);
    matches(t, h.host.outcomes, [{ status: 200, reason: null }]);
  }
});

t.test('SPEC F10: a connection to a mirror serves the next copy, too', async (t) => {
  const { h, mirrors } = await mirrored(t);
  for (let i = 1; i <= 3; i++) {
    await serve(h, GET);
    const peer = mirrors[0]!.connections[0] ?? (await mirrors[0]!.next());
    await peer.until(GET.length * i);
    peer.send(OK);
    await eventually('the copy is done', () => h.host.mirrors.length === i);
  }
  t.equal(mirrors[0]!.connections.length, 1);
});

t.test('SPEC F2: a mirror has edits of its own', async (t) => {
  const plan: ForwardPlan = {
    request: { remove: ['x'], append: [{ name: 'X-Mirror', value: 'yes' }] },
    response: { remove: [], append: [] },
    host: 'm.example',
    path: { kind: 'full', path: '/m' },
  };
  const { h, mirrors } = await mirrored(t, { plan });
  await serve(h, GET);
  const peer = await mirrors[0]!.next();
  t.equal(await peer.until('\r\n\r\n'), 'GET /m?q=1 HTTP/1.1\r\nHost: m.example\r\nX-Mirror: yes\r\n\r\n');
});

t.test('SPEC F10: a body reaches the mirror as it comes; the mirror does not ask for it', async (t) => {
  const { h, mirrors } = await mirrored(t);
  const client = await h.connect();
  client.send('POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 6\r\n\r\n');
  const upstream = await h.backend.next();
  await upstream.until('\r\n\r\n');
  const peer = await mirrors[0]!.next();
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n';
  t.equal(await peer.until('\r\n\r\n'), head);
  upstream.send('HTTP/1.1 100 Continue\r\n\r\n');
  await client.take('\r\n\r\n');
  client.send('abc');
  t.equal(await peer.until('abc'), `${head}abc`);
  client.send('def');
  t.equal(await peer.until('def'), `${head}abcdef`);
  upstream.send(OK);
  t.equal(await client.until('ok'), OK);
});

t.test('SPEC F10: a mirror that refuses, resets, talks nonsense or stays silent harms no request', async (t) => {
  const ends: readonly [string, Setup, ((mirror: ScriptedBackend) => Promise<void>) | null][] = [
    ['connect_failure', { port: await closedPort() }, null],
    ['reset', {}, async (mirror) => (await mirror.next()).reset()],
    ['reset', {}, async (mirror) => (await mirror.next()).send('SSH-2.0-x\r\n')],
    ['timeout', { engine: { mirrorTimeoutMs: 40 } }, null],
  ];
  for (const [result, setup, act] of ends) {
    for (const request of [GET, POST]) {
      await t.test(`${result} on ${request.slice(0, 4)}`, async (t) => {
        const { h, mirrors } = await mirrored(t, setup);
        await serve(h, request);
        await act?.(mirrors[0]!);
        await eventually('the mirror is done', () => h.host.mirrors.length === 1);
        t.strictSame(h.host.mirrors, [{ series: FIRST_SERIES, result }]);
        await serve(h, request);
        matches(t, h.host.outcomes, [
          { status: 200, reason: null },
          { status: 200, reason: null },
        ]);
      });
    }
  }
});

t.test('SPEC F10: a mirror that does not read is given up when its bytes have no room', async (t) => {
  const { h, mirrors } = await mirrored(t, { engine: { maxMirrorBytes: 1024 } });
  const client = await h.connect();
  const length = 16 * 1024 * 1024;
  client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`);
  const upstream = await h.backend.next();
  const stalled = await mirrors[0]!.next();
  stalled.socket.pause();
  client.send('x'.repeat(length));
  await eventually('all of it', () => upstream.length > length, 20_000);
  upstream.send(OK);
  t.equal(await client.until('ok'), OK);
  t.strictSame(h.host.mirrors, [{ series: FIRST_SERIES, result: 'overflow' }]);
  stalled.socket.resume();
  await stalled.untilEnd();
  t.ok(stalled.length < length, 'what it has is visibly not all');
});

t.test('SPEC F10: no more copies wait for a mirror than its limit, and the others are counted', async (t) => {
  const { h, mirrors } = await mirrored(t, { engine: { maxMirrors: 2 } });
  for (let i = 0; i < 5; i++) await serve(h, GET);
  t.equal(mirrors[0]!.connections.length, 2);
  t.strictSame(
    h.host.mirrors.map(({ result }) => result),
    ['overflow', 'overflow', 'overflow'],
  );
  for (const peer of mirrors[0]!.connections) peer.send(OK);
  await eventually('two are answered', () => h.host.mirrors.length === 5);
  await serve(h, GET);
  t.equal(h.host.mirrors.length, 5, 'there is room again');
});

t.test('SPEC F10: the copy of a request that breaks off is torn down', async (t) => {
  const { h, mirrors } = await mirrored(t);
  const client = await h.connect();
  client.send(POST.slice(0, -2));
  const peer = await mirrors[0]!.next();
  await peer.until('hel');
  client.reset();
  t.equal(await peer.untilEnd(), 'reset');
  await eventually('it is counted', () => h.host.mirrors.length === 1);
  t.strictSame(h.host.mirrors, [{ series: FIRST_SERIES, result: 'aborted' }]);
});

t.test('SPEC F10: a mirror gets the whole body also when the backend cannot be reached', async (t) => {
  const mirror = await ScriptedBackend.listen(t);
  const target = { backend: { ...backendAt(mirror.port), id: 1 }, plan: null, series: FIRST_SERIES };
  const refusing = await closedPort();
  const h = await startHarness(t, { decide: () => ({ ...forwardTo(refusing), mirrors: [target] }) });
  const client = await h.connect();
  client.send(POST.slice(0, -2));
  const peer = await mirror.next();
  await peer.until('\r\n\r\n');
  client.send('lo');
  t.match(await client.until('x-sideroute-reason: connect_failure'), /^HTTP\/1.1 503 /);
  t.equal(await peer.until('hello'), POST);
});

t.test('SPEC F10: upgrades and CONNECT are not mirrored, and that is counted', async (t) => {
  const upgrade = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
  for (const request of [upgrade, 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n']) {
    const { h, mirrors } = await mirrored(t);
    const { client, upstream } = await h.exchange(request);
    upstream.send('HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno');
    await client.until('no');
    await loopTurns(3);
    t.strictSame(h.host.mirrors, [{ series: FIRST_SERIES, result: 'skipped' }]);
    t.equal(mirrors[0]!.connections.length, 0);
  }
});

t.test('SPEC R1, F10: a retried request is mirrored once', async (t) => {
  const mirror = await ScriptedBackend.listen(t);
  const target = { backend: { ...backendAt(mirror.port), id: 1 }, plan: null, series: FIRST_SERIES };
  const policy = { requestTimeoutMs: 0, attemptTimeoutMs: 0, retry: { attempts: 1, codes: [503], backoffMs: 1 } };
  const h = await startHarness(t, { decide: (_request, port) => ({ ...forwardTo(port), policy, mirrors: [target] }) });
  const { client, upstream } = await h.exchange(POST);
  upstream.send('HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n');
  await upstream.until(POST.length * 2);
  upstream.send(OK);
  t.equal(await client.until('ok'), OK);
  const peer = await mirror.next();
  t.equal(await peer.until('hello'), POST);
  peer.send(OK);
  await eventually('the copy is done', () => h.host.mirrors.length === 1);
  t.equal(mirror.connections.length, 1);
  t.equal(peer.text, POST);
});
