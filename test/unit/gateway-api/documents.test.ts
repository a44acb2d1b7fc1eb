import t from 'tap';
import { PARSE_LIMITS } from '../../../src/gateway-api/limits.ts';
import { parseRouteFileInSteps } from '../../../src/gateway-api/parse.ts';
import { problemText } from '../../../src/gateway-api/problem-text.ts';
import type { ParsedFile } from '../../../src/gateway-api/types.ts';
import { onlyRoute, parse, routeText, summary } from './fixtures.ts';
import { matches } from '../../support/match.ts';

const service = (name: string): string =>
  `apiVersion: v1\nkind: Service\nmetadata: { name: ${name} }\nspec: { ports: [{ port: 80 }] }\n`;

t.test('documents are counted as they stand, empty ones are skipped', async (t) => {
  const { resources, problems } = parse(`# head\n---\n${service('a')}---\n---\n# nothing\n---\n${service('b')}...\n`);
  t.same(problems, []);
  t.same(
    resources.map(({ name, source }) => [name, source.document, source.line]),
    [
      ['a', 1, 3],
      ['b', 4, 11],
    ],
  );
});

t.test('an empty file, one of comments and one of separators hold nothing and are fine', async (t) => {
  for (const text of ['', '\n', '# a\n', '---\n', '---\n---\n...\n', '\ufeff']) {
    t.same(parse(text), { file: 'routes.yaml', unparsable: false, resources: [], problems: [] }, JSON.stringify(text));
  }
});

t.test('a byte order mark and CRLF line ends change nothing', async (t) => {
  const text = routeText('');
  t.same(onlyRoute(`\ufeff${text.replaceAll('\n', '\r\n')}`), onlyRoute(text));
});

t.test('SPEC A14: the namespace defaults to default or to what the caller says', async (t) => {
  matches(t, parse(service('a')).resources, [{ namespace: 'default' }]);
  matches(t, parse(service('a'), { defaultNamespace: 'shop' }).resources, [{ namespace: 'shop' }]);
  const text = routeText('  rules: [{ backendRefs: [{ name: a, port: 80 }] }]\n').replace('  namespace: shop\n', '');
  matches(t, parse(text, { defaultNamespace: 'own' }).resources, [
    { namespace: 'own', parentRefs: [{ namespace: 'own' }], rules: [{ backendRefs: [{ namespace: 'own' }] }] },
  ]);
});

t.test('documents without a namespace belong to that of the pod, which one note for the file says', async (t) => {
  const own = service('b').replace('{ name: b }', '{ name: b, namespace: cart }');
  const text = `${own}---\n${service('a')}---\n${service('c')}---\n${routeText('').replace('  namespace: shop\n', '')}`;
  const { resources, problems } = parse(text, { defaultNamespace: 'shop' });
  t.same(
    resources.map(({ namespace, name }) => `${namespace}/${name}`),
    ['cart/b', 'shop/a', 'shop/c', 'shop/route'],
  );
  matches(t, problems, [
    {
      severity: 'note',
      code: 'assumed-namespace',
      document: 2,
      line: 6,
      resource: 'Service shop/a',
      path: 'metadata.namespace',
      message: 'is not given: the namespace of the pod is taken, "shop"; so it is with 2 more of this file',
    },
  ]);
  t.same(parse(own, { defaultNamespace: 'shop' }).problems, [], 'nothing is assumed');
  const [unknown] = parse(service('a'), { defaultNamespace: null }).problems;
  t.match(unknown, { severity: 'note', resource: 'Service default/a', message: /not known.*POD_NAMESPACE.*"default"/ });
  const empty = service('a').replace('{ name: a }', '{ name: a, namespace: }');
  matches(t, parse(empty, { defaultNamespace: 'shop' }).resources, [{ namespace: 'shop' }], 'an empty one is none');
  const list = `{"apiVersion":"v1","kind":"ServiceList","items":[{"metadata":{"name":"a"},"spec":{"ports":[{"port":80}]}}]}`;
  matches(t, parse(list, { defaultNamespace: 'shop' }), {
    resources: [{ namespace: 'shop' }],
    problems: [{ code: 'assumed-namespace', resource: 'Service shop/a' }],
  });
});

