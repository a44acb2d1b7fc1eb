/** Chunked request bodies. */
import { createHash } from 'node:crypto';

import t from 'tap';

import {
  brokenBody,
  forwarded,
  joinChunks,
  NO_CONTENT,
  runRows,
  Stage,
  type Input,
  type Row,
} from '../../support/safety.ts';
import { loopTurns } from '../../support/wire-end.ts';
import { matches } from '../../support/match.ts';

const HEAD = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';

/** Refused behind a good chunk, which the upstream has got. */
function broken(name: string, text: string): Input {
  return brokenBody(name, `${HEAD}2\r\nok\r\n${text}`, `${HEAD}2\r\nok\r\n`);
}

function good(name: string, text: string, upstream: string): Input {
  return forwarded(name, HEAD + text, HEAD + upstream);
}

const HELLO = '5\r\nhello\r\n0\r\n\r\n';
/** Name and `=` of the extension included. */
const LONGEST_EXTENSION = `;a=${'b'.repeat(4096 - 3)}`;

const MALFORMED_EXTENSIONS = [
  ';',
  ' ;',
  '; ',
  ';a;',
  ';;a',
  ';=b',
  ';a=',
  ';a="',
  ';a="b',
  ';a="\\"',
  ';a="b"c',
  ';a b',
  ';a ',
  ';a=b ',
  ';"a"',
  ';{',
  ';\xe9',
  ';a=\xe9',
];

/** Too long for every byte on its own. */
function long(input: Input): Input {
  return { ...input, ways: ['whole', 'in two parts', 'reused'] };
}

/** A body of so many `x`, in one chunk. */
function ones(count: number): string {
  return `${count.toString(16)}\r\n${'x'.repeat(count)}\r\n0\r\n\r\n`;
}

