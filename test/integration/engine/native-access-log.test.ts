/** The lines of the access log for what the native engine carries: fields, modes, and what gets none. */
import t, { type Test } from 'tap';

import type { AccessLogMode } from '../../../src/addon/access-log.ts';
import type { AccessLog } from '../../../src/observe/access-log.ts';
import type { Decision } from '../../../src/routing/decision.ts';
import { FRONTEND, forwardTo, SERIES } from '../../support/engine-cases.ts';
import { startHarness, type Harness, type HarnessOptions } from '../../support/engine-harness.ts';
import { eventually } from '../../support/eventually.ts';
import { accessLog, LogPipe } from '../../support/log-pipe.ts';
import { closedPort } from '../../support/wire.ts';
import { matches } from '../../support/match.ts';

const GET = 'GET /a?secret=1 HTTP/1.1\r\nHost: svc.ns\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';

interface Logged extends Harness {
  readonly log: AccessLog;
  readonly pipe: LogPipe;
}

async function logged(t: Test, mode: AccessLogMode, options: HarnessOptions = {}): Promise<Logged> {
  const pipe = new LogPipe(t);
  const log = accessLog(t, mode, pipe);
  const harness = await startHarness(t, { ...options, engine: { ...options.engine, accessLog: log.native } });
  return { ...harness, log, pipe };
}

const local = (reason: 'no_route' | 'redirect', status: number): Decision => ({
  ...{ kind: 'local', series: SERIES, reason, status },
});

t.test('a relayed response: every field', async (t) => {
  const h = await logged(t, 'all');
  const head =
    'POST /a%20b?secret=1 HTTP/1.1\r\nHost: svc.ns:80\r\nUser-Agent: curl/8\r\nX-Request-Id: r-1\r\n' +
    `TraceParent: 00-${TRACE}-${PARENT}-01\r\nContent-Length: 5\r\n\r\n`;
  const before = Date.now();
  const { client, upstream } = await h.exchange(`${head}hello`);
  await upstream.until('hello');
  upstream.send(OK);
  const response = await client.until('\r\n\r\nok');
  const [line] = await h.pipe.lines(1);
  const { time, duration_ms: duration, request_ms, connection_ms, response_ms, ...rest } = line!;
  t.same(rest, {
    ...{ kind: 'request', method: 'POST', path: '/a%20b', host: 'svc.ns:80', protocol: 'HTTP/1.1', code: 200 },
    ...{ grpc_status: null, reason: null, fault: null, retries: 0, retry_denied: null },
    ...{ frontend: 'ns/svc:80', route: 'ns/route', rule: 'blue', backend: 'ns/v1:8080' },
    downstream: `127.0.0.1:${client.socket.localPort}`,
    destination: `127.0.0.1:${h.backend.port}`,
    upstream: `127.0.0.1:${h.backend.port}`,
    ...{ bytes_received: head.length + 5, bytes_sent: response.length },
    ...{ request_id: 'r-1', trace_id: TRACE, parent_id: PARENT, user_agent: 'curl/8', truncated: false },
  });
  t.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  t.ok(Date.parse(time as string) >= before - 1 && Date.parse(time as string) <= Date.now());
  for (const phase of [request_ms, connection_ms, response_ms]) t.ok(0 <= (phase as number));
  t.ok((connection_ms as number) <= (response_ms as number));
  t.ok((response_ms as number) <= (duration as number));
  t.notMatch(upstream.text, /traceparent.*traceparent|x-request-id.*x-request-id/is, 'nothing is added');
});

t.test('a local reply: no upstream, and null for what was not sent', async (t) => {
  const h = await logged(t, 'errors', { decide: () => local('no_route', 404) });
  const client = await h.connect();
  client.send('GET / HTTP/1.0\r\nHost: a\r\n\r\n');
  await client.until('\r\n\r\n');
  const [line] = await h.pipe.lines(1);
  t.match(line, {
    ...{ code: 404, reason: 'no_route', protocol: 'HTTP/1.0', upstream: null, request_ms: 0 },
    ...{ connection_ms: null, response_ms: null, request_id: null, trace_id: null, parent_id: null },
    user_agent: null,
  });
});

