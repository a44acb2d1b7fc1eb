/** What backends write beside the rules, and a client must not see. */
import t from 'tap';

import { badResponse, forwarded, localReply, runRows, Stage, type Input, type Row } from '../../support/safety.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const HEAD = GET.replace('GET', 'HEAD');
const OK = 'HTTP/1.1 200 OK\r\n';
const CHUNKS = '5\r\nhello\r\n0\r\n\r\n';
const NO_CONTENT = 'HTTP/1.1 204 No Content\r\n';
const NOT_MODIFIED = 'HTTP/1.1 304 Not Modified\r\n';
const RESET = 'HTTP/1.1 205 Reset Content\r\n';
const HINT = 'HTTP/1.1 103 Early Hints\r\n';
/** Well-formed or not: where there is no body they frame none. */
const FRAMINGS = [
  'Transfer-Encoding: chunked\r\n',
  'transfer-encoding:\tgzip, chunked\r\n',
  'Transfer-Encoding: identity\r\n',
  'Content-Length: 5\r\n',
  'Content-Length: 0\r\n',
  'Content-Length: five\r\n',
  'Content-Length: 5\r\nContent-Length: 6\r\n',
  'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n',
];

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
  {
    title: 'SAFETY 102: framing is taken out of responses that have no body',
    inputs: [
      ...FRAMINGS.map((lines) =>
        relayed(`204 with ${JSON.stringify(lines)}`, `${NO_CONTENT}${lines}A: 1\r\n\r\n`, `${NO_CONTENT}A: 1\r\n\r\n`),
      ),
      ...FRAMINGS.map((lines) =>
        relayed(
          `1xx with ${JSON.stringify(lines)}`,
          `${HINT}${lines}A: 1\r\n\r\n${OK}Content-Length: 2\r\n\r\nok`,
          `${HINT}A: 1\r\n\r\n${OK}Content-Length: 2\r\n\r\nok`,
          { outcome: { status: 200, reason: null } },
        ),
      ),
      ...['Transfer-Encoding: chunked\r\n', 'Transfer-Encoding: gzip, chunked\r\n', 'Transfer-Encoding:\r\n'].map(
        (lines) =>
          relayed(
            `304 with ${JSON.stringify(lines)}`,
            `${NOT_MODIFIED}${lines}Content-Length: 007\r\n\r\n`,
            `${NOT_MODIFIED}Content-Length: 7\r\n\r\n`,
          ),
      ),
      relayed('304 from HTTP/1.0', 'HTTP/1.0 304 No\r\nTransfer-Encoding: chunked\r\n\r\n', 'HTTP/1.1 304 No\r\n\r\n', {
        outcome: { status: 304, reason: null },
      }),
      relayed(
        'a body behind 1xx is no response',
        `${HINT}Content-Length: 5\r\n\r\nhello${OK}Content-Length: 0\r\n\r\n`,
        `${HINT}\r\n${localReply('upstream_protocol')}`,
        {
          upstreamCut: true,
          outcome: { status: 502, reason: 'upstream_protocol' },
        },
      ),
      // What has a body keeps its framing.
      relayed('205', `${RESET}Content-Length: 2\r\n\r\nok`, `${RESET}Content-Length: 2\r\n\r\nok`),
      relayed(
        '205 in chunks',
        `${RESET}Transfer-Encoding:\tchunked\r\n\r\n${CHUNKS}`,
        `${RESET}Transfer-Encoding: chunked\r\n\r\n${CHUNKS}`,
      ),
    ],
  },
  {
    title: 'SAFETY 103: blanks before the colon of a response are taken out',
    inputs: [
      relayed(
        'of a field',
        `${OK}A: 1\r\nX : y\r\nx\t \t:\tz \r\nB:2 \r\nContent-Length: 0\r\n\r\n`,
        `${OK}A: 1\r\nX: y\r\nx: z\r\nB:2 \r\nContent-Length: 0\r\n\r\n`,
      ),
      relayed('of an empty field', `${OK}X :\r\nContent-Length: 0\r\n\r\n`, `${OK}X: \r\nContent-Length: 0\r\n\r\n`),
      relayed('of a length', `${OK}Content-Length : 5\r\n\r\nhello`, `${OK}Content-Length: 5\r\n\r\nhello`),
      relayed(
        'of a coding',
        `${OK}Transfer-Encoding\t: chunked\r\n\r\n${CHUNKS}`,
        `${OK}Transfer-Encoding: chunked\r\n\r\n${CHUNKS}`,
      ),
      relayed(
        'of what belongs to the connection',
        `${OK}Connection : X\r\nX : 1\r\nKeep-Alive : timeout=5\r\nContent-Length: 0\r\n\r\n`,
        `${OK}Content-Length: 0\r\n\r\n`,
      ),
      relayed(
        'of an interim response',
        `${HINT}Link : </a>\r\n\r\n${NO_CONTENT}\r\n`,
        `${HINT}Link: </a>\r\n\r\n${NO_CONTENT}\r\n`,
        {
          outcome: { status: 204, reason: null },
        },
      ),
      relayed(
        'of trailers',
        `${OK}Transfer-Encoding: chunked\r\n\r\n0\r\nX : 1\r\nContent-Length : 5\r\nY: 2\r\n\r\n`,
        `${OK}Transfer-Encoding: chunked\r\n\r\n0\r\nX: 1\r\nY: 2\r\n\r\n`,
      ),
      badResponse('no colon behind the blank', `${OK}X y: z\r\nContent-Length: 0\r\n\r\n`),
      badResponse('no name before the blank', `${OK}A: 1\r\n : z\r\nContent-Length: 0\r\n\r\n`),
    ],
  },
  {
    title: 'SAFETY 104: a status line gets the space that its backend left out',
    inputs: [
      relayed(
        'with fields',
        'HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello',
        'HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello',
      ),
      relayed('without fields', 'HTTP/1.1 204\r\n\r\n', 'HTTP/1.1 204 \r\n\r\n'),
      relayed(
        'of HTTP/1.0',
        'HTTP/1.0 404\r\nContent-Length: 0\r\n\r\n',
        'HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n',
        {
          outcome: { status: 404, reason: null },
        },
      ),
      relayed(
        'of interim responses',
        'HTTP/1.1 100\r\n\r\nHTTP/1.1 103\r\nLink: </a>\r\n\r\nHTTP/1.1 204\r\n\r\n',
        'HTTP/1.1 100 \r\n\r\nHTTP/1.1 103 \r\nLink: </a>\r\n\r\nHTTP/1.1 204 \r\n\r\n',
        {
          outcome: { status: 204, reason: null },
        },
      ),
      relayed('where there is one it stays one', 'HTTP/1.1 204 \r\n\r\n', 'HTTP/1.1 204 \r\n\r\n'),
    ],
  },
];

