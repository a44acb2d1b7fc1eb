import { connect } from 'node:net';

import t, { type Test } from 'tap';
import { request } from 'undici';

import { attach } from '../../../src/config/attach.ts';
import type { Endpoint } from '../../../src/observe/endpoint.ts';
import { startPrivateAdmin } from '../../../src/observe/private-admin.ts';
import type { Explanation } from '../../../src/routing/explain.ts';
import { compileTable } from '../../../src/routing/table.ts';
import { backend, exactField, httpRoute, match, parent, rule, service, testDeps } from '../../support/routes.ts';

const resources = [
  service('shop/cart', [80]),
  httpRoute(
    'shop/cart-route',
    [parent('shop/cart', { port: 80 })],
    [
      rule({ matches: [match({ headers: [exactField('version', 'new')] })], backendRefs: [backend('shop/v2:80')] }),
      rule({ backendRefs: [backend('shop/v1:80')] }),
    ],
  ),
];

async function start(t: Test, rules = resources): Promise<Endpoint> {
  const deps = testDeps();
  const attachment = attach({ resources: rules, namespace: 'shop' });
  const table = compileTable(attachment, deps);
  const admin = await startPrivateAdmin({
    address: '127.0.0.1',
    port: 0,
    flag: '--admin',
    table: () => table,
    config: () => ({
      snapshot: null,
      attachment,
      table,
      valid: true,
      problems: [],
      frontendId: (key) => deps.frontendId(key),
      addresses: [],
      unresolved: [],
      backends: [],
    }),
  });
  t.teardown(() => admin.close());
  return admin;
}

interface AskOptions {
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT';
  readonly headers?: Readonly<Record<string, string>>;
}

async function ask(admin: Endpoint, path: string, { method = 'GET', headers = {} }: AskOptions = {}) {
  const response = await request(`http://127.0.0.1:${admin.port}${path}`, { method, headers, reset: true });
  return { status: response.statusCode, headers: response.headers, body: await response.body.text() };
}

t.test('the root lists what there is', async (t) => {
  const admin = await start(t);
  t.match(await ask(admin, '/'), { status: 200, body: /^GET \/config .*\nGET \/explain /m });
  t.match(await ask(admin, '/quit'), { status: 404, body: 'There is:\n/\n/config\n/explain\n' });
});

t.test('/config is JSON', async (t) => {
  const admin = await start(t);
  const { status, headers, body } = await ask(admin, '/config');
  t.equal(status, 200);
  t.equal(headers['content-type'], 'application/json; charset=utf-8');
  t.match(JSON.parse(body), { valid: true, frontends: [{ key: 'shop/cart:80' }] });
});

