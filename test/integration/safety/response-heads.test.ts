/** SAFETY 101-104: what backends write beside the rules, and a client must not see. */
import t from 'tap';

import { forwarded, runRows, type Input, type Row } from '../../support/safety.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const HEAD = GET.replace('GET', 'HEAD');
const OK = 'HTTP/1.1 200 OK\r\n';
const CHUNKS = '5\r\nhello\r\n0\r\n\r\n';

function relayed(name: string, answer: string, client: string, more?: Partial<Input>): Input {
  return forwarded(name, GET, GET, { answer, client, ...more });
}

const ROWS: readonly Row[] = [
  {
    title: 'SAFETY 101: a response that names framing or Host in Connection is relayed with these fields',
    inputs: [
      ...['Transfer-Encoding', 'keep-alive, TRANSFER-ENCODING', 'transfer-encoding,,Content-Length, Host'].map(
        (value) =>
          relayed(
            value,
            `${OK}Connection: ${value}\r\nTransfer-Encoding: chunked\r\nHost: b\r\n\r\n${CHUNKS}`,
            `${OK}Transfer-Encoding: chunked\r\nHost: b\r\n\r\n${CHUNKS}`,
          ),
      ),
      relayed(
        'a length, and a field that is meant to go',
        `${OK}X: 1\r\nContent-Length: 5\r\nConnection: content-length, x\r\n\r\nhello`,
        `${OK}Content-Length: 5\r\n\r\nhello`,
      ),
      relayed(
        'a Host among fields that are meant to go',
        `${OK}Connection: x\r\nX: 1\r\nHost: b\r\nContent-Length: 0\r\nConnection: Host\r\n\r\n`,
        `${OK}Host: b\r\nContent-Length: 0\r\n\r\n`,
      ),
      relayed(
        'a length to HEAD',
        `${OK}Connection: Content-Length\r\nContent-Length: 5\r\n\r\n`,
        `${OK}Content-Length: 5\r\n\r\n`,
        {
          send: HEAD,
          upstream: HEAD,
        },
      ),
    ],
  },
];

await runRows(t, ROWS, 'answer');
