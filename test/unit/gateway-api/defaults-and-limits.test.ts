import t from 'tap';
import { attach } from '../../../src/config/attach.ts';
import { onlyRoute, parse, routeText, ruleText, summary } from './fixtures.ts';
import { matches } from '../../support/match.ts';

const BACKEND = 'backendRefs: [{ name: cart-v1, port: 80 }]';
const MATCH = 'spec.rules[0].matches[0]';

/** A rule in flow style with one match. */
const matchText = (match: string): string => ruleText(`{ matches: [${match}], ${BACKEND} }`);

t.test('SPEC M1: without rules there is one that matches everything and has no backend', async (t) => {
  matches(t, onlyRoute(routeText('')).rules, [
    {
      index: 0,
      matches: [{ path: { type: 'PathPrefix', value: '/' }, headers: [], queryParams: [], method: null }],
      backendRefs: [],
    },
  ]);
});

t.test('SPEC M1: absent and empty matches, and a match without path, match everything', async (t) => {
  for (const rule of ['{}', '{ matches: [] }', '{ matches: [{}] }', '{ matches: [{ path: {} }] }']) {
    matches(t, onlyRoute(ruleText(rule)).rules[0]?.matches, [{ path: { type: 'PathPrefix', value: '/' } }], rule);
  }
});

t.test('SPEC A1: for a Service parent the group may be absent or core, with a warning', async (t) => {
  const withGroup = (group: string) => routeText('').replace('group: "", ', group);
  matches(t, onlyRoute(withGroup("group: '', ")).parentRefs, [{ group: '', kind: 'Service', name: 'cart' }]);
  for (const [group, message] of [
    ['', /an API server it means gateway\.networking\.k8s\.io, and the parentRef names nothing; write group: ""/],
    ['group: core, ', /an API server takes for a group of that name; write group: ""/],
  ] as const) {
    const { resources, problems } = parse(withGroup(group));
    matches(
      t,
      resources,
      [{ kind: 'HTTPRoute', parentRefs: [{ group: '', kind: 'Service', namespace: 'shop' }] }],
      group,
    );
    const path = 'spec.parentRefs[0].group';
    matches(t, problems, [{ severity: 'warning', code: 'assumed-group', path, message }], group);
  }
  const gateway = routeText('').replace('group: "", kind: Service, ', '');
  matches(t, onlyRoute(gateway).parentRefs, [{ group: 'gateway.networking.k8s.io', kind: 'Gateway' }]);
});

t.test('SPEC B1: for a Service backend the group is the core one; core is taken for it with a warning', async (t) => {
  const backend = (group: string) => ruleText(`{ backendRefs: [{ ${group}kind: Service, name: cart, port: 80 }] }`);
  for (const group of ['', "group: '', "]) matches(t, onlyRoute(backend(group)).rules[0]?.backendRefs, [{ group: '' }]);
  const { resources, problems } = parse(backend('group: core, '));
  matches(t, resources, [{ rules: [{ backendRefs: [{ group: '', kind: 'Service' }] }] }]);
  t.same(summary(problems), ['assumed-group spec.rules[0].backendRefs[0].group']);
});

t.test('SPEC A12: repeated parents tell themselves apart by the same fields', async (t) => {
  const parents = (refs: string): string[] => {
    const text = routeText('').replace('[{ group: "", kind: Service, name: cart }]', `[${refs}]`);
    return summary(parse(text).problems);
  };
  const cart = 'group: "", kind: Service, name: cart';
  t.same(parents(`{ ${cart}, port: 80 }, { ${cart}, port: 81 }`), []);
  t.same(parents(`{ ${cart}, sectionName: a }, { ${cart}, sectionName: b }`), []);
  t.same(parents(`{ ${cart}, sectionName: a, port: 80 }, { ${cart}, sectionName: a, port: 81 }`), []);
  t.same(parents(`{ ${cart} }, { ${cart}, namespace: other }`), []);
  const second = ['duplicate-parent spec.parentRefs[1]'];
  t.same(parents(`{ ${cart} }, { ${cart}, namespace: shop }`), second, 'the default namespace is the same one');
  const core = [...second, 'assumed-group spec.parentRefs[1].group'].sort();
  t.same(
    parents(`{ ${cart} }, { group: core, kind: Service, name: cart }`).sort(),
    core,
    'so are all spellings of the core group',
  );
  t.same(parents(`{ ${cart}, port: 80 }, { ${cart}, sectionName: a }`), second);
});