t.test('a Service document says with an annotation that somebody keeps it current', async (t) => {
  const annotated = (annotations: string): string =>
    service('a').replace('{ name: a }', `{ name: a, namespace: shop, annotations: ${annotations} }`);
  const managed = (annotations: string) => parse(annotated(annotations)).resources;
  matches(t, managed('{ sideroute.dev/managed: "true", other: [] }'), [{ kind: 'Service', managed: true }]);
  for (const others of [
    '{ sideroute.dev/managed: "false" }',
    '{ sideroute.dev/managed: "" }',
    '{}',
    '',
    '[]',
    '{ x: "true" }',
  ]) {
    matches(t, managed(others), [{ kind: 'Service', managed: false }], others);
  }
});

t.test('SPEC A1, A12, P6: of other routes the parents are read as those of an HTTPRoute', async (t) => {
  for (const kind of ['TLSRoute', 'TCPRoute', 'UDPRoute']) {
    const head = `apiVersion: gateway.networking.k8s.io/v1alpha2\nkind: ${kind}\nmetadata: { name: a, generation: 2 }\n`;
    const { resources, problems } = parse(
      `${head}spec: { x: y, parentRefs: [{ group: '', kind: Service, name: web, port: 80 }, { name: gw }] }\n`,
    );
    matches(t, resources, [
      {
        kind: 'OtherRoute',
        routeKind: kind,
        namespace: 'default',
        name: 'a',
        generation: 2,
        parentRefs: [
          { group: '', kind: 'Service', namespace: 'default', name: 'web', port: 80, path: 'spec.parentRefs[0]' },
          { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'gw' },
        ],
      },
    ]);
    t.same(problems, [], 'attaching it says that it is not carried');
    const twice = parse(
      `${head}spec: { parentRefs: [{ group: "", kind: Service, name: web }, { group: "", kind: Service, name: web }] }\n`,
    );
    t.same(summary(twice.problems), ['duplicate-parent spec.parentRefs[1]']);
    matches(t, twice.resources, [{ kind: 'RefusedRoute', routeKind: kind }]);
    matches(t, parse(`${head}spec: { x: y }\n`).resources, [{ kind: 'OtherRoute', parentRefs: [] }]);
    t.same(parse(head).problems, []);
  }
});

t.test('SPEC D6, V5: names of rules are unique in an HTTPRoute and in a GRPCRoute', async (t) => {
  for (const kind of ['HTTPRoute', 'GRPCRoute']) {
    const head = `apiVersion: gateway.networking.k8s.io/v1\nkind: ${kind}\nmetadata: { name: a }\n`;
    const parents = 'parentRefs: [{ kind: Service, name: web }]';
    const route = (rules: string): ParsedFile => parse(`${head}spec: { ${parents}, rules: [${rules}] }\n`);
    const errors = ({ problems }: ParsedFile): string[] =>
      summary(problems.filter(({ severity }) => severity === 'error'));
    t.same(errors(route('{ name: a }, { name: b }, {}, {}')), [], kind);
    const twice = route('{ name: a }, {}, { name: a }');
    t.same(errors(twice), ['duplicate-name spec.rules[2].name'], kind);
    matches(t, twice.resources, [{ kind: 'RefusedRoute', routeKind: kind, reason: 'Invalid' }]);
    t.same(errors(route('{ name: A }')), ['bad-name spec.rules[0].name'], kind);
  }
});

t.test('SPEC S1, S5: of a refused route the parents and the generation are kept when they can be read', async (t) => {
  const rules = '  rules: [{ filters: [{ type: Unknown }] }]\n';
  const good = routeText(rules).replace('  name: route\n', '  name: route\n  generation: 4\n');
  matches(t, parse(good).resources, [
    {
      kind: 'RefusedRoute',
      reason: 'UnsupportedValue',
      generation: 4,
      parentRefs: [{ namespace: 'shop', name: 'cart' }],
    },
  ]);
  t.equal(parse(good).problems.length, 1, 'nothing is reported twice');
  const bad = parse(good.replace('name: cart', 'name: Cart'));
  matches(t, bad.resources, [{ kind: 'RefusedRoute', parentRefs: [] }]);
  t.equal(bad.problems.length, 2);
});

