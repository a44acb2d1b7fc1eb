import t, { type Test } from 'tap';

import type { ForwardPlan } from '../../../src/routing/decision.ts';
import { forwardTo } from '../../support/engine-cases.ts';
import { startHarness, type HarnessOptions } from '../../support/engine-harness.ts';
import { loopTurns } from '../../support/wire-end.ts';
import { eventually } from '../../support/eventually.ts';
import { matches } from '../../support/match.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** Sends `request`, asserts what the backend got, answers, asserts what the client got. */
async function relay(
  t: Test,
  request: string,
  upstreamBytes: string,
  response: string,
  clientBytes: string,
  options: HarnessOptions = {},
) {
  const h = await startHarness(t, options);
  const client = await h.connect();
  client.send(request);
  const upstream = await h.backend.next();
  t.equal(await upstream.until(upstreamBytes.length), upstreamBytes);
  upstream.send(response);
  t.equal((await client.until(clientBytes.length)).slice(0, clientBytes.length), clientBytes);
  return { h, client, upstream };
}

t.test('field order, case, repetition, blanks and bytes are kept', async (t) => {
  const head = 'GET /a?b HTTP/1.1\r\nhOSt:  a \r\nX-b:\t1\r\nx-B: \r\nX_Y: \xe9\xff\r\nX-b: 2\r\n\r\n';
  const answer = 'HTTP/1.1 200 All  right \r\nset-COOKIE: a\r\nSet-Cookie:  b \r\nContent-Length: 0\r\n\r\n';
  await relay(t, head, head, answer, answer);
});

t.test('hop-by-hop fields are removed, both ways, the others keep their places', async (t) => {
  await relay(
    t,
    'GET / HTTP/1.1\r\nConnection: x-hop\r\nHost: a\r\nX-Hop: 1\r\nB: 2\r\nKeep-Alive: 1\r\nTE: trailers\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: a\r\nB: 2\r\n\r\n',
    'HTTP/1.1 204 No\r\nA: 1\r\nConnection: keep-alive\r\nB: 2\r\nKeep-Alive: timeout=5\r\n\r\n',
    'HTTP/1.1 204 No\r\nA: 1\r\nB: 2\r\n\r\n',
  );
});

t.test('a request and a response split at every byte are relayed as if they were not', async (t) => {
  const head = 'POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
  const body = '3;q=1\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n';
  const response = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwxyz\r\n0\r\nX-E: 2\r\n\r\n';
  const h = await startHarness(t);
  const client = await h.connect();
  const every = (text: string): number[] => Array.from(text, (_, i) => i);
  await client.sendSplit(head + body, every(head + body));
  const upstream = await h.backend.next();
  const seen = await upstream.until('X-T: 1\r\n\r\n');
  t.ok(seen.startsWith(head));
  t.equal(dechunk(seen.slice(head.length)), 'abcde|X-T: 1\r\n');
  await upstream.sendSplit(response, every(response));
  const got = await client.until('X-E: 2\r\n\r\n');
  t.equal(dechunk(got.slice(got.indexOf('\r\n\r\n') + 4)), 'wxyz|X-E: 2\r\n');
  matches(t, h.host.outcomes, [{ status: 200, reason: null }]);
});

/** Payload, `|` and trailer lines. */
function dechunk(text: string): string {
  let payload = '';
  for (;;) {
    const line = text.indexOf('\r\n');
    const size = Number.parseInt(text.slice(0, line), 16);
    if (size === 0) return `${payload}|${text.slice(line + 2, -2)}`;
    payload += text.slice(line + 2, line + 2 + size);
    text = text.slice(line + 2 + size + 2);
  }
}

t.test('pipelined requests are answered in order', async (t) => {
  const h = await startHarness(t);
  const client = await h.connect();
  const paths = Array.from({ length: 16 }, (_, i) => `/${i}`);
  client.send(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''));
  const upstream = await h.backend.next();
  for (const path of paths) {
    t.equal(await upstream.take('\r\n\r\n'), `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
    upstream.send(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`);
  }
  const all = paths.map((path) => `HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`).join('');
  t.equal(await client.until(all.length), all);
  t.equal(h.backend.connections.length, 1);
});

t.test('garbage behind a body comes after its answer', async (t) => {
  const { h, client } = await relay(
    t,
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nxGARBAGE\r\n\r\n',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx',
    OK,
    OK,
  );
  t.match(await client.until('Connection: close'), /400 Bad Request/);
  t.equal(await client.untilEnd(), 'fin');
  t.strictSame(h.host.refused, ['bad_request']);
});

