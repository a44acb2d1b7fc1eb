/** Each field of a VirtualService: what it becomes, or what is told of it. */
import t from 'tap';
import { convert, type Conversion } from '../../../src/convert/convert.ts';
import { matches } from '../../support/match.ts';
import { converted, service, virtualService } from '../../support/converted.ts';

interface Rule {
  readonly name?: string;
  readonly matches?: readonly object[];
  readonly filters?: readonly object[];
  readonly backendRefs?: readonly object[];
  readonly timeouts?: object;
  readonly retry?: object;
}

interface Route {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: { readonly parentRefs: readonly object[]; readonly rules: readonly Rule[] };
}

const routesOf = ({ documents }: Conversion): Route[] =>
  (documents as unknown as Route[]).filter(({ kind }) => kind === 'HTTPRoute');

/** `code field` of what differs, in order. */
const told = ({ problems }: Conversion): string[] =>
  problems.filter(({ severity }) => severity !== 'note').map(({ code, path }) => `${code} ${path}`);

const route = [{ destination: { host: 'web' } }];
const plain = [{ name: 'web', port: 80 }];

function one(rule: object, rest: object = {}) {
  const conversion = converted([service('web'), virtualService([{ route, ...rule }], rest)]);
  return { rule: routesOf(conversion)[0]?.spec.rules[0], told: told(conversion), conversion };
}

for (const [field, match, expected] of [
  ['uri exact', { uri: { exact: '/a' } }, { path: { type: 'Exact', value: '/a' } }],
  ['uri prefix', { uri: { prefix: '/a' } }, { path: { type: 'RegularExpression', value: '/a.*' } }],
  ['uri prefix /', { uri: { prefix: '/' }, method: { exact: 'GET' } }, { method: 'GET' }],
  ['uri regex', { uri: { regex: '/a/[0-9]+' } }, { path: { type: 'RegularExpression', value: '/a/[0-9]+' } }],
  [
    'ignoreUriCase',
    { uri: { prefix: '/a.b' }, ignoreUriCase: true },
    { path: { type: 'RegularExpression', value: '/[aA]\\.[bB].*' } },
  ],
  ['headers exact', { headers: { 'X-A': { exact: '1' } } }, { headers: [{ name: 'x-a', value: '1' }] }],
  [
    'headers prefix',
    { headers: { a: { prefix: 'x+' } } },
    { headers: [{ type: 'RegularExpression', name: 'a', value: 'x\\+.*' }] },
  ],
  ['headers present', { headers: { a: {} } }, { headers: [{ type: 'RegularExpression', name: 'a', value: '.*' }] }],
  [
    'headers regex *',
    { headers: { a: { regex: '*' } } },
    { headers: [{ type: 'RegularExpression', name: 'a', value: '.*' }] },
  ],
  ['queryParams', { queryParams: { Q: { exact: '1' } } }, { queryParams: [{ name: 'Q', value: '1' }] }],
  ['authority', { authority: { exact: 'web:80' } }, { headers: [{ name: 'host', value: 'web:80' }] }],
  ['scheme http', { scheme: { exact: 'http' }, uri: { exact: '/a' } }, { path: { type: 'Exact', value: '/a' } }],
] as const) {
  t.test(`match: ${field}`, async (t) => {
    const { rule, told } = one({ match: [match] });
    t.strictSame(rule, { matches: [expected], backendRefs: plain });
    t.same(told, []);
  });
}

t.test('match: several methods are several matches', async (t) => {
  const { rule, told } = one({ match: [{ method: { regex: 'GET|PUT' } }] });
  t.strictSame(rule?.matches, [{ method: 'GET' }, { method: 'PUT' }]);
  t.same(told, []);
  t.same(one({ match: [{ method: { regex: 'P.*' } }] }).told, ['match-left-out spec.http[0].match[0].method']);
});

for (const [field, match, code] of [
  ['method', { method: { exact: 'PROPFIND' } }, 'match-left-out'],
  ['sourceLabels', { sourceLabels: { app: 'x' } }, 'source-labels'],
  ['headers', { headers: { '@request.auth.claims.admin': { exact: 'x' } } }, 'match-left-out'],
] as const) {
  t.test(`match: what ${field} asks cannot be said: told, and left to later rules`, async (t) => {
    const rules = [{ match: [match], route: [{ destination: { host: 'other', port: { number: 1 } } }] }, { route }];
    const conversion = converted([service('web'), virtualService(rules)]);
    t.strictSame(routesOf(conversion)[0]?.spec.rules, [{ backendRefs: plain }]);
    t.same(told(conversion), [`${code} spec.http[0].match[0].${field}`]);
  });
}

