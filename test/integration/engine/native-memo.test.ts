/** Decisions that are made again without asking: only for the same question, and only as long as they hold. */
import t, { type Test } from 'tap';

import type { RequestHead } from '../../../src/routing/decision.ts';
import { forwardTo, FRONTEND } from '../../support/engine-cases.ts';
import { startHarness, type Harness } from '../../support/engine-harness.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

interface Setup {
  readonly names?: readonly string[];
  readonly repeatable?: boolean;
}

/** `ask` sends a request and says how often `decide` has been asked since the last one. */
async function memo(t: Test, { names = ['version'], repeatable = true }: Setup = {}) {
  const seen: (string | null)[] = [];
  const decide = (head: RequestHead, port: number) => {
    seen.push(head.header('version'));
    return { ...forwardTo(port), repeatable };
  };
  const h: Harness = await startHarness(t, { decide });
  h.front.engine.setInterest(FRONTEND, names);
  const client = await h.connect();
  let upstream: Awaited<ReturnType<typeof h.backend.next>> | null = null;
  let asked = 0;
  const ask = async (lines: string, requestLine = 'GET / HTTP/1.1'): Promise<number> => {
    client.send(`${requestLine}\r\nHost: a\r\n${lines}\r\n`);
    upstream ??= await h.backend.next();
    await upstream.take('\r\n\r\n');
    upstream.send(OK);
    await client.take('ok');
    const before = asked;
    asked = h.host.asked.length;
    return asked - before;
  };
  return { h, ask, seen };
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
  h.front.engine.setInterest(FRONTEND, ['x']);
  t.equal(await ask(''), 1);
  t.equal(await ask('Version: other\r\n'), 0);
  t.equal(await ask('X: other\r\n'), 1);
});