const ROWS: readonly Row[] = [
  {
    title: 'SAFETY 49: a chunk size that is more than hexadecimal digits is refused',
    inputs: ['', ';', ';a=b', 'g', '0x5', '+5', '-1', '5_', ' 5', '5 ', '5\t', '5\x80', '5 5', '"5"', '5,5'].map(
      (size) => broken(JSON.stringify(size), `${size}\r\nhello\r\n0\r\n\r\n`),
    ),
  },
  {
    title: 'SAFETY 50: a chunk size of more than sixteen digits, or of 2^63 and more, is refused',
    inputs: [
      broken('seventeen digits', `${'0'.repeat(16)}5\r\nhello\r\n0\r\n\r\n`),
      broken('2^63', '8000000000000000\r\nhello'),
      broken('2^64 + 5', '10000000000000005\r\nhello\r\n0\r\n\r\n'),
      broken('2^64 - 1', 'ffffffffffffffff\r\nhello'),
    ],
  },
  {
    title: 'SAFETY 51: leading zeros and digits of either case are understood',
    inputs: [
      good('0005', '0005\r\nhello\r\n0000\r\n\r\n', HELLO),
      good('a', 'a\r\nhellohello\r\n0\r\n\r\n', 'a\r\nhellohello\r\n0\r\n\r\n'),
      good('A', 'A\r\nhellohello\r\n0\r\n\r\n', 'a\r\nhellohello\r\n0\r\n\r\n'),
      good('sixteen digits', '0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n', HELLO),
    ],
  },
  {
    title: 'SAFETY 52: chunk extensions are dropped',
    inputs: [
      good('a value', '5;a=b\r\nhello\r\n0\r\n\r\n', HELLO),
      good('a quoted value', '5;a="q;\\"";b\r\nhello\r\n0;last\r\n\r\n', HELLO),
      good('bytes above 0x7f in quotes', '5;a="\xe9"\r\nhello\r\n0\r\n\r\n', HELLO),
    ],
  },
  {
    title: 'SAFETY 53: a line end or NUL within a chunk extension is refused',
    inputs: [
      broken('LF', '5;a\nb\r\nhello\r\n0\r\n\r\n'),
      broken('LF at the end', '5;a\nhello\r\n0\r\n\r\n'),
      broken('CR', '5;a\rb\r\nhello\r\n0\r\n\r\n'),
      broken('NUL', '5;a\0b\r\nhello\r\n0\r\n\r\n'),
      broken('a quoted line end', '5;a="\n"\r\nhello\r\n0\r\n\r\n'),
    ],
  },
  {
    title: 'SAFETY 54: more than 4 KiB of extensions of one chunk are refused',
    inputs: [
      {
        ...good('4,096 bytes', `5${LONGEST_EXTENSION}\r\nhello\r\n0\r\n\r\n`, HELLO),
        ways: ['whole', 'in two parts', 'reused'],
      },
      {
        ...broken('4,097 bytes', `5${LONGEST_EXTENSION}b\r\nhello\r\n0\r\n\r\n`),
        ways: ['whole', 'in two parts', 'reused'],
      },
    ],
  },
  {
    title: 'SAFETY 106: extensions of all chunks are as much as the body, or 16 KiB, and more are refused',
    inputs: [
      long(good('sixty of 100 bytes', `${`1;${'e'.repeat(99)}\r\nx\r\n`.repeat(60)}0\r\n\r\n`, ones(60))),
      long(good('16 KiB', `${'1;234567\r\nx\r\n'.repeat(2_340)}1;234\r\nx\r\n0\r\n\r\n`, ones(2_341))),
      long(
        brokenBody(
          'a chunk more than 16 KiB',
          `${HEAD}${'1;extension\r\nx\r\n'.repeat(1_639)}0\r\n\r\n`,
          `${HEAD}${(1_638).toString(16)}\r\n${'x'.repeat(1_638)}\r\n`,
        ),
      ),
      long(good('as much as a large body', `${'a;extensio\r\nxxxxxxxxxx\r\n'.repeat(5_000)}0\r\n\r\n`, ones(50_000))),
      long(
        brokenBody(
          'more than a large body',
          `${HEAD}${'9;extension\r\nxxxxxxxxx\r\n'.repeat(5_000)}0\r\n\r\n`,
          `${HEAD}${(9 * 1_638).toString(16)}\r\n${'x'.repeat(9 * 1_638)}\r\n`,
        ),
      ),
    ],
  },
  {
    title: 'SAFETY 107: blanks before an extension are no fault, and a malformed extension is one',
    inputs: [
      good('a space', '5 ;a=b\r\nhello\r\n0\r\n\r\n', HELLO),
      good('a TAB, and a space in the last chunk', '5\t;a\r\nhello\r\n0 ;a\r\n\r\n', HELLO),
      good('everywhere', '5 \t; a = b ;c\t=\t"d" ; e\r\nhello\r\n0\r\n\r\n', HELLO),
      ...MALFORMED_EXTENSIONS.map((text) => broken(JSON.stringify(text), `5${text}\r\nhello\r\n0\r\n\r\n`)),
      ...MALFORMED_EXTENSIONS.map((text) => broken(`${JSON.stringify(text)} of the last chunk`, `0${text}\r\n\r\n`)),
    ],
  },
  {
    title: 'SAFETY 55: a chunk line that ends in a bare LF is refused',
    inputs: [
      broken('LF', '5\nhello\r\n0\r\n\r\n'),
      broken('LF after the last chunk', '0\n\r\n'),
      broken('CR CR LF', '5\r\r\nhello\r\n'),
    ],
  },
  {
    title: 'SAFETY 56: chunk data that is not followed by CRLF is refused',
    inputs: [
      brokenBody('XX', `${HEAD}5\r\nhelloXX0\r\n\r\n`, `${HEAD}5\r\nhello\r\n`),
      brokenBody('LF', `${HEAD}5\r\nhello\n0\r\n\r\n`, `${HEAD}5\r\nhello\r\n`),
      brokenBody('CR and something else', `${HEAD}5\r\nhello\rX0\r\n\r\n`, `${HEAD}5\r\nhello\r\n`),
      brokenBody('more data', `${HEAD}5\r\nhello!\r\n0\r\n\r\n`, `${HEAD}5\r\nhello\r\n`),
    ],
  },
  {
    title: 'SAFETY 57: a request in the place of the trailers is refused and never seen',
    inputs: [
      broken('right behind the last chunk', '0\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n'),
      broken('behind a trailer', '0\r\nX: 1\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n'),
    ],
  },
  {
    title: 'SAFETY 58: trailers are forwarded as trailers and never become header fields',
    inputs: [
      good('two', '5\r\nhello\r\n0\r\nX-T: 1\r\nx-u:  2 \r\n\r\n', '5\r\nhello\r\n0\r\nX-T: 1\r\nx-u: 2\r\n\r\n'),
      good('without a body', '0\r\nX-T: \xe9\r\n\r\n', '0\r\nX-T: \xe9\r\n\r\n'),
    ],
  },
  {
    title: 'SAFETY 59: trailers that frame, route or manage a connection are dropped',
    inputs: [
      good(
        'all of them',
        '5\r\nhello\r\n0\r\nContent-Length: 9\r\nX-T: 1\r\nTransfer-Encoding: chunked\r\nHost: b\r\nConnection: close\r\nTE: a\r\nTrailer: b\r\nUpgrade: c\r\nExpect: 100-continue\r\nKeep-Alive: 1\r\n\r\n',
        '5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n',
      ),
      good('malformed ones too', '0\r\nContent-Length: x\r\nHost: a,b\r\nTransfer-Encoding:\r\n\r\n', '0\r\n\r\n'),
    ],
  },
  {
    title: 'SAFETY 60: a malformed trailer is refused',
    inputs: [
      'X : 1\r\n\r\n',
      'X\r\n\r\n',
      ': 1\r\n\r\n',
      ' X: 1\r\n\r\n',
      'X: 1\r\n 2\r\n\r\n',
      'X: \0\r\n\r\n',
      'X: 1\n\r\n',
      'X: 1\r\r\n',
      'X: 1\r\n\n',
      'X{: 1\r\n\r\n',
    ].map((trailer) => broken(JSON.stringify(trailer), `0\r\n${trailer}`)),
  },
];