t.test('match: two conditions on one header, by two spellings or two names of it, are one', async (t) => {
  const both = (match: object) => one({ match: [match] });
  const { rule, told } = both({ headers: { 'X-A': { prefix: '1' }, 'x-a': { exact: '12' } }, uri: { exact: '/a' } });
  t.strictSame(rule?.matches, [{ path: { type: 'Exact', value: '/a' }, headers: [{ name: 'x-a', value: '12' }] }]);
  t.same(told, []);
  t.same(both({ headers: { host: { regex: 'a.*' } }, authority: { regex: '.*b' } }).told, [
    'match-left-out spec.http[0].match[0].headers',
  ]);
  const { conversion } = both({ headers: { 'X-A': { exact: '1' }, 'x-a': { exact: '2' } } });
  t.same(
    conversion.problems.map(({ code }) => code),
    ['unreachable', 'retry-by-default'],
    'no request has both',
  );
});

t.test('a later match that asks for more does not win: the earlier rule asks for as much', async (t) => {
  const y = { type: 'RegularExpression', name: 'y', value: '.*' };
  const rules = [
    {
      match: [{ headers: { y: {} }, uri: { prefix: '/a' } }],
      route: [{ destination: { host: 'a', port: { number: 80 } } }],
    },
    { match: [{ headers: { x: { exact: '1' } }, uri: { exact: '/a/b' } }], route },
  ];
  const conversion = converted([service('web'), virtualService(rules)]);
  t.same(told(conversion), []);
  t.strictSame(routesOf(conversion)[0]?.spec.rules[0]?.matches, [
    { path: { type: 'RegularExpression', value: '/a.*' }, headers: [y] },
    { path: { type: 'Exact', value: '/a/b' }, headers: [y, { name: 'x', value: '1' }] },
  ]);
});

t.test('rewrite', async (t) => {
  const path = (rule: Rule | undefined) => rule?.filters;
  const exact = one({ match: [{ uri: { exact: '/a' } }], rewrite: { uri: '/b' } });
  t.strictSame(path(exact.rule), [
    { type: 'URLRewrite', urlRewrite: { path: { type: 'ReplaceFullPath', replaceFullPath: '/b' } } },
  ]);
  const prefix = one({ match: [{ uri: { prefix: '/a/' } }], rewrite: { uri: '/b/' } });
  matches(t, prefix.rule?.matches, [{ path: { type: 'PathPrefix', value: '/a' } }]);
  matches(t, path(prefix.rule), [{ urlRewrite: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/b' } } }]);
  const within = one({ match: [{ uri: { prefix: '/a' } }], rewrite: { uri: '/b' } });
  t.same(within.told, ['path-differs spec.http[0].match[0].uri'], '/ax is another element');
  t.same(one({ rewrite: { uriRegexRewrite: { match: 'a', rewrite: 'b' } } }).told, [
    'rewrite-differs spec.http[0].rewrite.uriRegexRewrite',
  ]);
  const host = one({ rewrite: { authority: 'other.example' } });
  t.strictSame(path(host.rule), [{ type: 'URLRewrite', urlRewrite: { hostname: 'other.example' } }]);
  t.same(one({ rewrite: { authority: 'other:81' } }).told, ['authority-port spec.http[0].rewrite.authority']);
});

t.test('redirect', async (t) => {
  const redirected = (redirect: object) => {
    const conversion = converted([service('web', 8080), virtualService([{ redirect }])]);
    return { filters: routesOf(conversion)[0]?.spec.rules[0]?.filters, told: told(conversion) };
  };
  t.strictSame(redirected({ uri: '/x', authority: 'other.example' }), {
    filters: [
      {
        type: 'RequestRedirect',
        requestRedirect: {
          ...{ hostname: 'other.example', port: 80, statusCode: 301 },
          path: { type: 'ReplaceFullPath', replaceFullPath: '/x' },
        },
      },
    ],
    told: [],
  });
  matches(t, redirected({ scheme: 'https', redirectCode: 308 }).filters, [
    { requestRedirect: { scheme: 'https', port: 8080, statusCode: 308 } },
  ]);
  matches(t, redirected({ authority: 'a:81', derivePort: 'FROM_REQUEST_PORT' }).filters, [
    { requestRedirect: { hostname: 'a', port: 81 } },
  ]);
});

t.test('timeout and retries', async (t) => {
  const { rule, told } = one({
    timeout: '1.5s',
    retries: { attempts: 3, perTryTimeout: '500ms', retryOn: 'gateway-error,429,connect-failure', backoff: '10ms' },
  });
  t.strictSame(rule?.timeouts, { request: '1s500ms', backendRequest: '500ms' });
  t.strictSame(rule?.retry, { attempts: 3, codes: [429, 502, 503, 504], backoff: '10ms' });
  t.same(told, []);
  t.same(one({ retries: { attempts: 0 } }).rule?.retry, undefined);
  t.same(one({ retries: { attempts: 1, retryOn: 'unavailable' } }).told, [
    'retry-differs spec.http[0].retries.retryOn',
  ]);
  t.same(one({ retries: { attempts: 1, retryOn: 'reset', perTryTimeout: '1s' } }).told, [
    'retry-differs spec.http[0].retries.retryOn',
    'retry-differs spec.http[0].retries.perTryTimeout',
  ]);
  t.same(one({ timeout: 'soon' }).told, ['bad-duration spec.http[0].timeout']);
});

t.test('headers of the rule and of a destination', async (t) => {
  const { rule, told } = one({
    headers: { request: { set: { 'x-a': '1' }, remove: ['x-b'] }, response: { add: { 'x-c': '2' } } },
    route: [{ destination: { host: 'web' }, headers: { request: { add: { 'x-d': '3' } } } }],
  });
  t.strictSame(rule?.filters, [
    { type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'x-a', value: '1' }], remove: ['x-b'] } },
    { type: 'ResponseHeaderModifier', responseHeaderModifier: { add: [{ name: 'x-c', value: '2' }] } },
  ]);
  matches(t, rule?.backendRefs, [{ filters: [{ requestHeaderModifier: { add: [{ name: 'x-d', value: '3' }] } }] }]);
  t.same(told, []);
  t.same(one({ headers: { request: { set: { a: '%REQ(b)%' } } } }).told, [
    'header-edit spec.http[0].headers.request.set',
  ]);
});

