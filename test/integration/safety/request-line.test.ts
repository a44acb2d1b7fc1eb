/** What is wrong, unusual or merely slow in a request line. */
import t from 'tap';

import {
  BAD_REQUEST,
  forwarded,
  joinChunks,
  localReply,
  maskDate,
  NO_CONTENT,
  refused,
  runRows,
  Stage,
  SMUGGLED,
  type Row,
} from '../../support/safety.ts';
import { inScope, loopTurns } from '../../support/wire-end.ts';

const HOST = 'Host: a\r\n';

/** A request line and a Host, refused. */
function line(name: string, requestLine: string, reason?: 'bad_version') {
  return refused(name, `${requestLine}\r\n${HOST}\r\n`, reason);
}

/** Forwarded to the byte. */
function same(name: string, send: string, asked = {}) {
  return forwarded(name, send, send, { asked });
}

const ROWS: readonly Row[] = [
  {
    title: 'SAFETY 1: one space, and no other blank, separates the parts of a request line',
    inputs: [
      line('two spaces before the target', 'GET  / HTTP/1.1'),
      line('two spaces after the target', 'GET /  HTTP/1.1'),
      line('a TAB before the target', 'GET\t/ HTTP/1.1'),
      line('a TAB after the target', 'GET /\tHTTP/1.1'),
      line('a space after the version', 'GET / HTTP/1.1 '),
      line('a space in the target', 'GET /a b HTTP/1.1'),
    ],
  },
  {
    title: 'SAFETY 2: a request line without a version is refused, and so is one of HTTP/0.9',
    inputs: [
      line('no version', 'GET /'),
      line('no version, but the space before it', 'GET / '),
      line('only a method', 'GET'),
      // It has a version, only none that is served: the same refusal, named more exactly.
      line('HTTP/0.9', 'GET / HTTP/0.9', 'bad_version'),
    ],
  },
  {
    title: 'SAFETY 3: a version other than 1.0 and 1.1 is answered with 505',
    inputs: [line('HTTP/1.2', 'GET / HTTP/1.2', 'bad_version'), line('HTTP/2.0', 'GET / HTTP/2.0', 'bad_version')],
  },
  {
    title: 'SAFETY 4: a method that is empty or no token is refused',
    inputs: [line('empty', ' / HTTP/1.1'), line('braces', 'G{} / HTTP/1.1'), line('a high byte', 'G\xc9T / HTTP/1.1')],
  },
  {
    title: 'SAFETY 5: methods are case-sensitive and may be unknown',
    inputs: [
      same('get', `get / HTTP/1.1\r\n${HOST}\r\n`, { method: 'get' }),
      same('PURGE', `PURGE / HTTP/1.1\r\n${HOST}\r\n`, { method: 'PURGE' }),
      same('every token byte', `!#$%&'*+-.^_\`|~09azAZ / HTTP/1.1\r\n${HOST}\r\n`),
    ],
  },
  {
    title: 'SAFETY 6: a control byte or # in the target is refused',
    inputs: [
      line('NUL', 'GET /a\0b HTTP/1.1'),
      line('0x01', 'GET /a\x01b HTTP/1.1'),
      line('CR', 'GET /a\rb HTTP/1.1'),
      line('LF', 'GET /a\nb HTTP/1.1'),
      line('DEL', 'GET /a\x7fb HTTP/1.1'),
      line('a fragment', 'GET /a#b HTTP/1.1'),
    ],
  },
  {
    title: 'SAFETY 7: bytes above 0x7f in the target are forwarded as they are',
    inputs: [
      same('UTF-8', `GET /caf\xc3\xa9?\xe2\x82\xac HTTP/1.1\r\n${HOST}\r\n`, {
        path: '/caf\xc3\xa9',
        query: '\xe2\x82\xac',
      }),
      same('Latin-1', `GET /caf\xe9\x80\xff HTTP/1.1\r\n${HOST}\r\n`, { path: '/caf\xe9\x80\xff' }),
    ],
  },
  {
    title: 'SAFETY 8: the authority of an absolute target replaces Host, for routing and for the backend',
    inputs: [
      forwarded(
        'another Host',
        `GET http://b/x?y HTTP/1.1\r\nX: 1\r\n${HOST}Y: 2\r\n\r\n`,
        'GET /x?y HTTP/1.1\r\nX: 1\r\nHost: b\r\nY: 2\r\n\r\n',
        {
          asked: { path: '/x', query: 'y', host: 'b' },
        },
      ),
      forwarded('no path', `GET HTTP://b:81 HTTP/1.1\r\n${HOST}\r\n`, 'GET / HTTP/1.1\r\nHost: b:81\r\n\r\n', {
        asked: { path: '/', query: '', host: 'b:81' },
      }),
      forwarded(
        'no path, but a query',
        `GET http://b?q HTTP/1.1\r\n${HOST}\r\n`,
        'GET /?q HTTP/1.1\r\nHost: b\r\n\r\n',
      ),
      forwarded(
        'OPTIONS of an authority',
        `OPTIONS http://b HTTP/1.1\r\n${HOST}\r\n`,
        'OPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n',
      ),
      forwarded(
        'an address and a port',
        `GET http://[fe80::1]:8080/x HTTP/1.1\r\n${HOST}\r\n`,
        'GET /x HTTP/1.1\r\nHost: [fe80::1]:8080\r\n\r\n',
        { asked: { path: '/x', host: '[fe80::1]:8080' } },
      ),
      line('user information', 'GET http://u@b/x HTTP/1.1'),
      line('another scheme', 'GET ftp://b/x HTTP/1.1'),
      line('no scheme', 'GET b/x HTTP/1.1'),
    ],
  },
  {
    title: 'SAFETY 109: an absolute target with user information is refused',
    inputs: [
      ...['u@b', 'u:p@b', '@b', ':@b', 'b:80@c', 'b@', 'u%40@b', 'u@[::1]:80', '[::1]@b', 'a@b@c'].map((authority) =>
        line(authority, `GET http://${authority}/x HTTP/1.1`),
      ),
      refused('in HTTP/1.0', 'GET http://u@b/x HTTP/1.0\r\n\r\n'),
      refused('in https', `GET HTTPS://u@b HTTP/1.1\r\n${HOST}\r\n`),
      line('in a CONNECT', 'CONNECT u@b:80 HTTP/1.1'),
      // Behind the authority it is a byte like any other.
      forwarded('in the path', `GET http://b/u@c HTTP/1.1\r\n${HOST}\r\n`, 'GET /u@c HTTP/1.1\r\nHost: b\r\n\r\n'),
      forwarded('in the query', `GET http://b?u@c HTTP/1.1\r\n${HOST}\r\n`, 'GET /?u@c HTTP/1.1\r\nHost: b\r\n\r\n'),
    ],
  },
  {
    title: 'SAFETY 9: * is a target for OPTIONS only',
    inputs: [
      same('OPTIONS', `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`, { path: '*' }),
      line('GET', 'GET * HTTP/1.1'),
      line('OPTIONS *x', 'OPTIONS *x HTTP/1.1'),
    ],
  },
  {
    title: 'SAFETY 10: CONNECT is forwarded, and an answer that is no 2xx leaves the connection HTTP',
    inputs: [
      forwarded(
        'refused by the backend',
        `CONNECT b:80 HTTP/1.1\r\nHost: b:80\r\n\r\n`,
        'CONNECT b:80 HTTP/1.1\r\nHost: b:80\r\n\r\n',
        {
          answer: 'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno',
        },
      ),
      line('without a port', 'CONNECT b HTTP/1.1'),
      line('with a path', 'CONNECT /x HTTP/1.1'),
    ],
  },
  {
    title: 'SAFETY 11: one empty line before a request is skipped, a second is refused',
    inputs: [
      forwarded('one', `\r\nGET / HTTP/1.1\r\n${HOST}\r\n`, `GET / HTTP/1.1\r\n${HOST}\r\n`),
      refused('two', `\r\n\r\nGET / HTTP/1.1\r\n${HOST}\r\n`),
      refused('a bare LF', `\nGET / HTTP/1.1\r\n${HOST}\r\n`),
      refused('a bare CR', `\rGET / HTTP/1.1\r\n${HOST}\r\n`),
    ],
  },
  {
    title: 'SAFETY 12: paths are neither decoded nor normalised, for routing and for the backend',
    inputs: [
      same('dots and slashes', `GET /a/../b//%2e%2e%2F?c=/../%00 HTTP/1.1\r\n${HOST}\r\n`, {
        path: '/a/../b//%2e%2e%2F',
        query: 'c=/../%00',
      }),
      same('an incomplete escape', `GET /%zz% HTTP/1.1\r\n${HOST}\r\n`, { path: '/%zz%' }),
      same('a second question mark and an empty query', `GET //?a?b HTTP/1.1\r\n${HOST}\r\n`, {
        path: '//',
        query: 'a?b',
      }),
    ],
  },
  {
    title: 'SAFETY 13: HTTP/1.0 is served with and without Host, and never with chunks',
    inputs: [
      forwarded('with Host', `GET / HTTP/1.0\r\n${HOST}\r\n`, `GET / HTTP/1.1\r\n${HOST}\r\n`, {
        answer: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
        client: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok',
        clientEnd: 'fin',
        asked: { host: 'a' },
      }),
      forwarded('without Host', 'GET / HTTP/1.0\r\n\r\n', 'GET / HTTP/1.0\r\n\r\n', {
        answer: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
        client: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok',
        clientEnd: 'fin',
        asked: { host: null },
      }),
      forwarded('a chunked answer', `GET / HTTP/1.0\r\n${HOST}\r\n`, `GET / HTTP/1.1\r\n${HOST}\r\n`, {
        answer: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n1;x=y\r\n!\r\n0\r\nT: 1\r\n\r\n',
        client: 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok!',
        clientEnd: 'fin',
      }),
      forwarded(
        'keep-alive',
        `GET / HTTP/1.0\r\nConnection: keep-alive\r\n${HOST}\r\n`,
        `GET / HTTP/1.1\r\n${HOST}\r\n`,
        {
          answer: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
          client: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok',
        },
      ),
    ],
  },
];