t.test('errors: failures and statuses from 500 of the backend; not what a route asks for', async (t) => {
  let answer: (port: number) => Decision = () => local('redirect', 302);
  const h = await logged(t, 'errors', { decide: (_request, port) => answer(port) });
  const client = await h.connect();
  client.send(GET);
  await client.take('\r\n\r\n');
  answer = forwardTo;
  client.send(GET);
  const upstream = await h.backend.next();
  for (const [status, body] of [
    ['404 Not Found', 'a'],
    ['200 OK', 'b'],
    ['503 Busy', 'c'],
  ] as const) {
    await upstream.take('\r\n\r\n');
    upstream.send(`HTTP/1.1 ${status}\r\nContent-Length: 1\r\n\r\n${body}`);
    await client.take(`\r\n\r\n${body}`);
    client.send(GET);
  }
  const lines = await h.pipe.lines(1);
  matches(t, lines, [{ code: 503, reason: null }]);
  t.equal(lines.length, 1);
  t.same(h.log.counters(), { lines: 1, dropped: 0 });
});

t.test('an upstream that closes, a timeout, no connection: code, reason and the address that was tried', async (t) => {
  const closed = await closedPort();
  let answer: (port: number) => Decision = forwardTo;
  const h = await logged(t, 'errors', { decide: (_request, port) => answer(port) });
  const { upstream } = await h.exchange(
    GET.replace('GET', 'POST').replace('\r\n\r\n', '\r\nContent-Length: 0\r\n\r\n'),
  );
  upstream.reset();
  const [reset] = await h.pipe.lines(1);
  t.match(reset, { code: 502, reason: 'upstream_reset', upstream: `127.0.0.1:${h.backend.port}`, response_ms: null });
  t.type(reset!['connection_ms'], 'number');

  const policy = { requestTimeoutMs: 20, attemptTimeoutMs: 0, retry: null };
  answer = (port) => ({ ...forwardTo(port), policy });
  const slow = await h.connect();
  slow.send(GET);
  await slow.until('timeout');
  t.match((await h.pipe.lines(2))[1], { code: 504, reason: 'timeout' });

  answer = () => forwardTo(closed);
  const refused = await h.connect();
  refused.send(GET);
  await refused.until('connect_failure');
  t.match((await h.pipe.lines(3))[2], { code: 503, reason: 'connect_failure' });
});

t.test('retries are counted, and why there was not another is said', async (t) => {
  const policy = {
    ...{ requestTimeoutMs: 0, attemptTimeoutMs: 0 },
    retry: { attempts: 2, codes: [503], backoffMs: 1 },
  };
  const h = await logged(t, 'all', {
    engine: { retryBudgetReserve: 1, retryBudgetPercent: 0 },
    decide: (_request, port) => ({ ...forwardTo(port), policy }),
  });
  const { client, upstream } = await h.exchange(GET);
  const busy = 'HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n';
  await upstream.take('\r\n\r\n');
  upstream.send(busy);
  await upstream.take('\r\n\r\n');
  upstream.send(busy);
  await client.until('503');
  matches(t, await h.pipe.lines(1), [{ code: 503, reason: null, retries: 1, retry_denied: 'budget' }]);
});

t.test('a downstream that leaves, before and after the status', async (t) => {
  const h = await logged(t, 'errors');
  const early = await h.exchange(GET);
  const port = early.client.socket.localPort;
  early.client.reset();
  t.match((await h.pipe.lines(1))[0], {
    ...{
      code: null,
      reason: 'downstream_reset',
      bytes_sent: 0,
      downstream: `127.0.0.1:${port}`,
    },
  });
  const late = await h.exchange(GET);
  late.upstream.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok');
  await late.client.until('ok');
  late.client.reset();
  t.match((await h.pipe.lines(2))[1], { code: 200, reason: 'downstream_reset' });
});

t.test('a response that breaks off keeps its code and gets a reason', async (t) => {
  const h = await logged(t, 'errors');
  const { client, upstream } = await h.exchange(GET);
  upstream.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok');
  await client.until('ok');
  upstream.end();
  matches(t, await h.pipe.lines(1), [{ code: 200, reason: 'upstream_reset' }]);
});

