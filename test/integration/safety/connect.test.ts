/** CONNECT, whose head is all there is of it until a tunnel stands, and whose Host is its target. */
import t from 'tap';

import type { ForwardDecision } from '../../../src/routing/decision.ts';
import {
  BAD_REQUEST,
  forwarded,
  localReply,
  maskDate,
  NO_CONTENT,
  refused,
  runRows,
  SERIES,
  SMUGGLED,
  Stage,
  warmUp,
  type Input,
  type Row,
} from '../../support/safety.ts';

const CONNECT = 'CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n';
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const CHUNKED_SMUGGLED = `${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`;
const FORBIDDEN = 'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno';

/** Lines beside Host, and what stands where a body would. */
function withFraming(name: string, lines: string, body = SMUGGLED): Input {
  return refused(name, `${CONNECT}${lines}\r\n${body}`);
}

function target(name: string, authority: string, host: string): Input {
  return refused(name, `CONNECT ${authority} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
}

const ROWS: readonly Row[] = [
  {
    title: 'SAFETY 99: CONNECT with a body is refused, and nothing of it goes upstream',
    inputs: [
      withFraming('a length', `Content-Length: ${SMUGGLED.length}\r\n`),
      withFraming('a length of one digit', 'Content-Length: 1\r\n', 'x'),
      withFraming('chunks', 'Transfer-Encoding: chunked\r\n', CHUNKED_SMUGGLED),
      withFraming('no chunk', 'Transfer-Encoding: chunked\r\n', '0\r\n\r\n'),
      withFraming('both', `Content-Length: 5\r\nTransfer-Encoding: chunked\r\n`, CHUNKED_SMUGGLED),
      withFraming('an expectation', `Content-Length: ${SMUGGLED.length}\r\nExpect: 100-continue\r\n`),
      withFraming('an upgrade', `Content-Length: 5\r\nConnection: Upgrade\r\nUpgrade: x\r\n`, 'hello'),
      refused('HTTP/1.0', `CONNECT a:80 HTTP/1.0\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`),
      forwarded('a length of zero', `${CONNECT}Content-Length: 0\r\n\r\n`, `${CONNECT}Content-Length: 0\r\n\r\n`, {
        answer: FORBIDDEN,
      }),
    ],
  },
  {
    title: 'SAFETY 105: CONNECT to one and with the Host of another is refused',
    inputs: [
      target('another name', 'one:80', 'two:80'),
      target('another port', 'one:80', 'one:81'),
      target('a port that is no default, and none', 'one:8080', 'one'),
      target('no name', 'one:80', ''),
      target('another address', '[::1]:80', '[::2]:80'),
      target('an address and a name', '[::1]:80', 'one:80'),
      target('the same address in other words', '[0:0::1]:80', '[::1]:80'),
      target('the same port in other words', 'one:80', 'one:080'),
      target('a mapped address', '[::ffff:10.0.0.1]:80', '10.0.0.1:80'),
      ...[
        ['equal', 'one:8080', 'one:8080'],
        ['in other letters', 'One.Example:80', 'one.EXAMPLE:80'],
        ['without the port of HTTP', 'one:80', 'one'],
        ['without the port of HTTPS', 'one:443', 'one:'],
        ['an address', '[FE80::1]:443', '[fe80::1]'],
      ].map(([name, authority, host]) => {
        const head = `CONNECT ${authority!} HTTP/1.1\r\nHost: ${host!}\r\n\r\n`;
        return forwarded(name!, head, head, { answer: FORBIDDEN });
      }),
      forwarded('HTTP/1.0 without a Host', 'CONNECT one:80 HTTP/1.0\r\n\r\n', 'CONNECT one:80 HTTP/1.0\r\n\r\n', {
        answer: FORBIDDEN,
        client: FORBIDDEN.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'),
        clientEnd: 'fin',
      }),
    ],
  },
];

await runRows(t, ROWS);

t.test('SAFETY 105: a route that rewrites the host name leaves the two of a CONNECT alike', async (t) => {
  const stage = await Stage.start(t);
  const none = { remove: [], append: [] };
  stage.decision = () => ({
    kind: 'forward',
    backend: stage.target,
    series: SERIES,
    plan: { request: none, response: none, host: 'other.example', path: { kind: 'full', path: '/other' } },
  });
  const client = await stage.connect();
  stage.answerWhen(`${CONNECT}\r\n`, (end) => end.send(FORBIDDEN));
  client.send(`${CONNECT}\r\n`);
  await stage.stillInStep(t, client, FORBIDDEN);
  t.equal(stage.backend.connections[0]!.text, `${CONNECT}\r\n`);
});

t.test('SAFETY 99: CONNECT with a body behind another request is refused after the answer to that', async (t) => {
  const stage = await Stage.start(t);
  const client = await stage.connect();
  stage.answerWhen(GET, (end) => end.send(NO_CONTENT));
  client.send(`${GET}${CONNECT}Content-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`);
  await client.untilEnd();
  t.equal(maskDate(client.text), NO_CONTENT + BAD_REQUEST);
  t.equal((await stage.backend.connection(0)).text, GET);
  t.equal(stage.asked.length, 1);
});

t.test('SAFETY 99: after an answer to CONNECT that opens no tunnel the connection is not used again', async (t) => {
  for (const [name, answer] of [
    ['403', FORBIDDEN],
    ['an empty 405', 'HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n'],
    ['304', 'HTTP/1.1 304 Not Modified\r\n\r\n'],
    ['keep-alive', FORBIDDEN.replace('\r\n\r\n', '\r\nConnection: keep-alive\r\n\r\n')],
  ] as const) {
    for (const way of ['fresh', 'reused'] as const) {
      await t.test(`${name}, on a ${way} connection`, async (t) => {
        const stage = await Stage.start(t);
        const client = await stage.connect();
        if (way === 'reused') await warmUp(t, stage, client);
        const connect = `${CONNECT}\r\n`;
        stage.answerWhen(connect, (end) => end.send(answer));
        client.send(connect);
        await stage.stillInStep(t, client, answer.replace('Connection: keep-alive\r\n', ''));
        t.equal(stage.engine.counters().upstreamIdle, 0);
        const first = await stage.backend.connection(0);
        await first.untilEnd();
        client.forget();
        stage.answerWhen(GET, (end) => end.send(NO_CONTENT));
        client.send(GET);
        await stage.stillInStep(t, client, NO_CONTENT);
        t.equal(stage.backend.connections.length, 2);
        t.equal(first.text, connect);
      });
    }
  }
});

t.test('SAFETY 99: a refused CONNECT that its route sends once more goes on a connection of its own', async (t) => {
  const stage = await Stage.start(t);
  const forward: ForwardDecision = {
    kind: 'forward',
    backend: stage.target,
    series: SERIES,
    policy: { requestTimeoutMs: 0, attemptTimeoutMs: 0, retry: { attempts: 1, codes: [503], backoffMs: 1 } },
  };
  stage.decision = () => forward;
  const connect = `${CONNECT}\r\n`;
  stage.backend.onBytes = (end) => {
    // What comes behind a CONNECT would be a request, for the backend that the case is about.
    end.send('HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy');
  };
  const client = await stage.connect();
  client.send(connect);
  await stage.stillInStep(t, client, 'HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy');
  t.strictSame(
    stage.backend.connections.map((end) => end.text),
    [connect, connect],
  );
});

t.test('SAFETY 99: a local reply to CONNECT leaves the connection in step', async (t) => {
  const stage = await Stage.start(t);
  stage.decision = () => ({ kind: 'local', status: 404, reason: 'no_route', series: SERIES });
  const client = await stage.connect();
  client.send(`${CONNECT}\r\n`);
  await stage.stillInStep(t, client, localReply('no_route'));
  t.equal(stage.engine.counters().upstreamConnects, 0);
});
