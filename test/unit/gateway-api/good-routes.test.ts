import t from 'tap';
import { parseRouteFile } from '../../../src/gateway-api/parse.ts';
import type { HttpRoute, Resource } from '../../../src/gateway-api/types.ts';
import { routeFiles, validateRegex } from './fixtures.ts';
import { matches } from '../../support/match.ts';

const files = new Map(routeFiles('good-routes').map(({ name, text }) => [name, text]));

function read(name: string): readonly Resource[] {
  const { resources, problems } = parseRouteFile(name, files.get(name)!, { validateRegex });
  if (problems.length > 0) throw new Error(JSON.stringify(problems));
  return resources;
}

function route(name: string): HttpRoute {
  return read(name).find((resource) => resource.kind === 'HTTPRoute')!;
}

t.test('good files have no problem at all, not even a warning', async (t) => {
  t.ok(files.size >= 12);
  for (const name of files.keys()) t.ok(read(name).length > 0, name);
});

t.test('the scenario of the README: three Services and a route by header', async (t) => {
  const resources = read('my-server.yaml');
  t.same(
    resources.map(({ kind, namespace, name }) => `${kind} ${namespace}/${name}`),
    [
      'Service devopssong/my-server',
      'Service devopssong/my-server-v1',
      'Service devopssong/my-server-v2',
      'HTTPRoute devopssong/my-server-route',
    ],
  );
  const { parentRefs, rules, source } = route('my-server.yaml');
  matches(t, parentRefs, [{ group: '', kind: 'Service', namespace: 'devopssong', name: 'my-server', port: 80 }]);
  matches(t, rules[0]?.matches, [{ headers: [{ type: 'Exact', name: 'version', value: 'new' }], method: null }]);
  matches(t, rules[0]?.backendRefs, [{ name: 'my-server-v2', port: 80, weight: 1, namespace: 'devopssong' }]);
  matches(t, rules[1]?.matches, [{ path: { type: 'PathPrefix', value: '/' }, headers: [] }]);
  matches(t, rules[1]?.backendRefs, [{ name: 'my-server-v1', port: 80 }]);
  t.same(source, { file: 'my-server.yaml', document: 4, line: 46 });
});

t.test('SPEC P3: creationTimestamp and generation are kept', async (t) => {
  t.match(route('matches-all-fields.yaml'), { generation: 7, creationTimestamp: Date.UTC(2025, 0, 31, 12) });
  t.match(route('from-cluster.yaml'), { generation: 2, creationTimestamp: null });
});

t.test('SPEC M7, M8: header names come out in lower case, query parameter names as written', async (t) => {
  const together = route('matches-all-fields.yaml').rules[3]!.matches[0]!;
  t.same(
    together.headers.map(({ name }) => name),
    ['x-env', 'version'],
  );
  t.same(
    together.queryParams.map(({ name }) => name),
    ['debug', 'Debug'],
  );
});

t.test('SPEC M9: every method of the API', async (t) => {
  const methods = route('methods.yaml').rules[0]!.matches.map(({ method }) => method);
  t.same(methods, ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH']);
});

t.test('SPEC B1: weights and references to other kinds', async (t) => {
  const backends = route('weights.yaml').rules[0]!.backendRefs;
  t.same(
    backends.map(({ namespace, kind, name, port, weight }) => [namespace, kind, name, port, weight]),
    [
      ['shop', 'Service', 'cart-v1', 80, 90],
      ['shop-canary', 'Service', 'cart-v2', 80, 10],
      ['shop', 'Service', 'cart-v3', 80, 0],
      ['shop', 'ServiceImport', 'cart', null, 1000000],
    ],
  );
  t.equal(backends[1]?.path, 'spec.rules[0].backendRefs[1]');
});

t.test('SPEC F5: header modifiers keep the case of what is written and lower what is removed', async (t) => {
  const { filters, backendRefs } = route('header-filters.yaml').rules[0]!;
  t.same(filters, [
    {
      type: 'RequestHeaderModifier',
      requestHeaderModifier: {
        set: [{ name: 'X-Env', value: 'test' }],
        add: [{ name: 'X-Trace', value: 'a, b; c="d e"' }],
        remove: ['x-internal'],
      },
    },
    {
      type: 'ResponseHeaderModifier',
      responseHeaderModifier: {
        set: [{ name: 'Strict-Transport-Security', value: 'max-age=31536000;  includeSubDomains' }],
        add: [],
        remove: ['server'],
      },
    },
  ]);
  t.equal(backendRefs[0]?.filters.length, 1);
});

t.test('SPEC F6: redirects, defaulted', async (t) => {
  const redirects = route('redirects.yaml').rules.map(({ filters }) => filters[0]);
  t.same(redirects, [
    {
      type: 'RequestRedirect',
      requestRedirect: {
        scheme: 'https',
        hostname: 'shop.example.com',
        port: 8443,
        statusCode: 308,
        path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/new' },
      },
    },
    {
      type: 'RequestRedirect',
      requestRedirect: {
        scheme: null,
        hostname: null,
        port: null,
        statusCode: 302,
        path: { type: 'ReplaceFullPath', replaceFullPath: '/here' },
      },
    },
    {
      type: 'RequestRedirect',
      requestRedirect: { scheme: null, hostname: null, port: null, statusCode: 302, path: null },
    },
  ]);
});

t.test('SPEC F8, F9: rewrites, also of a rule without matches and with an empty replacement', async (t) => {
  const { rules } = route('rewrites.yaml');
  t.same(rules[0]?.filters, [
    {
      type: 'URLRewrite',
      urlRewrite: { hostname: 'cart.internal', path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '' } },
    },
  ]);
  t.equal(rules[1]?.filters.length, 1);
  t.equal(rules[2]?.backendRefs[0]?.filters.length, 1);
});

