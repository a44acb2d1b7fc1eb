/** Framing leaves in the one form that every server reads the same, whatever form it came in. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import t from 'tap';

import type { Backend, ForwardDecision } from '../../../src/routing/decision.ts';
import { forwarded, maskDate, NO_CONTENT, runRows, SERIES, Stage, type Input, type Row } from '../../support/safety.ts';
import { ScriptedBackend } from '../../support/wire-end.ts';

const POST = 'POST / HTTP/1.1\r\nA: 1\r\n';
const HOST = 'Host: a\r\n';
const GET = `GET / HTTP/1.1\r\n${HOST}\r\n`;
const OK = 'HTTP/1.1 200 OK\r\nA: 1\r\n';
const CHUNKS = '5\r\nhello\r\n0\r\n\r\n';

/** Lines that mean `Content-Length: 5` or `Transfer-Encoding: chunked`, and what each becomes. */
const LENGTHS: readonly (readonly [come: string, go: string])[] = [
  ['Content-Length: 5', 'Content-Length: 5'],
  ['Content-Length: 0005', 'Content-Length: 5'],
  ['content-length: 000000000000000000000000000005', 'content-length: 5'],
  ['CONTENT-LENGTH:5', 'CONTENT-LENGTH: 5'],
  ['Content-Length:\t5', 'Content-Length: 5'],
  ['Content-Length: \t 5 \t', 'Content-Length: 5'],
  ['Content-Length:  5', 'Content-Length: 5'],
  ['Content-Length: 5\t', 'Content-Length: 5'],
];
const CODINGS: readonly (readonly [come: string, go: string])[] = [
  ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'],
  ['Transfer-Encoding: Chunked', 'Transfer-Encoding: chunked'],
  ['transfer-encoding:CHUNKED', 'transfer-encoding: chunked'],
  ['Transfer-Encoding:\tchunked', 'Transfer-Encoding: chunked'],
  ['TRANSFER-ENCODING: chunked\t', 'TRANSFER-ENCODING: chunked'],
  ['Transfer-Encoding: \t Chunked \t ', 'Transfer-Encoding: chunked'],
];

function request([come, go]: readonly [string, string], body: string): Input {
  return forwarded(
    JSON.stringify(come),
    `${POST}${come}\r\n${HOST}B:\t2 \r\n\r\n${body}`,
    `${POST}${go}\r\n${HOST}B:\t2 \r\n\r\n${body}`,
  );
}

function response([come, go]: readonly [string, string], body: string, more?: Partial<Input>): Input {
  return forwarded(`${JSON.stringify(come)} of a response`, GET, GET, {
    answer: `${OK}${come}\r\nB:\t2 \r\n\r\n${body}`,
    client: `${OK}${go}\r\nB:\t2 \r\n\r\n${body}`,
    ...more,
  });
}

const REQUEST_ROWS: readonly Row[] = [
  {
    title: 'SAFETY 100: a request leaves with one framing field in its shortest form, all else as it came',
    inputs: [
      ...LENGTHS.map((line) => request(line, 'hello')),
      ...CODINGS.map((line) => request(line, CHUNKS)),
      request(['Content-Length: 000', 'Content-Length: 0'], ''),
      request(['Content-Length:\t0', 'Content-Length: 0'], ''),
    ],
  },
];

const HEAD = GET.replace('GET', 'HEAD');
const RESPONSE_ROWS: readonly Row[] = [
  {
    title: 'SAFETY 100: a response leaves with one framing field in its shortest form, all else as it came',
    inputs: [
      ...LENGTHS.map((line) => response(line, 'hello')),
      ...CODINGS.map((line) => response(line, CHUNKS)),
      response(['Content-Length: 5, 5', 'Content-Length: 5'], 'hello'),
      response(['Content-Length: 5,05\t,\t5', 'Content-Length: 5'], 'hello'),
      response(['Content-Length: 05\r\nX: 1\r\ncontent-length:5', 'Content-Length: 5\r\nX: 1'], 'hello'),
      ...[...LENGTHS, ...CODINGS].map((line) => {
        return { ...response(line, ''), name: `${line[0]} of a response to HEAD`, send: HEAD, upstream: HEAD };
      }),
      forwarded('a 304', GET, GET, {
        answer: 'HTTP/1.1 304 Not Modified\r\nContent-Length:\t0007\r\nX: 1\r\n\r\n',
        client: 'HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nX: 1\r\n\r\n',
      }),
      response(['Transfer-Encoding:\tCHUNKED', 'X: 1'], CHUNKS, {
        name: 'chunks for HTTP/1.0',
        send: GET.replace('1.1', '1.0'),
        client: `${OK}B:\t2 \r\nConnection: close\r\n\r\nhello`,
        clientEnd: 'fin',
      }),
    ],
  },
];

