/**
 * What an API server with the CRDs of Gateway API v1.7.0 takes and refuses, field by field: the facts of their schemas, list
 * types and CEL rules. Taken means: by one of the two channels at least.
 *
 * Each row is a document that is taken, a field in it, and values of that field. `stricter` are values that an API server
 * takes and sideroute refuses; docs/configuration.md says why.
 */
export const ABSENT = Symbol('absent');

export interface ApiServerCase {
  /** Path of the field below `spec`, and the value. */
  readonly title: string;
  readonly document: object;
  readonly taken: boolean;
  readonly stricter: boolean;
}

export type Json = Record<string, unknown>;
export type Values = readonly unknown[];

export interface Row {
  readonly spec: Json;
  readonly path: string;
  readonly taken: Values;
  readonly refused: Values;
  readonly stricter: Values;
}

const SERVICE = { group: '', kind: 'Service', name: 'cart', namespace: 'shop', sectionName: 'http', port: 80 };
const PREFIX = [{ path: { type: 'PathPrefix', value: '/a' } }];
const BACKEND = { group: '', kind: 'Service', name: 'v1', namespace: 'shop', port: 80, weight: 1 };
const TARGET = { name: 'm', port: 80 };

export const times = <Item>(count: number, item: (index: number) => Item): Item[] =>
  Array.from({ length: count }, (_, index) => item(index));
export const letters = (count: number): string => 'a'.repeat(count);
export const named = (index: number): Json => ({ name: `n${index}`, value: 'v' });

export function row(spec: Json, path: string, taken: Values, refused: Values, stricter: Values = []): Row {
  return { spec, path, taken, refused, stricter };
}

export const rule = (fields: Json): Json => ({ rules: [fields] });
export const filter = (type: string, field: string, settings: Json, matches: Values = PREFIX): Json =>
  rule({ matches, filters: [{ type, [field]: settings }] });

export const WRONG_TYPES: Values = [7, true, ['x'], { zzz: 1 }];
const NOT_NAMES: Values = ['A', 'a_b', 'a b', 'a/b', '-a', 'a-', 'a..b', '.a', '*'];
const DURATIONS_TAKEN: Values = ['0s', '1s', '500ms', '1h1m1s1ms', '1s1s', '99999h', ABSENT, null];
const DURATIONS_REFUSED: Values = ['', '1', 's', '1d', '1.5s', '-1s', '100000s', '1h1m1s1ms1h', '1us', 7, true];
const PATHS_TAKEN: Values = ['/', '/a', '/a/', '/.a', '/a.', '/...', "/-._~!$&'()*+,;=:@", '/%20', `/${letters(1023)}`];
const PATHS_REFUSED: Values = [
  ...['', 'a', '//', '/a//b', '/a/./b', '/a/../b', '/a%2fb', '/a%2Fb', '/a#b', '/a/..', '/a/.', '/.', '/..'],
  ...['/a b', '/a?b', '/ä', '/a%', '/a%zz', '/a\\b', '/a\n', `/${letters(1024)}`],
  ...WRONG_TYPES,
];
export const TOKENS_TAKEN: Values = ['a', 'A', "!#$%&'*+-.^_`|~0", letters(256)];
export const TOKENS_REFUSED: Values = ['', ' ', 'a b', 'a:', 'a\n', 'ä', letters(257), ABSENT, ...WRONG_TYPES];
export const HEADER_VALUES_TAKEN: Values = ['v', 'a b', 'a\tb', 'a  b', '"q"', letters(4096)];
export const HEADER_VALUES_REFUSED: Values = ['', letters(4097), ABSENT, ...WRONG_TYPES];
export const HEADER_VALUES_STRICTER: Values = [' v', 'v ', 'a\nb', 'ä'];
const HOSTS_TAKEN: Values = ['a', 'a.b', '1.2.3.4', ABSENT, null];
const HOSTS_REFUSED: Values = ['', 'A', '*.a', 'a.', '.a', 'a..b', 'a:80', 'a_b', letters(254), ...WRONG_TYPES];
const PORTS_TAKEN: Values = [1, 65_535];
const PORTS_REFUSED: Values = [0, -1, 65_536, 1.5, 'http', '80', true];
const REPLACEMENTS_TAKEN: Values = ['', '/', '/a', '/a/', 'a', 'a/b', '.', '..', `/${letters(1023)}`, letters(1024)];
const REPLACEMENTS_REFUSED: Values = [letters(1025), `/${letters(1024)}`, ABSENT, ...WRONG_TYPES];
const REPLACEMENTS_STRICTER: Values = ['//', '//a', '/a b', '/a?b', '/a#b', '/ä', '/a%zz', 'a?b'];
export const TWICE: Values = [named(0), named(1), named(0)];
export const SPELLINGS: Values = [
  { name: 'a', value: 'v' },
  { name: 'A', value: 'w' },
];