await runRows(t, ROWS);

t.test('SAFETY 10: CONNECT becomes a tunnel after 2xx, and what was sent before waits for it', async (t) => {
  for (const answered of ['HTTP/1.1 200 Connection established\r\n\r\n', 'HTTP/1.1 201 \r\nX: 1\r\n\r\n']) {
    const stage = await Stage.start(t);
    const client = await stage.connect();
    const head = 'CONNECT b:80 HTTP/1.1\r\nHost: b:80\r\n\r\n';
    client.send(`${head}early`);
    const upstream = await stage.backend.connection(0);
    await upstream.untilBytes(head.length);
    await loopTurns();
    t.equal(upstream.text, head, 'only the head before the answer');
    upstream.send(`${answered}glued`);
    await client.untilBytes(answered.length + 5);
    t.equal(client.text, `${answered}glued`);
    await upstream.until('early');
    client.send(SMUGGLED);
    await upstream.untilBytes(head.length + 5 + SMUGGLED.length);
    t.equal(upstream.text, `${head}early${SMUGGLED}`);
    upstream.socket.end('bye');
    await client.untilEnd();
    t.equal(client.text, `${answered}gluedbye`);
    client.socket.end();
    await upstream.untilEnd();
    t.strictSame([upstream.state, client.state], ['fin', 'fin']);
  }
});