t.test('SPEC D2: each list is taken at its limit and refused beyond', async (t) => {
  const many = (count: number, item: (index: number) => string): string =>
    Array.from({ length: count }, (_, index) => item(index)).join(', ');
  const header = (index: number): string => `{ name: x-${index}, value: a }`;
  const modifier = (list: string): string =>
    `{ filters: [{ type: RequestHeaderModifier, requestHeaderModifier: { ${list} } }] }`;
  const cors = (list: string): string => `{ filters: [{ type: CORS, cors: { ${list} } }] }`;
  const lists: [string, number, (count: number) => string][] = [
    ['rules', 16, (n) => routeText(`  rules: [${many(n, () => '{}')}]\n`)],
    ['matches', 64, (n) => ruleText(`{ matches: [${many(n, (i) => `{ path: { value: /${i} } }`)}] }`)],
    [
      'filters',
      16,
      (n) =>
        ruleText(
          `{ filters: [${many(n, () => '{ type: ExtensionRef, extensionRef: { group: a, kind: B, name: c } }')}] }`,
        ),
    ],
    ['backendRefs', 16, (n) => ruleText(`{ backendRefs: [${many(n, (i) => `{ name: a${i}, port: 80 }`)}] }`)],
    [
      'parentRefs',
      32,
      (n) =>
        routeText('').replace(
          '[{ group: "", kind: Service, name: cart }]',
          `[${many(n, (i) => `{ group: "", kind: Service, name: a${i} }`)}]`,
        ),
    ],
    ['hostnames', 16, (n) => routeText(`  hostnames: [${many(n, (i) => `h${i}`)}]\n`)],
    ['headers', 16, (n) => matchText(`{ headers: [${many(n, header)}] }`)],
    ['queryParams', 16, (n) => matchText(`{ queryParams: [${many(n, header)}] }`)],
    ['set', 16, (n) => ruleText(modifier(`set: [${many(n, header)}]`))],
    ['add', 16, (n) => ruleText(modifier(`add: [${many(n, header)}]`))],
    ['remove', 16, (n) => ruleText(modifier(`remove: [${many(n, (i) => `x-${i}`)}]`))],
    ['allowOrigins', 64, (n) => ruleText(cors(`allowOrigins: [${many(n, (i) => `'http://a${i}'`)}]`))],
    ['allowHeaders', 64, (n) => ruleText(cors(`allowHeaders: [${many(n, (i) => `x-${i}`)}]`))],
    ['exposeHeaders', 64, (n) => ruleText(cors(`exposeHeaders: [${many(n, (i) => `x-${i}`)}]`))],
  ];
  for (const [name, limit, text] of lists) {
    t.same(summary(parse(text(limit)).problems), [], `${limit} ${name}`);
    const { problems } = parse(text(limit + 1));
    matches(t, problems, [{ code: 'too-many-items', severity: 'error' }], `${limit + 1} ${name}`);
    t.ok(problems[0]?.path.endsWith(name), problems[0]?.path ?? 'none');
  }
});

t.test('SPEC D2: 128 matches in a route are taken, 129 refused', async (t) => {
  const rule = (count: number): string => `{ matches: [${Array.from({ length: count }, () => '{}').join(', ')}] }`;
  t.same(summary(parse(ruleText(`${rule(64)}, ${rule(64)}`)).problems), []);
  t.same(summary(parse(ruleText(`${rule(64)}, ${rule(64)}, {}`)).problems), ['too-many-matches spec.rules']);
});

