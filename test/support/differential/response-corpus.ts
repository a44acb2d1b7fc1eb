/** Responses from which the differential test starts. */

const OK = 'HTTP/1.1 200 OK\r\n';
const LENGTH = 'Content-Length: 5\r\n\r\nhello';
const CHUNKS = '5\r\nhello\r\n0\r\n\r\n';
const CHUNKED = `Transfer-Encoding: chunked\r\n\r\n${CHUNKS}`;
const HINT = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n';
const FORGED = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged';

export const RESPONSE_CORPUS: readonly string[] = [
  `${OK}${LENGTH}`,
  `${OK}Server: t/1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n${LENGTH}`,
  `${OK}Content-Length: 0\r\n\r\n`,
  `${OK}${CHUNKED}`,
  `${OK}Transfer-Encoding:\tChunked \r\n\r\n${CHUNKS}`,
  `${OK}Transfer-Encoding: chunked\t\r\n\r\n${CHUNKS}`,
  `${OK}Content-Length: 0005\r\n\r\nhello`,
  `${OK}Content-Length:\t5 \r\n\r\nhello`,
  `${OK}Content-Length: 5\r\nX: 1\r\nContent-Length: 5\r\n\r\nhello`,
  `${OK}Content-Length: 5, 5\r\n\r\nhello`,
  `${OK}X : y\r\nContent-Length : 5\r\n\r\nhello`,
  `${OK}Connection: Transfer-Encoding\r\n${CHUNKED}`,
  `${OK}Connection: close, Content-Length\r\n${LENGTH}`,
  `${OK}Transfer-Encoding: chunked\r\n\r\n5 ;a=b\r\nhello\r\n1;c="d"\r\n!\r\n0\r\nX-T : 1\r\nContent-Length: 5\r\n\r\n`,
  `${OK}Transfer-Encoding: chunked\r\n\r\n${'1\r\nx\r\n'.repeat(30)}0\r\n\r\n`,
  `${OK}X: until the end\r\n\r\nhello`,
  `HTTP/1.0 200 OK\r\n\r\nhello`,
  `HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n${LENGTH}`,
  `HTTP/1.1 200\r\n${LENGTH}`,
  `HTTP/1.1 404 Not Found\r\n${CHUNKED}`,
  'HTTP/1.1 204 No Content\r\n\r\n',
  `HTTP/1.1 204\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKS}`,
  'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello',
  'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 0007\r\n\r\n',
  `HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n`,
  `HTTP/1.1 205 Reset Content\r\n${LENGTH}`,
  `${HINT}${OK}${LENGTH}`,
  `HTTP/1.1 100 Continue\r\n\r\n${HINT}${HINT}${OK}${CHUNKED}`,
  `HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n${OK}${LENGTH}`,
  `HTTP/1.1 103\r\nX : 1\r\n\r\n${OK}${LENGTH}`,
  `${OK}${LENGTH}${FORGED}`,
  `${OK}${CHUNKED}${FORGED}`,
  `${OK}Content-Length: 9\r\n\r\nhello`,
  `${OK}Transfer-Encoding: chunked\r\n\r\n9\r\nhello`,
  `${OK}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n${CHUNKS}`,
];

export const STATUS_LINES: readonly string[] = [
  'HTTP/1.1 200 OK',
  'HTTP/1.1 201 Created',
  'HTTP/1.1 204 No Content',
  'HTTP/1.1 205 Reset Content',
  'HTTP/1.1 304 Not Modified',
  'HTTP/1.1 404 Not  Found',
  'HTTP/1.1 500 ',
  'HTTP/1.1 503',
  'HTTP/1.1 103 Early Hints',
  'HTTP/1.1 101 Switching Protocols',
  'HTTP/1.0 200 OK',
  'HTTP/1.2 200 OK',
  'HTTP/1.1  200 OK',
  'HTTP/1.1 20 OK',
];

export const RESPONSE_FIELDS: readonly string[] = [
  'Host: b',
  'Date: Sun, 23 Nov 2025 19:00:00 GMT',
  'Vary: *',
  'Content-Type: text/plain',
];
