/** Upgrade and Expect. */
import t from 'tap';

import {
  forwarded,
  maskDate,
  NEXT_REPLY,
  NO_CONTENT,
  runRows,
  SMUGGLED,
  Stage,
  warmUp,
  type Row,
} from '../../support/safety.ts';
import { loopTurns } from '../../support/wire-end.ts';
import { matches } from '../../support/match.ts';

const HOST = 'Host: a\r\n';
const WEBSOCKET = [
  `GET /chat HTTP/1.1\r\n${HOST}Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n`,
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
].join('');
const WEBSOCKET_UPSTREAM = WEBSOCKET.replace('keep-alive, Upgrade', 'Upgrade');
const SWITCH =
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n';
const BINARY = '\x81\x85\0\xff\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n';

t.test('SAFETY 71: 101 makes a tunnel, and bytes glued to it arrive exactly', async (t) => {
  for (const way of ['on a fresh connection', 'on a reused connection'] as const) {
    await t.test(way, async (t) => {
      const stage = await Stage.start(t);
      const client = await stage.connect();
      if (way === 'on a reused connection') await warmUp(t, stage, client);
      stage.answerWhen(WEBSOCKET_UPSTREAM, (end) => end.send(SWITCH + BINARY));
      client.send(WEBSOCKET);
      await client.untilBytes(SWITCH.length + BINARY.length);
      t.equal(client.text, SWITCH + BINARY);
      const upstream = await stage.backend.connection(0);
      t.equal(upstream.text, WEBSOCKET_UPSTREAM);
      upstream.forget();
      client.forget();
      client.send(BINARY);
      await upstream.untilBytes(BINARY.length);
      t.equal(upstream.text, BINARY);
      upstream.send(SMUGGLED);
      await client.untilBytes(SMUGGLED.length);
      t.equal(client.text, SMUGGLED);
      // Each direction ends on its own.
      client.socket.end();
      await upstream.untilEnd();
      upstream.send('last');
      await client.until(`${SMUGGLED}last`);
      upstream.socket.end();
      await client.untilEnd();
      t.strictSame([client.state, upstream.state], ['fin', 'fin']);
      matches(t, stage.outcomes, [{ status: 101, reason: null }]);
      t.equal(stage.asked.length, 1);
    });
  }
});

t.test('SAFETY 71: a reset of one end of the tunnel resets the other', async (t) => {
  for (const side of ['client', 'backend'] as const) {
    const stage = await Stage.start(t);
    const client = await stage.connect();
    stage.answerWhen(WEBSOCKET_UPSTREAM, (end) => end.send(SWITCH));
    client.send(WEBSOCKET);
    await client.untilBytes(SWITCH.length);
    const upstream = await stage.backend.connection(0);
    const [from, to] = side === 'client' ? [client, upstream] : [upstream, client];
    from.socket.resetAndDestroy();
    await to.untilEnd();
    t.equal(to.state, 'reset', `by the ${side}`);
  }
});

t.test(
  'SAFETY 72: an upgrade that is answered with 200 leaves the connection HTTP, and what follows is a request',
  async (t) => {
    const stage = await Stage.start(t);
    const client = await stage.connect();
    const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
    const second = `GET /second HTTP/1.1\r\n${HOST}\r\n`;
    stage.backend.onBytes = (end) => {
      if (end.text === WEBSOCKET_UPSTREAM) end.send(ok);
      if (end.text === WEBSOCKET_UPSTREAM + second) end.send(NO_CONTENT);
    };
    client.send(WEBSOCKET + second);
    await stage.stillInStep(t, client, ok + NO_CONTENT);
    t.equal((await stage.backend.connection(0)).text, WEBSOCKET_UPSTREAM + second);
    t.strictSame(
      stage.asked.map((asked) => asked.path),
      ['/chat', '/second'],
      'both were routed',
    );
  },
);

t.test(
  'SAFETY 72: what follows a refused upgrade is held until the answer, and refused when it is no request',
  async (t) => {
    const stage = await Stage.start(t);
    const client = await stage.connect();
    const no = 'HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n';
    client.send(WEBSOCKET + BINARY);
    const upstream = await stage.backend.connection(0);
    await upstream.untilBytes(WEBSOCKET_UPSTREAM.length);
    upstream.send(no);
    await client.untilEnd();
    t.ok(maskDate(client.text).startsWith(`${no}HTTP/1.1 400 Bad Request\r\n`));
    t.equal(upstream.text, WEBSOCKET_UPSTREAM);
  },
);

t.test('SAFETY 73: bytes sent before 101 are held until it comes', async (t) => {
  for (const together of [true, false]) {
    await t.test(together ? 'in one write with the head' : 'in a write of their own', async (t) => {
      const stage = await Stage.start(t);
      const client = await stage.connect();
      await client.sendApart(together ? [WEBSOCKET + BINARY] : [WEBSOCKET, BINARY]);
      const upstream = await stage.backend.connection(0);
      await upstream.untilBytes(WEBSOCKET_UPSTREAM.length);
      await loopTurns();
      t.equal(upstream.text, WEBSOCKET_UPSTREAM);
      upstream.send(SWITCH);
      await upstream.untilBytes(WEBSOCKET_UPSTREAM.length + BINARY.length);
      t.equal(upstream.text, WEBSOCKET_UPSTREAM + BINARY);
      t.equal(client.text, SWITCH);
    });
  }
});