t.test('SPEC D2, R1, R2: numbers are taken at their limits and refused beyond', async (t) => {
  const numbers: [string, number, number, (value: number) => string][] = [
    ['backendRefs[0].port', 1, 65535, (n) => `{ backendRefs: [{ name: a, port: ${n} }] }`],
    ['backendRefs[0].weight', 0, 1000000, (n) => `{ backendRefs: [{ name: a, port: 80, weight: ${n} }] }`],
    ['retry.attempts', 0, Number.MAX_SAFE_INTEGER, (n) => `{ retry: { attempts: ${n} } }`],
    ['retry.codes[0]', 400, 599, (n) => `{ retry: { codes: [${n}] } }`],
    ['filters[0].cors.maxAge', 1, 2147483647, (n) => `{ filters: [{ type: CORS, cors: { maxAge: ${n} } }] }`],
    [
      'filters[0].requestRedirect.port',
      1,
      65535,
      (n) => `{ filters: [{ type: RequestRedirect, requestRedirect: { port: ${n} } }] }`,
    ],
    [
      'filters[0].requestMirror.percent',
      0,
      100,
      (n) =>
        `{ filters: [{ type: RequestMirror, requestMirror: { backendRef: { name: a, port: 80 }, percent: ${n} } }] }`,
    ],
    [
      'filters[0].requestMirror.fraction.denominator',
      1,
      2147483647,
      (n) =>
        `{ filters: [{ type: RequestMirror, requestMirror: { backendRef: { name: a, port: 80 }, fraction: { numerator: 0, denominator: ${n} } } }] }`,
    ],
  ];
  for (const [path, min, max, rule] of numbers) {
    for (const value of [min, max]) t.same(summary(parse(ruleText(rule(value))).problems), [], `${path} ${value}`);
    for (const value of [min - 1, max + 1]) {
      t.same(
        summary(parse(ruleText(rule(value))).problems),
        [`out-of-range spec.rules[0].${path}`],
        `${path} ${value}`,
      );
    }
  }
});

t.test('SPEC D3: paths', async (t) => {
  const problems = (type: string, value: string): string[] =>
    summary(parse(matchText(`{ path: { type: ${type}, value: ${JSON.stringify(value)} } }`)).problems);
  const good = ['/', '/a', '/a/', '/a/b', '/.a', '/a.', '/...', '/a..b', "/-._~!$&'()*+,;=:@", '/%20', '/%c3%A9'];
  const bad = ['', 'a', '//', '/a//b', '/a/./b', '/a/../b', '/a%2fb', '/a%2Fb', '/a#b', '/a/..', '/a/.', '/.', '/..'];
  for (const type of ['Exact', 'PathPrefix']) {
    for (const value of [...good, `/${'a'.repeat(1023)}`]) t.same(problems(type, value), [], value);
    for (const value of [...bad, '/a b', '/a?b', '/ä', '/a%', '/a%2', '/a%zz', '/a"', '/a\\b', '/a\n']) {
      t.same(problems(type, value), [`bad-path ${MATCH}.path.value`], JSON.stringify(value));
    }
    t.same(problems(type, `/${'a'.repeat(1024)}`), [`too-long ${MATCH}.path.value`]);
  }
  t.same(problems('RegularExpression', '[^#]*//.*%2f'), [], 'a regular expression is not a path');
  t.same(problems('RegularExpression', ''), [`empty-value ${MATCH}.path.value`]);
});

t.test(
  'SPEC M8: query values are compared as they travel, so that some can never match, and some seldom do',
  async (t) => {
    const problems = (type: string, value: string) => {
      const item = `{ name: a, type: ${type}, value: ${JSON.stringify(value)} }`;
      return parse(matchText(`{ queryParams: [${item}] }`)).problems;
    };
    for (const [value, encoded] of [
      ['a b', '%20'],
      ['a&b', '%26'],
      ['a#b', '%23'],
      ['\u00a0', '%C2%A0'],
    ] as const) {
      const message = `and ${JSON.stringify(/[ &#\u00a0]/.exec(value)![0])} travels as ${encoded}; write ${encoded}`;
      const [only, ...more] = problems('Exact', value);
      t.match(only, { severity: 'warning', code: 'never-matches', path: `${MATCH}.queryParams[0].value` }, value);
      t.ok(only!.message.endsWith(message), only!.message);
      t.same(more, []);
      t.notMatch(
        problems('RegularExpression', value),
        [{ code: 'never-matches' }],
        'an expression may match without it',
      );
    }
    for (const value of ['ä', '"x"', '<']) {
      matches(t, problems('Exact', value), [{ severity: 'note', code: 'undecoded-value' }], value);
    }
    for (const value of ['a%20b', 'a+b', "a'b", 'a=b', 'a/?:@']) t.same(problems('Exact', value), [], value);
  },
);

