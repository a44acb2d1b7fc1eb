/** The text of a request head, as uWS presents it, is the head that was sent, or the engine knows that it is not. */
import t from 'tap';

import { HeadText, isAscii, readBytes, type RequestSource } from '../../../src/engine/uws/head-text.ts';

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

const HOST = 'Host: a.example';

t.test('a head is as it was sent, but for the case of names and blanks around values', async (t) => {
  const head = new HeadText();
  const request = source('get', '/a/../b//%2e?x=%20&y', [HOST, 'X-A:  1 ', 'x-a:2', 'Empty:']);
  const text = 'get /a/../b//%2e?x=%20&y HTTP/1.1\r\nhost: a.example\r\nx-a: 1\r\nx-a: 2\r\nempty: \r\n\r\n';
  t.equal(head.read(request), text);
  t.equal(readBytes(request), text);
  t.equal(head.hasBody, false);
});

t.test('an empty query keeps its question mark', async (t) => {
  const head = new HeadText();
  t.match(head.read(source('GET', '/a?', [HOST])), /^GET \/a\? HTTP/);
  t.match(head.read(source('GET', '/a', [HOST])), /^GET \/a HTTP/);
});

t.test('a Content-Length but 0 announces a body, of that request alone', async (t) => {
  const head = new HeadText();
  for (const [value, expected] of [
    ['5', true],
    ['0', false],
    ['', true],
    ['x', true],
  ] as const) {
    head.read(source('POST', '/', [HOST, `Content-Length: ${value}`]));
    t.equal(head.hasBody, expected, value);
  }
  head.read(source('GET', '/', [HOST]));
  t.equal(head.hasBody, false);
});

t.test('bytes above 0x7f are seen, and stay bytes', async (t) => {
  const request = source('GET', '/\xc3\xa9?q=\xc3\xa9', [HOST, 'X: a\xe9b', 'X: c\xc3\xa9d']);
  t.notOk(isAscii(new HeadText().read(request)));
  t.equal(
    readBytes(request),
    'GET /\xc3\xa9?q=\xc3\xa9 HTTP/1.1\r\nhost: a.example\r\nx: a\xe9b\r\nx: c\xc3\xa9d\r\n\r\n',
  );
});

t.test('bytes that uWS loses are known to be lost', async (t) => {
  t.equal(readBytes(source('GET', '/\xe9', [HOST])), null);
  t.equal(readBytes(source('GET', '/?\xe9', [HOST])), null);
  t.equal(readBytes(source('GET', '/', [HOST, 'X: a', 'X: b\xe9c'])), null);
});
