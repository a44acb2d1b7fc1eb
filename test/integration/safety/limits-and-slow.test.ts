/** Limits of a head, and peers that are slow. */
import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';

import t from 'tap';

import {
  forwarded,
  localReply,
  maskDate,
  NO_CONTENT,
  refused,
  runRows,
  Stage,
  type Input,
  type Row,
} from '../../support/safety.ts';
import { loopTurns } from '../../support/wire-end.ts';

const HOST = 'Host: a\r\n';
/** Long heads are not sent byte by byte; small limits are. */
const LONG = { ways: ['whole', 'in two parts', 'reused'] } as const;

function same(name: string, head: string, more?: Partial<Input>): Input {
  return forwarded(name, head, head, more);
}

/** A request line of `bytes` bytes without its CRLF. */
function line(bytes: number): string {
  return `GET /${'p'.repeat(bytes - 'GET / HTTP/1.1'.length)} HTTP/1.1\r\n${HOST}\r\n`;
}

/** A head of `bytes` bytes in all. */
function head(bytes: number): string {
  const rest = `GET / HTTP/1.1\r\n${HOST}X: \r\n\r\n`.length;
  return `GET / HTTP/1.1\r\n${HOST}X: ${'v'.repeat(bytes - rest)}\r\n\r\n`;
}

/** A head of `count` fields in all. */
function fields(count: number): string {
  return `GET / HTTP/1.1\r\n${HOST}${'a: b\r\n'.repeat(count - 1)}\r\n`;
}

const ranges = Array.from({ length: 5_000 }, (_, i) => `${i * 2}-${i * 2}`).join(',');

const ROWS: readonly Row[] = [
  {
    title: 'SAFETY 63: a request line over 8 KiB is answered with 414',
    inputs: [
      same('the longest', line(8192), LONG),
      refused('a byte more', line(8193), 'uri_limit', LONG),
      refused('without an end', `GET /${'p'.repeat(20_000)}`, 'uri_limit', LONG),
      same('a limit of 64 bytes', line(64), { options: { maxRequestLineBytes: 64 } }),
      refused('65 of 64 bytes', line(65), 'uri_limit', { options: { maxRequestLineBytes: 64 } }),
    ],
  },
  {
    title: 'SAFETY 64: a head over the limit is answered with 431',
    inputs: [
      same('the longest', head(64 * 1024), LONG),
      refused('a byte more', head(64 * 1024 + 1), 'header_limit', LONG),
      refused('a value without an end', `GET / HTTP/1.1\r\n${HOST}X: ${'v'.repeat(100_000)}`, 'header_limit', LONG),
      refused('a name without an end', `GET / HTTP/1.1\r\n${HOST}${'v'.repeat(100_000)}`, 'header_limit', LONG),
      same('a limit of 256 bytes', head(256), { options: { maxHeadBytes: 256 } }),
      refused('257 of 256 bytes', head(257), 'header_limit', { options: { maxHeadBytes: 256 } }),
    ],
  },
  {
    title: 'SAFETY 65: too many fields are answered with 431',
    inputs: [
      same('200', fields(200), LONG),
      refused('201', fields(201), 'header_limit', LONG),
      same('a limit of 5', fields(5), { options: { maxHeaderFields: 5 } }),
      refused('6 of 5', fields(6), 'header_limit', { options: { maxHeaderFields: 5 } }),
    ],
  },
  {
    title: 'SAFETY 66: a Range of 5,000 parts is forwarded',
    inputs: [same('all of them', `GET / HTTP/1.1\r\n${HOST}Range: bytes=${ranges}\r\n\r\n`, LONG)],
  },
];

await runRows(t, ROWS);

