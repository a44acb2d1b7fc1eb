import t from 'tap';

import { attach } from '../../../src/config/attach.ts';
import { parseRoutes } from '../../../src/config/route-parser.ts';
import type { ConfigSnapshot } from '../../../src/config/snapshot.ts';
import type { Problem, Resource } from '../../../src/gateway-api/types.ts';
import { configDump, type ConfigView } from '../../../src/admin/config-dump.ts';
import { compileTable } from '../../../src/routing/table.ts';
import { mirror } from '../../support/filters.ts';
import {
  backend,
  exactCall,
  exactPath,
  grpcMatch,
  grpcRoute,
  grpcRule,
  httpRoute,
  match,
  rule,
  service,
  testDeps,
  type TestDeps,
} from '../../support/routes.ts';
import { matches } from '../../support/match.ts';

function viewOf(resources: readonly Resource[], deps: TestDeps = testDeps()): ConfigView {
  const problems: Problem[] = [];
  const snapshot: ConfigSnapshot = {
    generation: 3,
    hash: 'abc',
    valid: true,
    resources,
    problems,
    routeSet: { generation: 9, hash: 'def' },
    heldFiles: ['held.yaml'],
    heldRoutes: ['HTTPRoute shop/held'],
  };
  const attachment = attach({ resources, namespace: 'shop' });
  return {
    snapshot,
    attachment,
    table: compileTable(attachment, deps),
    valid: false,
    problems: attachment.problems,
    tornSet: { shard: 3, message: 'is missing', seconds: 4 },
    conditions: attachment.conditions,
    frontendKeys: [...deps.frontendIds.keys()],
    addresses: [
      { address: '10.96.0.1', port: 80, id: deps.frontendId('shop/cart:80'), mode: 'http' },
      { address: 'fd00::1', port: 80, id: deps.frontendId('shop/cart:80'), mode: 'http' },
    ],
    unresolved: [{ key: 'shop/db:5432', reason: 'pending' }],
    backends: [...deps.backends.values()].map((one) => ({ backend: one, error: null })),
  };
}

async function dump(view: ConfigView): Promise<string> {
  let text = '';
  for await (const piece of configDump(view)) text += piece;
  return text;
}

t.test('frontends have their rules in order of precedence, with everything a person asks for', async (t) => {
  const route = httpRoute(
    'shop/cart-route',
    ['shop/cart'],
    [
      rule({
        backendRefs: [
          backend('shop/v1:80', { weight: 3 }),
          backend('shop/gone:81'),
          backend('shop/idle:80', { weight: 0 }),
        ],
        filters: [mirror('shop/copy:80', { numerator: 1, denominator: 4 })],
        timeouts: { requestMs: 1_000, backendRequestMs: null },
        retry: { codes: [503], attempts: 2, backoffMs: 100 },
      }),
      rule({ name: 'exact', matches: [match({ path: exactPath('/a') }), match({ method: 'GET' })] }),
    ],
    { generation: 7 },
  );
  const gone = service('shop/gone', [80]);
  const database = service('shop/db', [{ port: 5432, appProtocol: 'postgres' }]);
  const other = httpRoute('shop/db-route', ['shop/db'], [rule({ backendRefs: [backend('shop/v1:80')] })]);
  const deps = testDeps();
  const view = viewOf([service('shop/cart', [80]), gone, database, route, other], deps);
  deps.internBackend('shop', 'v1', 80).state = 'pending';
  deps.internBackend('shop', 'v1', 80).addresses = [];
  deps.internBackend('shop', 'v1', 80).protocol = 'http2';
  const errors = [{ backend: deps.internBackend('shop', 'v1', 80), error: 'SERVFAIL' }];
  const text = await dump({ ...view, backends: errors });
  const parsed = JSON.parse(text) as Record<string, unknown> & { frontends: { rules: unknown[] }[] };
  matches(t, parsed, {
    generation: 3,
    hash: 'abc',
    valid: false,
    routeSet: { generation: 9, hash: 'def' },
    tornSet: { shard: 3, message: 'is missing', seconds: 4 },
    heldFiles: ['held.yaml'],
    heldRoutes: ['HTTPRoute shop/held'],
    routes: [
      {
        kind: 'HTTPRoute',
        namespace: 'shop',
        name: 'cart-route',
        observedGeneration: 7,
        parents: [
          {
            parent: 'shop/cart',
            conditions: [
              { type: 'Accepted', status: 'True', reason: 'Accepted' },
              { type: 'ResolvedRefs', status: 'False', reason: 'BackendNotFound' },
            ],
          },
        ],
      },
      { name: 'db-route', observedGeneration: null },
    ],
    frontends: [
      {
        key: 'shop/cart:80',
        mode: 'http',
        consumer: false,
        addresses: ['10.96.0.1', 'fd00::1'],
        unresolved: null,
        rules: [
          {
            route: 'shop/cart-route',
            rule: 1,
            name: 'exact',
            matches: [
              { order: 0, path: { type: 'Exact', value: '/a' } },
              { order: 1, method: 'GET' },
            ],
            backends: [],
            refused: { status: 500, reason: 'no_backend', message: 'the rule has no backendRefs' },
          },
          {
            rule: 0,
            name: null,
            matches: [{ order: 2, path: { type: 'PathPrefix', value: '/' } }],
            filters: [{ type: 'RequestMirror' }],
            backends: [
              {
                name: 'v1',
                port: 80,
                weight: 3,
                state: 'pending',
                addresses: [],
                protocol: 'http2',
                message: 'SERVFAIL',
                mirrors: [
                  {
                    ...{ name: 'copy', state: 'resolved', addresses: ['10.0.0.1'], protocol: null },
                    ...{ numerator: 1, denominator: 4 },
                  },
                ],
              },
              { name: 'gone', state: 'refused', message: /no TCP port 81/ },
              { name: 'idle', weight: 0, state: 'unused', message: null },
            ],
            timeouts: { requestMs: 1_000, backendRequestMs: null },
            retry: { codes: [503], attempts: 2, backoffMs: 100 },
            refused: null,
          },
        ],
      },
      { key: 'shop/db:5432', mode: 'opaque', addresses: [], unresolved: 'pending' },
    ],
  });
  t.same(parsed.frontends[1]!.rules, [], 'no request of an opaque frontend is read');
});