t.test('SPEC F10: percent, fraction and neither all become a fraction', async (t) => {
  const shares = route('mirrors.yaml').rules[0]!.filters.map((filter) =>
    filter.type === 'RequestMirror' ? [filter.requestMirror.numerator, filter.requestMirror.denominator] : [],
  );
  t.same(shares, [
    [100, 100],
    [5, 100],
    [1, 1000],
    [20, 100],
  ]);
});

t.test('SPEC F12, F15: CORS settings, defaulted', async (t) => {
  const [first, second] = route('cors.yaml').rules.map(({ filters }) => filters[0]);
  matches(t, first, {
    cors: {
      allowOrigins: ['https://shop.example.com', 'https://*.example.org:8443', 'http://localhost:3000'],
      allowCredentials: true,
      allowHeaders: ['X-Token'],
      maxAge: 600,
    },
  });
  matches(t, second, { cors: { allowOrigins: ['*'], allowCredentials: false, allowMethods: ['*'], maxAge: 5 } });
});

t.test('SPEC F4, F16: extensions and external authorisation', async (t) => {
  const { rules } = route('extensions.yaml');
  t.same(rules[0]?.filters, [
    { type: 'ExtensionRef', extensionRef: { group: 'example.com', kind: 'RateLimit', name: 'ten-per-second' } },
    {
      type: 'ExternalAuth',
      externalAuth: {
        protocol: 'HTTP',
        backendRef: { group: '', kind: 'Service', namespace: 'shop', name: 'auth', port: 9000 },
        path: '/check',
        allowedHeaders: ['cookie'],
        allowedResponseHeaders: ['x-user'],
        forwardBodyMaxSize: 4096,
      },
    },
  ]);
  matches(t, rules[1]?.filters, [
    { externalAuth: { protocol: 'GRPC', allowedHeaders: ['cookie'], forwardBodyMaxSize: null } },
  ]);
});

t.test('SPEC T2, R1, R2, R4: timeouts and retries in milliseconds', async (t) => {
  const { rules } = route('timeouts-and-retries.yaml');
  t.same(rules[0]?.timeouts, { requestMs: 90_000, backendRequestMs: 500 });
  t.same(rules[0]?.retry, { codes: [500, 502, 503, 504, 429], attempts: 3, backoffMs: 100 });
  t.same(rules[1]?.timeouts, { requestMs: 0, backendRequestMs: 3_600_000 });
  t.same(rules[1]?.retry, { codes: [], attempts: 1, backoffMs: null }, 'one retry unless given');
  t.same(rules[2]?.retry, { codes: [503], attempts: 0, backoffMs: null });
});

t.test('SPEC A1: a Gateway parent keeps its group, port and section', async (t) => {
  matches(t, route('hostnames.yaml'), {
    parentRefs: [
      { group: 'gateway.networking.k8s.io', kind: 'Gateway', namespace: 'infra', sectionName: 'https', port: 443 },
    ],
    hostnames: ['shop.example.com', '*.example.org'],
  });
});

t.test('Services: addresses canonical, headless and external names without any', async (t) => {
  matches(t, read('services.yaml'), [
    {
      type: 'LoadBalancer',
      headless: false,
      clusterIPs: ['10.96.0.20', 'fd00::20'],
      ports: [
        { name: 'http', port: 80, protocol: 'TCP', appProtocol: 'kubernetes.io/h2c' },
        { name: 'dns', port: 80, protocol: 'UDP', appProtocol: null },
      ],
    },
    { type: 'ClusterIP', headless: true, clusterIPs: [], ports: [] },
    { type: 'ExternalName', headless: false, clusterIPs: [], ports: [] },
    { namespace: 'default', headless: false, clusterIPs: [], ports: [{ name: null, port: 80 }] },
  ]);
});

t.test('anchors, aliases and merge keys give what they stand for', async (t) => {
  const { rules } = route('anchors.yaml');
  matches(t, rules[1]?.matches, [
    { path: { value: '/basket' }, headers: [{ name: 'version', value: '2' }] },
    { path: { value: '/' }, headers: [{ name: 'version', value: '2' }] },
  ]);
  matches(t, rules[1]?.backendRefs, [{ name: 'cart-v1', port: 80, weight: 3 }]);
  matches(t, rules[2]?.backendRefs, [{ name: 'cart-v1', port: 80, weight: 1, path: 'spec.rules[2].backendRefs[0]' }]);
});
