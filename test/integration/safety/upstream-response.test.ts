/** What a backend may answer, and what it may not. */
import t from 'tap';

import {
  badResponse,
  forwarded,
  localReply,
  maskDate,
  NEXT_REPLY,
  NO_CONTENT,
  runRows,
  Stage,
  warmUp,
  type Input,
  type Row,
} from '../../support/safety.ts';
import { matches } from '../../support/match.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\n';

/** A head with these lines, answered with 502. */
function lines(name: string, text: string, body = ''): Input {
  return badResponse(name, `${OK}${text}\r\n${body}`);
}

function startLines(list: readonly string[]): readonly Input[] {
  return list.map((line) => badResponse(JSON.stringify(line), `${line}\r\nContent-Length: 0\r\n\r\n`));
}

function relayed(name: string, answer: string, more?: Partial<Input>): Input {
  return forwarded(name, GET, GET, { answer, ...more });
}

const INTERIM = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n';
const BAD_GATEWAY = localReply('upstream_protocol');
const LONG = { ways: ['whole', 'in two parts', 'reused'] } as const;

/** A head of `bytes` bytes in all. */
function head(bytes: number): string {
  const rest = `${OK}Content-Length: 0\r\nX: \r\n\r\n`.length;
  return `${OK}Content-Length: 0\r\nX: ${'v'.repeat(bytes - rest)}\r\n\r\n`;
}