export const withBackend = (fields: Json): Json => rule({ matches: PREFIX, backendRefs: [{ ...BACKEND, ...fields }] });
const parents = (...refs: Json[]): Json => ({ parentRefs: refs });
const CART = { group: '', kind: 'Service', name: 'cart' };
const conditions = rule({
  matches: [
    {
      ...PREFIX[0],
      headers: [{ type: 'Exact', name: 'x', value: '1' }],
      queryParams: [{ type: 'Exact', name: 'q', value: '1' }],
      method: 'GET',
    },
  ],
});
export const MATCH = 'rules.0.matches.0';
export const SETTINGS = 'rules.0.filters.0';

/** For every kind of route. */
export const COMMON_ROWS: readonly Row[] = [
  row(
    parents(SERVICE),
    'parentRefs',
    [[], null, ABSENT, times(32, (i) => ({ ...CART, name: `n${i}` }))],
    ['x', ['x'], times(33, (i) => ({ ...CART, name: `n${i}` }))],
  ),
  row(
    parents(SERVICE),
    'parentRefs',
    [
      [
        { ...CART, port: 80 },
        { ...CART, port: 81 },
      ],
      [
        { ...CART, sectionName: 'a' },
        { ...CART, sectionName: 'b' },
      ],
      [CART, { ...CART, namespace: 'other' }],
      [CART, { ...CART, name: 'other' }],
      [{ ...CART, kind: 'Gateway', group: 'gateway.networking.k8s.io' }, CART],
    ],
    [
      [CART, CART],
      [CART, { ...CART, port: 80 }],
      [
        { ...CART, port: 80 },
        { ...CART, port: 80 },
      ],
      [
        { ...CART, port: 80 },
        { ...CART, sectionName: 'a' },
      ],
      [
        { ...CART, sectionName: 'a' },
        { ...CART, sectionName: 'a' },
      ],
    ],
  ),
  row(parents(SERVICE), 'parentRefs.0.group', ['', 'a', 'a.example', ABSENT, null], ['A', 'a..b', letters(254), 7]),
  row(parents(SERVICE), 'parentRefs.0.kind', ['a', 'Kind', 'K-9', ABSENT], ['', '1a', 'a_b', 'a-', letters(64), 7]),
  row(parents(SERVICE), 'parentRefs.0.name', ['a', 'a.b', '1'], ['', letters(254), ABSENT, null, 7], NOT_NAMES),
  row(parents(SERVICE), 'parentRefs.0.namespace', ['a', '1-a', letters(63), ABSENT], ['', 'A', 'a.b', letters(64), 7]),
  row(parents(SERVICE), 'parentRefs.0.sectionName', ['a', 'a.b', ABSENT], ['', 'A', 'a_b', letters(254), 7]),
  row(parents(SERVICE), 'parentRefs.0.port', [...PORTS_TAKEN, ABSENT, null], PORTS_REFUSED),
  row(parents(SERVICE), 'parentRefs.0.zzz', [], [1]),
  row(
    { hostnames: ['a.example'] },
    'hostnames.0',
    ['a', '*.a', '*.a.b', letters(253)],
    ['', '*', 'A', 'a*', '*a', 'a.*', 'a:80', 'a.', letters(254), ...WRONG_TYPES],
    ['1.2.3.4'],
  ),
  row({ hostnames: ['a'] }, 'hostnames', [[], times(16, (i) => `h${i}`), ['a', 'a']], [times(17, (i) => `h${i}`), 'a']),
  row({ useDefaultGateways: 'None' }, 'useDefaultGateways', ['All', 'None', ABSENT], ['', 'Some', 7]),
  row(rule({}), 'rules', [ABSENT, null, [{}], times(16, () => ({}))], [times(17, () => ({})), ['x'], 'x', {}]),
  row(
    rule({}),
    'rules',
    [
      [{ name: 'a' }, { name: 'b' }, {}, {}],
      [{ matches: times(64, () => ({})) }, { matches: times(64, () => ({})) }],
    ],
    [
      [{ name: 'a' }, {}, { name: 'a' }],
      [{ matches: times(64, () => ({})) }, { matches: times(64, () => ({})) }, { matches: [{}] }],
      [{ matches: times(65, () => ({})) }],
    ],
  ),
  row(rule({}), 'rules.0.name', ['a', 'a.b', letters(253), null], ['', 'A', 'a_b', letters(254), ...WRONG_TYPES]),
  row(rule({}), 'rules.0.zzz', [], [1, {}]),
];

