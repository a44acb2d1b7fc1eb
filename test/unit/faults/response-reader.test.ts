/** The response reader of the fault tests: whole, cut off, or no HTTP, however the bytes come. */
import t from 'tap';
import { ResponseReader } from '../../support/faults/response-reader.ts';
import { matches } from '../../support/match.ts';

function read(bytes: string, pieces: number, method = 'GET', ended = false) {
  const seen: (number | string)[] = [];
  let body = '';
  const reader = new ResponseReader({
    head: ({ status }) => void seen.push(status),
    body: (piece) => void (body += piece.toString('latin1')),
    complete: () => {
      seen.push(body);
      body = '';
    },
  });
  reader.method = method;
  for (let at = 0; at < bytes.length; at += pieces) reader.push(Buffer.from(bytes.slice(at, at + pieces), 'latin1'));
  if (ended) reader.end();
  return { seen, rest: body, malformed: reader.malformed, inBody: reader.inBody, inResponse: reader.inResponse };
}

const LENGTH = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello';
const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nyou\r\n0\r\nX: 1\r\n\r\n';

for (const pieces of [1, 2, 3, 7, 1_000]) {
  t.test(`whole responses, ${pieces} bytes at a time`, (t) => {
    const whole = { rest: '', malformed: false, inBody: false, inResponse: false };
    matches(t, read(LENGTH, pieces), { ...whole, seen: [200, 'hello'] });
    matches(t, read(CHUNKED + LENGTH, pieces), { ...whole, seen: [200, 'helloyou', 200, 'hello'] });
    matches(t, read(`HTTP/1.1 100 Continue\r\n\r\n${LENGTH}`, pieces), { ...whole, seen: [100, 200, 'hello'] });
    matches(t, read('HTTP/1.1 204 No Content\r\n\r\n', pieces), { ...whole, seen: [204, ''] });
    matches(t, read('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', pieces, 'HEAD'), { ...whole, seen: [200, ''] });
    matches(t, read('HTTP/1.0 200 OK\r\n\r\nto the end', pieces, 'GET', true), { ...whole, seen: [200, 'to the end'] });
    t.end();
  });

  t.test(`cut off or none of HTTP, ${pieces} bytes at a time`, (t) => {
    matches(t, read(LENGTH.slice(0, -1), pieces, 'GET', true), { seen: [200], rest: 'hell', inBody: true });
    matches(t, read(CHUNKED.slice(0, -2), pieces, 'GET', true), { seen: [200], inBody: true });
    matches(t, read('HTTP/1.1 200 O', pieces, 'GET', true), { seen: [], inBody: false, inResponse: true });
    matches(t, read('SSH-2.0-something\r\n', pieces), { seen: [], malformed: true });
    matches(t, read(CHUNKED.replace('3\r\nyou', 'zz\r\nyou'), pieces), { seen: [200], malformed: true });
    t.end();
  });
}

t.test('what follows 101 is a tunnel', (t) => {
  matches(t, read('HTTP/1.1 101 Switching\r\n\r\nbytes', 1_000), { seen: [101, ''], rest: 'bytes', inBody: true });
  t.end();
});