t.test('SPEC D4: header and query parameter names and values', async (t) => {
  const problems = (list: string, name: string, value: string): string[] => {
    const item = `{ name: ${JSON.stringify(name)}, value: ${JSON.stringify(value)} }`;
    return summary(parse(matchText(`{ ${list}: [${item}] }`)).problems);
  };
  for (const list of ['headers', 'queryParams']) {
    const at = `${MATCH}.${list}[0]`;
    for (const name of ['a', "!$%'*+-.^_`|~0aZ", 'a'.repeat(256)]) t.same(problems(list, name, 'v'), [], name);
    // To a query, both are the end of the name.
    const dead = list === 'headers' ? [] : [`never-matches ${at}.name`];
    for (const name of ['#', 'a&']) t.same(problems(list, name, 'v'), dead, name);
    for (const name of ['a b', 'a:', ':path', 'ä', 'a\n', 'a/b', '(', '']) {
      const code = name === '' ? 'empty-value' : 'bad-header-name';
      t.same(problems(list, name, 'v'), [`${code} ${at}.name`], name);
    }
    t.same(problems(list, 'a'.repeat(257), 'v'), [`too-long ${at}.name`]);
    t.same(problems(list, 'a', ''), [`empty-value ${at}.value`]);
    const max = list === 'headers' ? 4096 : 1024;
    t.same(problems(list, 'a', 'v'.repeat(max)), []);
    t.same(problems(list, 'a', 'v'.repeat(max + 1)), [`too-long ${at}.value`]);
  }
  for (const value of ['v', 'a b', 'a\tb', 'a  b', '"q"', '~!']) t.same(problems('headers', 'a', value), [], value);
  for (const value of [' v', 'v ', '\t', 'a\r\nb', 'a\nb', 'ä', 'a\u0000']) {
    t.same(problems('headers', 'a', value), [`bad-header-value ${MATCH}.headers[0].value`], JSON.stringify(value));
  }
});

t.test(
  'SPEC M7, M8, V13: of names that differ by case the first counts for headers, both for parameters',
  async (t) => {
    const { resources, problems } = parse(
      matchText(
        '{ headers: [{ name: X-A, value: first }, { name: x-a, value: second }],' +
          ' queryParams: [{ name: q, value: first }, { name: Q, value: other }] }',
      ),
    );
    matches(t, problems, [{ severity: 'warning', code: 'duplicate-name', path: `${MATCH}.headers[1].name` }]);
    t.equal(problems.length, 1);
    matches(t, resources, [
      {
        rules: [
          {
            matches: [
              {
                headers: [{ name: 'x-a', value: 'first' }],
                queryParams: [
                  { name: 'q', value: 'first' },
                  { name: 'Q', value: 'other' },
                ],
              },
            ],
          },
        ],
      },
    ]);
  },
);

t.test('SPEC V13: a name that stands twice in one list is refused', async (t) => {
  const twice = '[{ name: a, value: v }, { name: b, value: v }, { name: a, value: w }]';
  const modifier = (type: string, field: string, lists: string): string =>
    ruleText(`{ filters: [{ type: ${type}, ${field}: { ${lists} } }] }`);
  const request = (lists: string): string => modifier('RequestHeaderModifier', 'requestHeaderModifier', lists);
  const response = (lists: string): string => modifier('ResponseHeaderModifier', 'responseHeaderModifier', lists);
  const filter = 'spec.rules[0].filters[0]';
  const cases: [string, string][] = [
    [matchText(`{ headers: ${twice} }`), `${MATCH}.headers[2].name`],
    [matchText(`{ queryParams: ${twice} }`), `${MATCH}.queryParams[2].name`],
    [request(`set: ${twice}`), `${filter}.requestHeaderModifier.set[2].name`],
    [request(`add: ${twice}`), `${filter}.requestHeaderModifier.add[2].name`],
    [request('remove: [a, b, a]'), `${filter}.requestHeaderModifier.remove[2]`],
    [response(`set: ${twice}`), `${filter}.responseHeaderModifier.set[2].name`],
    [response(`add: ${twice}`), `${filter}.responseHeaderModifier.add[2].name`],
    [response('remove: [a, b, a]'), `${filter}.responseHeaderModifier.remove[2]`],
  ];
  for (const [text, path] of cases) {
    const { problems, resources } = parse(text);
    t.same(summary(problems), [`duplicate-name ${path}`]);
    matches(t, problems, [{ severity: 'error' }], path);
    matches(t, resources, [{ kind: 'RefusedRoute' }], path);
  }
});

