import t from 'tap';

import type { RequestReason } from '../../../src/errors.ts';
import { UwsHead, type RequestSource } from '../../../src/engine/uws/head.ts';

/** A request as uWS presents these raw field lines: names in lower case, values decoded as UTF-8. */
function source(method: string, target: string, lines: readonly string[]): RequestSource {
  const decode = (raw: string): string => Buffer.from(raw, 'latin1').toString('utf8');
  const fields = lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
  });
  const mark = target.indexOf('?');
  return {
    getCaseSensitiveMethod: () => method,
    getUrl: () => decode(mark < 0 ? target : target.slice(0, mark)),
    getQuery: () => (mark < 0 ? undefined : decode(target.slice(mark + 1))),
    getHeader: (name) => fields.find((field) => field[0] === name)?.[1] ?? '',
    forEach: (visit) => {
      for (const [name, value] of fields) visit(name, decode(value));
    },
  };
}

function read(
  method: string,
  target: string,
  lines: readonly string[],
): { head: UwsHead; problem: RequestReason | null } {
  const head = new UwsHead();
  return { head, problem: head.read(source(method, target, lines)) };
}

const HOST = 'Host: a.example';

t.test('a head is read as sent: method, raw path, raw query', async (t) => {
  const { head, problem } = read('get', '/a/../b//%2e?x=%20&y', [HOST]);
  t.equal(problem, null);
  t.equal(head.method, 'get');
  t.equal(head.path, '/a/../b//%2e');
  t.equal(head.query, 'x=%20&y');
  t.equal(head.target, '/a/../b//%2e?x=%20&y');
});

t.test('an empty query keeps its question mark', async (t) => {
  t.equal(read('GET', '/a?', [HOST]).head.target, '/a?');
  t.equal(read('GET', '/a', [HOST]).head.target, '/a');
});

t.test('SPEC M7: repeated fields are joined in order, absent ones are null', async (t) => {
  const { head } = read('GET', '/', [HOST, 'X: a', 'Y: b', 'x: c', 'Empty:']);
  t.equal(head.header('x'), 'a,c');
  t.equal(head.header('empty'), '');
  t.equal(head.header('z'), null);
});

t.test('bytes above 0x7f stay bytes', async (t) => {
  const { head, problem } = read('GET', '/\xc3\xa9?q=\xc3\xa9', [HOST, 'X: a\xe9b', 'X: c\xc3\xa9d']);
  t.equal(problem, null);
  t.equal(head.target, '/\xc3\xa9?q=\xc3\xa9');
  t.equal(head.header('x'), 'a\xe9b,c\xc3\xa9d');
});

t.test('bytes that uWS loses are refused, not altered', async (t) => {
  t.equal(read('GET', '/\xe9', [HOST]).problem, 'not_implemented');
  t.equal(read('GET', '/', [HOST, 'X: a', 'X: b\xe9c']).problem, 'not_implemented');
});

t.test('hop-by-hop fields and those that Connection names are not forwarded', async (t) => {
  const { head } = read('GET', '/', [
    HOST,
    'Connection: X-Hop, keep-alive',
    'X-Hop: 1',
    'Keep-Alive: timeout=5',
    'Proxy-Connection: close',
    'TE: trailers',
    'X-End: 2',
    'Cookie: a',
    'Cookie: b',
    'Connection: x-more',
    'X-More: 3',
  ]);
  t.same(head.forwardedFields(), ['host', 'a.example', 'x-end', '2', 'cookie', 'a', 'cookie', 'b']);
});

t.test('Connection: close is seen in a list', async (t) => {
  t.equal(read('GET', '/', [HOST, 'Connection: TE, Close']).head.close, true);
  t.equal(read('GET', '/', [HOST, 'Connection: closed']).head.close, false);
});

const REFUSED: readonly (readonly [name: string, reason: RequestReason, ...lines: string[]])[] = [
  ['no Host', 'bad_request', 'X: y'],
  ['two Hosts, even equal', 'bad_request', HOST, HOST],
  ['a list in Host', 'bad_request', 'Host: a,b'],
  ['a slash in Host', 'bad_request', 'Host: a/b'],
  ['userinfo in Host', 'bad_request', 'Host: u@a'],
  ['a port out of range', 'bad_request', 'Host: a:99999'],
  ['a name that is no token', 'bad_request', HOST, 'a(b: c'],
  ['a control character in a value', 'bad_request', HOST, 'a: b\x01c'],
  ['Connection names Content-Length', 'bad_request', HOST, 'Connection: content-length', 'Content-Length: 1'],
  ['Connection names Host', 'bad_request', HOST, 'Connection: host'],
  ['Content-Length and Transfer-Encoding', 'bad_request', HOST, 'Content-Length: 5', 'Transfer-Encoding: chunked'],
  ['differing Content-Lengths', 'bad_request', HOST, 'Content-Length: 5', 'Content-Length: 6'],
  ['equal Content-Lengths', 'bad_request', HOST, 'Content-Length: 5', 'Content-Length: 5'],
  ['a list of Content-Lengths', 'bad_request', HOST, 'Content-Length: 5, 5'],
  ...['+5', '-0', '0x5', '5_0', '5 5', ''].map(
    (value) => [`Content-Length «${value}»`, 'bad_request', HOST, `Content-Length: ${value}`] as const,
  ),
  ['Content-Length overflow', 'bad_request', HOST, 'Content-Length: 99999999999999999999'],
  ...['identity', 'xchunked', 'chunked;a=1', ',chunked', ''].map(
    (value) => [`Transfer-Encoding «${value}»`, 'bad_request', HOST, `Transfer-Encoding: ${value}`] as const,
  ),
  ['chunked twice', 'bad_request', HOST, 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'],
  ['a chunked body', 'not_implemented', HOST, 'Transfer-Encoding: Chunked'],
  ['Upgrade', 'not_implemented', HOST, 'Upgrade: websocket', 'Connection: Upgrade'],
  ['Expect', 'not_implemented', HOST, 'Expect: 100-continue', 'Content-Length: 1'],
];

for (const [name, reason, ...lines] of REFUSED) {
  t.test(`refused: ${name}`, async (t) => {
    t.equal(read('POST', '/', lines).problem, reason);
  });
}

t.test('refused: a bad method, a bad target, CONNECT', async (t) => {
  t.equal(read('G{}', '/', [HOST]).problem, 'bad_request');
  t.equal(read('GET', '/a#b', [HOST]).problem, 'bad_request');
  t.equal(read('GET', '/a\x7f', [HOST]).problem, 'bad_request');
  t.equal(read('CONNECT', '/', [HOST]).problem, 'not_implemented');
});

t.test('admitted: an empty Host, IP literals, underscores', async (t) => {
  for (const host of ['Host:', 'Host: [::1]:80', 'Host: 10.0.0.1:8080', 'Host: a_b:']) {
    t.equal(read('GET', '/', [host]).problem, null, host);
  }
  const { head, problem } = read('POST', '/', [HOST, 'X_Y: 1', 'Content_Length: 5']);
  t.equal(problem, null);
  t.equal(head.contentLength, 0);
  t.equal(head.header('x-y'), null);
});
