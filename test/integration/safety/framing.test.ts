/** Where a message ends and the next one begins. */
import t from 'tap';

import {
  BAD_REQUEST,
  forwarded,
  maskDate,
  NO_CONTENT,
  refused,
  runRows,
  SMUGGLED,
  Stage,
  type Input,
  type Row,
} from '../../support/safety.ts';
import { loopTurns } from '../../support/wire-end.ts';
import { matches } from '../../support/match.ts';

const HOST = 'Host: a\r\n';

function lines(name: string, text: string, behind = 'hello'): Input {
  return refused(name, `POST / HTTP/1.1\r\n${HOST}${text}\r\n${behind}`);
}

/** Values of one field. */
function values(field: string, list: readonly string[]): readonly Input[] {
  return list.map((value) => ({
    ...lines(JSON.stringify(value), `${field}:${value}\r\n`),
    ways: ['whole', 'byte by byte', 'reused'],
  }));
}

/** With a body of five bytes, forwarded to the byte. */
function withBody(method: string): Input {
  const message = `${method} /x HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nhello`;
  return forwarded(method, message, message);
}

const CHUNKS = '5\r\nhello\r\n0\r\n\r\n';

const ROWS: readonly Row[] = [
  {
    title: 'SAFETY 34: Content-Length beside Transfer-Encoding is refused',
    inputs: [
      lines('length first', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', CHUNKS),
      lines('length last', 'Transfer-Encoding: chunked\r\nContent-Length: 15\r\n', CHUNKS),
      lines('a length of zero', 'Content-Length: 0\r\ntransfer-encoding: chunked\r\n', CHUNKS),
    ],
  },
  {
    title: 'SAFETY 35: two different Content-Lengths are refused',
    inputs: [
      lines('two fields', 'Content-Length: 5\r\nContent-Length: 6\r\n'),
      lines('a list', 'Content-Length: 5, 6\r\n'),
    ],
  },
  {
    title: 'SAFETY 36: a repeated Content-Length is refused, even an equal one',
    inputs: [
      lines('two fields', 'Content-Length: 5\r\ncontent-length: 5\r\n'),
      lines('a list', 'Content-Length: 5, 5\r\n'),
    ],
  },
  {
    title: 'SAFETY 37: a Content-Length that is more than digits is refused',
    inputs: values('Content-Length', [
      ' +5',
      ' -0',
      ' -5',
      ' 0x5',
      ' 5_0',
      ' 5 5',
      '',
      ' ',
      ' 5.0',
      ' 5;',
      ' "5"',
      ' 5\t5',
      ' \xb2',
      ' 5a',
    ]),
  },
  {
    title: 'SAFETY 38: a Content-Length that overflows is refused',
    inputs: values('Content-Length', [
      ' 9223372036854775808',
      ' 18446744073709551616',
      ' 18446744073709551621',
      ' 99999999999999999999999999999999',
    ]),
  },
  {
    title: 'SAFETY 39: a Transfer-Encoding that is not just chunked is refused',
    inputs: values('Transfer-Encoding', [
      ' identity',
      ' xchunked',
      ' chunkedx',
      ' chunked;a=1',
      ' ,chunked',
      ' chunked,',
      ' \x0bchunked',
      ' chunked\x0b',
      ' "chunked"',
      ' chunked identity',
      ' chunked, identity',
      ' chu\xe7ked',
    ]),
  },
  {
    title: 'SAFETY 40: an empty Transfer-Encoding, or chunked twice, is refused',
    inputs: [
      ...values('Transfer-Encoding', ['', ' ', ' chunked, chunked', ' chunked,chunked']),
      lines('two fields', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', CHUNKS),
      lines('one of two is empty', 'Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n', CHUNKS),
    ],
  },
  {
    title: 'SAFETY 41: Transfer-Encoding is case-insensitive',
    inputs: ['Chunked', 'CHUNKED', '\tchunked \t'].map((value) => {
      const head = `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: `;
      return forwarded(JSON.stringify(value), `${head}${value}\r\n\r\n${CHUNKS}`, `${head}chunked\r\n\r\n${CHUNKS}`);
    }),
  },
  {
    title: 'SAFETY 42: a transfer coding besides chunked is answered with 501',
    inputs: [
      refused(
        'gzip, chunked',
        `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: gzip, chunked\r\n\r\n${CHUNKS}`,
        'not_implemented',
      ),
      refused(
        'two fields',
        `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKS}`,
        'not_implemented',
      ),
    ],
  },
  {
    title: 'SAFETY 43: Transfer-Encoding in HTTP/1.0 is refused',
    inputs: [refused('chunked', `POST / HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${CHUNKS}`)],
  },
  {
    title: 'SAFETY 44: a body belongs to its request whatever the method',
    inputs: [
      ...['GET', 'OPTIONS', 'DELETE', 'TRACE', 'PURGE'].map(withBody),
      { ...withBody('HEAD'), answer: NO_CONTENT },
      forwarded(
        'a request as a body',
        `GET / HTTP/1.1\r\n${HOST}Content-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
        `GET / HTTP/1.1\r\n${HOST}Content-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
      ),
      forwarded(
        'in chunks',
        `GET / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${CHUNKS}`,
        `GET / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${CHUNKS}`,
      ),
    ],
  },
  {
    title: 'SAFETY 45: a POST without a length has an empty body',
    inputs: [
      forwarded('neither field', `POST / HTTP/1.1\r\n${HOST}\r\n`, `POST / HTTP/1.1\r\n${HOST}\r\n`),
      forwarded(
        'a length of zero',
        `POST / HTTP/1.1\r\n${HOST}Content-Length: 000\r\n\r\n`,
        `POST / HTTP/1.1\r\n${HOST}Content-Length: 0\r\n\r\n`,
      ),
      forwarded(
        'an empty chunked body',
        `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
        `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      ),
    ],
  },
];

await runRows(t, ROWS);

t.test('SAFETY 46: a response before the body has ended is relayed, and both connections close', async (t) => {
  for (const framing of ['Content-Length: 100', 'Transfer-Encoding: chunked']) {
    await t.test(framing, async (t) => {
      const stage = await Stage.start(t);
      const client = await stage.connect();
      const begun = `POST / HTTP/1.1\r\n${HOST}${framing}\r\n\r\n${framing.startsWith('C') ? 'hello' : '5\r\nhello\r\n'}`;
      stage.answerWhen(begun, (end) => end.send('HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno'));
      client.send(begun);
      await client.untilEnd();
      t.equal(client.text, 'HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno');
      t.equal(client.state, 'fin');
      // What comes late is neither the rest of the body nor a request.
      client.send(SMUGGLED);
      const upstream = await stage.backend.connection(0);
      await upstream.untilEnd();
      t.equal(upstream.text, begun);
      matches(t, stage.outcomes, [{ status: 413, reason: null }]);
      t.equal(stage.engine.counters().upstreamConnects, 1);
      t.equal(stage.asked.length, 1);
    });
  }
});

t.test('SAFETY 46: a response that is followed by a reset, because nobody reads the body, is relayed', async (t) => {
  const stage = await Stage.start(t);
  const client = await stage.connect();
  const head = `POST / HTTP/1.1\r\n${HOST}Content-Length: 50000000\r\n\r\n`;
  const response = 'HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno';
  stage.backend.onConnection = (end) => {
    end.socket.pause();
    // Bytes that nobody has read turn the end into a reset.
    end.socket.end(response, () => end.socket.destroy());
  };
  client.send(head);
  const piece = 'x'.repeat(64 * 1024);
  for (let i = 0; i < 500 && client.state === 'open'; i++) {
    client.send(piece);
    await loopTurns();
  }
  await client.untilEnd();
  t.equal(client.text, response.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
  matches(t, stage.outcomes, [{ status: 413, reason: null }]);
});

t.test('SAFETY 47: sixteen pipelined requests are answered in order', async (t) => {
  for (const way of ['in one write', 'byte by byte'] as const) {
    await t.test(way, async (t) => {
      const stage = await Stage.start(t);
      const requests = Array.from({ length: 16 }, (_, i) =>
        i % 2 === 0
          ? `GET /${i} HTTP/1.1\r\n${HOST}\r\n`
          : `POST /${i} HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\n${String(i).padStart(2, '0')}`,
      );
      const responses = requests.map(
        (_, i) => `HTTP/1.1 200 OK\r\nContent-Length: ${2 + i}\r\n\r\n${'x'.repeat(i)}${String(i).padStart(2, '0')}`,
      );
      let answered = 0;
      stage.backend.onBytes = (end) => {
        // Never two at once on a connection: each is answered before the next arrives.
        if (end.text === requests.slice(0, answered + 1).join('')) end.send(responses[answered++]!);
      };
      const client = await stage.connect();
      const all = requests.join('');
      await client.sendApart(way === 'in one write' ? [all] : all.split(''));
      await stage.stillInStep(t, client, responses.join(''));
      t.equal(stage.backend.connections.length, 1);
      t.equal(stage.backend.connections[0]!.text, all);
      t.strictSame(
        stage.asked.map((asked) => asked.path),
        requests.map((_, i) => `/${i}`),
      );
    });
  }
});

t.test(
  'SAFETY 48: garbage behind a complete body is not forwarded; the answer comes first, then the refusal',
  async (t) => {
    for (const garbage of ['XX\r\n\r\n', '\0\0\0\0', '\r\n\r\n', 'hello again, this is no request\r\n\r\n']) {
      await t.test(JSON.stringify(garbage), async (t) => {
        const stage = await Stage.start(t);
        const message = `POST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nhello`;
        stage.answerWhen(message, (end) => end.send(NO_CONTENT));
        const client = await stage.connect();
        client.send(message + garbage + SMUGGLED);
        await client.untilEnd();
        t.equal(maskDate(client.text), NO_CONTENT + BAD_REQUEST);
        t.equal(client.state, 'fin');
        t.equal((await stage.backend.connection(0)).text, message);
        t.equal(stage.asked.length, 1);
        t.strictSame(stage.refused, ['bad_request']);
      });
    }
  },
);