/** The maximum number of matches, all empty, in two rules; the list of rules is full. */
export const FULL_RULES: readonly Json[] = [{ matches: times(64, () => ({})) }, { matches: times(64, () => ({})) }];

/** Only for an HTTPRoute. */
const ROUTE_ROWS: readonly Row[] = [
  // If `matches` is missing, there is one default match; an empty list has none.
  row(rule({}), 'rules', [[...FULL_RULES, { matches: [] }]], [[], [...FULL_RULES, {}]]),
  row(conditions, MATCH, [{}], [null, 'x', { zzz: 1 }]),
  row(conditions, `${MATCH}.path`, [ABSENT, null, {}, { value: '/b' }], ['x', [], { zzz: 1 }]),
  row(conditions, `${MATCH}.path.type`, ['Exact', 'PathPrefix', ABSENT, null], ['', 'Prefix', 'exact', ...WRONG_TYPES]),
  row(conditions, `${MATCH}.path.value`, [...PATHS_TAKEN, ABSENT, null], PATHS_REFUSED),
  row(
    rule({ matches: [{ path: { type: 'RegularExpression', value: 'x' } }] }),
    `${MATCH}.path.value`,
    ['a', '/a?b', '.*', letters(1024)],
    [letters(1025), 7],
    ['(', '*', 'a{1001}', ''],
  ),
  row(conditions, `${MATCH}.method`, ['GET', 'HEAD', 'CONNECT', 'TRACE', ABSENT], ['', 'get', 'PURGE', '*', ['GET']]),
  row(conditions, `${MATCH}.headers`, [[], null, SPELLINGS, times(16, named)], [TWICE, times(17, named), 'x', ['x']]),
  row(conditions, `${MATCH}.headers.0.type`, ['Exact', 'RegularExpression', ABSENT], ['', 'Prefix', 7]),
  row(conditions, `${MATCH}.headers.0.name`, TOKENS_TAKEN, TOKENS_REFUSED),
  row(conditions, `${MATCH}.headers.0.value`, HEADER_VALUES_TAKEN, HEADER_VALUES_REFUSED, HEADER_VALUES_STRICTER),
  row(conditions, `${MATCH}.queryParams`, [[], null, SPELLINGS, times(16, named)], [TWICE, times(17, named), 'x']),
  row(conditions, `${MATCH}.queryParams.0.type`, ['Exact', 'RegularExpression', ABSENT], ['', 'Prefix', 7]),
  row(conditions, `${MATCH}.queryParams.0.name`, TOKENS_TAKEN, TOKENS_REFUSED),
  row(
    conditions,
    `${MATCH}.queryParams.0.value`,
    ['v', ' ', 'ä', 'a b', letters(1024)],
    ['', letters(1025), ABSENT, 7],
  ),
  row(rule({ timeouts: {} }), 'rules.0.timeouts.request', DURATIONS_TAKEN, DURATIONS_REFUSED),
  row(rule({ timeouts: {} }), 'rules.0.timeouts.backendRequest', DURATIONS_TAKEN, DURATIONS_REFUSED),
  row(
    rule({}),
    'rules.0.timeouts',
    [
      { request: '1s', backendRequest: '1s' },
      { request: '0s', backendRequest: '1h' },
      { request: '1m', backendRequest: '0s' },
    ],
    [{ request: '1s', backendRequest: '1001ms' }, { zzz: '1s' }, '1s'],
  ),
  row(rule({ retry: {} }), 'rules.0.retry.attempts', [0, 1, 2_147_483_648, ABSENT, null], [-1, 1.5, '1', true]),
  row(
    rule({ retry: {} }),
    'rules.0.retry.codes',
    [[], [400, 599], times(200, (i) => 400 + i), null],
    [[399], [600], [500, 500], ['500'], 500, [null]],
  ),
  row(rule({ retry: {} }), 'rules.0.retry.backoff', DURATIONS_TAKEN, DURATIONS_REFUSED),
  row(rule({ retry: {} }), 'rules.0.retry.zzz', [], [1]),
];

