/** What both servers of endpoints do: with callers that are rude, slow or too many, and with answers that nobody takes. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';

import t, { type Test } from 'tap';
import { request } from 'undici';

import { startEndpoint, TEXT, type Endpoint, type EndpointOptions } from '../../../src/admin/endpoint.ts';
import type { ServerName } from '../../../src/admin/endpoint-server.ts';
import { onEachServer } from '../../support/endpoint-servers.ts';

// The limits of time are ten seconds, and a busy machine has its own.
t.setTimeout(120_000);

/** Of a piece of an answer. */
const SIZE = 100_000;
const HELLO = { contentType: TEXT, body: 'hello\n' } as const;

async function start(t: Test, server: ServerName, options: Partial<EndpointOptions> = {}): Promise<Endpoint> {
  const endpoint = await startEndpoint({
    ...{ address: '127.0.0.1', port: 0, flag: '--x', server },
    routes: { '/': () => HELLO, '/change': { POST: () => HELLO } },
    ...options,
  });
  t.teardown(() => endpoint.close());
  return endpoint;
}

function dial(t: Test, { address, port }: Endpoint): Socket {
  const socket = connect({ host: address, port }).on('error', () => undefined);
  t.teardown(() => socket.destroy());
  return socket;
}

/** Everything up to the end of the connection. */
async function rest(socket: Socket): Promise<string> {
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
  if (!socket.closed) await once(socket, 'close');
  return text;
}

async function statusOf({ address, port }: Endpoint, path = '/'): Promise<number> {
  const host = address.includes(':') ? `[${address}]` : address;
  const response = await request(`http://${host}:${port}${path}`, { reset: true });
  await response.body.dump();
  return response.statusCode;
}