t.test('mirrors', async (t) => {
  const mirror = { host: 'web' };
  const filter = (rule: object) => one(rule).rule?.filters;
  t.strictSame(filter({ mirror }), [{ type: 'RequestMirror', requestMirror: { backendRef: plain[0] } }]);
  matches(t, filter({ mirror, mirrorPercentage: { value: 12.5 } }), [
    { requestMirror: { fraction: { numerator: 1, denominator: 8 } } },
  ]);
  matches(t, filter({ mirror, mirrorPercent: 10 }), [{ requestMirror: { percent: 10 } }]);
  t.equal(filter({ mirror, mirrorPercentage: { value: 0 } }), undefined);
  matches(t, filter({ mirrors: [{ destination: mirror, percentage: { value: 1 } }] }), [
    { requestMirror: { percent: 1 } },
  ]);
});

t.test('corsPolicy', async (t) => {
  const { rule, told } = one({
    corsPolicy: {
      allowOrigins: [{ exact: 'https://a.example' }, { regex: '.*b' }],
      ...{ allowMethods: ['GET'], allowHeaders: ['x-a'], maxAge: '24h', allowCredentials: false },
    },
  });
  t.strictSame(rule?.filters, [
    {
      type: 'CORS',
      cors: {
        ...{ allowOrigins: ['https://a.example'], allowMethods: ['GET'], allowHeaders: ['x-a'] },
        ...{ allowCredentials: false, maxAge: 86_400 },
      },
    },
  ]);
  t.same(told, ['cors-origin spec.http[0].corsPolicy.allowOrigins[1]']);
});

t.test('weights: those of several destinations are kept, whatever their sum', async (t) => {
  const to = (host: string, weight?: number) => ({
    destination: { host, port: { number: 80 } },
    ...(weight === undefined ? {} : { weight }),
  });
  t.strictSame(one({ route: [to('a', 3), to('b', 1), to('c')] }).rule?.backendRefs, [
    { name: 'a', port: 80, weight: 3 },
    { name: 'b', port: 80, weight: 1 },
    { name: 'c', port: 80, weight: 0 },
  ]);
  t.strictSame(one({ route: [to('a', 0)] }).rule?.backendRefs, [{ name: 'a', port: 80 }], 'a single one has all');
  t.same(one({ route: [to('a'), to('b')] }).told, ['weight spec.http[0].route']);
});