/** For every kind of route. */
export const BACKEND_ROWS: readonly Row[] = [
  row(
    withBackend({}),
    'rules.0.backendRefs',
    [[], null, times(16, () => BACKEND)],
    [times(17, () => BACKEND), 'x', ['x']],
  ),
  row(withBackend({}), 'rules.0.backendRefs.0.group', ['', 'a.example', ABSENT], ['A', 'a..b', 7]),
  row(withBackend({}), 'rules.0.backendRefs.0.kind', ['Kind', ABSENT], ['', '1a', 'a_b', letters(64)]),
  row(withBackend({}), 'rules.0.backendRefs.0.name', ['a', '1'], ['', letters(254), ABSENT, 7], NOT_NAMES),
  row(withBackend({}), 'rules.0.backendRefs.0.namespace', ['a', ABSENT], ['', 'A', 'a.b', letters(64)]),
  row(withBackend({}), 'rules.0.backendRefs.0.port', PORTS_TAKEN, [...PORTS_REFUSED, ABSENT, null]),
  row(withBackend({ group: 'a.example', kind: 'K' }), 'rules.0.backendRefs.0.port', [...PORTS_TAKEN, ABSENT], [0]),
  row(withBackend({}), 'rules.0.backendRefs.0.weight', [0, 1_000_000, ABSENT], [-1, 1_000_001, 1.5, '1', true]),
  row(withBackend({}), 'rules.0.backendRefs.0.zzz', [], [1]),
];

export const header = (type: string, field: string): Row[] => {
  const spec = filter(type, field, { set: [named(0)], add: [named(1)], remove: ['x'] });
  const at = `${SETTINGS}.${field}`;
  return [
    row(spec, at, [{}, { set: null }], [ABSENT, null, 'x', { zzz: [] }]),
    ...['set', 'add'].flatMap((action) => [
      row(
        spec,
        `${at}.${action}`,
        [[], SPELLINGS, times(16, (i) => named(i + 10))],
        [TWICE, times(17, (i) => named(i + 10)), { n: 'v' }, ['x']],
      ),
      row(spec, `${at}.${action}.0.name`, TOKENS_TAKEN, TOKENS_REFUSED),
      row(spec, `${at}.${action}.0.value`, HEADER_VALUES_TAKEN, HEADER_VALUES_REFUSED, HEADER_VALUES_STRICTER),
    ]),
    row(
      spec,
      `${at}.remove`,
      [[], ['a', 'A'], times(16, (i) => `r${i}`)],
      [['a', 'b', 'a'], times(17, (i) => `r${i}`), 'a', [{ name: 'a' }]],
      [[''], ['a b'], ['a:'], ['n0']],
    ),
  ];
};