const ROWS: readonly Row[] = [
  {
    title: 'SAFETY 74: an upgrade to h2c is forwarded without Upgrade and HTTP2-Settings',
    inputs: [
      forwarded(
        'alone',
        `GET / HTTP/1.1\r\n${HOST}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nX: 1\r\n\r\n`,
        `GET / HTTP/1.1\r\n${HOST}X: 1\r\n\r\n`,
      ),
      forwarded(
        'not named by Connection',
        `GET / HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nupgrade: H2C\r\nhttp2-settings: AAMAAABk\r\n\r\n`,
        `GET / HTTP/1.1\r\n${HOST}\r\n`,
      ),
    ],
  },
];

await runRows(t, ROWS);

const EXPECT = `POST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n`;
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';

t.test('SAFETY 75: the backend says whether a body is wanted, and until then it is held', async (t) => {
  await t.test('100, then the final response', async (t) => {
    for (const head of [EXPECT, EXPECT.replace('100-continue', '100-Continue')]) {
      const stage = await Stage.start(t, { expectTimeoutMs: 60_000 });
      const client = await stage.connect();
      client.send(head);
      const upstream = await stage.backend.connection(0);
      await upstream.untilBytes(head.length);
      t.equal(upstream.text, head, 'with its Expect');
      t.equal(client.text, '', 'no 100 but that of the backend');
      upstream.send('HTTP/1.1 100 Go on\r\nX: 1\r\n\r\n');
      await client.until('\r\n\r\n');
      t.equal(client.text, 'HTTP/1.1 100 Go on\r\nX: 1\r\n\r\n');
      client.send('hello');
      await upstream.untilBytes(head.length + 5);
      t.equal(upstream.text, `${head}hello`);
      upstream.send(NO_CONTENT);
      await stage.stillInStep(t, client, `HTTP/1.1 100 Go on\r\nX: 1\r\n\r\n${NO_CONTENT}`);
    }
  });

  await t.test('417', async (t) => {
    const stage = await Stage.start(t, { expectTimeoutMs: 60_000 });
    const client = await stage.connect();
    client.send(EXPECT);
    const upstream = await stage.backend.connection(0);
    await upstream.untilBytes(EXPECT.length);
    upstream.send('HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno');
    await client.untilEnd();
    // Whether the client sends its body now cannot be known: the connection ends.
    t.equal(client.text, 'HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno');
    t.equal(client.state, 'fin');
    await upstream.untilEnd();
    t.equal(upstream.text, EXPECT);
  });

  await t.test('a final response without 100', async (t) => {
    const stage = await Stage.start(t, { expectTimeoutMs: 60_000 });
    const client = await stage.connect();
    client.send(EXPECT);
    const upstream = await stage.backend.connection(0);
    await upstream.untilBytes(EXPECT.length);
    upstream.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    await client.untilEnd();
    t.equal(client.text, 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok');
    await upstream.untilEnd();
    t.equal(upstream.text, EXPECT);
  });

  await t.test('a backend that says nothing gets the body after a while', async (t) => {
    const stage = await Stage.start(t, { expectTimeoutMs: 50 });
    const client = await stage.connect();
    client.send(EXPECT);
    const upstream = await stage.backend.connection(0);
    await upstream.untilBytes(EXPECT.length);
    client.send('hello');
    await upstream.untilBytes(EXPECT.length + 5);
    t.equal(upstream.text, `${EXPECT}hello`);
    upstream.send(NO_CONTENT);
    await stage.stillInStep(t, client, NO_CONTENT);
  });
});

t.test('SAFETY 76: a client that expects and does not wait stays in step', async (t) => {
  const message = `${EXPECT}hello`;
  for (const way of ['fresh', 'reused'] as const) {
    await t.test(`100, ${way}`, async (t) => {
      const stage = await Stage.start(t, { expectTimeoutMs: 60_000 });
      const client = await stage.connect();
      if (way === 'reused') await warmUp(t, stage, client);
      client.send(message);
      const upstream = await stage.backend.connection(0);
      await upstream.untilBytes(EXPECT.length);
      await loopTurns();
      t.equal(upstream.text, EXPECT, 'held');
      upstream.send(CONTINUE);
      await upstream.untilBytes(message.length);
      t.equal(upstream.text, message);
      upstream.send(NO_CONTENT);
      await stage.stillInStep(t, client, CONTINUE + NO_CONTENT);
    });

    await t.test(`417, ${way}`, async (t) => {
      const stage = await Stage.start(t, { expectTimeoutMs: 60_000 });
      const client = await stage.connect();
      if (way === 'reused') await warmUp(t, stage, client);
      client.send(message + SMUGGLED);
      const upstream = await stage.backend.connection(0);
      await upstream.untilBytes(EXPECT.length);
      upstream.send('HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n');
      await client.untilEnd();
      t.equal(client.text, 'HTTP/1.1 417 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
      t.equal(client.state, 'fin');
      t.equal(stage.asked.length, 1, 'neither the body nor what follows is a request');
      t.equal(upstream.text, EXPECT);
    });
  }

  await t.test('pipelined behind it', async (t) => {
    const stage = await Stage.start(t, { expectTimeoutMs: 60_000 });
    const client = await stage.connect();
    stage.backend.onBytes = (end) => {
      if (end.text === EXPECT) end.send(CONTINUE);
      if (end.text === message) end.send(NO_CONTENT);
    };
    client.send(`${message}GET /next HTTP/1.1\r\nHost: next\r\n\r\n`);
    const wanted = CONTINUE + NO_CONTENT + NEXT_REPLY;
    await client.untilHolds('both responses', () => maskDate(client.text).length >= wanted.length);
    t.equal(maskDate(client.text), wanted);
  });
});