const HEADS: readonly {
  readonly name: string;
  readonly send: string;
  readonly upstream: string | null;
  readonly client: string;
}[] = [
  {
    name: 'a GET',
    send: `GET /a?b HTTP/1.1\r\n${HOST}User-Agent:  t \r\nX-Empty:\r\n\r\n`,
    upstream: `GET /a?b HTTP/1.1\r\n${HOST}User-Agent:  t \r\nX-Empty:\r\n\r\n`,
    client: NO_CONTENT,
  },
  {
    name: 'hop-by-hop fields behind an empty line',
    send: `\r\nPOST http://b/ HTTP/1.1\r\nConnection: x-hop\r\n${HOST}X-Hop: 1\r\nContent-Length: 5\r\n\r\nhello`,
    upstream: 'POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 5\r\n\r\nhello',
    client: NO_CONTENT,
  },
  {
    name: 'chunks with an extension and a trailer',
    send: `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n5;a="b"\r\nhello\r\n00\r\nX-T: 1\r\n\r\n`,
    upstream: `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n`,
    client: NO_CONTENT,
  },
  { name: 'a folded field', send: `GET / HTTP/1.1\r\n${HOST}A: b\r\n c\r\n\r\n`, upstream: null, client: BAD_REQUEST },
  {
    name: 'another version',
    send: `GET / HTTP/1.7\r\n${HOST}\r\n`,
    upstream: null,
    client: localReply('bad_version', { close: true }),
  },
];

t.test('SAFETY 14: a request split at any byte has the outcome of one that arrives whole', async (t) => {
  for (const { name, send, upstream, client: expected } of HEADS) {
    for (let at = 1; at < send.length; at++) {
      const observed = await inScope(async (scope) => {
        const stage = await Stage.start(scope);
        if (upstream !== null) stage.answerWhen(upstream, (end) => end.send(NO_CONTENT));
        const client = await stage.connect();
        await client.sendApart([send.slice(0, at), send.slice(at)]);
        await client.untilHolds(
          'the response',
          () => client.state !== 'open' || client.text.length >= NO_CONTENT.length,
        );
        if (upstream === null) await client.untilEnd();
        return {
          client: maskDate(client.text),
          upstream:
            stage.engine.counters().upstreamConnects === 0 ? null : joinChunks(stage.backend.connections[0]!.text),
        };
      });
      t.strictSame(observed, { client: expected, upstream }, `${name}, split after ${at} of ${send.length}`);
    }
  }
});