t.test('what a parser refuses is named: heads and bodies, of requests and responses', async (t) => {
  const post = `${GET.replace('GET', 'POST').replace('\r\n\r\n', '\r\n')}Transfer-Encoding: chunked\r\n\r\n`;
  const ok = 'HTTP/1.1 200 OK\r\n';
  for (const [request, answer, reason, fault] of [
    [GET.replace('\r\n\r\n', '\r\nA b: c\r\n\r\n'), '', 'bad_request', 'field-name'],
    [`${post}5;\r\nhello\r\n`, '', 'bad_request', 'chunk-extension'],
    [GET, `${ok}Content-Length: 5\r\nContent-Length: 6\r\n\r\n`, 'upstream_protocol', 'content-length-repeated'],
    [GET, `${ok}Transfer-Encoding: chunked\r\n\r\nx\r\n`, 'upstream_protocol', 'chunk-size'],
    [GET, 'HTTP/1.1 103 Hints\r\n\r\n'.repeat(17), 'upstream_protocol', null],
  ] as const) {
    const h = await logged(t, 'errors');
    const client = await h.connect();
    client.send(request);
    if (answer !== '') (await h.backend.next()).send(answer);
    matches(t, await h.pipe.lines(1), [{ reason, fault }], `${reason} ${fault}`);
  }
});

t.test('a backend that answers HTTP/2 with HTTP/1 is named as that, in whatever pieces it comes', async (t) => {
  for (const [answer, fault] of [
    [['HTTP/1.1 400 Bad Request\r\n\r\n'], 'speaks-http1'],
    [['HT', 'TP/1.0 200 OK\r\n'], 'speaks-http1'],
    [['HTTP is something else'], 'frame-size'],
  ] as const) {
    const h = await logged(t, 'errors');
    h.host.answer = () => forwardTo(h.backend.port, undefined, 'http2');
    const client = await h.connect();
    client.send(GET);
    const upstream = await h.backend.next();
    await upstream.until('PRI * HTTP/2.0');
    await upstream.sendApart(answer);
    matches(t, await h.pipe.lines(1), [{ code: 502, reason: 'upstream_protocol', fault }], answer.join(''));
  }
});

t.test('a refused head: what of its request line is valid, and no route', async (t) => {
  const h = await logged(t, 'errors', { engine: { maxHeadBytes: 1024 } });
  for (const head of [
    'GET /\r\n\r\n',
    'GET /p?q HTTP/1.1\r\nHost: a\r\nA b\r\n\r\n',
    `GET /l HTTP/1.0\r\nA: ${'x'.repeat(1024)}`,
  ]) {
    const client = await h.connect();
    client.send(head);
    await client.untilEnd();
  }
  const lines = await h.pipe.lines(3);
  matches(t, lines, [
    { code: 400, reason: 'bad_request', method: null, path: null, protocol: null },
    { code: 400, reason: 'bad_request', method: 'GET', path: '/p', protocol: 'HTTP/1.1' },
    { code: 431, reason: 'header_limit', method: 'GET', path: '/l', protocol: 'HTTP/1.0' },
  ]);
  for (const line of lines) {
    t.match(line, { frontend: 'ns/svc:80', route: null, rule: null, backend: null, duration_ms: null, upstream: null });
  }
});

t.test('an upgraded connection: one line at its end, with the bytes of the tunnel', async (t) => {
  const h = await logged(t, 'all');
  const head = 'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n';
  const { client, upstream } = await h.exchange(head);
  upstream.send('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n');
  const response = await client.take('\r\n\r\n');
  client.send('four');
  await upstream.until('four');
  upstream.send('answer');
  await client.until('answer');
  t.same(h.pipe.read(), []);
  client.end();
  upstream.end();
  matches(t, await h.pipe.lines(1), [
    { code: 101, reason: null, path: '/ws', bytes_received: head.length + 4, bytes_sent: response.length + 6 },
  ]);
});