await runRows(t, REQUEST_ROWS);
await runRows(t, RESPONSE_ROWS, 'answer');

t.test('SAFETY 100: each of several requests in one go is written anew', async (t) => {
  const lines = [...LENGTHS.slice(1), ...CODINGS.slice(1)];
  const stage = await Stage.start(t);
  const sent = lines.map(([come], i) => `POST /${i} HTTP/1.1\r\n${HOST}${come}\r\n\r\n`);
  const body = (i: number): string => (i < LENGTHS.length - 1 ? 'hello' : CHUNKS);
  const wanted = lines.map(([, go], i) => `POST /${i} HTTP/1.1\r\n${HOST}${go}\r\n\r\n${body(i)}`);
  let answered = 0;
  stage.backend.onBytes = (end) => {
    if (end.text === wanted.slice(0, answered + 1).join('')) {
      answered++;
      end.send(NO_CONTENT);
    }
  };
  const client = await stage.connect();
  client.send(sent.map((head, i) => head + body(i)).join(''));
  await stage.stillInStep(t, client, NO_CONTENT.repeat(lines.length));
  t.equal(stage.backend.connections.length, 1);
});

t.test('SAFETY 100: what goes to a mirror and what is sent once more are written anew as well', async (t) => {
  for (const [[come, go], body] of [
    [LENGTHS[1]!, 'hello'],
    [CODINGS[3]!, CHUNKS],
  ] as const) {
    const stage = await Stage.start(t);
    const mirror = await ScriptedBackend.listen(t);
    const target: Backend = { ...stage.target, port: mirror.port, id: 1, key: 'ns/mirror' };
    const forward: ForwardDecision = {
      kind: 'forward',
      backend: stage.target,
      series: SERIES,
      policy: { requestTimeoutMs: 0, attemptTimeoutMs: 0, retry: { attempts: 1, codes: [503], backoffMs: 1 } },
      mirrors: [{ backend: target, plan: null, series: SERIES + 1 }],
    };
    stage.decision = () => forward;
    const wanted = `${POST}${go}\r\n${HOST}\r\n${body}`;
    const busy = 'HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n';
    let answered = 0;
    stage.backend.onBytes = (end) => {
      if (end.text === wanted) end.send(answered++ === 0 ? busy : NO_CONTENT);
    };
    const client = await stage.connect();
    client.send(`${POST}${come}\r\n${HOST}\r\n${body}`);
    await stage.stillInStep(t, client, NO_CONTENT);
    t.strictSame(
      stage.backend.connections.map((end) => end.text),
      [wanted, wanted],
    );
    const copy = await mirror.connection(0);
    await copy.untilBytes(wanted.length);
    t.equal(copy.text, wanted);
  }
});

t.test('SAFETY 100: a real server and its next caller are not led astray by blanks around chunked', async (t) => {
  const stage = await Stage.start(t);
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('latin1').on('data', (text: string) => (body += text));
    request.on('end', () => response.end(body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const backend = { ...stage.target, id: 1, key: 'ns/node', port: (server.address() as AddressInfo).port };
  stage.decision = () => ({ kind: 'forward', backend, series: SERIES });

  const first = await stage.connect();
  const upgrade = 'Connection: Upgrade\r\nUpgrade: x\r\nTransfer-Encoding: \tChunked\t\r\n\r\n';
  first.send(`POST / HTTP/1.1\r\n${HOST}${upgrade}${CHUNKS}`);
  await first.until('hello');
  t.match(maskDate(first.text), /^HTTP\/1\.1 200 OK\r\n/);
  const second = await stage.connect();
  second.send(`POST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nworld`);
  await second.until('world');
  t.match(maskDate(second.text), /^HTTP\/1\.1 200 OK\r\n/);
  t.equal(stage.engine.counters().upstreamConnects, 1, 'both on one connection');
});
