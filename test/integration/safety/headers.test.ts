/** Header fields. */
import t from 'tap';

import { forwarded, NO_CONTENT, refused, runRows, Stage, type Input, type Row } from '../../support/safety.ts';

const HOST = 'Host: a\r\n';

/** Lines between Host and the empty line, refused. */
function lines(name: string, text: string): Input {
  return refused(name, `GET / HTTP/1.1\r\n${HOST}${text}\r\n`);
}

/** Lines beside Host, forwarded to the byte. */
function same(name: string, text: string, asked = {}): Input {
  const head = `GET / HTTP/1.1\r\n${HOST}${text}\r\n`;
  return forwarded(name, head, head, { asked });
}

/** The only field, refused. */
function host(name: string, text: string): Input {
  return refused(name, `GET / HTTP/1.1\r\n${text}\r\n`);
}

const ROWS: readonly Row[] = [
  {
    title: 'SAFETY 15: a field folded over two lines is refused',
    inputs: [
      lines('by a space', 'A: b\r\n c\r\n'),
      lines('by a TAB', 'A: b\r\n\tc\r\n'),
      lines('with nothing behind', 'A: b\r\n \r\n'),
    ],
  },
  {
    title: 'SAFETY 16: a blank before the colon is refused',
    inputs: [
      lines('space', 'A : b\r\n'),
      lines('TAB', 'A\t: b\r\n'),
      lines('in Content-Length', 'Content-Length : 5\r\n'),
      host('in Host', 'Host : a\r\n'),
    ],
  },
  {
    title: 'SAFETY 17: a blank before the first field is refused',
    inputs: [
      refused('space', `GET / HTTP/1.1\r\n ${HOST}\r\n`),
      refused('TAB', `GET / HTTP/1.1\r\n\t${HOST}\r\n`),
      refused('a line of blanks', `GET / HTTP/1.1\r\n  \r\n${HOST}\r\n`),
    ],
  },
  {
    title: 'SAFETY 18: an empty field name is refused',
    inputs: [
      lines('with a value', ': b\r\n'),
      lines('without', ':\r\n'),
      lines('before Content-Length', ':\r\nContent-Length: 5\r\n'),
    ],
  },
  {
    title: 'SAFETY 19: a line without a colon is refused',
    inputs: [lines('a word', 'nonsense\r\n'), lines('last', 'A: b\r\nB\r\n')],
  },
  {
    title: 'SAFETY 20: a name with a byte that is no token byte is refused',
    inputs: Array.from('(),/;<=>?@[\\]{}"\0\x01\x7f\x80\xff', (byte) => ({
      ...lines(`0x${byte.charCodeAt(0).toString(16)}`, `A${byte}: b\r\n`),
      ways: ['whole'] as const,
    })),
  },
  {
    title: 'SAFETY 21: NUL, bare CR and other controls in a value are refused',
    inputs: [
      lines('NUL', 'A: b\0c\r\n'),
      lines('CR', 'A: b\rc\r\n'),
      lines('CR at the end', 'A: b\r\r\n'),
      lines('CR before a field', 'A: b\rTransfer-Encoding: chunked\r\n'),
      lines('0x01', 'A: \x01\r\n'),
      lines('ESC', 'A: b\x1bc\r\n'),
      lines('DEL', 'A: b\x7f\r\n'),
    ],
  },
  {
    title: 'SAFETY 22: lines that end in a bare LF are refused',
    inputs: [
      refused('the request line', `GET / HTTP/1.1\n${HOST}\r\n`),
      refused('a field', 'GET / HTTP/1.1\r\nHost: a\n\r\n'),
      refused('the empty line', `GET / HTTP/1.1\r\n${HOST}\n`),
      refused('all', 'GET / HTTP/1.1\nHost: a\n\n'),
    ],
  },
  {
    title: 'SAFETY 23: a second CR before a line end is refused',
    inputs: [
      refused('a field', 'GET / HTTP/1.1\r\nHost: a\r\r\n\r\n'),
      refused('the empty line', `GET / HTTP/1.1\r\n${HOST}\r\r\n`),
    ],
  },
  { title: 'SAFETY 24: HTTP/1.1 without Host is refused', inputs: [host('no field', ''), host('others', 'A: b\r\n')] },
  {
    title: 'SAFETY 25: a second Host is refused, even an equal one',
    inputs: [
      host('different', 'Host: a\r\nHost: b\r\n'),
      host('equal', 'Host: a\r\nhost: a\r\n'),
      host('empty', 'Host: a\r\nHost:\r\n'),
    ],
  },
  {
    title: 'SAFETY 26: a Host that is no host and port is refused',
    inputs: [
      'a,b',
      'a/b',
      'u@a',
      'a:99999',
      'a:65536',
      'a:b',
      'a b',
      'a:80:80',
      '[::1',
      '[g]',
      'a?b',
      'a#b',
      ':80',
      'a\\b',
    ].map((value) => ({ ...host(value, `Host: ${value}\r\n`), ways: ['whole', 'reused'] as const })),
  },
  {
    title: 'SAFETY 27: an empty Host is forwarded, and routed as such',
    inputs: [
      forwarded('no value', 'GET / HTTP/1.1\r\nHost:\r\n\r\n', 'GET / HTTP/1.1\r\nHost:\r\n\r\n', {
        asked: { host: '' },
      }),
      forwarded('blanks', 'GET / HTTP/1.1\r\nHost: \t \r\n\r\n', 'GET / HTTP/1.1\r\nHost: \t \r\n\r\n', {
        asked: { host: '' },
      }),
    ],
  },
  {
    title: 'SAFETY 29: Content_Length is a field like any other and frames nothing',
    inputs: [
      same('an underscore', 'Content_Length: 5\r\n'),
      same('in Transfer_Encoding', 'Transfer_Encoding: chunked\r\n'),
    ],
  },
  {
    title: 'SAFETY 30: bytes above 0x7f at the edges of a value are forwarded as they are',
    inputs: [
      same('Latin-1', 'X: \xe9\r\nY: \xe9b\xe9\r\n'),
      same('UTF-8', 'X: \xc3\xa9\r\nY: \xc3\xa9b\xc3\xa9\r\n'),
      same('0x80, 0x85, 0xa0 and 0xff', 'X: \x80\r\nY: \x85\xa0\r\nZ: \xff\r\n'),
    ],
  },
  {
    title: 'SAFETY 31: repeated fields keep their order, their names and their values, both ways',
    inputs: [
      {
        ...same('three of one name', 'Cookie: a=1\r\nX: 1\r\ncookie: b=2\r\nX:\r\nx: 3\r\nCOOKIE:a=1\r\n'),
        answer: 'HTTP/1.1 204 No Content\r\nSet-Cookie: a\r\nX:1\r\nset-cookie: b\r\nX:\r\nSet-Cookie: a\r\n\r\n',
      },
    ],
  },
  {
    title: 'SAFETY 32: a Connection that names a field of framing or routing is refused',
    inputs: ['content-length', 'Host', 'close, transfer-encoding', 'keep-alive,Content-Length ,x'].map((value) =>
      lines(value, `Connection: ${value}\r\nContent-Length: 0\r\n`),
    ),
  },
  {
    title: 'SAFETY 33: hop-by-hop fields, and those that Connection names, are removed, both ways',
    inputs: [
      forwarded(
        'all of them',
        [
          `GET / HTTP/1.1\r\nX-First: 1\r\nConnection: keep-alive, X-Hop,, x-other\r\n${HOST}x-hop: 1\r\nX-HOP: 2\r\n`,
          'Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: gzip\r\nX-Other: 1\r\nConnection: x-third\r\n',
          'Upgrade: a\r\nX-Third: 1\r\nX-Hops: 1\r\nX-Last: 1\r\n\r\n',
        ].join(''),
        `GET / HTTP/1.1\r\nX-First: 1\r\n${HOST}X-Hops: 1\r\nX-Last: 1\r\n\r\n`,
        {
          answer:
            'HTTP/1.1 200 OK\r\nConnection: X-Back\r\nX-Back: 1\r\nKeep-Alive: timeout=9\r\nProxy-Connection: a\r\nX-End: 2\r\nContent-Length: 0\r\n\r\n',
          client: 'HTTP/1.1 200 OK\r\nX-End: 2\r\nContent-Length: 0\r\n\r\n',
        },
      ),
      forwarded(
        'a name that is not there',
        `GET / HTTP/1.1\r\n${HOST}Connection: x-hop\r\n\r\n`,
        `GET / HTTP/1.1\r\n${HOST}\r\n`,
      ),
    ],
  },
];

