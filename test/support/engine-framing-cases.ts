/**
 * Framing that is legal but not plain, and rule violations of backends, for every engine: part of the table in
 * `engine-cases.ts`.
 */
import { HOST, OK, type EngineCase, type ExpectedMessage } from './engine-cases.ts';

const GET = 'GET / HTTP/1.1\r\nHost: svc.ns:80\r\n\r\n';
const STATUS = 'HTTP/1.1 200 OK\r\n';
const CHUNKS = '5\r\nhello\r\n0\r\n\r\n';

/** A POST of `hello` with these lines, forwarded with a plain Content-Length. */
function request(name: string, lines: string): EngineCase {
  return {
    name,
    send: `POST / HTTP/1.1\r\n${HOST}${lines}\r\nhello`,
    answer: `${STATUS}Content-Length: 0\r\n\r\n`,
    upstream: { startLine: 'POST / HTTP/1.1', fields: ['host: svc.ns:80', 'content-length: 5'], body: 'hello' },
    client: { startLine: 'HTTP/1.1 200 OK', fields: ['content-length: 0'], body: '' },
    outcome: OK,
  };
}

/** A response to a GET (or to what `more` sends) that reaches the client as `fields` and `body`. */
function relayed(
  name: string,
  answer: string,
  fields: readonly string[],
  body: string,
  more: Partial<EngineCase> = {},
): EngineCase {
  const client: ExpectedMessage = { startLine: 'HTTP/1.1 200 OK', fields, body };
  return { name, send: GET, answer, client, outcome: OK, ...more };
}

const NOT_MODIFIED = 'HTTP/1.1 304 Not Modified';

/** A function, because this file and `engine-cases.ts` import each other. */
export function framingCases(): readonly EngineCase[] {
  return [
    request('a request length with zeros in front', 'Content-Length: 0005\r\n'),
    request('a request length with blanks around it', 'Content-Length:\t 5 \t\r\n'),
    relayed(
      'a response length with zeros in front',
      `${STATUS}Content-Length: 0005\r\n\r\nhello`,
      ['content-length: 5'],
      'hello',
    ),
    relayed('the length that HEAD is told', `${STATUS}Content-Length: 0005\r\n\r\n`, ['content-length: 5'], '', {
      send: GET.replace('GET', 'HEAD'),
    }),
    relayed('the length that a 304 tells', `${NOT_MODIFIED}\r\nContent-Length: 007\r\n\r\n`, [], '', {
      client: { startLine: NOT_MODIFIED, fields: ['content-length: 7'], body: '' },
      outcome: { status: 304, reason: null },
    }),
    relayed(
      'a response coding in capitals',
      `${STATUS}Transfer-Encoding:\tCHUNKED \r\n\r\n${CHUNKS}`,
      ['transfer-encoding: chunked'],
      'hello',
    ),
    relayed(
      'a response whose Connection names its coding',
      `${STATUS}Connection: Transfer-Encoding, x\r\nX: 1\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKS}`,
      ['transfer-encoding: chunked'],
      'hello',
    ),
    relayed(
      'a response whose Connection names its length and Host',
      `${STATUS}Connection: keep-alive, Content-Length, Host\r\nHost: b\r\nContent-Length: 5\r\n\r\nhello`,
      ['host: b', 'content-length: 5'],
      'hello',
    ),
    ...['Transfer-Encoding: chunked', 'Transfer-Encoding: gzip, chunked', 'Content-Length: 5'].map((line) =>
      relayed(`204 with ${line}`, `HTTP/1.1 204 No Content\r\n${line}\r\n\r\n`, [], '', {
        client: { startLine: 'HTTP/1.1 204 No Content', fields: [], body: '' },
        outcome: { status: 204, reason: null },
      }),
    ),
    relayed('304 with a coding', `${NOT_MODIFIED}\r\nTransfer-Encoding: gzip, chunked\r\n\r\n`, [], '', {
      client: { startLine: NOT_MODIFIED, fields: [], body: '' },
      outcome: { status: 304, reason: null },
    }),
    relayed(
      'a response with a blank before a colon',
      `${STATUS}X : y\r\nContent-Length: 5\r\n\r\nhello`,
      ['x: y', 'content-length: 5'],
      'hello',
    ),
    relayed('a status line without its space', 'HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello', [], '', {
      client: { startLine: 'HTTP/1.1 200 ', fields: ['content-length: 5'], body: 'hello' },
    }),
    relayed(
      'a response coding with a TAB behind it',
      `${STATUS}Transfer-Encoding: chunked\t\r\n\r\n${CHUNKS}`,
      ['transfer-encoding: chunked'],
      'hello',
    ),
    relayed(
      'a response length twice',
      `${STATUS}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`,
      ['content-length: 5'],
      'hello',
    ),
    relayed(
      'a response length in a list',
      `${STATUS}Content-Length: 5, 5\r\n\r\nhello`,
      ['content-length: 5'],
      'hello',
    ),
  ];
}