const modifiers = (type: string, field: string): Row[] => {
  const spec = (path: Json, matches?: Values): Json => filter(type, field, { path }, matches);
  const full = { type: 'ReplaceFullPath', replaceFullPath: '/x' };
  const prefix = { type: 'ReplacePrefixMatch', replacePrefixMatch: '/x' };
  const at = `${SETTINGS}.${field}.path`;
  const exact = [{ path: { type: 'Exact', value: '/a' } }];
  return [
    row(
      spec(full),
      at,
      [full, prefix, ABSENT, null],
      [
        {},
        { type: 'ReplaceFullPath' },
        { ...full, type: 'ReplacePrefixMatch' },
        { ...full, ...prefix },
        { ...full, type: 'Other' },
        { ...full, zzz: 1 },
        '/x',
      ],
    ),
    row(spec(full), `${at}.replaceFullPath`, REPLACEMENTS_TAKEN, REPLACEMENTS_REFUSED, REPLACEMENTS_STRICTER),
    row(spec(prefix), `${at}.replacePrefixMatch`, REPLACEMENTS_TAKEN, REPLACEMENTS_REFUSED, REPLACEMENTS_STRICTER),
    row(spec(prefix), 'rules.0.matches', [PREFIX, ABSENT, [{}]], [exact, [...PREFIX, {}], []]),
    row(spec(full, exact), 'rules.0.matches', [exact, [...PREFIX, {}], []], []),
    row(spec(full), `${SETTINGS}.${field}.hostname`, HOSTS_TAKEN, HOSTS_REFUSED),
  ];
};

const cors = filter('CORS', 'cors', { allowOrigins: ['https://a'] });
const mirror = filter('RequestMirror', 'requestMirror', { backendRef: TARGET, percent: 5 });
const share = filter('RequestMirror', 'requestMirror', { backendRef: TARGET, fraction: { numerator: 1 } });
const redirect = filter('RequestRedirect', 'requestRedirect', { statusCode: 301 });
const auth = filter('ExternalAuth', 'externalAuth', { protocol: 'HTTP', backendRef: TARGET, http: { path: '/p' } });
const extension = filter('ExtensionRef', 'extensionRef', { group: 'g.example', kind: 'K', name: 'n' });
const rewriting = { type: 'URLRewrite', urlRewrite: {} };
const redirecting = { type: 'RequestRedirect', requestRedirect: {} };
export const copying = { type: 'RequestMirror', requestMirror: { backendRef: TARGET } };
export const editing = { type: 'RequestHeaderModifier', requestHeaderModifier: {} };
export const answering = { type: 'ResponseHeaderModifier', responseHeaderModifier: {} };
const sharing = { type: 'CORS', cors: {} };
const LISTS: Values = [
  [rewriting, redirecting],
  ...[rewriting, redirecting, editing, answering, sharing].map((item) => [item, copying, item]),
  times(17, () => copying),
  [{ ...editing, type: 'URLRewrite' }],
  [{ ...editing, ...rewriting }],
  [{ type: 'URLRewrite' }],
  [{ urlRewrite: {} }],
  [{ ...rewriting, type: 'Compress' }],
  [{ ...rewriting, zzz: 1 }],
  'x',
];
const FILTER_LISTS: Values = [[], null, times(16, () => copying), [editing, answering, copying, sharing, rewriting]];