t.test('fault, directResponse and delegate cannot be said', async (t) => {
  t.same(one({ fault: { delay: { fixedDelay: '7s' } } }).told, ['fault spec.http[0].fault']);
  for (const [field, rule, code] of [
    ['directResponse', { directResponse: { status: 403 } }, 'direct-response'],
    ['delegate', { delegate: { name: 'other' } }, 'delegate'],
  ] as const) {
    const conversion = converted([
      service('web'),
      virtualService([{ ...rule, match: [{ uri: { exact: '/a' } }] }, { route }]),
    ]);
    t.same(told(conversion), [`${code} spec.http[0].${field}`]);
    t.equal(routesOf(conversion)[0]?.spec.rules[0]?.backendRefs, undefined, 'no later rule gets its requests');
  }
});

t.test('hosts, gateways, tcp and tls', async (t) => {
  const only = (rest: object) => one({}, rest);
  t.same(only({ hosts: ['web.default.svc.cluster.local'] }).told, []);
  for (const host of ['*', 'www.example.com', 'web.default']) {
    const { conversion, told } = only({ hosts: [host] });
    t.same([told, routesOf(conversion)], [['host spec.hosts'], []], host);
  }
  t.same(only({ gateways: ['edge'] }).told, ['gateway-only spec.gateways']);
  const both = only({ gateways: ['edge', 'mesh'] });
  t.same([both.told, routesOf(both.conversion).length], [['gateway-only spec.gateways'], 1]);
  t.same(only({ tcp: [{}], tls: [{}] }).told, ['not-http spec.tls', 'not-http spec.tcp']);
  t.equal(routesOf(only({ hosts: ['web', 'other'] }).conversion).length, 2);
  const again = only({ hosts: ['web', 'web.default.svc.cluster.local'] });
  t.same([again.told, routesOf(again.conversion).map(({ metadata }) => metadata.name)], [[], ['web']], 'one Service');
});

for (const [what, rule, expected] of [
  [
    'two kinds of a text',
    { match: [{ uri: { exact: '/a', prefix: '/a' } }] },
    'bad-value spec.http[0].match[0].uri.prefix',
  ],
  ['no expression', { match: [{ uri: { regex: '(' } }] }, 'bad-value spec.http[0].match[0].uri.regex'],
  [
    'clients beside the Service',
    { match: [{ sourceNamespace: 'default', uri: { exact: '/a' } }] },
    'source-namespace spec.http[0].match',
  ],
  [
    'preflights that go on',
    { corsPolicy: { allowOrigins: [{ exact: '*' }], unmatchedPreflights: 'FORWARD' } },
    'cors-preflight spec.http[0].corsPolicy.unmatchedPreflights',
  ],
  [
    'a negation that nothing comes after',
    { match: [{ withoutHeaders: { a: { exact: '1' } } }] },
    'without-headers spec.http[0]',
  ],
  [
    'an expression of what is not there',
    { match: [{ withoutHeaders: { a: { regex: '1?' } } }] },
    'without-headers spec.http[0].match[0].withoutHeaders',
  ],
] as const) {
  t.test(`told: ${what}`, async (t) => {
    t.ok(one(rule).told.includes(expected), expected);
  });
}

t.test('told: a match for https is left out, since no request is', async (t) => {
  const { conversion, told } = one({ match: [{ scheme: { exact: 'https' } }] });
  const notes = conversion.problems.map(({ code, path }) => `${code} ${path}`);
  t.ok(notes.includes('unreachable spec.http[0].match[0].scheme'), notes.join());
  t.same([told, conversion.documents], [[], []]);
});

t.test('told: a rule whose path is replaced cannot ask for as much as an expression after it', async (t) => {
  const rules = [
    { match: [{ uri: { prefix: '/a/' } }], rewrite: { uri: '/b/' }, route },
    { match: [{ uri: { regex: '/[a-c]/x' } }], route: [{ destination: { host: 'b', port: { number: 80 } } }] },
    { route },
  ];
  t.same(told(converted([service('web'), virtualService(rules)])), ['order-differs spec.http[0]']);
});