const ROWS: readonly Row[] = [
  {
    title: 'SAFETY 80: a response with Content-Length and Transfer-Encoding is a 502',
    inputs: [
      lines('length first', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '5\r\nhello\r\n0\r\n\r\n'),
      lines('length last', 'Transfer-Encoding: chunked\r\nContent-Length: 0\r\n', '5\r\nhello\r\n0\r\n\r\n'),
    ],
  },
  {
    title: 'SAFETY 81: a response with differing or malformed Content-Lengths is a 502',
    inputs: [
      lines('two that differ', 'Content-Length: 5\r\nContent-Length: 6\r\n', 'hello'),
      ...['5, 6', '+5', '-0', '0x5', '5_0', '5 5', '', '9223372036854775808'].map((value) =>
        lines(JSON.stringify(value), `Content-Length: ${value}\r\n`, 'hello'),
      ),
      relayed('two that are equal become one', `${OK}Content-Length: 5\r\nX: 1\r\ncontent-length: 5\r\n\r\nhello`, {
        client: `${OK}Content-Length: 5\r\nX: 1\r\n\r\nhello`,
      }),
    ],
  },
  {
    title: 'SAFETY 82: a response with another Transfer-Encoding than chunked is a 502',
    inputs: [
      'chunked, chunked',
      'gzip, chunked',
      'gzip',
      'identity',
      '',
      'chunked;a=1',
      ',chunked',
      'xchunked',
      '\x0bchunked',
    ].map((value) => lines(JSON.stringify(value), `Transfer-Encoding: ${value}\r\n`, '5\r\nhello\r\n0\r\n\r\n')),
  },
  {
    title: 'SAFETY 83: a malformed status line is a 502',
    inputs: startLines([
      'HTTP/1.1 20 OK',
      'HTTP/1.1 2000 OK',
      'HTTP/1.1 2OO OK',
      'HTTP/1.1  200 OK',
      'HTTP/1.1 -20 OK',
      'HTTP/1.1 099 OK',
      'HTTP/1.1',
      'HTTP/2 200',
      'HTTP/2.0 200 OK',
      'HTTP/1.2 200 OK',
      'HTTP/0.9 200 OK',
      'ICY 200 OK',
      'http/1.1 200 OK',
      'HTTP/1.1 200 O\0K',
      'HTTP/1.1 200 O\rK',
      ' HTTP/1.1 200 OK',
    ]),
  },
  {
    title: 'SAFETY 84: a response with a malformed field is a 502',
    inputs: [
      'A: \0',
      'A: b\rc',
      'A: b\nC: d',
      'A: b\n',
      'A: b\r\n c',
      'A: b\r\n\tc',
      ': b',
      'A',
      'A{: b',
      ' A: b',
      'A: \x01',
    ].map((text) => lines(JSON.stringify(text), `${text}\r\nContent-Length: 0\r\n`)),
  },
  {
    title: 'SAFETY 85: a response head over the limit is a 502',
    inputs: [
      relayed('the longest', head(64 * 1024), LONG),
      badResponse('a byte more', head(64 * 1024 + 1), LONG),
      badResponse('too many fields', `${OK}${'a: b\r\n'.repeat(201)}\r\n`, LONG),
      badResponse('without an end', `${OK}A: ${'b'.repeat(100_000)}`, LONG),
    ],
  },
  {
    title: 'SAFETY 86: 1xx responses are relayed, and more than sixteen are a 502',
    inputs: [
      relayed('103 and 200', `${INTERIM}${OK}Content-Length: 2\r\n\r\nok`),
      relayed(
        '100 unasked, 102, 199',
        `HTTP/1.1 100 \r\n\r\nHTTP/1.1 102 a\r\nX: 1\r\n\r\nHTTP/1.1 199 b\r\n\r\n${NO_CONTENT}`,
        {
          outcome: { status: 204, reason: null },
        },
      ),
      relayed('sixteen', INTERIM.repeat(16) + NO_CONTENT, { outcome: { status: 204, reason: null } }),
      badResponse('seventeen', INTERIM.repeat(17) + NO_CONTENT, { client: INTERIM.repeat(16) + BAD_GATEWAY }),
      relayed('none for HTTP/1.0', `${INTERIM}${OK}Content-Length: 2\r\n\r\nok`, {
        send: 'GET / HTTP/1.0\r\nHost: a\r\n\r\n',
        client: `${OK}Content-Length: 2\r\nConnection: close\r\n\r\nok`,
        clientEnd: 'fin',
        outcome: { status: 200, reason: null },
      }),
      badResponse('malformed after a good one', `${INTERIM}HTTP/1.1 20 OK\r\n\r\n`, { client: INTERIM + BAD_GATEWAY }),
    ].map((input) => (input.name === '103 and 200' ? { ...input, outcome: { status: 200, reason: null } } : input)),
  },
  {
    title: 'SAFETY 87: 101 without an Upgrade is a 502',
    inputs: [
      badResponse('unasked', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nhello'),
    ],
  },
  {
    title: 'SAFETY 88: a response that ends with its connection becomes chunked, or ends the connection of HTTP/1.0',
    inputs: [
      relayed('HTTP/1.1', `${OK}X: 1\r\n\r\nhello`, {
        answerEnds: 'fin',
        client: `${OK}X: 1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
      }),
      relayed('an HTTP/1.0 backend', 'HTTP/1.0 200 OK\r\n\r\nhello', {
        answerEnds: 'fin',
        client: `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
        outcome: { status: 200, reason: null },
      }),
      relayed('empty', `${OK}\r\n`, { answerEnds: 'fin', client: `${OK}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n` }),
      relayed('an HTTP/1.0 client', `${OK}X: 1\r\n\r\nhello`, {
        send: 'GET / HTTP/1.0\r\nHost: a\r\n\r\n',
        answerEnds: 'fin',
        client: `${OK}X: 1\r\nConnection: close\r\n\r\nhello`,
        clientEnd: 'fin',
      }),
    ],
  },
  {
    title: 'SAFETY 89: a response that is cut short is cut short for the client',
    inputs: [
      relayed('within Content-Length', `${OK}Content-Length: 9\r\n\r\nhello`, {
        answerEnds: 'fin',
        clientEnd: 'fin',
        outcome: { status: 200, reason: 'upstream_reset' },
      }),
      relayed('within a chunk', `${OK}Transfer-Encoding: chunked\r\n\r\n9\r\nhello`, {
        answerEnds: 'fin',
        client: `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`,
        clientEnd: 'fin',
        outcome: { status: 200, reason: 'upstream_reset' },
      }),
      relayed('before the last chunk', `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`, {
        answerEnds: 'fin',
        clientEnd: 'fin',
        outcome: { status: 200, reason: 'upstream_reset' },
      }),
    ],
  },
  {
    title: 'SAFETY 93: a malformed chunk within a response cuts it short for the client',
    inputs: [
      'g\r\nx',
      '\r\n',
      '5;a\nb\r\nhello',
      '5\r\nhelloXX',
      '+1\r\nx',
      '0\r\nX\r\n\r\n',
      '0\r\nHTTP/1.1 200 OK\r\n\r\n',
    ].map((text) => {
      const data = text.startsWith('5\r\n') ? '7\r\nokhello\r\n' : '2\r\nok\r\n';
      return relayed(JSON.stringify(text), `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n${text}`, {
        upstreamCut: true,
        client: `${OK}Transfer-Encoding: chunked\r\n\r\n${data}`,
        clientEnd: 'fin',
        outcome: { status: 200, reason: 'upstream_protocol' },
      });
    }),
  },
  {
    title: 'SAFETY 106, 107: extensions of a response are taken out, and malformed ones cut it short',
    inputs: [
      ...['5 ;a=b', '5\t;a', `5;${'e'.repeat(4_000)}`].map((line) =>
        relayed(line.slice(0, 10), `${OK}Transfer-Encoding: chunked\r\n\r\n${line}\r\nhello\r\n0 ; x\r\n\r\n`, {
          client: `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
          ...LONG,
        }),
      ),
      ...[';', ';a="', ';a=', ';a b', `;${'e'.repeat(4_096)}`].map((text) =>
        relayed(
          JSON.stringify(text.slice(0, 10)),
          `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n5${text}\r\nhello\r\n0\r\n\r\n`,
          {
            upstreamCut: true,
            client: `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n`,
            clientEnd: 'fin',
            outcome: { status: 200, reason: 'upstream_protocol' },
            ...LONG,
          },
        ),
      ),
    ],
  },
  {
    title: 'SAFETY 94: a backend that speaks another protocol is a 502',
    inputs: [
      'SSH-2.0-OpenSSH_9.2\r\n',
      '220 mail ESMTP\r\n',
      '\x16\x03\x01\x02\0',
      'J\0\0\0\x0a8.0.36\0',
      '<html>',
      '\0\0\x12\x04\0\0\0\0\0',
    ].map((banner) => badResponse(JSON.stringify(banner), banner)),
  },
];

await runRows(t, ROWS, 'answer');

t.test('SAFETY 80: the connection of a 502 is not used again', async (t) => {
  const stage = await Stage.start(t);
  const client = await stage.connect();
  stage.answerWhen(GET, (end) => end.send(`${OK}Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`));
  client.send(GET);
  await stage.stillInStep(t, client, BAD_GATEWAY);
  client.forget();
  stage.answerWhen(GET, (end) => end.send(NO_CONTENT));
  client.send(GET);
  await stage.stillInStep(t, client, NO_CONTENT);
  t.equal(stage.backend.connections.length, 2);
});

t.test('SAFETY 87: 101 to an upgrade whose body is still on its way is a 502', async (t) => {
  const stage = await Stage.start(t);
  const client = await stage.connect();
  const begun = 'POST / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: Upgrade\r\nContent-Length: 9\r\n\r\nhello';
  stage.answerWhen(begun, (end) =>
    end.send('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nhello'),
  );
  client.send(begun);
  const upstream = await stage.backend.connection(0);
  await upstream.untilEnd();
  t.equal(upstream.text, begun);
  client.send('last');
  await stage.stillInStep(t, client, BAD_GATEWAY);
});

t.test('SAFETY 89: a reset within a response cuts it short for the client', async (t) => {
  for (const [framing, body, clientBody] of [
    ['Content-Length: 9', 'hello', 'hello'],
    ['Transfer-Encoding: chunked', '5\r\nhello\r\n', '5\r\nhello\r\n'],
  ] as const) {
    const stage = await Stage.start(t);
    const client = await stage.connect();
    stage.answerWhen(GET, (end) => end.send(`${OK}${framing}\r\n\r\n${body}`));
    client.send(GET);
    await client.until('hello');
    (await stage.backend.connection(0)).socket.resetAndDestroy();
    await client.untilEnd();
    t.equal(client.text, `${OK}${framing}\r\n\r\n${clientBody}`);
    matches(t, stage.outcomes, [{ status: 200, reason: 'upstream_reset' }]);
  }
});

t.test(
  'SAFETY 89: a reset of a response that would end with its connection cuts it short for the client',
  async (t) => {
    const stage = await Stage.start(t);
    const client = await stage.connect();
    stage.answerWhen(GET, (end) => end.send(`${OK}\r\nhello`));
    client.send(GET);
    await client.until('hello');
    (await stage.backend.connection(0)).socket.resetAndDestroy();
    await client.untilEnd();
    t.equal(client.text, `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`, 'without the last chunk');
    matches(t, stage.outcomes, [{ status: 200, reason: 'upstream_reset' }]);
  },
);

t.test('SAFETY 89: only a reset tells an HTTP/1.0 client that a response is cut short', async (t) => {
  const stage = await Stage.start(t);
  const client = await stage.connect();
  stage.answerWhen(GET, (end) => end.send(`${OK}Transfer-Encoding: chunked\r\n\r\n9\r\nhello`));
  client.send(GET.replace('HTTP/1.1', 'HTTP/1.0'));
  await client.until('hello');
  (await stage.backend.connection(0)).socket.end();
  await client.untilEnd();
  t.equal(client.text, `${OK}Connection: close\r\n\r\nhello`);
  t.equal(client.state, 'reset');
});

/** Two requests on one connection of the client, the first answered with `answer`; the second goes on a new connection. */
async function notReused(
  t: Parameters<typeof warmUp>[0],
  method: string,
  answer: string,
  expected: string,
): Promise<void> {
  const stage = await Stage.start(t);
  const client = await stage.connect();
  const request = GET.replace('GET', method);
  stage.answerWhen(request, (end) => end.send(answer));
  client.send(request);
  await stage.stillInStep(t, client, expected);
  const first = await stage.backend.connection(0);
  await first.untilEnd();
  client.forget();
  stage.answerWhen(GET, (end) => end.send(`${OK}Content-Length: 6\r\n\r\nsecond`));
  client.send(GET);
  await stage.stillInStep(t, client, `${OK}Content-Length: 6\r\n\r\nsecond`);
  t.equal(stage.backend.connections.length, 2);
  t.equal(first.text, request);
  t.equal(stage.backend.connections[1]!.text, GET);
}

const FORGED = `${OK}Content-Length: 6\r\n\r\nforged`;

t.test('SAFETY 90: bytes beyond Content-Length are dropped, and the connection is not used again', async (t) => {
  await notReused(t, 'GET', `${OK}Content-Length: 5\r\n\r\nhello${FORGED}`, `${OK}Content-Length: 5\r\n\r\nhello`);
});

t.test('SAFETY 90: bytes beyond the last chunk are dropped, and the connection is not used again', async (t) => {
  const chunked = `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`;
  await notReused(t, 'GET', chunked + FORGED, chunked);
});

t.test('SAFETY 91: a connection on which the backend speaks unasked is given up', async (t) => {
  const stage = await Stage.start(t);
  const client = await stage.connect();
  const idle = await warmUp(t, stage, client);
  idle.send(FORGED);
  await idle.untilEnd();
  stage.answerWhen(GET, (end) => end.send(NO_CONTENT));
  client.send(GET);
  await stage.stillInStep(t, client, NO_CONTENT);
  t.equal(stage.backend.connections.length, 2);
  t.equal(idle.text, '', 'nothing more was sent on it');
  t.equal(stage.engine.counters().upstreamStale, 1);
});

t.test('SAFETY 91: unasked bytes that arrive with the request are not its answer', async (t) => {
  const stage = await Stage.start(t);
  const client = await stage.connect();
  const idle = await warmUp(t, stage, client);
  stage.answerWhen(GET, (end) => end.send(NO_CONTENT));
  // Both are in their sockets before the engine looks at either.
  idle.send(FORGED);
  client.send(GET);
  await stage.stillInStep(t, client, NO_CONTENT);
  t.equal(stage.backend.connections.length, 2);
});

t.test('SAFETY 92: a body where none can be is dropped, and the connection is not used again', async (t) => {
  for (const [name, method, head] of [
    ['HEAD', 'HEAD', `${OK}Content-Length: 5\r\n\r\n`],
    ['204', 'GET', NO_CONTENT],
    ['304', 'GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n'],
  ] as const) {
    await t.test(name, async (t) => {
      await notReused(t, method, `${head}hello`, head);
      await notReused(t, method, head + FORGED, head);
    });
  }
});

t.test('SAFETY 92: a response without a body keeps the fields that announce one', async (t) => {
  const stage = await Stage.start(t);
  const client = await stage.connect();
  const head = GET.replace('GET', 'HEAD');
  const answer = `${OK}Transfer-Encoding: chunked\r\n\r\n`;
  stage.answerWhen(head, (end) => end.send(answer));
  client.send(head);
  await client.untilHolds('the head', () => client.text === answer);
  client.send(GET.replace('/', '/next'));
  await client.untilHolds('the next response', () => maskDate(client.text) === answer + NEXT_REPLY);
  t.pass('in step');
});