t.test('SPEC V11: other kinds and kinds of other groups are ignored, misspelled ones refused', async (t) => {
  const problems = (apiVersion: string, kind: string) =>
    parse(`apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: { name: a }\n`).problems;
  const foreign = [
    ['v1', 'Secret'],
    ['apps/v1', 'Deployment'],
    ['gateway.networking.k8s.io/v1', 'Gateway'],
    ['gateway.networking.k8s.io/v1beta1', 'ReferenceGrant'],
    ['gateway.networking.k8s.io/v1', 'BackendTLSPolicy'],
    ['gateway.networking.k8s.io/v1', 'ListenerSet'],
    ['gateway.networking.x-k8s.io/v1alpha1', 'XBackend'],
    ['gateway.networking.x-k8s.io/v1alpha1', 'XBackendTrafficPolicy'],
    ['gateway.networking.x-k8s.io/v1alpha1', 'XMesh'],
    ['gateway.networking.x-k8s.io/v1alpha1', 'XTelemetryPolicy'],
    ['serving.knative.dev/v1', 'Service'],
    ['policy.linkerd.io/v1beta3', 'HTTPRoute'],
    ['example.com/v1', 'GRPCRoute'],
    ['v1', 'ServiceAccount'],
  ];
  for (const [apiVersion, kind] of foreign) {
    const note = { severity: 'note', code: 'unsupported-kind', resource: `${kind} a`, path: 'kind', line: 2 };
    matches(t, problems(apiVersion!, kind!), [note], `${apiVersion} ${kind}`);
  }
  for (const kind of ['HttpRoute', 'HTTPRoutes', 'HTTPROUTE']) {
    matches(t, problems('gateway.networking.k8s.io/v1', kind), [{ severity: 'error', code: 'unknown-kind' }], kind);
  }
  matches(t, problems('v1', 'service'), [{ code: 'unknown-kind' }]);
  for (const group of ['networking.k8s.io', 'gateway.networking.x-k8s.io', 'gateway.networking.k8s.oi']) {
    const [first] = problems(`${group}/v1`, 'HTTPRoute');
    t.match(first, { severity: 'error', code: 'unsupported-version' }, `${group} is a slip`);
  }
});

t.test('all that is ignored in a file is said in one note', async (t) => {
  const document = (apiVersion: string, kind: string, metadata = '{ name: a }') =>
    `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: ${metadata}\n`;
  const text = [
    document('v1', 'Namespace'),
    document('policy.linkerd.io/v1beta3', 'HTTPRoute'),
    document('policy.linkerd.io/v1beta3', 'HTTPRoute', '{ name: b, namespace: shop }'),
    document('apps/v1', 'Deployment', '{ name: b, namespace: shop }'),
  ].join('---\n');
  const message =
    '4 documents are ignored: Namespace, HTTPRoute.policy.linkerd.io (2), Deployment.apps; ' +
    'sideroute reads HTTPRoute, Service, GRPCRoute, TLSRoute, TCPRoute, UDPRoute';
  matches(t, parse(text).problems, [{ severity: 'note', document: 1, resource: 'Namespace a', message }]);
  t.equal(parse(text).problems.length, 1);
  const items = text.split('---\n').map((item) => `- ${item.trim().replaceAll('\n', '\n  ')}\n`);
  matches(t, parse(`apiVersion: v1\nkind: List\nitems:\n${items.join('')}`).problems, [
    { message, path: 'items[0].kind' },
  ]);
});

t.test('a namespace is shown where it is written, or where the kind is known to have one', async (t) => {
  const resource = (apiVersion: string, kind: string, metadata: string) =>
    parse(`apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: ${metadata}\nspec: []\n`).problems[0]?.resource;
  t.equal(resource('gateway.networking.k8s.io/v1', 'GatewayClass', '{ name: a }'), 'GatewayClass a');
  t.equal(resource('rbac.authorization.k8s.io/v1', 'ClusterRole', '{ name: a }'), 'ClusterRole a');
  t.equal(resource('apps/v1', 'Deployment', '{ name: a, namespace: shop }'), 'Deployment shop/a');
  t.equal(resource('gateway.networking.k8s.io/v1', 'HTTPRoute', '{ name: a }'), 'HTTPRoute default/a');
});

t.test('a list in a list is refused, its neighbours are not', async (t) => {
  const text = JSON.stringify({
    apiVersion: 'v1',
    kind: 'List',
    items: [
      { apiVersion: 'v1', kind: 'List', items: [] },
      { apiVersion: 'v1', kind: 'Service', metadata: { name: 'a' }, spec: { ports: [{ port: 80 }] } },
      null,
    ],
  });
  const { resources, problems } = parse(text);
  t.same(summary(problems), ['nested-list items[0].kind', 'wrong-type items[2]']);
  matches(t, resources, [{ kind: 'Service', name: 'a' }]);
});

