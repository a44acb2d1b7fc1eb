import { connect } from 'node:net';

import type { Test } from 'tap';
import { request } from 'undici';

import { attach } from '../../../src/config/attach.ts';
import { createLogger } from '../../../src/log.ts';
import type { Endpoint } from '../../../src/admin/endpoint.ts';
import type { ServerName } from '../../../src/admin/endpoint-server.ts';
import type { ConnectionView } from '../../../src/admin/connections.ts';
import { logSettings } from '../../../src/admin/log-level.ts';
import { startPrivateAdmin, type PrivateAdminOptions } from '../../../src/admin/private-admin.ts';
import { tapQuery } from '../../../src/admin/tap-query.ts';
import { TapStreams } from '../../../src/admin/tap-streams.ts';
import type { Explanation } from '../../../src/routing/explain.ts';
import { compileTable } from '../../../src/routing/table.ts';
import { onEachServer } from '../../support/endpoint-servers.ts';
import { eventually } from '../../support/eventually.ts';
import { statsReporter } from '../../support/stats.ts';
import { backend, exactField, httpRoute, match, parent, rule, service, testDeps } from '../../support/routes.ts';
import { matches } from '../../support/match.ts';

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

const NO_CONNECTIONS: ConnectionView = {
  detections: () => [],
  downstream: () => [],
  tunnels: () => [],
  upstream: () => [],
  unlisted: 0,
  frontends: ['shop/cart:80'],
  backends: ['shop/v1:80'],
};