t.test('one line for each request of a connection, remembered decisions and mirrored requests included', async (t) => {
  const h = await logged(t, 'all', {
    decide: (_request, port) => ({
      ...forwardTo(port),
      repeatable: true,
      mirrors: [{ backend: { ...forwardTo(port).backend, id: 1 }, plan: null, series: SERIES }],
    }),
  });
  h.front.engine.setInterest(FRONTEND, [], true);
  const client = await h.connect();
  const timer = setInterval(() => {
    for (const peer of h.backend.connections) {
      if (!peer.text.includes('\r\n\r\n')) continue;
      peer.forget(peer.text.indexOf('\r\n\r\n') + 4);
      peer.send(OK);
    }
  }, 1);
  t.teardown(() => clearInterval(timer));
  for (let i = 0; i < 5; i++) {
    client.send(GET.replace('\r\n\r\n', `\r\nX-Request-Id: ${i}\r\n\r\n`));
    await client.take('\r\n\r\nok');
  }
  await eventually('the mirrors are through', () => h.host.mirrors.length === 5);
  const lines = await h.pipe.lines(5);
  t.equal(lines.length, 5);
  t.ok(h.host.asked.length < 5, 'decisions were remembered');
  for (const [i, line] of lines.entries()) {
    t.match(line, {
      code: 200,
      request_id: String(i),
      frontend: 'ns/svc:80',
      route: 'ns/route',
      backend: 'ns/v1:8080',
    });
  }
});

t.test('the mode changes while connections are open', async (t) => {
  const h = await logged(t, 'off');
  const { client, upstream } = await h.exchange(GET.replace('/a', '/off'));
  h.log.setMode('all');
  t.equal(h.log.mode, 'all');
  upstream.send(OK);
  await client.take('\r\n\r\nok');
  client.send(GET.replace('/a', '/all'));
  await upstream.take('/all');
  upstream.send(OK);
  await client.take('\r\n\r\nok');
  matches(t, await h.pipe.lines(1), [{ path: '/all', downstream: `127.0.0.1:${client.socket.localPort}` }]);
  client.send(GET.replace('/a', '/errors'));
  await upstream.take('/errors');
  h.log.setMode('errors');
  upstream.send(OK);
  await client.take('\r\n\r\nok');
  client.send(GET.replace('/a', '/gone'));
  await upstream.take('/gone');
  h.log.setMode('off');
  client.reset();
  await eventually('the request has ended', () => h.host.outcomes.length === 4);
  h.log.close();
  t.equal(h.pipe.read().length, 1);
  t.throws(() => h.log.setMode('some' as AccessLogMode), { code: 'ERR_INVALID_ARG_VALUE' });
});

t.test('long texts are cut and the line says so', async (t) => {
  const h = await logged(t, 'all', { decide: () => local('no_route', 404) });
  const client = await h.connect();
  client.send(`GET /${'p'.repeat(4_000)} HTTP/1.1\r\nHost: a\r\nUser-Agent: ${'u'.repeat(1_000)}\r\n\r\n`);
  await client.until('no_route');
  matches(t, await h.pipe.lines(1), [
    { path: `/${'p'.repeat(2_047)}`, user_agent: 'u'.repeat(512), truncated: true, reason: 'no_route' },
  ]);
});

t.test('hostile bytes: one line of printable ASCII, whatever a head holds', async (t) => {
  const h = await logged(t, 'all', { decide: () => local('no_route', 404) });
  const client = await h.connect();
  let bytes = '\t';
  for (let c = 0x20; c < 0x100; c++) if (c !== 0x7f) bytes += String.fromCharCode(c);
  client.send(`GET /"\\\xff","code":1 2 HTTP/1.1\r\nHost: a\r\n\r\n`);
  await client.until('bad_request');
  const second = await h.connect();
  second.send(
    `GET /"\\\xff\x80","code":1} HTTP/1.1\r\nHost: a\r\nX-Request-Id: a${bytes}z\r\nUser-Agent: \xc3\xa9\r\n\r\n`,
  );
  await second.until('no_route');
  const lines = await h.pipe.lines(2);
  t.match(lines[1], { path: '/"\\\xff\x80","code":1}', request_id: `a${bytes}z`, user_agent: '\xc3\xa9', code: 404 });
});
