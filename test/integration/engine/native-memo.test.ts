/** Decisions that are made again without asking: only for the same question, and only as long as they hold. */
import t, { type Test } from 'tap';

import type { RequestHead } from '../../../src/routing/decision.ts';
import { forwardTo, FRONTEND } from '../../support/engine-cases.ts';
import { startHarness, type Harness } from '../../support/engine-harness.ts';
import { type WireEnd } from '../../support/wire-end.ts';
import { eventually } from '../../support/eventually.ts';

/** To the backend, however many requests there are. */
const ONE_CONNECTION = { upstreamMaxRequests: 1_000_000, upstreamMaxAgeMs: 3_600_000, upstreamIdleMs: 60_000 };
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

interface Setup {
  readonly names?: readonly string[];
  readonly query?: boolean;
  readonly repeatable?: boolean;
}

/** A client whose requests `ask` sends. */
async function memo(t: Test, { names = ['version'], query = true, repeatable = true }: Setup = {}) {
  const seen: (string | null)[] = [];
  const decide = (head: RequestHead, port: number) => {
    seen.push(head.header('version'));
    return { ...forwardTo(port), repeatable };
  };
  const h: Harness = await startHarness(t, { decide, engine: ONE_CONNECTION });
  h.front.engine.setInterest(FRONTEND, names, query);
  return { h, ask: asker(h, await h.connect()), seen };
}

/** Sends a request, answers it and says whether `decide` was asked; one at a time, so that there is one upstream connection. */
function asker(h: Harness, client: WireEnd): (lines: string, requestLine?: string) => Promise<number> {
  return async (lines, requestLine = 'GET / HTTP/1.1') => {
    const before = h.host.asked.length;
    client.send(`${requestLine}\r\nHost: a\r\n${lines}\r\n`);
    const upstream = h.backend.connections[0] ?? (await h.backend.next());
    await upstream.take('\r\n\r\n');
    upstream.send(OK);
    await client.take('ok');
    return h.host.asked.length - before;
  };
}

async function connectTo(h: Harness, frontend: number): Promise<WireEnd> {
  const { engine } = h.front;
  const before = engine.connections;
  h.front.frontend = frontend;
  h.host.frontends.add(frontend);
  const client = await h.connect();
  await eventually('adopted', () => engine.connections > before);
  return client;
}

t.test('the same question is asked once', async (t) => {
  const { h, ask, seen } = await memo(t);
  t.equal(await ask('Version: new\r\n'), 1);
  for (let i = 0; i < 3; i++) t.equal(await ask('X: anything\r\nversion: new\r\n'), 0, 'other fields do not matter');
  t.strictSame(seen, ['new']);
  t.equal(h.host.outcomes.length, 4, 'every request has its outcome');
});

t.test('whatever routing may look at makes another question', async (t) => {
  const { ask, seen } = await memo(t, { names: ['version', 'x'] });
  for (const [lines, requestLine] of [
    [''],
    ['Version: new\r\n'],
    ['Version: New\r\n'],
    ['Version:\r\n'],
    ['X:\r\n'],
    ['Version: a\r\nVersion: b\r\n'],
    ['Version: a\r\nX: b\r\n'],
    ['Version: a\r\n', 'GET /p HTTP/1.1'],
    ['Version: a\r\n', 'GET /p? HTTP/1.1'],
    ['Version: a\r\n', 'GET /?p HTTP/1.1'],
    ['Version: a\r\n', 'OPTIONS / HTTP/1.1'],
    ['Version: a\r\n', 'OPTIONS * HTTP/1.1'],
    ['Version: a\r\n', 'get / HTTP/1.1'],
  ] as const) {
    const asked = await ask(lines, requestLine);
    // `/p?` has the path and the query of `/p`.
    t.equal(asked, requestLine === 'GET /p? HTTP/1.1' ? 0 : 1, JSON.stringify([requestLine, lines]));
    t.equal(await ask(lines, requestLine), 0, 'and the same one is known');
  }
  t.strictSame(seen.slice(0, 6), [null, 'new', 'New', '', null, 'a,b']);
});