t.test('the body waits for the 100 of the upstream', async (t) => {
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n';
  const { client, upstream } = await relay(
    t,
    head,
    head,
    'HTTP/1.1 100 Continue\r\n\r\n',
    'HTTP/1.1 100 Continue\r\n\r\n',
  );
  client.send('hello');
  t.equal(await upstream.until('hello'), `${head}hello`);
  upstream.send(OK);
  t.equal(await client.until('ok'), `HTTP/1.1 100 Continue\r\n\r\n${OK}`);
});

t.test('a 417 is relayed, and the body never asked for', async (t) => {
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n';
  const { client } = await relay(
    t,
    head,
    head,
    'HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n',
    'HTTP/1.1 417 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
  );
  t.equal(await client.untilEnd(), 'fin');
});

t.test('a body sent with its Expect is held until the 100, or until waiting would deadlock', async (t) => {
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n';
  const { client, upstream } = await relay(t, `${head}hello${GET}`, head, '', '', { engine: { expectTimeoutMs: 60 } });
  await loopTurns(10);
  t.equal(upstream.text, head);
  t.equal(await upstream.until('hello'), `${head}hello`);
  upstream.send(OK);
  t.equal(await client.until('ok'), OK);
  t.ok((await upstream.until(GET)).endsWith(GET));
});

t.test('interim responses are relayed, more than 16 are a 502', async (t) => {
  const hints = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n';
  await relay(t, GET, GET, hints.repeat(16) + OK, hints.repeat(16) + OK);
  const { h, client } = await relay(t, GET, GET, hints.repeat(17) + OK, hints.repeat(16));
  t.match(await client.until('upstream_protocol'), /502 Bad Gateway/);
  matches(t, h.host.outcomes, [{ status: 502, reason: 'upstream_protocol' }]);
});

t.test('trailers are relayed both ways, framing fields among them are not', async (t) => {
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n';
  await relay(
    t,
    `${head}1\r\na\r\n0\r\nX-T: 1\r\nContent-Length: 3\r\nHost: b\r\n\r\n`,
    `${head}1\r\na\r\n0\r\nX-T: 1\r\n\r\n`,
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-U: 2\r\nTransfer-Encoding: x\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-U: 2\r\n\r\n',
  );
});

t.test('an upgrade is a tunnel from the 101 on, glued bytes and earlier ones included', async (t) => {
  const head = 'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nX: 1\r\n\r\n';
  const h = await startHarness(t);
  const client = await h.connect();
  client.send(`${head}early`);
  const upstream = await h.backend.next();
  const forwarded = 'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX: 1\r\n\r\n';
  t.equal(await upstream.until('X: 1\r\n\r\n'), forwarded);
  await loopTurns(10);
  t.equal(upstream.text, forwarded);
  const switched = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n';
  upstream.send(`${switched}glued`);
  t.equal(await client.until('glued'), `${switched}glued`);
  t.equal(await upstream.until('early'), `${forwarded}early`);
  client.send('\x00\xff');
  t.equal(await upstream.until('\xff'), `${forwarded}early\x00\xff`);
  t.equal(h.front.engine.counters().relaysOpen, 1);
  client.end();
  t.equal(await upstream.untilEnd(), 'fin');
  upstream.send('last words');
  upstream.end();
  await client.until('last words');
  t.equal(await client.untilEnd(), 'fin');
  await loopTurns(3);
  matches(t, h.host.outcomes, [{ status: 101, reason: null }]);
  t.equal(h.front.engine.counters().relaysOpen, 0);
});

t.test('an upgrade that is not granted stays HTTP', async (t) => {
  const head = 'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
  const { client, upstream } = await relay(t, head + GET, head, OK, OK);
  t.equal((await upstream.until(GET)).slice(head.length), GET);
  upstream.send(OK);
  await client.until(OK + OK);
});

t.test('an upgrade to h2c is forwarded without', async (t) => {
  await relay(
    t,
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n',
    GET,
    OK,
    OK,
  );
});

t.test('CONNECT becomes a tunnel after 2xx only', async (t) => {
  const head = 'CONNECT b:80 HTTP/1.1\r\nHost: b:80\r\n\r\n';
  await relay(
    t,
    head,
    head,
    'HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno',
    'HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno',
  );
  const answer = 'HTTP/1.1 200 Yes\r\n\r\n';
  const { client, upstream } = await relay(t, `${head}early`, head, `${answer}late`, `${answer}late`);
  t.equal(await upstream.until('early'), `${head}early`);
  upstream.reset();
  t.equal(await client.untilEnd(), 'reset');
});

