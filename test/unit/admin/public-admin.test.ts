import { connect, createServer, type AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';

import type { Test } from 'tap';
import { request } from 'undici';

import { ProxyError } from '../../../src/errors.ts';
import { startAdmin, type AdminOptions, type ProbeState } from '../../../src/admin/public-admin.ts';
import type { Endpoint } from '../../../src/admin/endpoint.ts';
import type { ServerName } from '../../../src/admin/endpoint-server.ts';
import { onEachServer } from '../../support/endpoint-servers.ts';

interface State {
  ready: ProbeState;
  render: () => AsyncIterable<string>;
}

async function* text(...pieces: (string | Error)[]): AsyncGenerator<string> {
  for (const piece of pieces) {
    if (piece instanceof Error) throw piece;
    yield await Promise.resolve(piece);
  }
}

async function start(
  t: Test,
  server: ServerName,
  options: Partial<AdminOptions> = {},
): Promise<{ admin: Endpoint; state: State }> {
  const state: State = { ready: { ready: true, lines: [] }, render: () => text('a_metric 1\n', 'another 2\n') };
  const admin = await startAdmin({
    address: '127.0.0.1',
    port: 0,
    flag: '--admin-address',
    server,
    exposition: { contentType: 'text/plain; version=0.0.4', render: () => state.render() },
    live: () => ({ ready: true, lines: [] }),
    ready: () => state.ready,
    started: () => ({ ready: false, lines: ['the route directory was not read yet'] }),
    ...options,
  });
  t.teardown(() => admin.close());
  return { admin, state };
}

async function ask(admin: Endpoint, path: string, method: 'GET' | 'HEAD' | 'POST' = 'GET', host = '127.0.0.1') {
  const response = await request(`http://${host}:${admin.port}${path}`, { method, reset: true });
  return { status: response.statusCode, headers: response.headers, body: await response.body.text() };
}

onEachServer('metrics are served as text', async (t, server) => {
  const { admin } = await start(t, server);
  const { status, headers, body } = await ask(admin, '/metrics');
  t.equal(status, 200);
  t.equal(headers['content-type'], 'text/plain; version=0.0.4');
  t.equal(body, 'a_metric 1\nanother 2\n');
});

onEachServer('the version of the routes in force is served, by whoever has any', async (t, server) => {
  const served = { hash: '0123456789abcdef', set: { generation: 3, hash: 'ab' }, torn: null };
  const { admin } = await start(t, server, { served: () => served });
  const { status, headers, body } = await ask(admin, '/served');
  t.equal(status, 200);
  t.match(headers['content-type'], /^application\/json/);
  t.same(JSON.parse(body), served);
  t.equal((await ask((await start(t, server)).admin, '/served')).status, 404);
});

onEachServer('probes say what they know, with 503 when not ready', async (t, server) => {
  const { admin, state } = await start(t, server);
  t.match(await ask(admin, '/livez'), { status: 200, body: 'ok\n' });
  state.ready = { ready: true, lines: ['frontend shop/cart:80 has no address'] };
  t.match(await ask(admin, '/readyz'), { status: 200, body: 'ok\nfrontend shop/cart:80 has no address\n' });
  state.ready = { ready: false, lines: ['draining'] };
  t.match(await ask(admin, '/readyz'), { status: 503, body: 'not ready\ndraining\n' });
  t.match(await ask(admin, '/startupz'), { status: 503, body: 'not ready\nthe route directory was not read yet\n' });
});

onEachServer('HEAD has no body, and the length of what is known as a whole', async (t, server) => {
  const { admin } = await start(t, server);
  t.match(await ask(admin, '/livez', 'HEAD'), { status: 200, headers: { 'content-length': '3' }, body: '' });
  t.match(await ask(admin, '/metrics', 'HEAD'), { status: 200, headers: { 'content-type': /^text/ }, body: '' });
});

onEachServer(
  'a connection ends with its response, and one that comes too often is closed; others are served',
  async (t, server) => {
    const { admin } = await start(t, server, { address: '0.0.0.0' });
    const [own] = Object.values(networkInterfaces())
      .flatMap((list) => list ?? [])
      .filter(({ internal, family }) => !internal && family === 'IPv4');
    if (own === undefined) {
      t.comment('no address but loopback');
      return;
    }
    const answers = new Map<string, number>();
    for (let i = 0; i < 80; i += 1) {
      const socket = connect({ host: own.address, port: admin.port });
      socket.on('error', () => undefined).end('GET /livez HTTP/1.1\r\nHost: a\r\n\r\n');
      let text = '';
      for await (const chunk of socket.setEncoding('latin1')) text += String(chunk);
      const answer = text.slice(0, 15);
      answers.set(answer, (answers.get(answer) ?? 0) + 1);
    }
    t.same(
      [...answers],
      [
        ['HTTP/1.1 200 OK', 64],
        ['', 16],
      ],
    );
    t.equal((await ask(admin, '/livez')).status, 200, 'from loopback');
  },
);

onEachServer('other paths are 404 with a list, other methods 405', async (t, server) => {
  const { admin } = await start(t, server);
  t.match(await ask(admin, '/x'), { status: 404, body: /\/metrics\n\/livez\n\/readyz\n\/startupz\n/ });
  t.match(await ask(admin, '/metrics', 'POST'), { status: 405, headers: { allow: 'GET, HEAD' } });
});

onEachServer('a failure while rendering is seen as one, and the next request works', async (t, server) => {
  const { admin, state } = await start(t, server);
  state.render = () => text(new Error('no metrics today'));
  t.match(await ask(admin, '/metrics'), { status: 500, body: 'no metrics today\n' });
  state.render = () => text('a_metric 1\n', new Error('no more metrics'));
  const truncated = server === 'uws' ? { code: 'UND_ERR_SOCKET' } : { name: 'HTTPParserError', message: /Invalid EOF/ };
  await t.rejects(ask(admin, '/metrics'), truncated, 'not taken for a short scrape');
  t.equal((await ask(admin, '/livez')).status, 200);
});

onEachServer('0.0.0.0 is reached over IPv4 and IPv6', async (t, server) => {
  const { admin } = await start(t, server, { address: '0.0.0.0' });
  t.equal((await ask(admin, '/livez')).status, 200);
  t.equal((await ask(admin, '/livez', 'GET', '[::1]')).status, 200);
});

for (const address of ['127.0.0.1', '0.0.0.0']) {
  onEachServer(`a port in use on ${address} is an error that names the flag and the reason`, async (t, server) => {
    const taken = createServer().listen(0, address);
    t.teardown(() => taken.close());
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as AddressInfo;
    await t.rejects(start(t, server, { address, port }), {
      constructor: ProxyError,
      code: 'admin-listen',
      message: /^--admin-address: cannot listen on .* port \d+: listen EADDRINUSE/,
    });
  });
}

onEachServer('a port held by another admin endpoint is refused, not shared', async (t, server) => {
  const { admin } = await start(t, server);
  await t.rejects(start(t, server, { port: admin.port }), { code: 'admin-listen' });
});
