/** `sideroute status` and `wait` against a server that stands in for the endpoints of a sidecar. */
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { siderouteMeanwhile } from '../support/cli.ts';

const HASH = '0123456789abcdef';

const CONFIG = {
  generation: 3,
  hash: HASH,
  valid: true,
  problems: [],
  routes: [
    {
      kind: 'HTTPRoute',
      namespace: 'shop',
      name: 'cart',
      parents: [
        {
          parent: 'shop/cart:80',
          conditions: [
            { type: 'Accepted', status: 'True', reason: 'Accepted', message: '' },
            { type: 'ResolvedRefs', status: 'False', reason: 'BackendNotFound', message: 'no Service shop/cart-v3' },
          ],
        },
      ],
    },
  ],
  frontends: [{ key: 'shop/cart:80' }],
};

/** Address of a server that lives as long as the test. */
async function serve(
  t: { teardown(close: () => void): void },
  listener: RequestListener,
  host = '127.0.0.1',
): Promise<string> {
  const server = createServer(listener);
  server.listen(0, host);
  await once(server, 'listening');
  t.teardown(() => void server.close());
  return `${host.includes(':') ? `[${host}]` : host}:${(server.address() as AddressInfo).port}`;
}

const json =
  (value: unknown): RequestListener =>
  (request, response) => {
    response.statusCode = request.url === '/config' ? 200 : 404;
    response.end(JSON.stringify(value));
  };

t.test('shows generation, hash, validity and the conditions of each route', async (t) => {
  const admin = await serve(t, json(CONFIG));
  const { status, stdout } = await siderouteMeanwhile('status', '--admin', admin);
  t.equal(status, 0);
  t.equal(
    stdout,
    [
      `generation 3, hash ${HASH}, valid`,
      'HTTPRoute shop/cart -> shop/cart:80: Accepted=True Accepted',
      'HTTPRoute shop/cart -> shop/cart:80: ResolvedRefs=False BackendNotFound: no Service shop/cart-v3',
      '1 frontends',
      '',
    ].join('\n'),
  );
  const output = await siderouteMeanwhile('status', '--admin', admin, '-o', 'json');
  t.same(JSON.parse(output.stdout), CONFIG);
});

t.test('what is served in an earlier version is named', async (t) => {
  const held = { heldFiles: ['a.yaml'], heldRoutes: ['HTTPRoute shop/cart'] };
  const admin = await serve(t, json({ ...CONFIG, ...held }));
  const { stdout } = await siderouteMeanwhile('status', '--admin', admin);
  t.match(
    stdout,
    /^a\.yaml: served with its last good content\nHTTPRoute shop\/cart: served in its last good version$/m,
  );
});

t.test('a configuration with errors: status 1, with the problems', async (t) => {
  const problem = {
    severity: 'error',
    code: 'bad-path',
    file: 'routes.yaml',
    document: 1,
    line: 12,
    resource: 'HTTPRoute shop/cart',
    path: 'spec.rules[0]',
    message: 'must start with "/"',
  };
  const admin = await serve(t, json({ ...CONFIG, valid: false, problems: [problem] }));
  const { status, stdout } = await siderouteMeanwhile('status', '--admin', admin);
  t.equal(status, 1);
  t.match(stdout, /^generation 3, hash \w+, not valid$/m);
  t.match(
    stdout,
    /^routes\.yaml:12: error: HTTPRoute shop\/cart: spec\.rules\[0\]: must start with "\/" \[bad-path\]$/m,
  );
});

t.test('an answer with fewer fields, or fields of another type, is shown as far as it goes', async (t) => {
  for (const value of [{}, { generation: 'x', routes: [{ parents: 'none' }], problems: [1, null], frontends: {} }]) {
    const { status, stdout } = await siderouteMeanwhile('status', '--admin', await serve(t, json(value)));
    t.equal(status, 1, 'valid is not said');
    t.match(stdout, /^generation \S+, hash \?, not valid$/m);
  }
});

t.test('no sidecar, or something else there: status 1 with the address', async (t) => {
  t.match(await siderouteMeanwhile('status', '--admin', '127.0.0.1:1'), {
    status: 1,
    stderr: /http:\/\/127\.0\.0\.1:1\/config: .*ECONNREFUSED/,
  });
  const page = await serve(t, (_request, response) => response.end('<html>'));
  t.match(await siderouteMeanwhile('status', '--admin', page), { status: 1, stderr: /did not answer JSON/ });
  const denied = await serve(t, (_request, response) => response.writeHead(403).end());
  t.match(await siderouteMeanwhile('status', '--admin', denied), { status: 1, stderr: /answered 403/ });
});

t.test('--wait comes back when the hash is live', async (t) => {
  let asked = 0;
  const admin = await serve(t, (_request, response) => {
    asked++;
    if (asked === 1) response.destroy();
    else response.end(JSON.stringify({ ...CONFIG, hash: asked < 4 ? 'fedcba9876543210' : HASH }));
  });
  const { status, stdout } = await siderouteMeanwhile('status', '--admin', admin, '--wait', HASH, '--timeout', '30s');
  t.equal(status, 0);
  t.equal(asked, 4);
  t.match(stdout, new RegExp(`hash ${HASH}, valid`));
});

t.test('--wait gives up with status 1 and says what is live, or that nothing is', async (t) => {
  const admin = await serve(t, json(CONFIG));
  const other = 'fedcba9876543210';
  const { status, stdout, stderr } = await siderouteMeanwhile(
    ...['status', '--admin', admin, '--wait', other, '--timeout', '300ms'],
  );
  t.equal(status, 1);
  t.match(stdout, new RegExp(`hash ${HASH}`));
  t.match(stderr, new RegExp(`the hash is ${HASH}, not ${other}`));
  t.match(await siderouteMeanwhile('status', '--admin', '127.0.0.1:1', '--wait', other, '--timeout', '10ms'), {
    status: 1,
    stderr: /ECONNREFUSED/,
  });
});

t.test('--wait for a hash that is live but not valid ends with status 1', async (t) => {
  const admin = await serve(t, json({ ...CONFIG, valid: false }));
  t.equal((await siderouteMeanwhile('status', '--admin', admin, '--wait', HASH)).status, 1);
});

t.test('wait comes back when the probes are good, over IPv6 too, and gives up in time', async (t) => {
  let ready = false;
  const probes: RequestListener = (request, response) => {
    response.statusCode = request.url === '/startupz' || ready ? 200 : 503;
    response.end(response.statusCode === 200 ? 'ok\n' : 'not ready\nfrontend shop/cart:80 waits for DNS\n');
    ready = true;
  };
  const metrics = await serve(t, probes, '::1');
  t.match(await siderouteMeanwhile('wait', '--metrics', metrics, '--timeout', '30s'), { status: 0, stdout: '' });
  const never = await serve(t, (_request, response) => response.writeHead(503).end('not ready\nwaits\n'));
  t.match(await siderouteMeanwhile('wait', '--metrics', never, '--timeout', '200ms'), {
    status: 1,
    stderr: /not ready in time: \/startupz: 503 not ready; waits/,
  });
});

t.test('usage errors end with status 2', async (t) => {
  for (const [args, message] of [
    [['status', '--wait', 'abc'], /--wait.*16 hexadecimal/s],
    [['status', '--admin', 'localhost'], /--admin.*localhost/s],
    [['status', '--timeout', '2'], /--timeout.*"2"/s],
    [['wait', '--metrics', '127.0.0.1:0'], /--metrics/],
  ] as const) {
    t.match(await siderouteMeanwhile(...args), { status: 2, stderr: message }, args.join(' '));
  }
});