t.test('a large /config arrives whole, also when its reader is slow', async (t) => {
  const many = Array.from({ length: 700 }, (_, index) =>
    httpRoute(
      `shop/r${index}`,
      ['shop/cart'],
      Array.from({ length: 10 }, () => rule({ backendRefs: [backend('s/v:80')] })),
    ),
  );
  const admin = await start(t, [service('shop/cart', [80]), ...many]);
  const socket = connect(admin.port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  socket.write('GET /config HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  let raw = '';
  for await (const chunk of socket.setEncoding('latin1') as AsyncIterable<string>) {
    raw += chunk;
    // Slower than it is made.
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (raw.endsWith('\r\n0\r\n\r\n')) break;
  }
  let body = '';
  for (let at = raw.indexOf('\r\n\r\n') + 4; ;) {
    const line = raw.indexOf('\r\n', at);
    const size = Number.parseInt(raw.slice(at, line), 16);
    if (size === 0) break;
    body += raw.slice(line + 2, line + 2 + size);
    at = line + 2 + size + 2;
  }
  t.ok(body.length > 2_000_000, `${body.length} bytes`);
  const { frontends } = JSON.parse(body) as { frontends: { rules: unknown[] }[] };
  t.equal(frontends[0]!.rules.length, 7_000);
});

t.test('/explain says which rule of the live table wins', async (t) => {
  const admin = await start(t);
  const query = '/explain?service=cart.shop:80&method=POST&path=/a?b=c&header=Version:%20new&header=x:1';
  const { headers, body } = await ask(admin, query);
  t.equal(headers['content-type'], 'application/json; charset=utf-8');
  const explanation = JSON.parse(body) as Explanation;
  t.match(explanation, {
    request: { method: 'POST', path: '/a', query: 'b=c' },
    frontend: 'shop/cart:80',
    winner: 0,
    outcome: { kind: 'shares', shares: [{ backend: 'shop/v2:80', percent: 100 }] },
  });
  t.match(JSON.parse((await ask(admin, '/explain?service=cart.shop')).body), {
    request: { method: 'GET', path: '/', query: '' },
    outcome: { shares: [{ backend: 'shop/v1:80' }] },
  });
  t.match(JSON.parse((await ask(admin, '/explain?service=other.shop.svc.cluster.local:81')).body), {
    frontend: null,
    outcome: { kind: 'original' },
  });
});

t.test('/explain is text for who asks for it', async (t) => {
  const admin = await start(t);
  const text = { status: 200, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: /^request +GET \/\n/ };
  const json = { status: 200, headers: { 'content-type': /^application\/json/ } };
  const path = '/explain?service=cart.shop:80';
  t.match(await ask(admin, `${path}&format=text`), text);
  t.match(await ask(admin, path, { headers: { accept: 'text/plain' } }), text);
  t.match(await ask(admin, path, { headers: { accept: '*/*' } }), json);
  t.match(await ask(admin, path, { headers: { accept: 'text/plain, application/json' } }), json);
  t.match(await ask(admin, `${path}&format=json`, { headers: { accept: 'text/plain' } }), json);
});

t.test('bad input of /explain is a 400 that names the parameter', async (t) => {
  const admin = await start(t);
  for (const [query, message] of [
    ['', 'service: is missing'],
    ['?service=cart', 'service: got "cart", expected NAME.NAMESPACE:PORT'],
    ['?service=cart.shop:0', 'service: got "cart.shop:0"'],
    ['?service=cart.shop&service=cart.shop', 'service: is given more than once'],
    ['?service=cart.shop&method=G%20T', 'method: got "G T"'],
    ['?service=cart.shop&path=a', 'path: got "a", expected a path'],
    ['?service=cart.shop&path=/%0d%0a', 'path: got'],
    ['?service=cart.shop&header=no-colon', 'header: got "no-colon", expected'],
    ['?service=cart.shop&format=xml', 'format: got "xml", expected json or text'],
    ['?service=cart.shop&path=/?a=1&b=2', 'b: no such parameter'],
  ]) {
    const { status, body } = await ask(admin, `/explain${query!}`);
    t.equal(status, 400, query!);
    t.ok(body.startsWith(message!), body);
  }
});

t.test('a Host that is no loopback name is refused, so that no web page can read along', async (t) => {
  const admin = await start(t);
  for (const host of ['localhost', `LOCALHOST:${admin.port}`, '127.0.0.1:15000', '127.8.9.1', '[::1]:15000']) {
    t.match(await ask(admin, '/config', { headers: { host } }), { status: 200 }, host);
  }
  for (const host of [
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '10.0.0.1',
    'localhost@x',
    '',
  ]) {
    t.match(await ask(admin, '/config', { headers: { host } }), { status: 403, body: /loopback/ }, host);
  }
});

t.test('only GET', async (t) => {
  const admin = await start(t);
  for (const method of ['HEAD', 'POST', 'PUT'] as const) {
    t.match(await ask(admin, '/config', { method }), { status: 405, headers: { allow: 'GET' } }, method);
  }
});

t.test('a caller that leaves in the middle ends its dump', async (t) => {
  const admin = await start(t);
  const socket = connect(admin.port, '127.0.0.1');
  socket.write('GET /config HTTP/1.1\r\nHost: localhost\r\n\r\n');
  socket.resetAndDestroy();
  t.equal((await ask(admin, '/')).status, 200);
});