t.test('SPEC V13: a value that stands twice in a set is refused', async (t) => {
  const cors = (list: string): string => ruleText(`{ filters: [{ type: CORS, cors: { ${list} } }] }`);
  const auth = (settings: string): string => {
    const backend = 'backendRef: { name: auth, port: 80 }';
    return ruleText(`{ filters: [{ type: ExternalAuth, externalAuth: { ${backend}, ${settings} } }] }`);
  };
  const filter = 'spec.rules[0].filters[0]';
  const cases: [string, string][] = [
    [ruleText('{ retry: { codes: [503, 500, 503] } }'), 'spec.rules[0].retry.codes[2]'],
    [cors("allowOrigins: ['http://a', 'http://b', 'http://a']"), `${filter}.cors.allowOrigins[2]`],
    [cors('allowMethods: [GET, PUT, GET]'), `${filter}.cors.allowMethods[2]`],
    [cors('allowHeaders: [a, A, a]'), `${filter}.cors.allowHeaders[2]`],
    [cors('exposeHeaders: [a, A, a]'), `${filter}.cors.exposeHeaders[2]`],
    [auth('protocol: HTTP, http: { allowedHeaders: [a, A, a] }'), `${filter}.externalAuth.http.allowedHeaders[2]`],
    [
      auth('protocol: HTTP, http: { allowedResponseHeaders: [a, b, a] }'),
      `${filter}.externalAuth.http.allowedResponseHeaders[2]`,
    ],
    [auth('protocol: GRPC, grpc: { allowedHeaders: [a, b, a] }'), `${filter}.externalAuth.grpc.allowedHeaders[2]`],
  ];
  for (const [text, path] of cases) {
    const { problems } = parse(text);
    t.same(summary(problems), [`duplicate-value ${path}`]);
    matches(t, problems, [{ severity: 'error' }], path);
  }
});

t.test('SPEC D6: rule names', async (t) => {
  t.equal(onlyRoute(ruleText('{ name: main.v1 }')).rules[0]?.name, 'main.v1');
  for (const name of ['Main', '-a', 'a-', 'a..b', 'a_b']) {
    t.same(summary(parse(ruleText(`{ name: ${name} }`)).problems), ['bad-name spec.rules[0].name'], name);
  }
});

t.test('SPEC T2: backendRequest may exceed request only when request is zero', async (t) => {
  const timeouts = (request: string, backendRequest: string): string[] =>
    summary(parse(ruleText(`{ timeouts: { request: ${request}, backendRequest: ${backendRequest} } }`)).problems);
  t.same(timeouts('1s', '1000ms'), []);
  t.same(timeouts('0s', '1h'), []);
  t.same(timeouts('1s', '0s'), []);
  t.same(timeouts('1s', '1001ms'), ['timeout-order spec.rules[0].timeouts.backendRequest']);
});

t.test('SPEC F3: mirrors and extensions may repeat, every other filter may not', async (t) => {
  const settings: [string, string, boolean][] = [
    ['RequestHeaderModifier', 'requestHeaderModifier: {}', false],
    ['ResponseHeaderModifier', 'responseHeaderModifier: {}', false],
    ['RequestRedirect', 'requestRedirect: {}', false],
    ['URLRewrite', 'urlRewrite: {}', false],
    ['CORS', 'cors: {}', false],
    ['ExternalAuth', 'externalAuth: { protocol: GRPC, backendRef: { name: a, port: 1 }, grpc: {} }', false],
    ['RequestMirror', 'requestMirror: { backendRef: { name: a, port: 80 } }', true],
    ['ExtensionRef', 'extensionRef: { group: a, kind: B, name: c }', true],
  ];
  for (const [type, payload, repeatable] of settings) {
    const filter = `{ type: ${type}, ${payload} }`;
    const twice = summary(parse(ruleText(`{ filters: [${filter}, ${filter}] }`)).problems);
    t.same(twice, repeatable ? [] : ['duplicate-filter spec.rules[0].filters[1].type'], type);
    const inBackend = parse(ruleText(`{ backendRefs: [{ name: a, port: 80, filters: [${filter}, ${filter}] }] }`));
    t.equal(inBackend.problems.length, repeatable ? 0 : 1, `${type} in a backendRef`);
  }
});

