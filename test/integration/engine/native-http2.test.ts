/** HTTP/2 on one side or on both: bodies, fields, trailers, interim responses, resets and back-pressure come to the other side. */
import { once } from 'node:events';
import { request, type IncomingMessage, type ServerResponse } from 'node:http';
import { constants, type ClientHttp2Stream, type Http2ServerRequest } from 'node:http2';
import type { Duplex } from 'node:stream';
import t from 'tap';

import { eventually } from '../../support/eventually.ts';
import { forwardTo, RecordingHost } from '../../support/engine-cases.ts';
import { nativeFront } from '../../support/native-front.ts';
import { dial, ScriptedBackend } from '../../support/wire-end.ts';
import { matches } from '../../support/match.ts';
import { readAll, startHttp2Stage, type Listener, type Version } from '../../support/http2-stage.ts';

const PAIRS: readonly (readonly [Version, Version])[] = [
  ['http2', 'http1'],
  ['http2', 'http2'],
  ['http1', 'http2'],
];

const echo: Listener = (request, response) => {
  void readAll(request).then((body) => response.writeHead(200).end(body));
};

for (const [client, backend] of PAIRS) {
  t.test(`from ${client} to ${backend}`, async (t) => {
    t.test('method, path, authority, fields and status pass', async (t) => {
      const seen: Parameters<Listener>[0][] = [];
      const stage = await startHttp2Stage(t, client, backend, (request, response) => {
        seen.push(request);
        (response as ServerResponse).writeHead(203, { 'x-Answer': '1', 'set-cookie': ['a=1', 'b=2'] }).end('ok');
      });
      const authority = client === 'http2' ? { ':authority': 'my-server' } : { host: 'my-server' };
      const cookie = client === 'http2' ? ['x=1', 'y=2'] : 'x=1; y=2';
      const got = await stage.send({ path: '/a?b=c', headers: { ...authority, cookie, 'x-b': '2' } });
      matches(t, got, { status: 203, headers: { 'x-answer': '1', 'set-cookie': ['a=1', 'b=2'] } });
      t.equal(got.body.toString(), 'ok');
      matches(t, seen, [{ method: 'GET', url: '/a?b=c', headers: { cookie: 'x=1; y=2', 'x-b': '2' } }]);
      t.equal(seen[0]!.headers[backend === 'http2' ? ':authority' : 'host'], 'my-server');
      matches(t, stage.host.outcomes, [{ status: 203, reason: null }]);
    });

    t.test('bodies pass in both directions, whatever their length', async (t) => {
      const stage = await startHttp2Stage(t, client, backend, echo);
      for (const length of [0, 1, 16_384, 16_385, 65_535, 65_536, 1_000_000]) {
        const body = Buffer.alloc(length, 'x');
        const got = await stage.send({ method: 'POST', body });
        t.equal(got.status, 200);
        t.ok(got.body.equals(body), `${length} bytes come back, not ${got.body.length}`);
      }
      t.equal((await stage.send({ method: 'HEAD' })).body.length, 0);
    });

    t.test('many requests at a time', async (t) => {
      const stage = await startHttp2Stage(t, client, backend, (request, response) => {
        void readAll(request).then((body) => response.writeHead(200).end(`${request.url} ${body.length}`));
      });
      const ask = (i: number) => stage.send({ method: 'POST', path: `/${i}`, body: Buffer.alloc(i * 1_000) });
      const all = await Promise.all(Array.from({ length: 100 }, (_, i) => ask(i)));
      t.same(
        all.map((got) => got.body.toString()),
        Array.from({ length: 100 }, (_, i) => `/${i} ${i * 1_000}`),
      );
      t.equal(stage.front.engine.counters().requestsOpen, 0);
    });

    t.test('trailers and interim responses pass', async (t) => {
      const trailers: unknown[] = [];
      const stage = await startHttp2Stage(t, client, backend, (request, response) => {
        request.resume().on('end', () => {
          trailers.push(Object.entries(request.trailers));
          response.writeEarlyHints({ link: '</a>; rel=preload' });
          response.writeHead(200, { trailer: 'x-end' });
          (response as ServerResponse).write('ok');
          response.addTrailers({ 'x-end': 'yes' });
          response.end();
        });
      });
      const got = await stage.send({ method: 'POST', body: Buffer.from('body'), trailers: { 'x-sent': 'too' } });
      t.same(got.interim, [103]);
      t.match(got, { status: 200, body: Buffer.from('ok'), trailers: { 'x-end': 'yes' } });
      t.same(trailers, [[['x-sent', 'too']]]);
    });

    t.test('a response that breaks off is seen to', async (t) => {
      const stage = await startHttp2Stage(t, client, backend, (_request, response) => {
        const text = response as ServerResponse;
        text.writeHead(200);
        text.write('begun', () => text.destroy());
      });
      await t.rejects(stage.send());
      await eventually('it is told', () => stage.host.outcomes.length === 1);
      matches(t, stage.host.outcomes, [{ status: 200, reason: 'upstream_reset' }]);
    });

    t.test('a WebSocket passes, whatever the handshake looks like on either side', async (t) => {
      const stage = await startHttp2Stage(t, client, backend, echo);
      const key = 'dGhlIHNhbXBsZSBub25jZQ==';
      const keys: unknown[] = [];
      stage.server.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
        keys.push(request.headers['sec-websocket-key']);
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n');
        socket.write('Sec-WebSocket-Accept: its-own\r\n\r\n');
        socket.pipe(socket);
      });
      stage.server.on('connect', (request: Http2ServerRequest) => {
        t.match(request.headers, { ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/ws' });
        keys.push(request.headers['sec-websocket-key']);
        request.stream.respond({ ':status': 200 });
        request.stream.pipe(request.stream);
      });
      let socket: Duplex;
      if (stage.session === null) {
        const headers = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-key': key };
        const asked = request({ port: stage.front.port, host: '127.0.0.1', path: '/ws', headers }).end();
        const [response, connection] = (await once(asked, 'upgrade')) as [IncomingMessage, Duplex];
        t.match(response, { statusCode: 101, headers: { 'sec-websocket-accept': 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=' } });
        socket = connection;
      } else {
        await once(stage.session, 'remoteSettings');
        t.equal(stage.session.remoteSettings.enableConnectProtocol, true);
        const asked = stage.session.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/ws' });
        const [headers] = (await once(asked, 'response')) as [Record<string, unknown>];
        t.equal(headers[':status'], 200);
        t.equal(headers['sec-websocket-accept'], undefined);
        socket = asked;
      }
      let text = '';
      socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
      for (const word of ['one', 'two', 'three']) {
        socket.write(word);
        await eventually(`${word} comes back`, () => text.endsWith(word));
      }
      socket.end();
      await eventually('it ends', () => stage.host.outcomes.length === 1);
      // Each is told what its version has.
      matches(t, stage.host.outcomes, [{ status: client === 'http1' ? 101 : 200, reason: null }]);
      // A server of HTTP/1.1 wants one, one of HTTP/2 none.
      t.equal(typeof keys[0], backend === 'http1' ? 'string' : 'undefined');
    });

    if (client === 'http1') return;

    t.test('a caller that cancels takes its request back at the backend, and its neighbours go on', async (t) => {
      let gone = 0;
      const stage = await startHttp2Stage(t, client, backend, (request, response) => {
        response.on('close', () => {
          if (!response.writableEnded) gone++;
        });
        if (request.url !== '/slow') response.end('ok');
      });
      const slow = stage.session!.request({ ':path': '/slow' });
      slow.on('error', () => undefined);
      await stage.send();
      await eventually('the slow one is there', () => stage.host.asked.length === 2);
      slow.close(constants.NGHTTP2_CANCEL);
      await eventually('the backend has lost it', () => gone === 1);
      t.equal((await stage.send()).body.toString(), 'ok');
      matches(t, stage.host.outcomes, [
        { status: 200, reason: null },
        { status: 0, reason: 'downstream_reset' },
        { status: 200, reason: null },
      ]);
    });

    t.test('a response that is not read does not hold up another one', async (t) => {
      const stage = await startHttp2Stage(t, client, backend, (request, response) => {
        response.end(request.url === '/large' ? Buffer.alloc(4_000_000) : 'ok');
      });
      const large = stage.session!.request({ ':path': '/large' });
      large.pause();
      await once(large, 'response');
      for (let i = 0; i < 20; i++) t.equal((await stage.send()).body.toString(), 'ok');
      t.equal(await length(large), 4_000_000);
    });

    t.test('a body that is not read does not hold up another one', async (t) => {
      const held: { resume(): void }[] = [];
      const stage = await startHttp2Stage(t, client, backend, (request, response) => {
        if (request.url !== '/held') {
          echo(request, response);
          return;
        }
        held.push({ resume: () => void readAll(request).then((body) => response.end(`${body.length}`)) });
      });
      const stream = stage.session!.request({ ':method': 'POST', ':path': '/held' });
      stream.end(Buffer.alloc(4_000_000));
      const answer = readAll(stream);
      await eventually('it is there', () => held.length === 1);
      for (let i = 0; i < 20; i++) {
        const body = Buffer.alloc(100_000, 'x');
        t.ok((await stage.send({ method: 'POST', body })).body.equals(body));
      }
      held[0]!.resume();
      t.equal((await answer).toString(), '4000000');
    });
  });
}

// Such as curl: it does not wait for the empty frame that ends the stream.
t.test('a caller that leaves with all that was announced has its response, one with less has not', async (t) => {
  const stage = await startHttp2Stage(t, 'http2', 'http2', (request, response) => {
    const text = response as ServerResponse;
    text.writeHead(200, { 'content-length': 4 });
    // Never ended.
    text.write(request.url === '/all' ? 'four' : 'thr');
  });
  for (const [path, length] of [
    ['/all', 4],
    ['/less', 3],
  ] as const) {
    let bytes = 0;
    const stream = stage.session!.request({ ':path': path }).on('error', () => undefined);
    stream.on('data', (chunk: Buffer) => (bytes += chunk.length));
    await eventually('the bytes', () => bytes === length);
    const outcomes = stage.host.outcomes.length;
    stream.close(constants.NGHTTP2_CANCEL);
    await eventually('the outcome', () => stage.host.outcomes.length === outcomes + 1);
  }
  matches(t, stage.host.outcomes, [
    { status: 200, reason: null },
    { status: 200, reason: 'downstream_reset' },
  ]);
});

t.test(
  'what goes on on a connection: its requests, the oldest of many, and those that it carries to a backend',
  async (t) => {
    const held: (() => void)[] = [];
    const stage = await startHttp2Stage(t, 'http2', 'http2', (_request, response) => {
      held.push(() => (response as ServerResponse).end('ok'));
    });
    const { engine } = stage.front;
    const downstream = () => engine.downstreamConnections(0, 10);
    const answers = [stage.send({ path: '/0' }), stage.send({ method: 'PUT', path: '/1' })];
    await eventually('both', () => held.length === 2);
    const upstream = { address: '127.0.0.1', port: stage.backendPort };
    matches(t, downstream(), [
      {
        ...{ state: 'request', protocol: 'http2', open: 2, served: 0, idleMs: null },
        requests: [
          { method: 'GET', path: '/0', backend: 0, upstream, waiting: null },
          { method: 'PUT', path: '/1', backend: 0, upstream, waiting: null },
        ],
      },
    ]);
    t.equal(
      engine.upstreamConnections(0, 10).reduce((sum, { protocol, open }) => sum + (protocol === 'http2' ? open : 0), 0),
      2,
    );
    for (let i = 2; i < 40; i++) answers.push(stage.send({ path: `/${i}` }));
    await eventually('all', () => held.length === 40);
    matches(t, downstream(), [{ open: 40, requests: Array.from({ length: 16 }, (_, i) => ({ path: `/${i}` })) }]);
    for (const release of held) release();
    await Promise.all(answers);
    await eventually('all are over', () => downstream()[0]?.open === 0);
    matches(t, downstream(), [{ state: 'idle', protocol: 'http2', open: 0, served: 40, requests: [] }]);
  },
);

t.test('what a backend speaks may change while its addresses stay', async (t) => {
  const server = await ScriptedBackend.listen(t, { host: '127.0.0.1', port: 0 });
  const { backend } = forwardTo(server.port);
  const host = new RecordingHost(() => ({ ...forwardTo(server.port), backend }));
  const front = await nativeFront()(host, { address: '127.0.0.1', port: server.port });
  t.teardown(() => front.close());
  for (const [index, [protocol, first]] of (
    [
      [null, 'GET /0 '],
      ['http2', 'PRI * HTTP/2.0'],
      ['http1', 'GET /2 '],
      ['http2', 'PRI * HTTP/2.0'],
      [null, 'GET /4 '],
    ] as const
  ).entries()) {
    backend.protocol = protocol;
    front.engine.forget(true);
    const client = await dial(t, '127.0.0.1', front.port);
    await client.write(`GET /${index} HTTP/1.1\r\nHost: a\r\n\r\n`);
    const connection = await server.connection(index);
    await connection.until(first);
    t.ok(connection.text.startsWith(first), `${protocol}: ${first}`);
    client.socket.destroy();
  }
});

async function length(stream: ClientHttp2Stream): Promise<number> {
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => (bytes += chunk.length)).resume();
  await once(stream, 'close');
  return bytes;
}

t.test('a request that names no host is sent to HTTP/2 with the address of its backend as authority', async (t) => {
  const seen: (string | undefined)[] = [];
  const stage = await startHttp2Stage(t, 'http1', 'http2', (request, response) => {
    seen.push(request.headers[':authority'] as string | undefined);
    response.writeHead(200).end('ok');
  });
  for (const head of ['GET / HTTP/1.0\r\n\r\n', 'GET / HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n']) {
    const client = await dial(t, '127.0.0.1', stage.front.port);
    client.send(head);
    await client.untilEnd();
    t.match(client.text, /^HTTP\/1\.1 200 /);
  }
  t.same(seen, Array(2).fill(`127.0.0.1:${stage.backendPort}`));
});