/** For the filters of every kind of route. */
export const COMMON_FILTER_ROWS: readonly Row[] = [
  ...header('RequestHeaderModifier', 'requestHeaderModifier'),
  ...header('ResponseHeaderModifier', 'responseHeaderModifier'),
  row(mirror, `${SETTINGS}.requestMirror.percent`, [0, 100, ABSENT], [-1, 101, 1.5, '5']),
  row(mirror, `${SETTINGS}.requestMirror.fraction`, [ABSENT, null], [{ numerator: 1 }]),
  row(mirror, `${SETTINGS}.requestMirror.backendRef`, [TARGET], [ABSENT, null, {}, { name: 'm' }, [TARGET]]),
  row(mirror, `${SETTINGS}.requestMirror.backendRef.weight`, [], [1]),
  row(
    share,
    `${SETTINGS}.requestMirror.fraction`,
    [
      { numerator: 0 },
      { numerator: 100 },
      { numerator: 1, denominator: 1 },
      { numerator: 2_147_483_647, denominator: 2_147_483_647 },
    ],
    [{}, { numerator: 101 }, { numerator: 2, denominator: 1 }, { numerator: -1 }, { numerator: 0, denominator: 0 }],
  ),
  row(extension, `${SETTINGS}.extensionRef.group`, ['', 'a.b'], ['A', ABSENT, 7]),
  row(extension, `${SETTINGS}.extensionRef.kind`, ['K'], ['', 'a_b', ABSENT]),
  row(extension, `${SETTINGS}.extensionRef.name`, ['n'], ['', letters(254), ABSENT], NOT_NAMES),
  row(extension, `${SETTINGS}.extensionRef.namespace`, [], ['shop']),
];

/** Only for an HTTPRoute. */
const FILTER_ROWS: readonly Row[] = [
  row(rule({ matches: PREFIX }), 'rules.0.filters', [...FILTER_LISTS, [redirecting]], LISTS),
  row(withBackend({}), 'rules.0.backendRefs.0.filters', [...FILTER_LISTS, [redirecting]], LISTS),
  row(withBackend({}), 'rules.0.filters', FILTER_LISTS, [[redirecting]]),
  ...modifiers('URLRewrite', 'urlRewrite'),
  ...modifiers('RequestRedirect', 'requestRedirect'),
  row(redirect, `${SETTINGS}.requestRedirect.scheme`, ['http', 'https', ABSENT], ['', 'HTTP', 'ftp', 7]),
  row(redirect, `${SETTINGS}.requestRedirect.port`, [...PORTS_TAKEN, ABSENT], PORTS_REFUSED),
  row(redirect, `${SETTINGS}.requestRedirect.statusCode`, [301, 302, 303, 307, 308, ABSENT], [0, 300, 304, 200, '301']),
  row(cors, `${SETTINGS}.cors`, [{}], [ABSENT, 'x', { zzz: 1 }]),
  row(
    cors,
    `${SETTINGS}.cors.allowOrigins`,
    [[], ['*'], ['http://a:1', 'https://*.a', 'http://*'], times(64, (i) => `http://a${i}`)],
    [
      ['*', 'http://a'],
      ['http://a', 'http://a'],
      ['a'],
      ['ftp://a'],
      ['http://a/'],
      [''],
      times(65, (i) => `http://a${i}`),
    ],
    [['http://a:0'], ['http://a:65536']],
  ),
  row(
    cors,
    `${SETTINGS}.cors.allowMethods`,
    [[], ['*'], ['GET', 'PATCH']],
    [['*', 'GET'], ['GET', 'GET'], ['get'], ['']],
  ),
  row(cors, `${SETTINGS}.cors.allowHeaders`, [['*'], ['a', 'A']], [['*', 'a'], ['a', 'a'], ['a b'], ['']]),
  row(cors, `${SETTINGS}.cors.exposeHeaders`, [['*'], ['*', 'a'], ['a', 'A']], [['a', 'a'], ['a b'], ['']]),
  row(cors, `${SETTINGS}.cors.allowHeaders`, [times(64, (i) => `h${i}`)], [times(65, (i) => `h${i}`)]),
  row(cors, `${SETTINGS}.cors.exposeHeaders`, [times(64, (i) => `h${i}`)], [times(65, (i) => `h${i}`)]),
  row(cors, `${SETTINGS}.cors.allowCredentials`, [true, false, ABSENT, null], ['true', 1, []]),
  row(cors, `${SETTINGS}.cors.maxAge`, [1, 2_147_483_647, ABSENT, null], [0, -1, 2_147_483_648, 1.5, '5']),
  row(auth, `${SETTINGS}.externalAuth.protocol`, ['HTTP'], ['GRPC', 'http', '', ABSENT]),
  row(auth, `${SETTINGS}.externalAuth.grpc`, [ABSENT, null], [{}]),
  row(
    auth,
    `${SETTINGS}.externalAuth.http`,
    [{}, { allowedHeaders: ['a', 'A'] }],
    [
      ABSENT,
      { zzz: 1 },
      { allowedHeaders: ['a', 'a'] },
      { allowedResponseHeaders: ['a', 'a'] },
      { allowedHeaders: times(65, (i) => `h${i}`) },
    ],
  ),
  row(
    auth,
    `${SETTINGS}.externalAuth.http.path`,
    ['/', 'a', '/a//b', letters(1024), ABSENT],
    ['', '/a b', '/a?b', '/a%zz', letters(1025)],
  ),
  row(
    auth,
    `${SETTINGS}.externalAuth.forwardBody`,
    [{}, { maxSize: 0 }, { maxSize: 2_147_483_647 }],
    [{ maxSize: -1 }, { maxSize: 2_147_483_648 }, { zzz: 1 }],
  ),
  row(auth, `${SETTINGS}.externalAuth.backendRef`, [TARGET], [ABSENT, { name: 'm' }, { port: 80 }]),
];

