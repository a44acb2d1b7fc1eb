import t from 'tap';
import { attach } from '../../../src/config/attach.ts';
import type { HttpRoute, HttpRouteRule, Resource } from '../../../src/gateway-api/types.ts';
import { decide } from '../../../src/routing/decide.ts';
import type { Decision, RequestHead } from '../../../src/routing/decision.ts';
import { compileTable } from '../../../src/routing/table.ts';
import {
  backend,
  exactField,
  exactPath,
  httpRoute,
  match,
  pathPrefix,
  pathRegex,
  regexField,
  requestHead,
  rule,
  ruleTo,
  service,
  testDeps,
  type HeadOptions,
  type MatchOptions,
  type TestDeps,
} from '../../support/routes.ts';

const WEB = 'ns/web';

/** A table over these resources, and what it answers on port 80 of ns/web. */
class Routes {
  readonly deps: TestDeps;
  readonly #table;
  readonly #frontend: number;

  constructor(resources: readonly Resource[], deps = testDeps()) {
    this.deps = deps;
    this.#table = compileTable(attach({ resources: [service(WEB, [80]), ...resources], namespace: 'ns' }), deps);
    this.#frontend = deps.frontendId(`${WEB}:80`);
  }

  decide(head: RequestHead): Decision {
    return decide(this.#table, this.#frontend, head);
  }

  /** Name of the backend, reason of a local reply, or `original`. */
  ask(options: HeadOptions | string): string {
    const decision = this.decide(requestHead(typeof options === 'string' ? { target: options } : options));
    if (decision.kind === 'forward') return decision.backend.name;
    return decision.kind === 'local' ? `${decision.status} ${decision.reason}` : decision.kind;
  }
}

/** One route whose rules each send to a backend of the rule's name. */
function routes(...rules: readonly HttpRouteRule[]): Routes {
  return new Routes([httpRoute('ns/route', [WEB], rules)]);
}

/** Several routes with one rule each, sending to a backend of the route's name. */
function oneRuleRoutes(...entries: readonly (readonly [string, MatchOptions, Partial<HttpRoute>?])[]): Routes {
  return new Routes(
    entries.map(([name, options, fields]) => httpRoute(`ns/${name}`, [WEB], [ruleTo(name, options)], fields ?? {})),
  );
}

const NO_ROUTE = '404 no_route';

t.test('SPEC A5: without a route the request goes to its original destination', async (t) => {
  t.equal(new Routes([]).ask('/'), 'original');
  const deps = testDeps();
  deps.frontendId('other');
  const table = compileTable(attach({ resources: [], namespace: null }), deps);
  t.equal(decide(table, 0, requestHead()).kind, 'original');
  t.equal(decide(table, 99, requestHead()).kind, 'original');
});

t.test('SPEC A5, E1: with a route attached, a request that nothing matches is answered with 404', async (t) => {
  const web = routes(ruleTo('v1', { path: exactPath('/only') }));
  t.equal(web.ask('/only'), 'v1');
  t.equal(web.ask('/'), NO_ROUTE);
  t.equal(web.ask('/only/'), NO_ROUTE);
});

t.test('SPEC M1: a rule without matches serves every request', async (t) => {
  const web = routes(ruleTo('v1'));
  for (const target of ['/', '/a/b?c', '*', '//', '/%zz']) t.equal(web.ask(target), 'v1', target);
  t.equal(web.ask({ method: 'CONNECT', target: 'example.com:443' }), 'v1');
});

t.test('SPEC M2: the matches of a rule are alternatives, the fields of a match are not', async (t) => {
  const web = routes(
    ruleTo(
      'v1',
      { path: pathPrefix('/a'), headers: [exactField('x', '1')], method: 'GET', queryParams: [exactField('q', '1')] },
      { path: exactPath('/b') },
    ),
  );
  const headers = [['x', '1']] as const;
  t.equal(web.ask({ target: '/a?q=1', headers }), 'v1');
  t.equal(web.ask('/b'), 'v1');
  t.equal(web.ask({ target: '/a?q=1' }), NO_ROUTE);
  t.equal(web.ask({ target: '/a', headers }), NO_ROUTE);
  t.equal(web.ask({ target: '/c?q=1', headers }), NO_ROUTE);
  t.equal(web.ask({ target: '/a?q=1', headers, method: 'POST' }), NO_ROUTE);
});

t.test('SPEC M3: an exact path is compared with case and trailing slash', async (t) => {
  const web = routes(ruleTo('v1', { path: exactPath('/two') }), ruleTo('v2', { path: exactPath('/two/') }));
  t.equal(web.ask('/two'), 'v1');
  t.equal(web.ask('/two?x'), 'v1');
  t.equal(web.ask('/two/'), 'v2');
  t.equal(web.ask('/Two'), NO_ROUTE);
  t.equal(web.ask('/two/three'), NO_ROUTE);
});

t.test('SPEC M4: a prefix covers whole segments and ignores its trailing slash', async (t) => {
  for (const prefix of ['/abc', '/abc/']) {
    const web = routes(ruleTo('v1', { path: pathPrefix(prefix) }));
    for (const target of ['/abc', '/abc/', '/abc/def']) t.equal(web.ask(target), 'v1', `${prefix} ${target}`);
    for (const target of ['/abcd', '/ab', '/ABC', '/', '/x/abc']) t.equal(web.ask(target), NO_ROUTE);
  }
});

t.test('SPEC M5: expressions match the whole path, header or parameter', async (t) => {
  const web = routes(
    ruleTo('path', { path: pathRegex('/v[12]/.*') }),
    ruleTo('header', { headers: [regexField('agent', 'curl/.*')] }),
    ruleTo('query', { queryParams: [regexField('id', '[0-9]+')] }),
  );
  t.equal(web.ask('/v1/x'), 'path');
  t.equal(web.ask('/v1'), NO_ROUTE);
  t.equal(web.ask('/x/v1/x'), NO_ROUTE);
  t.equal(web.ask('/V1/x'), NO_ROUTE);
  t.equal(web.ask({ headers: [['Agent', 'curl/8']] }), 'header');
  t.equal(web.ask({ headers: [['Agent', 'my curl/8']] }), NO_ROUTE);
  t.equal(web.ask('/?id=12'), 'query');
  t.equal(web.ask('/?id=12a'), NO_ROUTE);
});

t.test('SPEC M6: paths are matched raw', async (t) => {
  const web = routes(
    ruleTo('slash', { path: pathPrefix('/a/b') }),
    ruleTo('cafe', { path: exactPath('/caf%C3%A9') }),
    ruleTo('dots', { path: pathPrefix('/up') }),
    ruleTo('regex', { path: pathRegex('/re%2F.*') }),
  );
  t.equal(web.ask('/a/b'), 'slash');
  t.equal(web.ask('/a%2Fb'), NO_ROUTE);
  t.equal(web.ask('/a//b'), NO_ROUTE);
  t.equal(web.ask('/%61/b'), NO_ROUTE);
  t.equal(web.ask('/caf%C3%A9'), 'cafe');
  t.equal(web.ask('/caf%c3%a9'), NO_ROUTE);
  t.equal(web.ask('/caf\xc3\xa9'), NO_ROUTE);
  t.equal(web.ask('/up/../a/b'), 'dots');
  t.equal(web.ask('/re%2Fx'), 'regex');
  t.equal(web.ask('/re/x'), NO_ROUTE);
});

t.test('SPEC M7: header names compare without case, values with it, repeated fields are joined', async (t) => {
  const web = routes(
    ruleTo('new', { headers: [exactField('version', 'new')] }),
    ruleTo('both', { headers: [exactField('version', 'a,b')] }),
    ruleTo('host', { headers: [exactField('host', 'web.example')] }),
    ruleTo('accent', { headers: [exactField('name', 'é')] }),
  );
  t.equal(web.ask({ headers: [['VERSION', 'new']] }), 'new');
  t.equal(web.ask({ headers: [['Version', 'New']] }), NO_ROUTE);
  t.equal(web.ask({ headers: [['Version', 'new2']] }), NO_ROUTE);
  t.equal(
    web.ask({
      headers: [
        ['Version', 'a'],
        ['version', 'b'],
      ],
    }),
    'both',
  );
  t.equal(web.ask({ headers: [['Host', 'web.example']] }), 'host', 'the Host header can be matched');
  t.equal(web.ask({ headers: [['name', '\xc3\xa9']] }), 'accent', 'values are the bytes of their UTF-8 form');
  t.equal(web.ask({}), NO_ROUTE);
});

t.test('SPEC M7: all headers must match, an absent one never does, not even an expression for nothing', async (t) => {
  const web = routes(
    ruleTo('two', { headers: [exactField('a', '1'), exactField('b', '2')] }),
    ruleTo('any', { headers: [regexField('c', '.*')] }),
  );
  t.equal(web.ask({ headers: [['a', '1']] }), NO_ROUTE);
  t.equal(
    web.ask({
      headers: [
        ['a', '1'],
        ['b', '2'],
      ],
    }),
    'two',
  );
  t.equal(web.ask({ headers: [['c', '']] }), 'any');
});

t.test('SPEC M8: the first value of a query parameter is compared undecoded and with case', async (t) => {
  const web = routes(
    ruleTo('v1', { queryParams: [exactField('q', '1')] }),
    ruleTo('space', { queryParams: [exactField('q', 'a%20b')] }),
    ruleTo('empty', { queryParams: [regexField('e', '')] }),
  );
  for (const query of ['q=1', 'x=2&q=1', 'q=1&q=2', 'xq=2&q=1', 'q=1&', '&&q=1']) t.equal(web.ask(`/?${query}`), 'v1');
  for (const query of ['q=2&q=1', 'Q=1', 'xq=1', 'q', 'q=', 'q=1=', '', 'q=1;', 'x=q=1', 'q%3D1']) {
    t.equal(web.ask(`/?${query}`), NO_ROUTE, query);
  }
  t.equal(web.ask('/?q=a%20b'), 'space');
  t.equal(web.ask('/?q=a+b'), NO_ROUTE);
  t.equal(web.ask('/?e'), 'empty');
  t.equal(web.ask('/?a&e=&b'), 'empty');
});

t.test('SPEC M9: methods are compared exactly, GET does not cover HEAD', async (t) => {
  const web = routes(ruleTo('get', { method: 'GET' }), ruleTo('post', { method: 'POST' }));
  t.equal(web.ask({ method: 'GET' }), 'get');
  t.equal(web.ask({ method: 'POST' }), 'post');
  for (const method of ['HEAD', 'get', 'PURGE', 'PUT']) t.equal(web.ask({ method }), NO_ROUTE, method);
});

t.test('SPEC P1: each criterion outranks all that come after it', async (t) => {
  const x = exactField('x', '1');
  const y = exactField('y', '1');
  const old = { creationTimestamp: 1 };
  const everything = {
    target: '/a/b?x=1&y=1',
    headers: [
      ['x', '1'],
      ['y', '1'],
    ],
  } as const;
  const cases: readonly [string, MatchOptions, MatchOptions][] = [
    ['exact path over prefix', { path: exactPath('/a/b') }, { path: pathPrefix('/a/b'), method: 'GET', headers: [x] }],
    ['longer prefix over method', { path: pathPrefix('/a/b') }, { path: pathPrefix('/a'), method: 'GET' }],
    ['method over headers', { method: 'GET' }, { headers: [x, y] }],
    ['more headers over query', { headers: [x, y] }, { headers: [x], queryParams: [x, y] }],
    ['more query parameters over age', { queryParams: [x, y] }, { queryParams: [x] }],
  ];
  for (const [title, winner, loser] of cases) {
    // The loser is older, earlier by name and by document.
    t.equal(oneRuleRoutes(['a-loser', loser, old], ['winner', winner]).ask(everything), 'winner', title);
  }
});

t.test('SPEC P1, P3: ties go to the older route, then to the name, never to the order of the files', async (t) => {
  t.equal(oneRuleRoutes(['a', {}, { creationTimestamp: 2 }], ['b', {}, { creationTimestamp: 1 }]).ask('/'), 'b');
  t.equal(oneRuleRoutes(['a', {}], ['b', {}, { creationTimestamp: 9 }]).ask('/'), 'b', 'present beats absent');
  t.equal(oneRuleRoutes(['b', {}], ['a', {}]).ask('/'), 'a');
  t.equal(oneRuleRoutes(['b', {}, { creationTimestamp: 1 }], ['a', {}, { creationTimestamp: 1 }]).ask('/'), 'a');
});

t.test('SPEC P1: within one route the earlier rule wins', async (t) => {
  t.equal(routes(ruleTo('first'), ruleTo('second')).ask('/'), 'first');
});

t.test('SPEC P2: one rule serves the request, its failing backend does not make another rule serve it', async (t) => {
  const web = routes(rule({ matches: [match({ path: pathPrefix('/a') })] }), ruleTo('v1'));
  t.equal(web.ask('/a'), '500 no_backend');
  t.equal(web.ask('/b'), 'v1');
});

t.test('SPEC P7: hostnames break no tie, however well they fit', async (t) => {
  const asked = { headers: [['host', 'www.web.example']] } as const;
  const hostnames = ['www.web.example'];
  t.equal(oneRuleRoutes(['a', {}], ['b', {}, { hostnames }]).ask(asked), 'a');
  t.equal(oneRuleRoutes(['a', {}, { hostnames: ['*.example'] }], ['b', {}, { hostnames }]).ask(asked), 'a');
  t.equal(oneRuleRoutes(['a', { method: 'GET' }], ['b', {}, { hostnames }]).ask(asked), 'a');
});

t.test('SPEC P4: a regular expression comes after exact paths and before every prefix', async (t) => {
  const web = routes(
    ruleTo('long', { path: pathPrefix('/api/v1'), method: 'GET' }),
    ruleTo('regex', { path: pathRegex('/api/.*') }),
    ruleTo('exact', { path: exactPath('/api/v1') }),
    ruleTo('all'),
  );
  t.equal(web.ask('/api/v1'), 'exact');
  t.equal(web.ask('/api/v1/x'), 'regex');
  t.equal(web.ask('/api'), 'all');
});

t.test('SPEC P5: the trailing slash does not make a prefix longer', async (t) => {
  const web = oneRuleRoutes(['b', { path: pathPrefix('/a/') }], ['a', { path: pathPrefix('/a') }]);
  t.equal(web.ask('/a/x'), 'a');
});

t.test('a rule for a shorter prefix serves what the rules of longer ones leave', async (t) => {
  const web = routes(
    ruleTo('deep', { path: pathPrefix('/a/b/c'), method: 'POST' }),
    ruleTo('mid', { path: pathPrefix('/a/b'), headers: [exactField('x', '1')] }),
    ruleTo('exact', { path: exactPath('/a/b/c/d'), queryParams: [exactField('q', '1')] }),
    ruleTo('root'),
  );
  t.equal(web.ask('/a/b/c/d?q=1'), 'exact');
  t.equal(web.ask({ target: '/a/b/c/d', method: 'POST' }), 'deep');
  t.equal(web.ask({ target: '/a/b/c/d', headers: [['x', '1']] }), 'mid');
  t.equal(web.ask('/a/b/c/d'), 'root');
});

t.test('SPEC M7, P1: a long list of header values is decided as a short one', async (t) => {
  const tenants = Array.from({ length: 40 }, (_, index) =>
    ruleTo(`t${index}`, { headers: [exactField('tenant', String(index))] }),
  );
  const web = routes(
    ...tenants,
    ruleTo('get', { headers: [exactField('tenant', '7')], method: 'GET' }),
    ruleTo('two', { headers: [exactField('tenant', '8'), regexField('x', '.+')] }),
    ruleTo('scan', { headers: [regexField('tenant', '5|6')], method: 'GET' }),
    ruleTo('rare', { headers: [exactField('rare', '1')] }),
    ruleTo('even', { headers: [regexField('tenant', '.*[02468]')] }),
    ruleTo('rest'),
  );
  t.equal(web.ask({ headers: [['tenant', '3']] }), 't3');
  t.equal(web.ask({ headers: [['tenant', '7']] }), 'get');
  t.equal(web.ask({ headers: [['tenant', '7']], method: 'PUT' }), 't7');
  t.equal(web.ask({ headers: [['tenant', '5']] }), 'scan', 'what is not filed by value keeps its place');
  t.equal(web.ask({ headers: [['tenant', '5']], method: 'PUT' }), 't5');
  t.equal(web.ask({ headers: [['tenant', '8']] }), 't8');
  t.equal(
    web.ask({
      headers: [
        ['tenant', '8'],
        ['x', '1'],
      ],
    }),
    'two',
  );
  t.equal(
    web.ask({
      headers: [
        ['tenant', '3'],
        ['rare', '1'],
      ],
    }),
    't3',
  );
  t.equal(
    web.ask({
      headers: [
        ['tenant', '100'],
        ['rare', '1'],
      ],
    }),
    'rare',
  );
  t.equal(web.ask({ headers: [['tenant', '100']] }), 'even');
  t.equal(web.ask({ headers: [['tenant', '101']] }), 'rest');
  t.equal(web.ask({}), 'rest');
});

t.test('only headers that a rule looks at are read, each at most once', async (t) => {
  const web = routes(
    ruleTo('a', { headers: [exactField('x', '1')] }),
    ruleTo('b', { headers: [exactField('x', '2')] }),
    ruleTo('c', { headers: [regexField('x', '3'), exactField('y', '1')] }),
    ruleTo('d', { path: exactPath('/d') }),
  );
  const head = requestHead({
    headers: [
      ['x', '4'],
      ['y', '1'],
      ['z', '1'],
    ],
  });
  web.decide(head);
  t.same([...head.reads], [['x', 1]]);
  const direct = requestHead({ target: '/d' });
  web.decide(direct);
  t.same([...direct.reads], []);
  const next = requestHead({ headers: [['x', '2']] });
  t.equal((web.decide(next) as { backend: { name: string } }).backend.name, 'b', 'nothing is kept of a request');
});

t.test('SPEC B1, B2: shares follow the weights, weight 0 is never picked', async (t) => {
  const refs = [
    backend('ns/a:80', { weight: 70 }),
    backend('ns/b:80', { weight: 30 }),
    backend('ns/c:80', { weight: 0 }),
  ];
  const web = routes(rule({ backendRefs: refs }));
  const counts: Record<string, number> = {};
  for (let i = 0; i < 100; i++) {
    const name = web.ask('/');
    counts[name] = (counts[name] ?? 0) + 1;
  }
  t.same(counts, { a: 70, b: 30 });
  t.notOk(web.deps.backends.has('ns/c:80'), 'nobody looks up a backend that gets nothing');
});

t.test('SPEC B3, B6, B7, E2: an unusable backend keeps its weight and answers 500', async (t) => {
  const documents = [
    service('ns/other', [81]),
    service('ns/headless', [80], { headless: true }),
    service('ns/external', [80], { type: 'ExternalName' }),
    service('ns/udp', [{ port: 80, protocol: 'UDP' }]),
    service('ns/tls', [{ port: 80, appProtocol: 'https' }]),
  ];
  const bad = [
    backend('ns/other:80'),
    backend('ns/headless:80'),
    backend('ns/external:80'),
    backend('ns/udp:80'),
    backend('ns/tls:80'),
    backend('ns/x:80', { kind: 'Bucket', group: 'example.com', port: null }),
  ];
  for (const ref of bad) {
    const backendRefs = [backend('ns/good:80', { weight: 3 }), ref];
    const web = new Routes([...documents, httpRoute('ns/r', [WEB], [rule({ backendRefs })])]);
    const answers = Array.from({ length: 40 }, () => web.ask('/'));
    t.equal(answers.filter((answer) => answer === 'good').length, 30, ref.name);
    t.equal(answers.filter((answer) => answer === '500 no_backend').length, 10, ref.name);
  }
  const all = new Routes([...documents, httpRoute('ns/r', [WEB], [rule({ backendRefs: bad })])]);
  t.equal(all.ask('/'), '500 no_backend');
});

t.test('SPEC B3: a backend of weight 0 does no harm when it does not exist', async (t) => {
  const backendRefs = [backend('ns/good:80'), backend('ns/other:80', { weight: 0 })];
  const web = new Routes([service('ns/other', [81]), httpRoute('ns/r', [WEB], [rule({ backendRefs })])]);
  for (let i = 0; i < 10; i++) t.equal(web.ask('/'), 'good');
});

t.test('SPEC B4, E3: without backends, or with weights of 0 only, requests are answered with 500', async (t) => {
  t.equal(routes(rule()).ask('/'), '500 no_backend');
  t.equal(routes(rule({ backendRefs: [backend('ns/a:80', { weight: 0 })] })).ask('/'), '500 no_backend');
});

t.test('SPEC E2, E4: a backend found missing answers 500, one not resolved yet 503', async (t) => {
  const web = routes(ruleTo('v1'));
  const v1 = web.deps.backends.get('v/v1:80')!;
  t.equal(web.ask('/'), 'v1');
  v1.state = 'pending';
  t.equal(web.ask('/'), 'v1', 'the last good address is used while a new one is looked up');
  v1.addresses = [];
  t.equal(web.ask('/'), '503 unresolved');
  v1.state = 'missing';
  t.equal(web.ask('/'), '500 no_backend');
});

t.test('SPEC F4: a filter that is not carried makes its rule, or its backend, answer 500', async (t) => {
  const filters = [{ type: 'ExtensionRef', extensionRef: { group: 'g', kind: 'K', name: 'n' } }] as const;
  const web = routes(
    { ...ruleTo('v1', { path: pathPrefix('/rule') }), filters },
    rule({ backendRefs: [backend('v/v1:80', { filters }), backend('v/v2:80')] }),
  );
  t.equal(web.ask('/rule'), '500 unsupported_filter');
  t.same([web.ask('/'), web.ask('/')].sort(), ['500 unsupported_filter', 'v2']);
});

t.test('decisions are compiled: the same object every time, one series per rule and backend', async (t) => {
  const web = routes(ruleTo('v1', { path: pathPrefix('/a') }), ruleTo('v2', { path: pathPrefix('/b') }));
  const [a, again, b] = ['/a', '/a', '/b'].map((target) => web.decide(requestHead({ target })));
  t.equal(a, again);
  t.not(a!.series, b!.series);
  t.match(web.deps.series[b!.series], {
    parentNamespace: 'ns',
    parentName: 'web',
    parentPort: 80,
    routeNamespace: 'ns',
    routeName: 'route',
    rule: 'v2',
    backendNamespace: 'v',
    backendName: 'v2',
    backendPort: 80,
  });
  const none = web.decide(requestHead({ target: '/c' }));
  t.equal(none, web.decide(requestHead({ target: '/d' })));
  t.match(web.deps.series[none.series], { parentName: 'web', routeName: '', backendName: '' });
});