onEachServer('a request that is no good is not served, and its connection ends', async (t, server) => {
  const endpoint = await start(t, server);
  const host = 'Host: localhost\r\n';
  for (const [fault, text] of Object.entries({
    'HTTP/1.0': `GET / HTTP/1.0\r\n${host}\r\n`,
    'no Host': 'GET / HTTP/1.1\r\n\r\n',
    'no HTTP': '\x16\x03\x01\x00\xa5\r\n\r\n',
    'HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    CONNECT: `CONNECT a:80 HTTP/1.1\r\n${host}\r\n`,
    'another authority': `GET http://a/ HTTP/1.1\r\n${host}\r\n`,
    '200 fields': `GET / HTTP/1.1\r\n${host}${'X: y\r\n'.repeat(200)}\r\n`,
    'a head of 100 KB': `GET / HTTP/1.1\r\n${host}X: ${'y'.repeat(100_000)}\r\n\r\n`,
    'two framings': `POST /change HTTP/1.1\r\n${host}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    'no length': `POST /change HTTP/1.1\r\n${host}Content-Length: -1\r\n\r\n`,
  })) {
    const answer = await rest(dial(t, endpoint).end(text, 'latin1'));
    t.notMatch(answer, /^HTTP\/1\.1 [123]/, fault);
  }
  t.equal(await statusOf(endpoint), 200);
});

onEachServer('a connection is used again, unless everybody may connect', async (t, server) => {
  const text = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';
  const mine = dial(t, await start(t, server));
  let received = '';
  mine.setEncoding('latin1').on('data', (chunk: string) => (received += chunk));
  for (let count = 1; count <= 3; count += 1) {
    mine.write(text);
    while (received.split('hello\n').length <= count) await once(mine, 'data');
  }
  t.notMatch(received, /connection: close/i);
  const ended = await rest(
    dial(t, await start(t, server, { public: true }))
      .setNoDelay(true)
      .end(text),
  );
  t.match(ended, /^HTTP\/1\.1 200 OK\r\n/);
  t.match(ended, /connection: close/i);
});

onEachServer('an answer is made as fast as it is taken, and arrives whole', async (t, server) => {
  const pieces = 1_000;
  let made = 0;
  const endpoint = await start(t, server, {
    routes: {
      '/': () => HELLO,
      '/long': () => ({
        contentType: TEXT,
        body: (async function* () {
          // The bytes belong to whoever makes them as soon as the next piece is asked for.
          const bytes = new Uint8Array(SIZE);
          for (; made < pieces; made += 1) yield await Promise.resolve(bytes.fill(made % 251));
        })(),
      }),
    },
  });
  const response = await request(`http://127.0.0.1:${endpoint.port}/long`, { reset: true, highWaterMark: 1 });
  // Others are served meanwhile; 100 MB fit in no buffer on the way.
  for (let i = 0; i < 20; i += 1) t.equal(await statusOf(endpoint), 200);
  t.ok(made < pieces, `${made} pieces`);
  let at = 0;
  let right = 0;
  let piece = Buffer.alloc(0);
  for await (const chunk of response.body as AsyncIterable<Buffer>) {
    for (piece = Buffer.concat([piece, chunk]); piece.length >= SIZE; piece = piece.subarray(SIZE)) {
      if (piece.subarray(0, SIZE).equals(Buffer.alloc(SIZE, at % 251))) right += 1;
      at += 1;
    }
  }
  t.same([at, right, piece.length], [pieces, pieces, 0]);
});

onEachServer('whoever says nothing, ends no head or takes no answer is not waited for', async (t, server) => {
  let given = (): void => undefined;
  const givenUp = new Promise<void>((resolve) => (given = resolve));
  const endpoint = await start(t, server, {
    routes: {
      '/': () => HELLO,
      '/endless': () => ({
        contentType: TEXT,
        body: (async function* () {
          try {
            for (const text = 'x'.repeat(SIZE); ;) yield await Promise.resolve(text);
          } finally {
            given();
          }
        })(),
      }),
    },
  });
  const silent = dial(t, endpoint);
  const slow = dial(t, endpoint);
  const head = 'GET / HTTP/1.1\r\nHost: localhost\r\nX: y';
  slow.write(head);
  // A byte now and then is no reason to wait either.
  const more = setInterval(() => slow.write('y'), 1_000);
  t.teardown(() => clearInterval(more));
  const idle = dial(t, endpoint);
  idle.write(`${head}\r\n\r\n`);
  const full = dial(t, endpoint).pause();
  full.write('GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n');
  const [nothing, refused, served] = await Promise.all([rest(silent), rest(slow), rest(idle), givenUp]);
  t.notMatch(nothing, /^HTTP\/1\.1 200/);
  t.notMatch(refused, /^HTTP\/1\.1 200/);
  t.match(served, /^HTTP\/1\.1 200 OK\r\n/);
  t.equal(await statusOf(endpoint), 200);
});

onEachServer('connections that have ended make room for others', async (t, server) => {
  const [own] = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter(({ internal, family }) => !internal && family === 'IPv4');
  if (own === undefined) {
    t.comment('no address but loopback');
    return;
  }
  const endpoint = await start(t, server, { address: '0.0.0.0', public: true });
  const local = { ...endpoint, address: '127.0.0.1' };
  // More than may be open at the same time.
  for (let i = 0; i < 27; i += 1) {
    const sockets = Array.from({ length: 40 }, () => dial(t, local).end());
    await Promise.all(sockets.map((socket) => rest(socket)));
  }
  t.equal(await statusOf({ ...endpoint, address: own.address }), 200);
});

onEachServer('closing it ends every connection, answers in the middle too', async (t, server) => {
  let cut = (): void => undefined;
  const isCut = new Promise<void>((resolve) => (cut = resolve));
  const endpoint = await start(t, server, {
    routes: {
      '/endless': () => ({
        contentType: TEXT,
        body: (async function* () {
          try {
            for (;;) yield await Promise.resolve('x'.repeat(SIZE));
          } finally {
            cut();
          }
        })(),
      }),
    },
  });
  const idle = dial(t, endpoint);
  await once(idle, 'connect');
  const full = dial(t, endpoint);
  full.write('GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await once(full, 'data');
  const ended = [rest(idle), rest(full)];
  endpoint.close();
  await Promise.all([...ended, isCut]);
  await t.rejects(statusOf(endpoint), { code: 'ECONNREFUSED' });
});

onEachServer('an IPv6 address is listened on by itself', async (t, server) => {
  const endpoint = await start(t, server, { address: '::1' });
  t.equal(endpoint.address, '::1');
  t.equal(await statusOf(endpoint), 200);
});