t.test('SPEC F9: ReplacePrefixMatch in a backendRef needs a single prefix match of the rule too', async (t) => {
  const path = '{ type: ReplacePrefixMatch, replacePrefixMatch: /b }';
  const backend = `{ name: a, port: 80, filters: [{ type: URLRewrite, urlRewrite: { path: ${path} } }] }`;
  t.same(summary(parse(ruleText(`{ backendRefs: [${backend}] }`)).problems), []);
  const { problems } = parse(
    ruleText(`{ matches: [{ path: { type: Exact, value: /a } }], backendRefs: [${backend}] }`),
  );
  t.same(summary(problems), ['prefix-match-needed spec.rules[0].backendRefs[0].filters[0].urlRewrite.path']);
});

t.test('SPEC F5, V13: of names of one action that differ by case the first counts, with a warning', async (t) => {
  const { resources, problems } = parse(
    ruleText(
      '{ filters: [{ type: RequestHeaderModifier, requestHeaderModifier:' +
        ' { set: [{ name: A, value: first }, { name: a, value: second }], remove: [b, B] } }] }',
    ),
  );
  matches(t, problems, [
    { severity: 'warning', code: 'duplicate-name' },
    { severity: 'warning', code: 'duplicate-name' },
  ]);
  matches(t, resources, [
    { rules: [{ filters: [{ requestHeaderModifier: { set: [{ name: 'A', value: 'first' }], remove: ['b'] } }] }] },
  ]);
});

t.test(
  'SPEC F9, V12: a replacement without a leading slash gets one, an emptied full path becomes the root',
  async (t) => {
    const read = (type: string, settings: string): unknown => {
      const matches = 'matches: [{ path: { value: /a } }]';
      const { rules } = onlyRoute(ruleText(`{ ${matches}, filters: [{ type: ${type}, ${settings} }] }`));
      const [filter] = rules[0]!.filters;
      if (filter?.type === 'URLRewrite') return filter.urlRewrite.path;
      return filter?.type === 'RequestRedirect' ? filter.requestRedirect.path : null;
    };
    const full: [string, string][] = [
      ['', '/'],
      ['/', '/'],
      ['a', '/a'],
      ['a/b/', '/a/b/'],
      ['/a', '/a'],
      ['..', '/..'],
    ];
    const prefix: [string, string][] = [['', ''], ...full.slice(1)];
    for (const [type, payload] of [
      ['URLRewrite', 'urlRewrite'],
      ['RequestRedirect', 'requestRedirect'],
    ] as const) {
      for (const [written, sent] of full) {
        const path = `{ type: ReplaceFullPath, replaceFullPath: '${written}' }`;
        t.same(read(type, `${payload}: { path: ${path} }`), { type: 'ReplaceFullPath', replaceFullPath: sent });
      }
      for (const [written, sent] of prefix) {
        const path = `{ type: ReplacePrefixMatch, replacePrefixMatch: '${written}' }`;
        t.same(read(type, `${payload}: { path: ${path} }`), { type: 'ReplacePrefixMatch', replacePrefixMatch: sent });
      }
    }
  },
);

t.test('SPEC S2, S5: the reason of a refused route', async (t) => {
  const reason = (rule: string): unknown => {
    const [refused] = parse(ruleText(rule)).resources;
    return refused?.kind === 'RefusedRoute' ? refused.reason : refused?.kind;
  };
  t.equal(reason('{ filters: [{ type: Compress }] }'), 'UnsupportedValue');
  t.equal(
    reason('{ matches: [{ path: { type: Glob, value: "*" } }] }'),
    'UnsupportedValue',
    'nothing said of its value',
  );
  t.equal(reason('{ matches: [{ headers: [{ type: Glob, name: a, value: "*" }] }] }'), 'UnsupportedValue');
  t.equal(reason('{ matches: [{ method: PURGE }] }'), 'UnsupportedValue');
  t.equal(
    reason('{ filters: [{ type: URLRewrite, urlRewrite: {} }, { type: RequestRedirect, requestRedirect: {} }] }'),
    'IncompatibleFilters',
  );
  t.equal(reason('{ filters: [{ type: Compress }], name: A }'), 'Invalid', 'one that fits all errors');
});