t.test('told: Services for which no route can be, and rules without http', async (t) => {
  const ports = [{ name: 'tcp-x', port: 80 }];
  for (const [web, expected] of [
    [{ ...service('web'), spec: { clusterIP: 'None', ports: [{ port: 80 }] } }, 'headless spec.hosts'],
    [{ ...service('web'), spec: { ports } }, 'no-rule spec.hosts'],
  ] as const) {
    const conversion = converted([web, virtualService([{ route }])]);
    t.same([told(conversion), conversion.documents], [[expected], []]);
  }
  t.same(one({}, { http: undefined }).told, ['no-rule spec']);
});

t.test('a second VirtualService for a host: the older one counts', async (t) => {
  const dated = (name: string, creationTimestamp: string) => {
    const document = virtualService([{ name, route }]) as { metadata: object };
    return { ...document, metadata: { name, creationTimestamp } };
  };
  const conversion = converted([
    service('web'),
    dated('young', '2025-02-01T00:00:00Z'),
    dated('old', '2024-01-01T00:00:00Z'),
  ]);
  t.same(
    routesOf(conversion).map(({ metadata }) => metadata.name),
    ['old'],
  );
  t.same(told(conversion), ['host-twice spec.hosts']);
});

t.test('ports: a match for one of them, and the one that was dialled', async (t) => {
  const ports = [
    { name: 'http', port: 80 },
    { name: 'http-alt', port: 81 },
    { name: 'tcp-x', port: 82 },
  ];
  const web = { ...service('web'), spec: { selector: { app: 'web' }, ports } };
  const rules = [{ match: [{ port: 81, uri: { exact: '/a' } }], redirect: { uri: '/b' } }, { route }];
  const conversion = converted([web, virtualService(rules)]);
  t.strictSame(
    routesOf(conversion).map(({ spec }) => [spec.parentRefs, spec.rules.length, spec.rules.at(-1)?.backendRefs]),
    [80, 81].map((port) => [
      [{ group: '', kind: 'Service', name: 'web', port }],
      port === 81 ? 2 : 1,
      [{ name: 'web', port }],
    ]),
  );
  t.same(told(converted([virtualService([{ route }])])), ['service-unknown spec.http[0].route[0].destination.host']);
});

t.test(
  'appProtocol of a port says whether it has HTTP, in any case of letters; what is unknown may have it',
  async (t) => {
    for (const [appProtocol, rules] of [
      ['HTTP', 1],
      ['example.com/custom', 1],
      ['kubernetes.io/wss', 0],
      ['TCP', 0],
    ] as const) {
      const web = {
        ...service('web'),
        spec: { selector: { app: 'web' }, ports: [{ name: 'web', port: 80, appProtocol }] },
      };
      const conversion = converted([web, virtualService([{ route }])]);
      t.same([routesOf(conversion).length, told(conversion).length], [rules, 1 - rules], appProtocol);
    }
  },
);

t.test('sourceNamespace and exportTo are routes in the namespace of the clients', async (t) => {
  const rules = [{ match: [{ sourceNamespace: 'shop', uri: { exact: '/a' } }], route }, { route }];
  const both = routesOf(converted([service('web'), virtualService(rules)]));
  t.strictSame(
    both.map(({ metadata, spec }) => [metadata.namespace, spec.rules.length, spec.parentRefs[0]]),
    [
      ['default', 1, { group: '', kind: 'Service', name: 'web', port: 80 }],
      ['shop', 2, { group: '', kind: 'Service', name: 'web', namespace: 'default', port: 80 }],
    ],
  );
  matches(t, both[1]?.spec.rules[0]?.backendRefs, [{ name: 'web', namespace: 'default', port: 80 }]);
  t.same(one({}, { exportTo: ['.'] }).told, ['export-to spec.exportTo']);
  t.same(one({}, { exportTo: ['shop'] }).told, []);
});

