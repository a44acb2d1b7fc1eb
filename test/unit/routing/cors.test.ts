import t from 'tap';
import { OriginSet } from '../../../src/routing/filters/cors-origins.ts';
import { backend, match } from '../../support/routes.ts';
import { cors, extension, lines, OneRule, redirect, responseHeaders } from '../../support/filters.ts';

const ORIGIN = 'https://www.foo.com';
const VARY = 'Vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers';
type Headers = readonly (readonly [string, string])[];

function preflight(one: OneRule, origin: string, method = 'PUT', headers: Headers = []) {
  const decision = one.local({
    method: 'OPTIONS',
    headers: [['Origin', origin], ['Access-Control-Request-Method', method], ...headers],
  });
  return [decision.status, decision.reason, ...lines(decision.fields)];
}

function actual(one: OneRule, origin: string | null, method = 'GET'): string[] {
  return lines(one.forward({ method, headers: origin === null ? [] : [['Origin', origin]] }).responseFields);
}

t.test('SPEC F11, F12: a preflight of an allowed origin is answered here with all that is configured', async (t) => {
  const one = new OneRule({
    filters: [
      cors({
        allowOrigins: [ORIGIN],
        allowCredentials: true,
        allowMethods: ['GET', 'OPTIONS'],
        allowHeaders: ['x-header-1', 'x-header-2'],
        exposeHeaders: ['x-header-3', 'x-header-4'],
        maxAge: 3600,
      }),
    ],
  });
  t.same(preflight(one, ORIGIN, 'GET', [['Access-Control-Request-Headers', 'x-header-1']]), [
    204,
    'cors_preflight',
    `Access-Control-Allow-Origin: ${ORIGIN}`,
    'Access-Control-Allow-Credentials: true',
    'Access-Control-Allow-Methods: GET, OPTIONS',
    'Access-Control-Allow-Headers: x-header-1, x-header-2',
    'Access-Control-Expose-Headers: x-header-3, x-header-4',
    'Access-Control-Max-Age: 3600',
    VARY,
  ]);
});

t.test('SPEC F12: what is not configured is not said; Max-Age has its default', async (t) => {
  t.same(preflight(new OneRule({ filters: [cors({ allowOrigins: [ORIGIN] })] }), ORIGIN), [
    204,
    'cors_preflight',
    `Access-Control-Allow-Origin: ${ORIGIN}`,
    'Access-Control-Max-Age: 5',
    VARY,
  ]);
});

t.test('SPEC F13: a disallowed origin gets a preflight reply without CORS headers, and is forwarded', async (t) => {
  for (const allowOrigins of [[ORIGIN], []]) {
    const one = new OneRule({ filters: [cors({ allowOrigins, allowCredentials: true, exposeHeaders: ['x'] })] });
    t.same(preflight(one, 'https://other.example'), [204, 'cors_preflight', VARY]);
    t.same(actual(one, 'https://other.example'), []);
    t.equal(one.forward({ headers: [['Origin', 'null']] }), one.forward(), 'the compiled decision');
  }
});

t.test('SPEC F11: only OPTIONS with Origin and Access-Control-Request-Method is a preflight', async (t) => {
  const one = new OneRule({ filters: [cors({ allowOrigins: ['*'] })] });
  const origin = ['Origin', ORIGIN] as const;
  const method = ['Access-Control-Request-Method', 'GET'] as const;
  t.equal(one.decide({ method: 'OPTIONS', headers: [origin, method] }).kind, 'local');
  t.equal(one.decide({ method: 'OPTIONS', headers: [origin] }).kind, 'forward');
  t.equal(one.decide({ method: 'OPTIONS', headers: [method] }).kind, 'forward');
  t.equal(one.decide({ method: 'GET', headers: [origin, method] }).kind, 'forward');
  t.equal(one.decide({ method: 'options', headers: [origin, method] }).kind, 'forward');
});

t.test('SPEC F11: a preflight must match the rule first', async (t) => {
  const one = new OneRule({ matches: [match({ method: 'GET' })], filters: [cors({ allowOrigins: ['*'] })] });
  t.same(preflight(one, ORIGIN), [404, 'no_route']);
});