/** A copy of `value` with the field at `path` set or removed. */
function withField(value: unknown, [key, ...rest]: readonly string[], field: unknown): unknown {
  if (key === undefined) return field;
  if (Array.isArray(value)) {
    return value.map((item: unknown, index) => (String(index) === key ? withField(item, rest, field) : item));
  }
  const object = (value ?? {}) as Json;
  const inner = withField(object[key], rest, field);
  return inner === ABSENT
    ? Object.fromEntries(Object.entries(object).filter(([name]) => name !== key))
    : { ...object, [key]: inner };
}

export function casesOf(kind: string, { spec, path, taken, refused, stricter }: Row): ApiServerCase[] {
  const toCases = (values: Values, verdict: Pick<ApiServerCase, 'taken' | 'stricter'>): ApiServerCase[] =>
    values.map((value) => {
      const written = value === ABSENT ? 'absent' : JSON.stringify(value);
      return {
        title: `${path}: ${written.slice(0, 120)}`,
        document: {
          apiVersion: 'gateway.networking.k8s.io/v1',
          kind,
          metadata: { name: 'route', namespace: 'shop' },
          spec: withField(spec, path.split('.'), value) as Json,
        },
        ...verdict,
      };
    });
  return [
    ...toCases(taken, { taken: true, stricter: false }),
    ...toCases(refused, { taken: false, stricter: false }),
    ...toCases(stricter, { taken: true, stricter: true }),
  ];
}

export const HTTP_ROUTE_CASES: readonly ApiServerCase[] = [
  ...[...COMMON_ROWS, ...ROUTE_ROWS, ...BACKEND_ROWS, ...COMMON_FILTER_ROWS, ...FILTER_ROWS],
].flatMap((each) => casesOf('HTTPRoute', each));