t.test('absolute-form gives path and Host; OPTIONS * stays', async (t) => {
  const { h } = await relay(
    t,
    'GET http://b:8080/x?y HTTP/1.1\r\nA: 1\r\nHost: a\r\nB: 2\r\n\r\n',
    'GET /x?y HTTP/1.1\r\nA: 1\r\nHost: b:8080\r\nB: 2\r\n\r\n',
    OK,
    OK,
    {
      decide: (request, port) => {
        t.equal(request.header('host'), 'b:8080');
        t.equal(request.header('b'), '2');
        return {
          kind: 'forward',
          backend: { namespace: 'n', name: 'b', port, key: 'k', id: 0, addresses: ['127.0.0.1'], state: 'resolved' },
          series: 1,
        };
      },
    },
  );
  t.strictSame(h.host.asked, [{ method: 'GET', path: '/x', query: 'y' }]);
  await relay(t, 'GET http://b HTTP/1.1\r\nHost: a\r\n\r\n', 'GET / HTTP/1.1\r\nHost: b\r\n\r\n', OK, OK);
  const star = await relay(t, 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', OK, OK);
  t.strictSame(star.h.host.asked, [{ method: 'OPTIONS', path: '*', query: '' }]);
});

t.test('HTTP/1.0 is never answered in chunks, with and without Host', async (t) => {
  const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: 1\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n';
  const { client } = await relay(
    t,
    'GET / HTTP/1.0\r\nHost: a\r\n\r\n',
    GET,
    chunked,
    'HTTP/1.1 200 OK\r\nX: 1\r\nConnection: close\r\n\r\nabc',
  );
  t.equal(await client.untilEnd(), 'fin');
  const bare = await relay(
    t,
    'GET / HTTP/1.0\r\n\r\n',
    'GET / HTTP/1.0\r\n\r\n',
    OK,
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok',
  );
  t.equal(await bare.client.untilEnd(), 'fin');
});

t.test('HTTP/1.0 with keep-alive keeps the connection when the length is known', async (t) => {
  const kept = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok';
  const request = 'GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n';
  const { client, upstream } = await relay(t, request, GET, OK, kept);
  client.send(request);
  await upstream.until(GET + GET);
  upstream.send(OK);
  t.equal(await client.until(kept.length * 2), kept + kept);
});

t.test('a response until close is chunked for 1.1, and a reset shows as truncation', async (t) => {
  const head = 'HTTP/1.0 200 OK\r\nX: 1\r\n\r\n';
  const chunkedHead = 'HTTP/1.1 200 OK\r\nX: 1\r\nTransfer-Encoding: chunked\r\n\r\n';
  const whole = await relay(t, GET, GET, `${head}abc`, `${chunkedHead}3\r\nabc\r\n`);
  whole.upstream.end();
  t.equal(await whole.client.until('0\r\n\r\n'), `${chunkedHead}3\r\nabc\r\n0\r\n\r\n`);
  const cut = await relay(t, GET, GET, `${head}abc`, `${chunkedHead}3\r\nabc\r\n`);
  cut.upstream.reset();
  await cut.client.untilEnd();
  t.notMatch(cut.client.text, '0\r\n\r\n');
  const old = await relay(
    t,
    'GET / HTTP/1.0\r\nHost: a\r\n\r\n',
    GET,
    `${head}abc`,
    'HTTP/1.1 200 OK\r\nX: 1\r\nConnection: close\r\n\r\nabc',
  );
  old.upstream.reset();
  t.equal(await old.client.untilEnd(), 'reset');
});

t.test('a response head is delivered before any byte of its body', async (t) => {
  const head = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n';
  const { client, upstream } = await relay(t, GET, GET, head, head);
  upstream.send('6\r\ndata\n\n\r\n');
  t.equal(await client.until('data'), `${head}6\r\ndata\n\n\r\n`);
});

t.test('half-close on either side lets the response complete', async (t) => {
  const h = await startHarness(t);
  const client = await h.connect();
  client.send(GET);
  client.end();
  const upstream = await h.backend.next();
  await upstream.until(GET);
  await loopTurns(5);
  upstream.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha');
  await client.until('ha');
  upstream.send('lf');
  upstream.end();
  await client.until('half');
  t.equal(await client.untilEnd(), 'fin');
  matches(t, h.host.outcomes, [{ status: 200, reason: null }]);
});

t.test('a response before the end of the body closes both connections', async (t) => {
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n';
  const { client, upstream } = await relay(
    t,
    `${head}x`,
    `${head}x`,
    'HTTP/1.1 413 Big\r\nContent-Length: 0\r\n\r\n',
    'HTTP/1.1 413 Big\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
  );
  t.equal(await client.untilEnd(), 'fin');
  await upstream.untilEnd();
});

t.test('a body that is malformed or cut shows upstream, and what follows is no request', async (t) => {
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
  const bad = await relay(t, `${head}1\r\nx\r\n0\r\n${GET}`, `${head}1\r\nx\r\n`, '', '');
  t.match(await bad.client.until('bad_request'), /^HTTP\/1.1 400 /);
  t.equal(await bad.client.untilEnd(), 'fin');
  await bad.upstream.untilEnd();
  t.equal(bad.upstream.text, `${head}1\r\nx\r\n`);
  matches(t, bad.h.host.outcomes, [{ status: 400, reason: 'bad_request' }]);
  const cut = await relay(t, `${head}5\r\nx`, `${head}1\r\nx\r\n`, '', '');
  cut.client.end();
  await cut.upstream.untilEnd();
  t.equal(cut.upstream.text, `${head}1\r\nx\r\n`);
});

t.test('many small chunks become few', async (t) => {
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
  const h = await startHarness(t);
  const client = await h.connect();
  client.send(`${head}${'1\r\nx\r\n'.repeat(200_000)}0\r\n\r\n`);
  const upstream = await h.backend.next();
  const seen = await upstream.until('\r\n0\r\n\r\n');
  t.equal(dechunk(seen.slice(head.length)), `${'x'.repeat(200_000)}|`);
  t.ok(seen.length < 210_000);
  upstream.send(OK);
  await client.until(OK);
  t.ok(h.front.engine.counters().bufferedBytes < 256 * 1024);
});

t.test('a body on HEAD, 204 and 304 is dropped and its connection not used again', async (t) => {
  for (const [request, answer] of [
    ['HEAD / HTTP/1.1\r\nHost: a\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n'],
    [GET, 'HTTP/1.1 304 Not Modified\r\n\r\n'],
  ] as const) {
    const { client, upstream, h } = await relay(t, request, request, `${answer}ok`, answer);
    await upstream.untilEnd();
    client.send(GET);
    await (await h.backend.next()).until(GET);
    t.equal(client.text, answer);
  }
});

t.test('SPEC F5, F8, F9: header plans edit, rewrite path and Host', async (t) => {
  const plan: ForwardPlan = {
    request: {
      remove: ['x-set', 'x-gone'],
      append: [
        { name: 'X-Set', value: 'new' },
        { name: 'X-Add', value: 'two' },
      ],
    },
    response: { remove: ['server'], append: [{ name: 'Server', value: 's' }] },
    host: 'b.example',
    path: { kind: 'prefix', length: 3, replacement: '/v2' },
  };
  const h = await startHarness(t, { decide: (_request, port) => ({ ...forwardTo(port), plan }) });
  const client = await h.connect();
  client.send('GET /v1/a?q HTTP/1.1\r\nx-set: old\r\nHost: a\r\nX-Gone: 1\r\nX-Add: one\r\nX-GONE: 2\r\n\r\n');
  const upstream = await h.backend.next();
  t.equal(
    await upstream.until('\r\n\r\n'),
    'GET /v2/a?q HTTP/1.1\r\nHost: b.example\r\nX-Add: one\r\nX-Set: new\r\nX-Add: two\r\n\r\n',
  );
  upstream.send('HTTP/1.1 200 OK\r\nserver: x\r\nContent-Length: 0\r\n\r\n');
  t.equal(await client.until('\r\n\r\n'), 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nServer: s\r\n\r\n');
});

t.test('FAULT 22: an exception in decide is a 500 and nothing more, 1,000 times', async (t) => {
  let failing = true;
  const h = await startHarness(t, {
    decide: (_request, port) => {
      if (failing) throw new Error('boom');
      return forwardTo(port);
    },
  });
  for (let i = 0; i < 1_000; i++) {
    const client = await h.connect();
    client.send(GET);
    const head = await client.until('internal');
    if (!head.startsWith('HTTP/1.1 500 ')) t.fail(head);
    client.socket.destroy();
  }
  await eventually('1,000 outcomes', () => h.host.outcomes.length === 1_000);
  t.same(
    h.host.outcomes.filter(({ status, reason }) => status !== 500 || reason !== 'internal'),
    [],
  );
  failing = false;
  const client = await h.connect();
  client.send(GET);
  await (await h.backend.next()).until(GET);
});

t.test('a request that has arrived when draining begins is served', async (t) => {
  const { h, client, upstream } = await relay(t, GET, GET, OK, OK);
  client.send(GET);
  // Written through to the kernel, but the engine has not had a turn.
  const drained = h.front.engine.drain(5_000);
  await upstream.until(GET + GET);
  upstream.send(OK);
  await client.until('Connection: close\r\n\r\nok');
  t.equal(await client.untilEnd(), 'fin');
  await drained;
});

t.test('draining closes idle connections and finishes the others', async (t) => {
  const { h, client, upstream } = await relay(t, GET, GET, OK, OK);
  const idle = client;
  const busy = await h.connect();
  busy.send(GET);
  await upstream.until(GET + GET);
  const drained = h.front.engine.drain(5_000);
  t.equal(await idle.untilEnd(), 'fin');
  t.ok(busy.open);
  upstream.send(OK);
  await busy.until('Connection: close\r\n\r\nok');
  t.equal(await busy.untilEnd(), 'fin');
  await drained;
  t.equal(h.front.engine.connections, 0);
});