t.test('an absolute-form target is asked by its authority when routing looks at Host', async (t) => {
  const { ask } = await memo(t, { names: ['host'] });
  t.equal(await ask(''), 1);
  t.equal(await ask('', 'GET http://b/ HTTP/1.1'), 1);
  t.equal(await ask('', 'GET http://b/ HTTP/1.1'), 0);
  t.equal(await ask(''), 0);
});

t.test('a decision that is not repeatable is asked for each time', async (t) => {
  const { ask } = await memo(t, { repeatable: false });
  for (let i = 0; i < 3; i++) t.equal(await ask(''), 1);
});

t.test('more names than the addon is told of: each request is asked for', async (t) => {
  const { ask } = await memo(t, { names: ['version', ...Array.from({ length: 8 }, (_, i) => `x-${i}`)] });
  for (let i = 0; i < 3; i++) t.equal(await ask('X-7: 1\r\n'), 1);
});

t.test('forgotten when addresses change, and not used for a new table until it says what it looks at', async (t) => {
  const { h, ask } = await memo(t);
  t.equal(await ask(''), 1);
  t.equal(await ask(''), 0);
  h.front.engine.forget(true);
  t.equal(await ask(''), 1);
  t.equal(await ask(''), 0);
  h.front.engine.forget(false);
  h.front.engine.forget(true);
  for (let i = 0; i < 3; i++) t.equal(await ask(''), 1);
  h.front.engine.setInterest(FRONTEND, ['x'], true);
  t.equal(await ask(''), 1);
  t.equal(await ask('Version: other\r\n'), 0);
  t.equal(await ask('X: other\r\n'), 1);
});

t.test('where no rule looks at the query, requests that differ in it alone are the same question', async (t) => {
  const { ask } = await memo(t, { query: false });
  t.equal(await ask('', 'GET /p?a=1 HTTP/1.1'), 1);
  t.equal(await ask('', 'GET /p?a=2 HTTP/1.1'), 0);
  t.equal(await ask('', 'GET /p HTTP/1.1'), 0);
  t.equal(await ask('', 'GET /q?a=1 HTTP/1.1'), 1, 'another path is another question');
});

t.test('what a client sends is kept within bounds', async (t) => {
  const { h, ask } = await memo(t);
  const size = () => {
    const { memoEntries, memoBytes } = h.front.engine.counters();
    return { memoEntries, memoBytes };
  };
  t.same(size(), { memoEntries: 0, memoBytes: 0 });
  const long = `Version: ${'v'.repeat(5_000)}\r\n`;
  t.equal(await ask(long), 1);
  t.equal(await ask(long), 1, 'a long question is not kept');
  t.same(size(), { memoEntries: 0, memoBytes: 0 });
  t.equal(await ask('Version: short\r\n'), 1);
  t.equal(size().memoEntries, 1);
  t.ok(size().memoBytes > 'GET/short'.length && size().memoBytes < 512, `${size().memoBytes} bytes`);
  h.front.engine.forget(true);
  t.same(size(), { memoEntries: 0, memoBytes: 0 }, 'what is forgotten takes nothing');

  // Of other values each time, 4,000 bytes of them.
  let most = 0;
  for (let i = 0; i < 1_100; i++) {
    await ask(`Version: ${String(i).padEnd(4_000, '.')}\r\n`);
    most = Math.max(most, size().memoBytes);
  }
  t.ok(most > 1024 * 1024, `${most} bytes are used`);
  t.ok(most <= 4 * 1024 * 1024, `${most} bytes at most`);
  for (let i = 0; i < 1_100; i++) await ask(`Version: ${i}\r\n`);
  t.same(size(), { memoEntries: 0, memoBytes: 0 }, 'given up where questions do not repeat');
});

t.test('all frontends together have one bound', async (t) => {
  const { h, ask } = await memo(t);
  const frontends = [1, 2, 3];
  const asks = [ask];
  for (const frontend of frontends) {
    h.front.engine.setInterest(frontend, ['version'], false);
    asks.push(asker(h, await connectTo(h, frontend)));
  }
  let most = 0;
  for (let i = 0; i < 400; i++) {
    for (const ask of asks) await ask(`Version: ${String(i).padEnd(4_000, '.')}\r\n`);
    most = Math.max(most, h.front.engine.counters().memoBytes);
  }
  t.ok(most > 3 * 1024 * 1024 && most <= 4 * 1024 * 1024, `${most} bytes at most`);
});