await runRows(t, ROWS, 'answer');

t.test('SAFETY 104: an upgrade is answered with the space as well', async (t) => {
  const stage = await Stage.start(t);
  const client = await stage.connect();
  const upgrade = 'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n';
  const fields = 'Connection: Upgrade\r\n\r\nhello';
  stage.answerWhen(upgrade, (end) => end.send(`HTTP/1.1 101\r\nUpgrade : x\r\n${fields}`));
  client.send(upgrade);
  await client.until('hello');
  t.equal(client.text, `HTTP/1.1 101 \r\nUpgrade: x\r\n${fields}`);
});

t.test('SAFETY 102: a connection on which a body may follow a response without one is not used again', async (t) => {
  // The body that comes late, when the next request is on its way, would be the answer to it.
  for (const [name, start, line, reused] of [
    ['204 with a length', NO_CONTENT, 'Content-Length: 5\r\n', false],
    ['204 with a coding', NO_CONTENT, 'Transfer-Encoding: chunked\r\n', false],
    ['304 with a coding', NOT_MODIFIED, 'Transfer-Encoding: chunked\r\n', false],
    ['204 with a length of zero', NO_CONTENT, 'Content-Length: 0\r\n', true],
    ['204', NO_CONTENT, '', true],
    ['304', NOT_MODIFIED, '', true],
  ] as const) {
    await t.test(name, async (t) => {
      const stage = await Stage.start(t);
      const client = await stage.connect();
      stage.answerWhen(GET, (end) => end.send(`${start}${line}\r\n`));
      client.send(GET);
      await stage.stillInStep(t, client, `${start}\r\n`);
      t.equal(stage.engine.counters().upstreamIdle, reused ? 1 : 0);
      if (!reused) await (await stage.backend.connection(0)).untilEnd();
    });
  }
});

t.test('SAFETY 102: an answer to CONNECT or an upgrade that opens a tunnel has no framing', async (t) => {
  for (const [request, start] of [
    ['CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n', 'HTTP/1.1 200 OK\r\n'],
    [
      'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n',
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n',
    ],
  ] as const) {
    for (const lines of FRAMINGS) {
      const stage = await Stage.start(t);
      const client = await stage.connect();
      stage.answerWhen(request, (end) => end.send(`${start}${lines}\r\nhello`));
      client.send(request);
      await client.until('hello');
      t.equal(client.text, `${start}\r\nhello`, `${request.slice(0, 7)}, ${JSON.stringify(lines)}`);
    }
  }
});
