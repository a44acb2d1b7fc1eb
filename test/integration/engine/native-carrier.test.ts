/** The native engine behind a carrier that is JavaScript: what it is given, what it says, and all that either may do at a bad moment. */
import t from 'tap';

import type { RequestReason } from '../../../src/errors.ts';
import { REQUEST_REASONS } from '../../../src/errors.ts';
import type { Decision, ForwardPolicy } from '../../../src/routing/decision.ts';
import { backendAt, forwardTo, SERIES } from '../../support/engine-cases.ts';
import { plan } from '../../support/engine-plan-cases.ts';
import { eventually } from '../../support/eventually.ts';
import { matches } from '../../support/match.ts';
import { carry, START, HEAD_TEXT } from '../../support/scripted-carrier.ts';

const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nDate: today\r\nX: 1\r\nContent-Length: 5\r\n\r\nhello';
const MIB = 1024 * 1024;

function post(length: number): string {
  return `POST /p HTTP/1.1\r\nhost: a\r\ncontent-length: ${length}\r\n\r\n`;
}

t.test('a request goes up as any does, and its response comes without what frames it', async (t) => {
  const { carrier, backend, host } = await carry(t);
  t.equal(carrier.start('GET /a?b HTTP/1.1\r\nhost: a\r\nconnection: keep-alive\r\nx: 1\r\n\r\n'), START.begun);
  const upstream = await backend.next();
  t.equal(await upstream.until('\r\n\r\n'), 'GET /a?b HTTP/1.1\r\nhost: a\r\nx: 1\r\n\r\n');
  upstream.send(OK);
  await carrier.until('$');
  t.equal(carrier.text(), '200 OK\r\nX: 1|5|hello$');
  await eventually('the outcome', () => host.outcomes.length === 1);
  matches(t, host.outcomes, [{ status: 200, reason: null, series: SERIES }]);

  for (const [answer, expected, method] of [
    [
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n2\r\nab\r\n0\r\nX: 1\r\n\r\n',
      '200 OK|?|ab$',
      'GET',
    ],
    ['HTTP/1.1 204 No Content\r\nX: 1\r\n\r\n', '204 No Content\r\nX: 1|-2|$', 'GET'],
    ['HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n', '304 Not Modified\r\nContent-Length: 7|-2|$', 'GET'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n', '200 OK\r\nContent-Length: 7|-2|$', 'HEAD'],
    ['HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n', '200 |0|$', 'GET'],
  ] as const) {
    carrier.start(GET.replace('GET', method));
    const connection = backend.connections.at(-1)!;
    connection.forget();
    await connection.until('\r\n\r\n');
    connection.send(answer);
    await carrier.until('$');
    t.equal(carrier.text(), expected);
  }
  t.equal(backend.connections.length, 1, 'the connection is reused');
});

t.test('a head that arrives alone waits for what follows it', async (t) => {
  const { carrier, backend } = await carry(t);
  carrier.start(GET);
  const upstream = await backend.next();
  await upstream.until('\r\n\r\n');
  await upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n');
  upstream.send('ab');
  await carrier.until('ab');
  t.equal(carrier.text(), '200 OK|4|ab');
  upstream.send('cd');
  await carrier.until('$');
  t.equal(carrier.text(), '200 OK|4|abcd$');
});

t.test('heads that are refused: the host is told, nobody is asked, and nothing is sent', async (t) => {
  const { carrier, backend, host } = await carry(t);
  const HOST = 'host: a.example';
  const refused: readonly (readonly [RequestReason, ...string[]])[] = [
    ['bad_request', 'x: y'],
    ['bad_request', HOST, HOST],
    ...['a,b', 'a/b', 'u@a', 'a:99999'].map((name) => ['bad_request', `host: ${name}`] as const),
    ['bad_request', HOST, 'a(b: c'],
    ['bad_request', HOST, ': c'],
    ['bad_request', HOST, 'a: b\x01c'],
    ['bad_request', HOST, 'a: b\nc: d'],
    ['bad_request', HOST, 'a: b\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a'],
    ['bad_request', HOST, 'connection: content-length', 'content-length: 1'],
    ['bad_request', HOST, 'connection: host'],
    ['bad_request', HOST, 'content-length: 5', 'transfer-encoding: chunked'],
    ['bad_request', HOST, 'content-length: 5', 'content-length: 6'],
    ['bad_request', HOST, 'content-length: 5', 'content-length: 5'],
    ['bad_request', HOST, 'content-length: 5, 5'],
    ...['+5', '-0', '0x5', '5_0', '5 5', '', '99999999999999999999'].map(
      (value) => ['bad_request', HOST, `content-length: ${value}`] as const,
    ),
    ...['identity', 'xchunked', 'chunked;a=1', ',chunked', ''].map(
      (value) => ['bad_request', HOST, `transfer-encoding: ${value}`] as const,
    ),
    ['bad_request', HOST, 'transfer-encoding: chunked', 'transfer-encoding: chunked'],
    ['not_implemented', HOST, 'transfer-encoding: Chunked'],
    ['not_implemented', HOST, 'upgrade: websocket', 'connection: Upgrade'],
    ['not_implemented', HOST, 'expect: 100-continue', 'content-length: 1'],
    ['header_limit', HOST, `a: ${'b'.repeat(70_000)}`],
    ['header_limit', HOST, ...Array.from({ length: 200 }, (_, i) => `a${i}: b`)],
  ];
  const heads = refused.map(([reason, ...lines]): [RequestReason, string] => [
    reason,
    `POST / HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`,
  ]);
  for (const [reason, line] of [
    ['bad_request', 'G{} / HTTP/1.1'],
    ['bad_request', 'GET /a#b HTTP/1.1'],
    ['bad_request', 'GET /a\x7f HTTP/1.1'],
    ['bad_request', 'GET /a b HTTP/1.1'],
    ['not_implemented', 'CONNECT a.example:80 HTTP/1.1'],
    ['not_implemented', 'GET http://a.example/ HTTP/1.1'],
    ['not_implemented', 'OPTIONS * HTTP/1.1'],
    ['uri_limit', `GET /${'a'.repeat(9_000)} HTTP/1.1`],
  ] as const) {
    heads.push([reason, `${line}\r\n${HOST}${line.startsWith('CONNECT') ? ':80' : ''}\r\n\r\n`]);
  }
  const reasons = Object.keys(REQUEST_REASONS);
  for (const [reason, head] of heads) {
    t.equal(reasons[carrier.start(head) - 1], reason, head.slice(0, 100));
    t.equal(host.refused.at(-1), reason, 'told at once');
  }
  t.equal(host.refused.length, heads.length);
  t.same(host.asked, []);
  t.equal(carrier.text(), '');
  t.equal(backend.connections.length, 0);
});

t.test('text that is not ASCII is asked for in bytes, and refused where nobody knows them', async (t) => {
  const { carrier, backend, host } = await carry(t);
  for (const value of ['\xe9', '\u0141', '\ufffd'])
    t.equal(carrier.start(`${GET.slice(0, -2)}x: a${value}b\r\n\r\n`), START.inexact);
  t.same(host.asked, []);
  t.equal(carrier.start(`${GET.slice(0, -2)}x: a\xe9b\r\n\r\n`, 0, HEAD_TEXT.bytes), START.begun);
  t.match(await (await backend.next()).until('\r\n\r\n'), /x: a\xe9b\r\n/);
  t.equal(Object.keys(REQUEST_REASONS)[carrier.start(GET, 1, HEAD_TEXT.lossy) - 1], 'not_implemented');
});

t.test('a body goes up as it comes, and stops where the backend does', async (t) => {
  const { carrier, backend } = await carry(t);
  const size = 24 * MIB;
  backend.onConnection = (end) => end.socket.pause();
  t.equal(carrier.startWithBody(post(size), '', false), START.begun);
  const piece = new Uint8Array(256 * 1024).fill(120);
  let sent = 0;
  const pour = (): void => {
    while (sent < size) {
      sent += piece.length;
      if (!carrier.body(piece, sent === size)) return;
    }
  };
  const upstream = await backend.next();
  await eventually('it to stop', () => {
    if (carrier.resumed.length < 1) pour();
    return sent < size;
  });
  t.ok(sent < 16 * MIB, `${sent / MIB} MiB were wanted`);
  upstream.socket.resume();
  await eventually(
    'the rest',
    () => {
      if (carrier.resumed.length > 0) carrier.resumed.length = 0;
      else return upstream.receivedBytes > size;
      pour();
      return upstream.receivedBytes > size;
    },
    20_000,
  );
  upstream.send('HTTP/1.1 204 No Content\r\n\r\n');
  await carrier.until('$');
});

t.test('a body that is at hand with its head leaves with it, and an end without bytes is one', async (t) => {
  const { carrier, backend } = await carry(t);
  carrier.startWithBody(post(5), 'hello', true);
  const upstream = await backend.next();
  t.equal(await upstream.until('hello'), 'POST /p HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello');
  upstream.send(OK);
  await carrier.until('$');
  upstream.forget();
  carrier.startWithBody(post(5), 'he', false);
  carrier.body('llo', false);
  carrier.body('', true);
  t.match(await upstream.until('hello'), /^POST /);
  upstream.send(OK);
  await carrier.until('$');
  t.equal(carrier.text().endsWith('$'), true, 'kept');
});

t.test('a response stops where its reader does', async (t) => {
  const { carrier, backend, host } = await carry(t);
  carrier.takes = false;
  carrier.start(GET);
  const upstream = await backend.next();
  await upstream.until('\r\n\r\n');
  const size = 32 * MIB;
  let written = 0;
  const block = Buffer.alloc(64 * 1024, 'x');
  const fill = (): void => {
    while (written < size) {
      written += block.length;
      if (!upstream.socket.write(block)) return;
    }
  };
  upstream.send(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
  upstream.socket.on('drain', fill);
  fill();
  await carrier.until('x');
  const first = carrier.text().length;
  let last = -1;
  await eventually('the backend to be held up', () => {
    const still = written === last;
    last = written;
    return still;
  });
  t.ok(written < 16 * MIB, `${written / MIB} MiB left the backend`);
  t.equal(carrier.text().length, first, 'one piece and no more');
  t.same(host.outcomes, []);
  carrier.takes = true;
  carrier.streams.room(0);
  await eventually('the rest', () => carrier.text().length > size && carrier.text().endsWith('$'), 20_000);
  await eventually('the outcome', () => host.outcomes.length === 1);
});

t.test('the last part counts as sent when there is room again, or not at all', async (t) => {
  const { carrier, backend, host } = await carry(t);
  for (const left of [false, true]) {
    carrier.takes = false;
    carrier.start(GET);
    const upstream = await backend.next();
    await upstream.until('\r\n\r\n');
    upstream.send(OK);
    await carrier.until('$');
    t.same(host.outcomes, []);
    if (left) carrier.streams.gone(0);
    else carrier.streams.room(0);
    matches(t, host.outcomes, [{ status: 200, reason: left ? 'downstream_reset' : null }]);
    host.outcomes.length = 0;
    upstream.end();
  }
});

t.test('a connection that goes at any moment takes its request along, and hears of nothing more', async (t) => {
  for (const moment of ['decided', 'asked', 'begun', 'sending'] as const) {
    const { carrier, backend, host } = await carry(t, {}, (_request, port) => {
      if (moment === 'decided') carrier.streams.gone(0);
      return forwardTo(port);
    });
    carrier.onSend = () => {
      if (moment === 'sending') carrier.streams.gone(0);
    };
    carrier.start(GET);
    if (moment !== 'decided') {
      const upstream = await backend.next();
      await upstream.until('\r\n\r\n');
      if (moment !== 'asked') {
        upstream.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello');
        await carrier.until('hello');
      }
      if (moment !== 'sending') carrier.streams.gone(0);
      t.equal(await upstream.untilEnd(), 'reset', moment);
    }
    await eventually('the outcome', () => host.outcomes.length === 1);
    const status = moment === 'begun' || moment === 'sending' ? 200 : 0;
    matches(t, host.outcomes, [{ status, reason: 'downstream_reset' }], moment);
    t.notMatch(carrier.text(), '#', 'it knows');
    // What is said of it now is of nothing.
    carrier.streams.gone(0);
    carrier.streams.room(0);
    t.equal(carrier.body('x', false), true);
    carrier.onSend = () => undefined;
    t.equal(carrier.start(GET), START.begun, 'the number is free again');
  }
});

t.test('what happens within a call is acted on after it', async (t) => {
  const { carrier, backend, host, engine } = await carry(t);
  carrier.onSend = (stream) => {
    t.throws(() => carrier.streams.start(1, 0, GET, HEAD_TEXT.decoded, undefined, true), 'not now');
    carrier.streams.room(stream);
    carrier.body('x', false);
    carrier.streams.cut();
    carrier.streams.cut();
  };
  carrier.startWithBody(post(5), 'he', false);
  const upstream = await backend.next();
  await upstream.until('he');
  upstream.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello');
  await carrier.until('#');
  matches(t, host.outcomes, [{ status: 200, reason: 'shutdown' }]);
  await upstream.untilEnd();
  carrier.onSend = () => {
    throw new Error('a bug');
  };
  carrier.start(GET);
  const next = await backend.next();
  await next.until('\r\n\r\n');
  next.send(OK);
  await eventually('the outcome', () => host.outcomes.length === 2);
  t.match(host.outcomes[1], { status: 200 });
  t.equal(engine.counters().requestsOpen, 0);
});

t.test('a number that is used once more ends what had it', async (t) => {
  const { carrier, backend, host } = await carry(t);
  carrier.start(GET);
  const first = await backend.next();
  await first.until('\r\n\r\n');
  t.equal(carrier.start(GET), START.begun);
  matches(t, host.outcomes, [{ status: 0, reason: 'downstream_reset' }]);
  t.equal(await first.untilEnd(), 'reset');
  const second = await backend.next();
  await second.until('\r\n\r\n');
  second.send(OK);
  await carrier.until('$');
});

t.test('what no carrier says is an exception, and nothing else', async (t) => {
  const { carrier, engine } = await carry(t);
  const { streams } = carrier;
  t.throws(() => engine.carry({ send: () => true, resume: () => undefined, reset: () => undefined }), 'one carrier');
  t.throws(() => streams.start(0, 1, GET, 0, undefined, true), 'no such caller');
  t.throws(() => streams.start(-1, 0, GET, 0, undefined, true));
  t.throws(() => streams.start(2_000_000, 0, GET, 0, undefined, true));
  t.throws(() => streams.setCaller(0, 1, 'nowhere', 80), { message: /nowhere/ });
  for (const number of [-1, 7, 2 ** 40, NaN]) {
    streams.gone(number);
    t.equal(streams.body(number, new ArrayBuffer(1), true), true);
  }
  t.equal(streams.start.call({} as typeof streams, 0, 0, GET, HEAD_TEXT.decoded, undefined, true), START.begun);
});

t.test('the end of the engine, or of its carrier, is said where nothing of a response has left', async (t) => {
  for (const end of ['close', 'cut'] as const) {
    const { carrier, engine, backend, host } = await carry(t);
    carrier.start(GET, 0);
    carrier.start(GET, 1);
    for (const index of [0, 1]) await (await backend.connection(index)).until('\r\n\r\n');
    (await backend.connection(0)).send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello');
    await eventually('the first bytes', () => carrier.text(0) + carrier.text(1) !== '');
    if (end === 'cut') carrier.streams.cut();
    else await engine.close();
    const texts = [carrier.text(0), carrier.text(1)].sort();
    t.equal(texts[0], '200 OK|9|hello#');
    t.match(texts[1], /^503 Service Unavailable\r\n.*x-sideroute-reason: shutdown\|\d+\|.*\n\$!$/s);
    if (end === 'cut') matches(t, host.outcomes.map(({ status }) => status).sort(), [200, 503]);
    else t.equal(Object.keys(REQUEST_REASONS)[carrier.start(GET) - 1], 'shutdown');
  }
});

t.test('a route may retry and mirror; nothing may be done about Date, which the carrier writes', async (t) => {
  const policy: ForwardPolicy = {
    ...{ requestTimeoutMs: 0, attemptTimeoutMs: 0 },
    retry: { attempts: 1, codes: [503], backoffMs: 1 },
  };
  let more: Partial<Decision> = {};
  const { carrier, backend, host } = await carry(
    t,
    {},
    (_request, port) => ({ ...forwardTo(port), ...more }) as Decision,
  );
  more = { policy, mirrors: [{ backend: backendAt(backend.port), plan: null, series: 9 }] };
  backend.onBytes = (end) => {
    const seen = backend.connections.filter(({ text }) => text.includes('hello')).length;
    if (end.text.endsWith('hello')) end.send(seen === 1 ? 'HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n' : OK);
  };
  carrier.startWithBody(post(5), 'hello', true);
  await carrier.until('$');
  await eventually('the outcomes', () => host.outcomes.length === 1 && host.mirrors.length === 1);
  t.same(host.mirrors, [{ series: 9, result: 'answered' }]);
  t.equal(
    backend.connections
      .map(({ text }) => text)
      .join('')
      .match(/POST/g)?.length,
    2 + host.outcomes[0]!.retries!,
  );

  for (const response of [
    { remove: ['date'], append: [] },
    { remove: [], append: [{ name: 'DATE', value: 'today' }] },
  ]) {
    more = { plan: plan({ response }), responseFields: [{ name: 'X', value: '1' }] };
    carrier.start(GET);
    t.match(
      carrier.text(),
      /^501 Not Implemented\r\nContent-Type: [^\r]+\r\nx-sideroute-reason: not_implemented\|\d+\|.*\$!$/s,
    );
  }
});

t.test('a table that is replaced while a request is decided or carried out', async (t) => {
  const { carrier, backend, engine, host } = await carry(t, {}, (_request, port) => {
    engine.forget(false);
    return { ...forwardTo(port), plan: plan({ response: { remove: ['x'], append: [{ name: 'Y', value: '2' }] } }) };
  });
  carrier.start(GET);
  engine.forget(false);
  engine.setInterest(7, ['host'], true);
  t.equal(engine.dropBackend(0), false, 'it is needed');
  const upstream = await backend.next();
  await upstream.until('\r\n\r\n');
  upstream.send(OK);
  await carrier.until('$');
  t.equal(carrier.text(), '200 OK\r\nY: 2|5|hello$');
  await eventually('the outcome', () => host.outcomes.length === 1);
});
