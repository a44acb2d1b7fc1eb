/** Requests from which the differential test starts: every framing, and near misses. */

const HOST = 'Host: a\r\n';
const POST = `POST /p HTTP/1.1\r\n${HOST}`;
const GET = `GET /g HTTP/1.1\r\n${HOST}\r\n`;
const LENGTH = 'Content-Length: 5\r\n\r\nhello';
const CHUNKS = '5\r\nhello\r\n0\r\n\r\n';
const CHUNKED = `Transfer-Encoding: chunked\r\n\r\n${CHUNKS}`;
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: smuggled\r\n\r\n';
const CONNECT = 'CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n';
const UPGRADE = 'Connection: Upgrade\r\nUpgrade: x\r\n';

export const REQUEST_CORPUS: readonly string[] = [
  GET,
  `HEAD /h?q=1&r=%20 HTTP/1.1\r\n${HOST}Accept: */*\r\nUser-Agent: t/1\r\n\r\n`,
  `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`,
  `\r\n${GET}`,
  `${POST}\r\n`,
  `${POST}${LENGTH}`,
  `${POST}${LENGTH}${GET}`,
  `${POST}${CHUNKED}`,
  `${POST}${CHUNKED}${GET}`,
  `${POST}X: 1\r\nContent-Length: 0005\r\nY: 2\r\n\r\nhello`,
  `${POST}Content-Length:\t5 \r\n\r\nhello`,
  `${POST}Transfer-Encoding:\tChunked \r\n\r\n${CHUNKS}`,
  `${POST}Transfer-Encoding: chunked\t\r\n\r\n${CHUNKS}${GET}`,
  `${POST}Content-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
  `${POST}Transfer-Encoding: chunked\r\n\r\n${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`,
  `${POST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  `${POST}Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n6 ;c="d;e"\r\n world\r\n0\r\nX-T: 1\r\nY-T:\t2\r\n\r\n${GET}`,
  `${POST}Transfer-Encoding: chunked\r\n\r\n0005\r\nhello\r\nA\r\n0123456789\r\n000\r\nContent-Length: 5\r\n\r\n`,
  `${POST}Transfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n${'1\r\nx\r\n'.repeat(40)}0\r\nX-T: 1\r\n\r\n`,
  `${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKS}`,
  `GET /body HTTP/1.1\r\n${HOST}${LENGTH}${GET}`,
  `DELETE /body HTTP/1.1\r\n${HOST}${CHUNKED}`,
  `PUT /put HTTP/1.1\r\n${HOST}Content-Length: 300\r\n\r\n${'x'.repeat(300)}`,
  `PATCH /patch HTTP/1.1\r\n${HOST}Content-Type: text/plain\r\n${LENGTH}`,
  `${CONNECT}\r\n`,
  `${CONNECT}Content-Length: 0\r\n\r\n`,
  `${CONNECT}Content-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
  `${CONNECT}Transfer-Encoding: chunked\r\n\r\n${CHUNKS}`,
  `CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n`,
  `CONNECT one:80 HTTP/1.1\r\nHost: two:80\r\n\r\n`,
  `${POST}${UPGRADE}${LENGTH}${GET}`,
  `${POST}${UPGRADE}Transfer-Encoding: chunked\t\r\n\r\n${CHUNKS}${GET}`,
  `GET /chat HTTP/1.1\r\n${HOST}${UPGRADE}\r\n${GET}`,
  `${POST}Expect: 100-continue\r\n${LENGTH}`,
  `${POST}Expect: 100-continue\r\n${CHUNKED}${GET}`,
  `${POST}Expect: something\r\n${LENGTH}`,
  'GET /ten HTTP/1.0\r\n\r\n',
  `GET /ten HTTP/1.0\r\n${HOST}Connection: keep-alive\r\n\r\n${GET}`,
  `POST /ten HTTP/1.0\r\n${HOST}${LENGTH}`,
  `GET http://b/x?y HTTP/1.1\r\n${HOST}\r\n`,
  `GET http://[::1]:8080 HTTP/1.1\r\n${HOST}\r\n`,
  `POST http://b:81/x HTTP/1.1\r\n${HOST}${CHUNKED}`,
  `GET http://u@b/x HTTP/1.1\r\n${HOST}\r\n`,
  `GET http://@b/ HTTP/1.1\r\n${HOST}\r\n`,
  `${POST}Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: close\r\nTE: trailers\r\n${LENGTH}`,
  `${POST}Connection: close\r\n${LENGTH}`,
  `GET /a/../b//%2e%2e%2F?c=/../%00 HTTP/1.1\r\n${HOST}\r\n`,
  `GET //double?a?b HTTP/1.1\r\n${HOST}X:a:b\r\nX:\r\nY:  2  \r\n\r\n`,
  GET.repeat(4),
  `${POST}${LENGTH}`.repeat(3),
  `${POST}${CHUNKED}`.repeat(3),
];

/** Methods that all readers know and forms of targets, and also invalid versions and whitespace. */
export const REQUEST_LINES: readonly string[] = [
  'GET / HTTP/1.1',
  'POST / HTTP/1.1',
  'HEAD / HTTP/1.1',
  'PUT /a?b HTTP/1.1',
  'DELETE /%00 HTTP/1.1',
  'OPTIONS * HTTP/1.1',
  'OPTIONS /o HTTP/1.1',
  'TRACE / HTTP/1.1',
  'PATCH / HTTP/1.1',
  'CONNECT a:80 HTTP/1.1',
  'CONNECT a:443 HTTP/1.1',
  'GET http://b HTTP/1.1',
  'POST http://a:80/x HTTP/1.1',
  'GET / HTTP/1.0',
  'POST / HTTP/1.0',
  'GET / HTTP/1.2',
  'GET / HTTP/2.0',
  'GET  / HTTP/1.1',
  'GET / HTTP/1.1 ',
  'GET /',
  'GET /a b HTTP/1.1',
  'GET\t/ HTTP/1.1',
];

export const REQUEST_FIELDS: readonly string[] = [
  'Host: a',
  'Host: b',
  'Host: a:80',
  'Host:',
  'Host: a,b',
  'Expect: 100-continue',
];