t.test('a fault of YAML in one item of a list refuses that item only', async (t) => {
  const item = (name: string, extra: string): string =>
    `  - { apiVersion: v1, kind: Service, metadata: { name: ${name} }, spec: { ports: [{ port: 80${extra} }] } }\n`;
  const { resources, problems } = parse(
    `apiVersion: v1\nkind: List\nitems:\n${item('a', ', port: 81')}${item('b', '')}`,
  );
  t.same(summary(problems), ['duplicate-key items[0].spec.ports[0].port']);
  matches(t, problems, [{ resource: 'Service default/a', line: 4 }]);
  t.same(
    resources.map(({ name }) => name),
    ['b'],
  );
});

t.test('a file that is partly no YAML yields nothing, so that its last good content stays', async (t) => {
  const { resources, unparsable, problems } = parse(`${service('a')}---\nkind: [\n---\n${service('b')}`);
  t.equal(unparsable, true);
  t.same(resources, []);
  matches(t, problems, [{ code: 'syntax-error', document: 2 }]);
});

t.test('size, nesting, tokens and documents are bounded', async (t) => {
  const code = (text: string): string | undefined => parse(text).problems[0]?.code;
  t.equal(code(`a: ${'x'.repeat(PARSE_LIMITS.bytes)}`), 'too-large');
  t.equal(code('---\n'.repeat(PARSE_LIMITS.documents + 2)), 'too-large');
  // Each of these would exhaust the stack of a recursive reader, which aborts the process.
  t.equal(code('['.repeat(100_000)), 'too-deep');
  t.equal(code('{a: '.repeat(100_000)), 'too-deep');
  t.equal(code('- '.repeat(100_000)), 'too-deep');
  t.equal(code('? '.repeat(100_000)), 'too-deep');
  t.equal(code(Array.from({ length: 1000 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n')), 'too-deep');
  t.equal(code(`${'['.repeat(100_000)}${']'.repeat(100_000)}`), 'too-deep');
  t.equal(code('- a\n'.repeat(5000)), 'not-a-resource', 'long is not deep');
  t.equal(code(`a: [${'[], '.repeat(5000)}]`), 'missing-field', 'wide is not deep');
});

t.test('an anchor within its own value is unknown there', async (t) => {
  const { problems } = parse(routeText('  rules: &a [*a]\n'));
  t.same(summary(problems), ['unknown-anchor spec.rules[0]']);
});

t.test('aliases are bounded by what they expand to, not by their number', async (t) => {
  const rules = Array.from({ length: 15 }, (_, index) => `{ name: r${index}, matches: *m }`).join(', ');
  const { problems } = parse(routeText(`  rules: [{ name: r, matches: &m [{ method: GET }] }, ${rules}]\n`));
  t.same(problems, []);
});

t.test('merge keys that name no mapping are refused', async (t) => {
  t.same(summary(parse(routeText('  rules: [{ <<: 1 }]\n')).problems), ['bad-merge spec.rules[0]']);
});

t.test('a directive for YAML 1.1 does not make yes a boolean', async (t) => {
  const text = `%YAML 1.1\n---\n${routeText('  rules: [{ matches: [{ headers: [{ name: a, value: yes }] }] }]\n')}`;
  t.same(
    parse(text).problems.map(({ code }) => code),
    ['ambiguous-string'],
  );
});

t.test('a problem reads like that of a compiler', async (t) => {
  const { problems } = parse(routeText('  rules: [{ matches: [{ path: { value: foo } }] }]\n'));
  t.equal(
    problemText(problems[0]!),
    'routes.yaml:8: error: HTTPRoute shop/route: spec.rules[0].matches[0].path.value: must start with "/", got "foo" [bad-path]',
  );
});

t.test('other work has its turn between the matches and backends of a route', async (t) => {
  const conditions = Array.from({ length: 16 }, (_, index) => ({ name: `n${index}`, value: 'v' }));
  const matches = Array.from({ length: 64 }, () => ({ headers: conditions, queryParams: conditions }));
  const backendRefs = Array.from({ length: 16 }, (_, index) => ({ name: `b${index}`, port: 80 }));
  const document = {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: 'large' },
    spec: { parentRefs: [{ kind: 'Service', name: 'web' }], rules: [{ matches, backendRefs }, { matches }] },
  };
  const pausesOf = (text: string): number => {
    const steps = parseRouteFileInSteps('routes.json', text);
    let pauses = 0;
    while (steps.next().done !== true) pauses++;
    return pauses;
  };
  const text = JSON.stringify(document);
  const empty = JSON.stringify({ ...document, spec: {}, padding: text });
  t.ok(pausesOf(text) - pausesOf(empty) >= 2 * 64 + 16, `${pausesOf(text)} pauses, ${pausesOf(empty)} without rules`);
});