t.test('SPEC F11: a preflight is answered without a backend, except where a filter is not carried', async (t) => {
  const filters = [cors({ allowOrigins: ['*'] })];
  t.equal(preflight(new OneRule({ filters, backendRefs: [] }), ORIGIN)[0], 204);
  t.match(new OneRule({ filters, backendRefs: [] }).local(), { status: 500, reason: 'no_backend' });
  t.same(preflight(new OneRule({ filters: [...filters, extension] }), ORIGIN), [500, 'unsupported_filter']);
});

t.test('SPEC F14: responses carry what is allowed in place of what the backend says', async (t) => {
  const one = new OneRule({
    filters: [
      cors({ allowOrigins: [ORIGIN], allowCredentials: true, allowMethods: ['PUT'], exposeHeaders: ['X-A', 'X-B'] }),
    ],
  });
  t.same(actual(one, ORIGIN), [
    `Access-Control-Allow-Origin: ${ORIGIN}`,
    'Access-Control-Allow-Credentials: true',
    'Access-Control-Expose-Headers: X-A, X-B',
  ]);
  t.same(actual(one, null), []);
  t.same(one.forward().plan, {
    request: { remove: [], append: [] },
    response: {
      remove: [
        'access-control-allow-origin',
        'access-control-allow-credentials',
        'access-control-allow-methods',
        'access-control-allow-headers',
        'access-control-expose-headers',
        'access-control-max-age',
        'access-control-allow-private-network',
      ],
      append: [{ name: 'Vary', value: 'Origin' }],
    },
    host: null,
    path: null,
  });
});

t.test('SPEC F14: the wildcard echoes what was asked for and is silent about what was not', async (t) => {
  const any = { allowOrigins: ['*'], allowMethods: ['*'], allowHeaders: ['*'], exposeHeaders: ['*'] };
  const requested = [['Access-Control-Request-Headers', 'x-a, x-b']] as const;
  for (const allowCredentials of [false, true]) {
    const one = new OneRule({ filters: [cors({ ...any, allowCredentials })] });
    const credentials = allowCredentials ? ['Access-Control-Allow-Credentials: true'] : [];
    const expose = allowCredentials ? [] : ['Access-Control-Expose-Headers: *'];
    t.same(preflight(one, 'https://any.example:123', 'DELETE', requested), [
      204,
      'cors_preflight',
      'Access-Control-Allow-Origin: https://any.example:123',
      ...credentials,
      'Access-Control-Allow-Methods: DELETE',
      'Access-Control-Allow-Headers: x-a, x-b',
      ...expose,
      'Access-Control-Max-Age: 5',
      VARY,
    ]);
    t.notMatch(preflight(one, ORIGIN), /Allow-Headers/);
    t.same(actual(one, ORIGIN), [`Access-Control-Allow-Origin: ${ORIGIN}`, ...credentials, ...expose]);
    t.same(actual(one, 'null')[0], 'Access-Control-Allow-Origin: null');
  }
});

t.test('SPEC F14: nothing is echoed that is more than one value of visible characters', async (t) => {
  const one = new OneRule({ filters: [cors({ allowOrigins: ['*'], allowMethods: ['*'], allowHeaders: ['*'] })] });
  for (const origin of ['', 'https://a b', 'https://a\x01', 'https://a\x7f', 'https://\xe9', `${ORIGIN},${ORIGIN}`]) {
    t.same(actual(one, origin), [], JSON.stringify(origin));
    t.same(preflight(one, origin), [204, 'cors_preflight', VARY]);
  }
  const bad = preflight(one, ORIGIN, 'GE T', [['Access-Control-Request-Headers', 'x-a\x01']]);
  t.same(bad.slice(2), [`Access-Control-Allow-Origin: ${ORIGIN}`, 'Access-Control-Max-Age: 5', VARY]);
});