t.test('rules of a GRPCRoute say their kind, the service and the method, and what a call is told', async (t) => {
  const call = exactCall('shop.Cart', 'Get');
  const routes = [grpcRoute('shop/calls', ['shop/cart'], [grpcRule({ name: 'get', matches: [grpcMatch(call)] })])];
  const { frontends, routes: described } = JSON.parse(await dump(viewOf([service('shop/cart', [80]), ...routes]))) as {
    frontends: unknown;
    routes: unknown;
  };
  matches(t, described, [{ kind: 'GRPCRoute', namespace: 'shop', name: 'calls' }]);
  matches(t, frontends, [
    {
      ...{ key: 'shop/cart:80', mode: 'http', routeKind: 'GRPCRoute' },
      rules: [
        {
          ...{ kind: 'GRPCRoute', route: 'shop/calls', rule: 0, name: 'get' },
          matches: [{ order: 0, method: call, headers: [] }],
          refused: { status: 500, reason: 'no_backend', grpc: 'UNIMPLEMENTED', message: 'the rule has no backendRefs' },
        },
      ],
    },
  ]);
});

t.test('routes of one list, which is one document, are told apart, each with its own conditions', async (t) => {
  const item = (name: string, parent: string, type: string): object => ({
    ...{ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata: { name, namespace: 'shop' } },
    spec: {
      parentRefs: [{ group: '', kind: 'Service', name: parent }],
      rules: [{ matches: [{ path: { type, value: '/' } }], backendRefs: [{ name: 'cart', port: 80 }] }],
    },
  });
  const items = [item('good', 'cart', 'PathPrefix'), item('bad', 'db', 'Nonsense'), item('other', 'db', 'Exact')];
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  const { routes } = JSON.parse(await dump(viewOf(parseRoutes('list.yaml', list, 'shop').resources))) as {
    routes: { name: string; parents: { parent: string; conditions: { type: string; status: string }[] }[] }[];
  };
  const accepted = routes.map(({ name, parents }) => [
    name,
    parents.flatMap(({ parent, conditions }) =>
      conditions.filter(({ type }) => type === 'Accepted').map(({ status }) => `${parent} ${status}`),
    ),
  ]);
  t.same(accepted, [
    ['good', ['shop/cart True']],
    ['bad', ['shop/db False']],
    ['other', ['shop/db True']],
  ]);
});

t.test('there is a dump of nothing', async (t) => {
  const view = { ...viewOf([]), snapshot: null, tornSet: null, addresses: [], unresolved: [] };
  t.same(JSON.parse(await dump(view)), {
    generation: 0,
    hash: '',
    valid: false,
    routeSet: null,
    tornSet: null,
    heldFiles: [],
    heldRoutes: [],
    problems: [],
    routes: [],
    frontends: [],
  });
});

t.test('ten thousand rules are written in short turns, whatever the number of their frontends', async (t) => {
  for (const frontends of [1, 500]) {
    const perRoute = 10;
    const routes = Array.from({ length: 10_000 / perRoute }, (_, index) =>
      httpRoute(
        `shop/route-${index}`,
        [`shop/cart-${index % frontends}`],
        Array.from({ length: perRoute }, (_, number) =>
          rule({
            matches: [
              match({ path: exactPath(`/${index}/${number}`) }),
              match({ path: exactPath(`/x/${index}/${number}`) }),
            ],
            backendRefs: [backend('shop/v1:80'), backend('shop/v2:80')],
          }),
        ),
      ),
    );
    const view = viewOf(routes);
    // CPU time: how long others have the processor does not count.
    const turns: number[] = [];
    let bytes = 0;
    let longestPiece = 0;
    let before = process.cpuUsage();
    for await (const piece of configDump(view)) {
      bytes += piece.length;
      longestPiece = Math.max(longestPiece, piece.length);
      const { user, system } = process.cpuUsage(before);
      turns.push((user + system) / 1_000);
      await new Promise((resolve) => setImmediate(resolve));
      before = process.cpuUsage();
    }
    t.ok(bytes > 5_000_000);
    // Against the whole, whatever the processor: a few turns may have a collection of garbage in them.
    const whole = turns.reduce((sum, turn) => sum + turn, 0);
    const sorted = turns.toSorted((a, b) => a - b);
    const most = sorted[Math.floor(sorted.length * 0.9)]!;
    t.comment(
      `${bytes} bytes, ${turns.length} turns of ${whole} ms, 90 % up to ${most} ms, longest ${sorted.at(-1)!} ms`,
    );
    t.ok(turns.length > 10, `${turns.length} turns`);
    t.ok(most < whole / 5, `90 % of the turns take up to ${most} ms of ${whole}`);
    t.ok(longestPiece < 512 * 1024, `a piece has up to ${longestPiece} bytes`);
  }
});