await runRows(t, ROWS);

t.test('SAFETY 57: a request behind a complete chunked body is the next request', async (t) => {
  const stage = await Stage.start(t);
  const second = 'GET /second HTTP/1.1\r\nHost: a\r\n\r\n';
  stage.backend.onBytes = (end) => {
    if (end.text === HEAD + HELLO || end.text === HEAD + HELLO + second) end.send(NO_CONTENT);
  };
  const client = await stage.connect();
  client.send(HEAD + HELLO + second);
  await stage.stillInStep(t, client, NO_CONTENT + NO_CONTENT);
  t.strictSame(
    stage.asked.map((asked) => asked.path),
    ['/', '/second'],
  );
});

t.test('SAFETY 61: a body that ends within a chunk is no complete body for the upstream', async (t) => {
  for (const [name, text, upstreamText] of [
    ['within data', '5\r\nhel', '3\r\nhel\r\n'],
    ['after data', '5\r\nhello', '5\r\nhello\r\n'],
    ['within a size', '5\r\nhello\r\n1', '5\r\nhello\r\n'],
    ['before the empty line', '5\r\nhello\r\n0\r\n', '5\r\nhello\r\n'],
    ['within the empty line', '5\r\nhello\r\n0\r\n\r', '5\r\nhello\r\n'],
    ['within a trailer', '5\r\nhello\r\n0\r\nX: 1', '5\r\nhello\r\n'],
  ] as const) {
    for (const together of [true, false]) {
      await t.test(`${name}, ${together ? 'with its FIN' : 'and the FIN later'}`, async (t) => {
        const stage = await Stage.start(t);
        const client = await stage.connect();
        client.send(HEAD + text);
        if (!together) {
          const upstream = await stage.backend.connection(0);
          await upstream.untilHolds('the begin of the body', () => joinChunks(upstream.text) === HEAD + upstreamText);
        }
        client.socket.end();
        await client.untilEnd();
        t.equal(client.text, '', 'nobody is left to be answered');
        const upstream = await stage.backend.connection(0);
        await upstream.untilEnd();
        t.equal(joinChunks(upstream.text), HEAD + upstreamText);
        matches(t, stage.outcomes, [{ status: 0, reason: 'downstream_reset' }]);
      });
    }
  }
});

t.test('SAFETY 61: a body that ends before its Content-Length is no complete body for the upstream', async (t) => {
  const stage = await Stage.start(t);
  const client = await stage.connect();
  const begun = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhello';
  client.send(begun);
  client.socket.end();
  await client.untilEnd();
  t.equal(client.text, '');
  const upstream = await stage.backend.connection(0);
  await upstream.untilEnd();
  t.equal(upstream.text, begun);
});

t.test('SAFETY 62: a million chunks of one byte arrive as the same body, in bounded memory', async (t) => {
  const COUNT = 1_000_000;
  const stage = await Stage.start(t);
  const got = createHash('sha256');
  let payloadBytes = 0;
  // Strict and incremental: what is left of an incomplete chunk stays for the next call.
  let rest = '';
  let done = false;
  let largestBuffered = 0;
  stage.backend.onBytes = (end) => {
    rest += end.text;
    end.forget();
    largestBuffered = Math.max(largestBuffered, stage.engine.counters().bufferedBytes);
    if (payloadBytes === 0 && rest.startsWith(HEAD)) rest = rest.slice(HEAD.length);
    for (;;) {
      const line = /^([0-9a-f]+)\r\n/.exec(rest);
      if (line === null) break;
      const size = Number.parseInt(line[1]!, 16);
      const endAt = line[0].length + size + 2;
      if (rest.length < endAt) break;
      if (rest.slice(endAt - 2, endAt) !== '\r\n') throw new Error('data without CRLF');
      if (size === 0) done = true;
      got.update(rest.slice(line[0].length, endAt - 2));
      payloadBytes += size;
      rest = rest.slice(endAt);
    }
    if (done) end.send(NO_CONTENT);
  };
  const client = await stage.connect();
  client.send(HEAD);
  const sent = createHash('sha256');
  for (let at = 0; at < COUNT; at += 10_000) {
    const payload = String.fromCharCode(97 + ((at / 10_000) % 26)).repeat(10_000);
    sent.update(payload);
    client.send(payload.replaceAll(/./g, '1\r\n$&\r\n'));
    while (client.socket.writableLength > 0) await loopTurns();
  }
  client.send('0\r\n\r\n');
  await stage.stillInStep(t, client, NO_CONTENT);
  t.equal(payloadBytes, COUNT);
  t.equal(rest, '');
  t.equal(got.digest('hex'), sent.digest('hex'));
  t.ok(largestBuffered <= 256 * 1024, `${largestBuffered} bytes buffered at most`);
});