t.test('subsets', async (t) => {
  const rule = (subsets: object[], rest: object = {}) => ({
    apiVersion: 'networking.istio.io/v1',
    kind: 'DestinationRule',
    metadata: { name: 'web' },
    spec: { host: 'web', subsets, ...rest },
  });
  const to = virtualService([{ route: [{ destination: { host: 'web', subset: 'v2', port: { number: 80 } } }] }]);
  const v2 = { name: 'v2', labels: { version: 'v2' } };
  const made = converted([service('web'), rule([v2]), to]);
  matches(t, made.documents[0], {
    kind: 'Service',
    metadata: { name: 'web-v2', namespace: 'default' },
    spec: { selector: { app: 'web', version: 'v2' }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
  });
  t.same(told(made), []);
  const there = { ...service('newer'), spec: { selector: { app: 'web', version: 'v2' }, ports: [{ port: 80 }] } };
  const found = converted([service('web'), there, rule([v2]), to]);
  t.same(routesOf(found)[0]?.spec.rules[0]?.backendRefs, [{ name: 'newer', port: 80 }], 'one that is there is used');
  t.equal(found.documents.length, 1);
  t.same(told(converted([service('web'), to])), ['subset spec.http[0].route[0].destination.subset']);
  t.same(told(converted([rule([v2]), to])), ['service-needed spec.http[0].route[0].destination.subset']);
  t.same(told(converted([service('web'), rule([v2], { trafficPolicy: {} }), to])), [
    'traffic-policy spec.trafficPolicy',
  ]);
});

t.test('more rules than a route can have are several, in the order of their names', async (t) => {
  const rules = Array.from({ length: 40 }, (_, index) => ({
    match: [{ uri: { exact: `/${index}` } }],
    route,
    name: `r${index}`,
  }));
  const routes = routesOf(converted([service('web'), virtualService(rules)]));
  t.same(
    routes.map(({ metadata, spec }) => [metadata.name, spec.rules.length]),
    [
      ['web-1', 16],
      ['web-2', 16],
      ['web-3', 8],
    ],
  );
  t.equal(routes[1]?.spec.rules[0]?.name, 'r16');
});

t.test('kinds of a mesh without a counterpart, and unknown fields, are told', async (t) => {
  const other = { apiVersion: 'networking.istio.io/v1', kind: 'Sidecar', metadata: { name: 'x' }, spec: {} };
  t.same(told(converted([service('web'), other, virtualService([{ route }])])), ['kind-not-converted kind']);
  const { told: unknown, conversion } = one({ websocketUpgrade: true });
  t.same([unknown, conversion.documents], [['unknown-field spec.http[0].websocketUpgrade'], []]);
});

t.test('more than can be put in order is refused, and soon', async (t) => {
  const negated = Array.from({ length: 40 }, (_, index) => ({
    match: [{ headers: { [`a${index}`]: {} }, withoutHeaders: { [`b${index}`]: {} } }],
    route,
  }));
  const mixed = Array.from({ length: 400 }, (_, index) => ({
    match: [{ headers: { [`h${index % 7}`]: { exact: String(index) }, ...(index % 2 ? { g: {} } : {}) } }],
    route,
  }));
  for (const rules of [[...negated, { route }], mixed]) {
    const conversion = converted([service('web'), virtualService(rules)]);
    t.same([told(conversion), conversion.documents], [['too-large spec'], []]);
  }
  const many = Array.from({ length: 600 }, (_, index) => ({ match: [{ uri: { prefix: `/${index}/` } }], route }));
  t.same(told(converted([service('web'), virtualService(many)])), []);
});

t.test('what is wrong with a List itself is told, and nothing of it is taken', async (t) => {
  const item = (name: string): string => JSON.stringify({ ...virtualService([{ route }], {}, name) });
  const text = `kind: List\nitems: [${item('lost')}]\nitems: [${item('web')}]\n`;
  const { problems, documents } = convert([{ name: 'input.yaml', text }], 'default');
  t.same(
    problems.map(({ severity, code, path, line }) => [severity, code, path, line]),
    [['error', 'duplicate-key', 'items', 3]],
  );
  t.same(documents, []);
});

t.test('other kinds in the input are not looked at: they need no name, nor one of this shape', async (t) => {
  const others = [
    { apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization', resources: ['web.yaml'] },
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name: 'system:web' } },
  ];
  const conversion = converted([...others, service('web'), virtualService([{ route }])]);
  t.same([told(conversion), conversion.documents.length], [[], 1]);
});

t.test('what sideroute check refuses is told with the number of the document that came out', async (t) => {
  const rules = [{ match: [{ headers: { ':path': { exact: '/a' } } }], route }, { route }];
  const { problems } = converted([service('web'), service('b'), virtualService(rules, { hosts: ['web', 'b'] })]);
  t.same(
    problems
      .filter(({ code }) => code === 'invalid-output')
      .map(({ document, resource }) => `${document} ${resource ?? ''}`),
    ['1 HTTPRoute default/web-web', '2 HTTPRoute default/web-b'],
  );
});