async function start(
  t: Test,
  server: ServerName,
  rules = resources,
  options: Partial<PrivateAdminOptions> = {},
): Promise<Endpoint> {
  const deps = testDeps();
  const attachment = attach({ resources: rules, namespace: 'shop' });
  const table = compileTable(attachment, deps);
  const admin = await startPrivateAdmin({
    address: '127.0.0.1',
    port: 0,
    flag: '--admin',
    server,
    table: () => table,
    stats: statsReporter(),
    config: () => ({
      snapshot: null,
      attachment,
      table,
      valid: true,
      problems: [],
      tornSet: null,
      conditions: attachment.conditions,
      frontendKeys: [],
      addresses: [],
      unresolved: [],
      backends: [],
    }),
    connections: () => NO_CONNECTIONS,
    tap: (query) =>
      Promise.resolve(new TapStreams({ add: () => undefined, remove: () => undefined }).answer(tapQuery(query))),
    logSettings: logSettings(
      createLogger('info', () => undefined),
      { mode: 'errors', setMode: () => undefined },
    ),
    quit: () => ({ message: 'draining', already: false, connections: 0, quietMs: 0, timeoutMs: 0 }),
    ...options,
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

onEachServer('the root lists what there is', async (t, server) => {
  const admin = await start(t, server);
  const { status, body } = await ask(admin, '/');
  t.equal(status, 200);
  const paths = ['/', '/config', '/connections', '/explain', '/tap', '/stats', '/log-level', '/quit'];
  for (const path of paths) t.match(body, new RegExp(`^(GET|PUT|POST) +${path} `, 'm'));
  t.match(await ask(admin, '/none'), { status: 404, body: `There is:\n${paths.join('\n')}\n/page/` });
});

onEachServer('the root is a page for browsers, whose policy lets nothing in but its own files', async (t, server) => {
  const admin = await start(t, server);
  const browser = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' };
  const { headers, body } = await ask(admin, '/', { headers: browser });
  t.equal(headers['content-type'], 'text/html; charset=utf-8');
  t.equal(headers['x-content-type-options'], 'nosniff');
  const policy = String(headers['content-security-policy']);
  for (const part of ["default-src 'none'", "script-src 'self'", "form-action 'none'", "frame-ancestors 'none'"]) {
    t.ok(policy.includes(part), part);
  }
  t.notMatch(policy, /unsafe/);
  const linked = [...body.matchAll(/(?:src|href)="(\/page\/[^"]+)"/g)].map(([, path]) => path!);
  t.ok(linked.length >= 3);
  t.notMatch(body, /<script(?![^>]*\bsrc=)|\bstyle=|\bon[a-z]+=|https?:\/\//, 'nothing inline, nothing from elsewhere');
  let bytes = body.length;
  for (const path of new Set(linked)) {
    const file = await ask(admin, path);
    t.equal(file.status, 200, path);
    t.equal(file.headers['content-security-policy'], policy);
    bytes += file.body.length;
  }
  for (const [, path] of body.matchAll(/<a href="(\/[a-z]+)"/g)) t.equal((await ask(admin, path!)).status, 200, path!);
  t.ok(bytes < 80_000, `${bytes} bytes`);
  t.match(await ask(admin, '/', { headers: { accept: '*/*' } }), { headers: { 'content-type': /^text\/plain/ } });
});

onEachServer('/stats is JSON, with the labels that are not known yet', async (t, server) => {
  const admin = await start(t, server);
  const { status, headers, body } = await ask(admin, '/stats');
  t.equal(status, 200);
  t.equal(headers['content-type'], 'application/json; charset=utf-8');
  matches(t, JSON.parse(body), { version: '0.0.0', series: [] });
  const { seriesRevision, catalog } = JSON.parse(body) as { seriesRevision: string; catalog: object };
  t.not(Object.keys(catalog).length, 0);
  t.notOk('labels' in (JSON.parse((await ask(admin, `/stats?known=${seriesRevision}`)).body) as object));
  t.ok('labels' in (JSON.parse((await ask(admin, '/stats?known=another')).body) as object));
});

onEachServer('/config is JSON', async (t, server) => {
  const admin = await start(t, server);
  const { status, headers, body } = await ask(admin, '/config');
  t.equal(status, 200);
  t.equal(headers['content-type'], 'application/json; charset=utf-8');
  matches(t, JSON.parse(body), { valid: true, frontends: [{ key: 'shop/cart:80' }] });
});

onEachServer('a large /config arrives whole, also when its reader is slow', async (t, server) => {
  const many = Array.from({ length: 700 }, (_, index) =>
    httpRoute(
      `shop/r${index}`,
      ['shop/cart'],
      Array.from({ length: 10 }, () => rule({ backendRefs: [backend('s/v:80')] })),
    ),
  );
  const admin = await start(t, server, [service('shop/cart', [80]), ...many]);
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

onEachServer('/explain says which rule of the live table wins', async (t, server) => {
  const admin = await start(t, server);
  const query = '/explain?service=cart.shop:80&method=POST&path=/a?b=c&header=Version:%20new&header=x:1';
  const { headers, body } = await ask(admin, query);
  t.equal(headers['content-type'], 'application/json; charset=utf-8');
  const explanation = JSON.parse(body) as Explanation;
  matches(t, explanation, {
    request: { method: 'POST', path: '/a', query: 'b=c' },
    frontend: 'shop/cart:80',
    winner: 0,
    outcome: { kind: 'shares', shares: [{ backend: 'shop/v2:80', percent: 100 }] },
  });
  matches(t, JSON.parse((await ask(admin, '/explain?service=cart.shop')).body), {
    request: { method: 'GET', path: '/', query: '' },
    outcome: { shares: [{ backend: 'shop/v1:80' }] },
  });
  matches(t, JSON.parse((await ask(admin, '/explain?service=cart.shop&grpc=shop.Cart/Get&header=version:new')).body), {
    request: { method: 'POST', path: '/shop.Cart/Get', call: true },
    outcome: { shares: [{ backend: 'shop/v2:80' }] },
  });
  t.match(JSON.parse((await ask(admin, '/explain?service=other.shop.svc.cluster.local:81')).body), {
    frontend: null,
    outcome: { kind: 'original' },
  });
});

onEachServer('/explain is text for who asks for it', async (t, server) => {
  const admin = await start(t, server);
  const text = { status: 200, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: /^request +GET \/\n/ };
  const json = { status: 200, headers: { 'content-type': /^application\/json/ } };
  const path = '/explain?service=cart.shop:80';
  t.match(await ask(admin, `${path}&format=text`), text);
  t.match(await ask(admin, path, { headers: { accept: 'text/plain' } }), text);
  t.match(await ask(admin, path, { headers: { accept: '*/*' } }), json);
  t.match(await ask(admin, path, { headers: { accept: 'text/plain, application/json' } }), json);
  t.match(await ask(admin, `${path}&format=json`, { headers: { accept: 'text/plain' } }), json);
});

onEachServer('bad input of /explain is a 400 that names the parameter', async (t, server) => {
  const admin = await start(t, server);
  for (const [query, message] of [
    ['', 'service: is missing'],
    ['?service=cart', 'service: got "cart", expected NAME.NAMESPACE:PORT'],
    ['?service=cart.shop:0', 'service: got "cart.shop:0"'],
    ['?service=cart.shop&service=cart.shop', 'service: is given more than once'],
    ['?service=cart.shop&method=G%20T', 'method: got "G T"'],
    ['?service=cart.shop&path=a', 'path: got "a", expected a path'],
    ['?service=cart.shop&path=/%0d%0a', 'path: got'],
    ['?service=cart.shop&header=no-colon', 'header: got "no-colon", expected'],
    ['?service=cart.shop&grpc=shop.Cart', 'grpc: got "shop.Cart", expected SERVICE/METHOD'],
    ['?service=cart.shop&grpc=a/b&grpc=a/b', 'grpc: is given more than once'],
    ['?service=cart.shop&grpc=a/b&path=/', 'grpc: excludes method and path'],
    ['?service=cart.shop&format=xml', 'format: got "xml", expected one of json, text'],
    ['?service=cart.shop&path=/?a=1&b=2', 'b: no such parameter'],
  ]) {
    const { status, body } = await ask(admin, `/explain${query!}`);
    t.equal(status, 400, query!);
    t.ok(body.startsWith(message!), body);
  }
});

onEachServer('a Host that is no loopback name is refused, so that no web page can read along', async (t, server) => {
  const admin = await start(t, server);
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

onEachServer('each path takes its own methods', async (t, server) => {
  const quits: string[] = [];
  const admin = await start(t, server, resources, {
    quit: (by) => {
      quits.push(by);
      return { message: 'draining', already: quits.length > 1, connections: 2, quietMs: 5_000, timeoutMs: 30_000 };
    },
  });
  for (const [path, method, allow] of [
    ['/config', 'HEAD', 'GET'],
    ['/config', 'POST', 'GET'],
    ['/', 'PUT', 'GET'],
    ['/connections', 'PUT', 'GET'],
    ['/log-level', 'POST', 'GET, PUT'],
    ['/quit', 'GET', 'POST'],
    ['/quit', 'PUT', 'POST'],
    ['/quit', 'HEAD', 'POST'],
  ] as const) {
    const { status, headers, body } = await ask(admin, path, { method });
    t.equal(status, 405, `${method} ${path}`);
    t.equal(headers['allow'], allow);
    t.equal(body, method === 'HEAD' ? '' : `${path} takes ${allow}.\n`);
  }
  t.same(quits, []);
  const { status, body } = await ask(admin, '/quit', { method: 'POST', headers: { 'user-agent': 'job/1' } });
  t.equal(status, 202);
  t.same(JSON.parse(body), {
    ...{ message: 'draining', already: false, connections: 2, quietMs: 5_000, timeoutMs: 30_000 },
  });
  t.match(await ask(admin, '/quit', { method: 'POST' }), { status: 202, body: /"already": true/ });
  t.same(quits, ['job/1', '']);
});

onEachServer('what changes something is not for pages of other origins', async (t, server) => {
  let quits = 0;
  const admin = await start(t, server, resources, {
    quit: () => ({ message: 'draining', already: quits++ > 0, connections: 0, quietMs: 0, timeoutMs: 0 }),
  });
  const host = `localhost:${admin.port}`;
  for (const headers of [
    { origin: 'http://evil.example' },
    { origin: 'null' },
    { origin: `https://${host}` },
    { origin: 'http://localhost:1' },
    { origin: `http://127.0.0.1:${admin.port}` },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'none' },
    { origin: `http://${host}`, 'sec-fetch-site': 'cross-site' },
  ]) {
    for (const [path, method] of [
      ['/quit', 'POST'],
      ['/log-level?level=debug', 'PUT'],
    ] as const) {
      const refused = await ask(admin, path, { method, headers: { host, ...headers } });
      t.match(refused, { status: 403, body: /page of another origin/ }, JSON.stringify(headers));
    }
    t.match(await ask(admin, '/log-level', { headers: { host, ...headers } }), { status: 200 }, 'reading is harmless');
  }
  t.match(await ask(admin, '/quit', { method: 'POST', headers: { host: 'evil.example' } }), { status: 403 });
  t.equal(quits, 0);
  t.match(JSON.parse((await ask(admin, '/log-level')).body), { level: { value: 'info' } });
  for (const headers of [
    {},
    { origin: `http://${host}` },
    { origin: `http://${host}`, 'sec-fetch-site': 'same-origin' },
  ]) {
    t.match(await ask(admin, '/quit', { method: 'POST', headers: { host, ...headers } }), { status: 202 });
  }
  t.equal(quits, 3);
});

onEachServer('/log-level shows and changes the level; a body does no harm', async (t, server) => {
  const admin = await start(t, server);
  const errors = { value: 'errors', configured: 'errors', remaining: null };
  t.same(JSON.parse((await ask(admin, '/log-level')).body), {
    level: { value: 'info', configured: 'info', remaining: null },
    'access-log': errors,
  });
  const changed = await ask(admin, '/log-level?level=debug&ttl=1h', { method: 'PUT' });
  t.equal(changed.status, 200);
  t.same(JSON.parse(changed.body), {
    level: { value: 'debug', configured: 'info', remaining: '1h' },
    'access-log': errors,
  });
  t.match(JSON.parse((await ask(admin, '/log-level?access-log=all&ttl=2m', { method: 'PUT' })).body), {
    level: { value: 'debug' },
    'access-log': { value: 'all', configured: 'errors', remaining: '2m' },
  });
  t.match(await ask(admin, '/log-level?level=warn&access-log=some', { method: 'PUT' }), {
    status: 400,
    body: /^access-log: got "some", expected one of off, errors, all/,
  });
  t.match(JSON.parse((await ask(admin, '/log-level')).body), { level: { value: 'debug' } }, 'all of it or nothing');
  t.match(await ask(admin, '/log-level?level=loud', { method: 'PUT' }), { status: 400, body: /^level: got "loud"/ });

  const socket = connect(admin.port, '127.0.0.1').setEncoding('latin1');
  t.teardown(() => socket.destroy());
  let received = '';
  socket.on('data', (text: string) => (received += text));
  const bodies = [
    `Content-Length: 5\r\n\r\nhello`,
    `Content-Length: 100000\r\n\r\n${'x'.repeat(100_000)}`,
    'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
    '\r\n',
  ];
  for (const [index, body] of bodies.entries()) {
    const level = index % 2 === 0 ? 'warn' : 'error';
    socket.write(`PUT /log-level?level=${level} HTTP/1.1\r\nHost: localhost\r\n${body}`);
    await eventually('an answer', () => received.split('HTTP/1.1 200 OK').length - 1 === index + 1);
    await eventually('its body', () => received.endsWith('}\n'));
    t.match(received.slice(received.lastIndexOf('\r\n\r\n')), `"value": "${level}"`);
  }
});

onEachServer('/connections refuses what it does not know', async (t, server) => {
  const admin = await start(t, server);
  t.same(JSON.parse((await ask(admin, '/connections?limit=1&state=idle')).body), {
    ...{ unlisted: 0, downstream: [], tunnels: [], upstream: [], truncated: [] },
  });
  for (const query of ['frontend=shop/cart:80', 'backend=shop/v1:80', 'backend=original']) {
    t.equal((await ask(admin, `/connections?${query}`)).status, 200, query);
  }
  for (const [query, message] of [
    ['frontend=shop/none:80', 'frontend: got "shop/none:80", expected the key of one that has been in use'],
    ['frontend=original', 'frontend: got "original"'],
    ['backend=v1', 'backend: got "v1"'],
    ['state=busy', 'state: got "busy", expected one of idle, reading_head, request, tunnel, draining, detecting, '],
    ['limit=0', 'limit: expected an integer from 1 to 9999999'],
    ['limit=-1', 'limit: expected'],
    ['limit=', 'limit: expected'],
    ['limit=1&limit=2', 'limit: is given more than once'],
    ['sort=age', 'sort: no such parameter, expected one of frontend, backend, state, limit'],
  ]) {
    const { status, body } = await ask(admin, `/connections?${query!}`);
    t.equal(status, 400, query!);
    t.ok(body.startsWith(message!), body);
  }
});

onEachServer('a caller that leaves in the middle ends its dump', async (t, server) => {
  const admin = await start(t, server);
  const socket = connect(admin.port, '127.0.0.1');
  socket.write('GET /config HTTP/1.1\r\nHost: localhost\r\n\r\n');
  socket.resetAndDestroy();
  t.equal((await ask(admin, '/')).status, 200);
});