t.test(
  'SAFETY 68: a head that is dribbled is answered with 408 at its deadline, however busy its sender',
  async (t) => {
    const headerTimeoutMs = 150;
    for (const position of ['first', 'second'] as const) {
      await t.test(`${position} on its connection`, async (t) => {
        const stage = await Stage.start(t, { headerTimeoutMs });
        const client = await stage.connect();
        if (position === 'second') {
          await stage.stillInStep(t, client, '');
          client.forget();
        }
        const startMs = performance.now();
        for (const byte of `GET / HTTP/1.1\r\n${HOST}X: ${'v'.repeat(10_000)}`) {
          if (client.state !== 'open') break;
          client.send(byte);
          await delay(5);
        }
        const tookMs = performance.now() - startMs;
        t.equal(maskDate(client.text), localReply('request_timeout', { close: true }));
        t.equal(client.state, 'fin');
        t.ok(tookMs >= headerTimeoutMs - 5, `not before the deadline: ${tookMs} ms`);
        t.strictSame(stage.refused, ['request_timeout']);
        t.equal(stage.engine.counters().upstreamConnects, 0);
      });
    }
  },
);

t.test('SAFETY 69: a body may be as slow as it likes, until it stands still for the stall limit', async (t) => {
  const stallTimeoutMs = 1_000;
  const stage = await Stage.start(t, { stallTimeoutMs });
  const client = await stage.connect();
  const head = `POST / HTTP/1.1\r\n${HOST}Content-Length: 12\r\n\r\n`;
  client.send(head);
  // Longer than the limit in all.
  for (const byte of 'hello worl') {
    client.send(byte);
    await delay(130);
  }
  const upstream = await stage.backend.connection(0);
  t.equal(upstream.text, `${head}hello worl`, 'each byte goes on at once');
  t.equal(client.state, 'open');
  const stillMs = performance.now();
  await client.untilEnd();
  t.ok(performance.now() - stillMs >= stallTimeoutMs - 200);
  t.equal(maskDate(client.text), localReply('timeout', { close: true }));
  await upstream.untilEnd();
  t.equal(upstream.state, 'reset', 'the upstream sees that it has not got all');
  t.equal(upstream.text, `${head}hello worl`);
});

t.test('SAFETY 69: the time for a head does not count for a body', async (t) => {
  const stage = await Stage.start(t, { headerTimeoutMs: 100 });
  const client = await stage.connect();
  const message = `POST / HTTP/1.1\r\n${HOST}Content-Length: 10\r\n\r\nhelloworld`;
  stage.answerWhen(message, (end) => end.send(NO_CONTENT));
  client.send(message.slice(0, -10));
  for (const byte of 'helloworld') {
    await delay(40);
    client.send(byte);
  }
  await stage.stillInStep(t, client, NO_CONTENT);
});

t.test('SAFETY 70: a reader that stands still holds the upstream back, and gets every byte in the end', async (t) => {
  const SIZE = 32 * 1024 * 1024;
  const body = randomBytes(SIZE);
  const stage = await Stage.start(t);
  const client = await stage.connect();
  const request = `GET / HTTP/1.1\r\n${HOST}\r\n`;
  const responseHead = `HTTP/1.1 200 OK\r\nContent-Length: ${SIZE}\r\n\r\n`;
  stage.answerWhen(request, (end) => {
    end.send(responseHead);
    end.send(body);
  });
  client.send(request);
  await client.until('\r\n\r\n');
  client.socket.pause();
  // Until everything between the two ends is full: nothing moves any more.
  const upstream = await stage.backend.connection(0);
  let left = -1;
  for (let still = 0; still < 20; still++) {
    if (upstream.socket.bytesWritten - upstream.socket.writableLength !== left) still = 0;
    left = upstream.socket.bytesWritten - upstream.socket.writableLength;
    await delay(2);
  }
  t.ok(upstream.socket.writableLength > 0, 'the backend is held back');
  const { bufferedBytes } = stage.engine.counters();
  t.ok(bufferedBytes <= 256 * 1024, `${bufferedBytes} bytes buffered`);
  const stuckAt = client.receivedBytes;
  // A sip now and then moves it on without filling memory.
  for (let sip = 0; sip < 20; sip++) {
    client.socket.resume();
    await loopTurns();
    client.socket.pause();
    t.ok(stage.engine.counters().bufferedBytes <= 256 * 1024);
    await delay(2);
  }
  t.ok(client.receivedBytes > stuckAt);
  client.socket.resume();
  await client.untilBytes(responseHead.length + SIZE);
  t.equal(client.bytes.toString('latin1', 0, responseHead.length), responseHead);
  const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
  t.equal(digest(client.bytes.subarray(responseHead.length)), digest(body));
  client.forget();
  await stage.stillInStep(t, client, '');
});