t.test('SPEC F15: origins compare by scheme, host and port, the wildcard covers labels of any depth', async (t) => {
  const cases: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    [
      'https://a.example',
      ['https://a.example', 'https://a.example:443', 'HTTPS://A.example'],
      ['http://a.example', 'https://a.example:444', 'https://b.a.example', 'https://a.example/', 'a.example', 'null'],
    ],
    ['http://a.example:80', ['http://a.example'], ['https://a.example:80', 'https://a.example']],
    ['http://a.example:8080', ['http://a.example:8080'], ['http://a.example']],
    [
      'https://*.bar.com',
      ['https://www.bar.com', 'https://xpto.www.bar.com', 'https://www.bar.com:443'],
      ['https://bar.com', 'https://.bar.com', 'https://foobar.com', 'http://www.bar.com', 'https://www.bar.com:8443'],
    ],
    ['http://*', ['http://a', 'http://a.b.c'], ['https://a', 'http://a:81']],
    ['*', ['https://a', 'http://a:81', 'null', 'chrome-extension://x'], ['']],
  ];
  for (const [configured, allowed, refused] of cases) {
    const set = new OriginSet([configured]);
    for (const origin of allowed) t.equal(set.allows(origin), true, `${configured} allows ${origin}`);
    for (const origin of refused) t.equal(set.allows(origin), false, `${configured} does not allow ${origin}`);
  }
  t.equal(new OriginSet([]).allows('https://a.example'), false);
});

t.test('SPEC F2: filters listed behind CORS have the last word on its headers', async (t) => {
  const filter = cors({ allowOrigins: ['*'], allowCredentials: true });
  const edits = responseHeaders({
    set: { 'access-control-allow-origin': 'https://fixed' },
    remove: ['access-control-allow-credentials', 'vary'],
  });
  const behind = new OneRule({ filters: [filter, edits] });
  t.same(actual(behind, ORIGIN), []);
  t.same(lines(behind.forward().plan!.response.append), ['access-control-allow-origin: https://fixed']);
  const before = new OneRule({ filters: [edits, filter] });
  t.same(actual(before, ORIGIN), [`Access-Control-Allow-Origin: ${ORIGIN}`, 'Access-Control-Allow-Credentials: true']);
  t.same(lines(before.forward().plan!.response.append), ['Vary: Origin']);
});

t.test(
  'SPEC F2, F6: a redirect behind CORS can be followed across origins, one before it ends everything',
  async (t) => {
    const filter = cors({ allowOrigins: [ORIGIN] });
    const headers = [['Origin', ORIGIN]] as const;
    const behind = new OneRule({ filters: [filter, redirect({ hostname: 'h' })], backendRefs: [] });
    t.equal(preflight(behind, ORIGIN)[1], 'cors_preflight');
    t.same(lines(behind.local({ headers }).fields), [
      'Location: http://h/',
      `Access-Control-Allow-Origin: ${ORIGIN}`,
      'Vary: Origin',
    ]);
    t.same(lines(behind.local({}).fields), ['Location: http://h/', 'Vary: Origin']);
    const before = new OneRule({ filters: [redirect({ hostname: 'h' }), filter], backendRefs: [] });
    t.same(preflight(before, ORIGIN), [302, 'redirect', 'Location: http://h/']);
  },
);

t.test('SPEC F17: CORS on a backendRef is for its share; under that of the rule it has no effect', async (t) => {
  const own = cors({ allowOrigins: ['https://own.example'] });
  const refs = [backend('v/v1:80', { filters: [own] }), backend('v/v2:80')];
  const shares = new OneRule({ backendRefs: refs });
  const request = { headers: [['Origin', 'https://own.example']] } as const;
  const byName = new Map([shares.forward(request), shares.forward(request)].map((one) => [one.backend.name, one]));
  t.same(lines(byName.get('v1')!.responseFields), ['Access-Control-Allow-Origin: https://own.example']);
  t.notOk(byName.get('v2')!.responseFields);
  const single = new OneRule({ backendRefs: [refs[0]!] });
  t.equal(preflight(single, 'https://own.example')[1], 'cors_preflight');
  t.match(
    single.deps.series[
      single.local({
        method: 'OPTIONS',
        headers: [...request.headers, ['Access-Control-Request-Method', 'GET']],
      }).series
    ],
    { backendName: 'v1' },
  );
  const under = new OneRule({ filters: [cors({ allowOrigins: [ORIGIN] })], backendRefs: [refs[0]!] });
  t.same(actual(under, 'https://own.example'), []);
  t.same(actual(under, ORIGIN), [`Access-Control-Allow-Origin: ${ORIGIN}`]);
});