await runRows(t, ROWS);

t.test('SAFETY 28: X_Y is forwarded and is not X-Y', async (t) => {
  const stage = await Stage.start(t);
  stage.look.push('x-y', 'x_y');
  const head = `GET / HTTP/1.1\r\n${HOST}X_Y: 1\r\n\r\n`;
  stage.answerWhen(head, (end) => end.send(NO_CONTENT));
  const client = await stage.connect();
  client.send(head);
  await stage.stillInStep(t, client, NO_CONTENT);
  t.strictSame(stage.asked[0]!.fields, { 'x-y': null, x_y: '1' });
  t.equal((await stage.backend.connection(0)).text, head);
});

t.test('SAFETY 29: what follows a head with Content_Length is the next request', async (t) => {
  const stage = await Stage.start(t);
  const first = `POST / HTTP/1.1\r\n${HOST}Content_Length: 60\r\n\r\n`;
  const second = `GET /second HTTP/1.1\r\n${HOST}\r\n`;
  stage.backend.onBytes = (end) => {
    if (end.text === first || end.text === first + second) end.send(NO_CONTENT);
  };
  const client = await stage.connect();
  client.send(first + second);
  await stage.stillInStep(t, client, NO_CONTENT + NO_CONTENT);
  t.strictSame(
    stage.asked.map((asked) => asked.path),
    ['/', '/second'],
  );
  t.equal((await stage.backend.connection(0)).text, first + second);
});