t.test('a field without value counts as absent, with a warning', async (t) => {
  const { resources, problems } = parse(ruleText(`{ matches: , ${BACKEND} }`));
  matches(t, problems, [{ severity: 'warning', code: 'empty-field', path: 'spec.rules[0].matches' }]);
  matches(t, resources, [{ kind: 'HTTPRoute' }]);
});

t.test('an unquoted yes is text with a warning, a quoted one is text', async (t) => {
  matches(t, parse(matchText('{ headers: [{ name: a, value: yes }] }')).problems, [
    { severity: 'warning', code: 'ambiguous-string', path: `${MATCH}.headers[0].value` },
  ]);
  t.same(parse(matchText("{ headers: [{ name: a, value: 'yes' }] }")).problems, []);
});

t.test(
  'SPEC B8, V11: session persistence in a route, as v1.6 or v1.7 has it, is told once to have no effect',
  async (t) => {
    for (const settings of [
      '{ sessionName: a, type: Cookie, idleTimeout: 1h, cookieConfig: { lifetimeType: Session } }',
      '{ type: Cookie, absoluteTimeout: 1h, cookie: { name: a, lifetimeType: Permanent, path: / } }',
      '{ type: Header, header: { name: x-session } }',
    ]) {
      const { resources, problems } = parse(ruleText(`{ sessionPersistence: ${settings} }`));
      matches(t, problems, [
        {
          severity: 'warning',
          code: 'not-carried-yet',
          path: 'spec.rules[0].sessionPersistence',
          message: /deprecates it in routes and has it in XBackend/,
        },
      ]);
      const { problems: later } = attach({ resources, namespace: 'shop' });
      t.same(
        later.filter(({ path }) => path.startsWith('spec.rules')),
        [],
        'no second warning for it',
      );
      matches(t, resources, [{ kind: 'HTTPRoute' }]);
    }
  },
);

t.test('SPEC V11: an XBackend is a backend of another kind, which has no port', async (t) => {
  const backend = '{ group: gateway.networking.x-k8s.io, kind: XBackend, name: b }';
  const { resources, problems } = parse(ruleText(`{ backendRefs: [${backend}] }`));
  t.same(problems, []);
  matches(t, attach({ resources, namespace: 'shop' }).conditions, [
    { type: 'Accepted', status: 'True' },
    { type: 'ResolvedRefs', status: 'False', reason: 'InvalidKind' },
  ]);
});

t.test('numbers that YAML 1.1 and 1.2 read differently are refused', async (t) => {
  const { problems } = parse(ruleText('{ backendRefs: [{ name: a, port: 0080 }] }'));
  t.same(summary(problems), ['wrong-type spec.rules[0].backendRefs[0].port']);
});

t.test('SPEC M5: without a check every regular expression is taken', async (t) => {
  const text = matchText("{ path: { type: RegularExpression, value: '(' } }");
  t.same(parse(text, {}).problems, []);
  t.same(summary(parse(text).problems), [`bad-regex ${MATCH}.path.value`]);
});

t.test('SPEC F5: Host of a request may be set to a host with or without a port, and to nothing else', async (t) => {
  const set = (type: string, action: string, value: string): string[] => {
    const field = type === 'RequestHeaderModifier' ? 'requestHeaderModifier' : 'responseHeaderModifier';
    const payload = action === 'remove' ? '[HOST]' : `[{ name: HOST, value: '${value}' }]`;
    return summary(parse(ruleText(`{ filters: [{ type: ${type}, ${field}: { ${action}: ${payload} } }] }`)).problems);
  };
  for (const host of ['a', 'A.example', 'a.example:8080', '10.0.0.1', '[fd00::1]:80']) {
    t.same(set('RequestHeaderModifier', 'set', host), [], host);
  }
  const path = 'spec.rules[0].filters[0].requestHeaderModifier';
  for (const host of ['a b', 'a/b', 'a:0', 'a:65536', 'a:b', 'user@a', 'a,b', '-a']) {
    t.same(set('RequestHeaderModifier', 'set', host), [`bad-hostname ${path}.set[0].value`], host);
  }
  t.same(set('RequestHeaderModifier', 'add', 'a'), [`reserved-header ${path}.add[0].name`]);
  t.same(set('RequestHeaderModifier', 'remove', ''), [`reserved-header ${path}.remove[0]`]);
  t.same(set('ResponseHeaderModifier', 'remove', ''), []);
});
