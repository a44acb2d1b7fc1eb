import t from 'tap';
import { attach } from '../../../src/config/attach.ts';
import type { HttpRouteRule, Resource } from '../../../src/gateway-api/types.ts';
import type { ExplainedForward } from '../../../src/routing/explain-answer.ts';
import { explainService, type Explanation } from '../../../src/routing/explain.ts';
import { formatExplanation } from '../../../src/routing/format-explanation.ts';
import { compileTable } from '../../../src/routing/table.ts';
import {
  backend,
  httpRoute,
  match,
  otherRoute,
  parent,
  pathPrefix,
  requestHead,
  rule,
  service,
  testDeps,
  type HeadOptions,
} from '../../support/routes.ts';
import {
  cors,
  mirror,
  prefixPath,
  redirect,
  requestHeaders,
  responseHeaders,
  urlRewrite,
} from '../../support/filters.ts';
import { matches } from '../../support/match.ts';

const HEADERS = [
  ['Host', 'web.example'],
  ['X-Env', 'prod'],
  ['x-env', 'again'],
  ['Origin', 'https://a.example'],
] as const;

interface Options {
  readonly resources?: readonly Resource[];
  readonly port?: number;
}

function explained(rules: readonly Partial<HttpRouteRule>[], head: HeadOptions, options: Options = {}): Explanation {
  const resources = options.resources ?? [
    service('ns/web', [80]),
    httpRoute(
      'ns/r',
      ['ns/web'],
      rules.map((entry) => rule(entry)),
    ),
  ];
  const table = compileTable(attach({ resources, namespace: 'ns' }), testDeps());
  const fields = (head.headers ?? []).map(([name, value]) => ({ name, value }));
  return explainService(table, { namespace: 'ns', name: 'web', port: options.port ?? 80 }, requestHead(head), fields);
}

/** The forwards of every share, in their order. */
function forwards({ outcome }: Explanation): ExplainedForward[] {
  if (outcome.kind !== 'shares') throw new Error(JSON.stringify(outcome));
  return outcome.shares.flatMap(({ answer }) => (answer.kind === 'forward' ? [answer] : []));
}

const full: Partial<HttpRouteRule> = {
  matches: [match({ path: pathPrefix('/old') })],
  filters: [
    mirror('m/early:80', { numerator: 20 }),
    requestHeaders({ set: { 'X-Env': 'test' }, add: { 'X-New': '1' } }),
    responseHeaders({ remove: ['server'], add: { 'X-By': 'é' } }),
    urlRewrite({ hostname: 'new.example', path: prefixPath('/new') }),
    mirror('m/late:80'),
    mirror('m/never:80', { numerator: 0 }),
    mirror('m/bad:80', {}, { group: 'example.com', kind: 'Bucket' }),
  ],
  timeouts: { requestMs: 90_000, backendRequestMs: 500 },
  retry: { codes: [502, 503], attempts: 2, backoffMs: null },
  backendRefs: [backend('ns/v1:80', { weight: 9 }), backend('ns/v2:80')],
};
const fullHead = { method: 'POST', target: '/old/x?y=1', headers: HEADERS } as const;

t.test(
  'SPEC F2, F5, F8, F9: the request is shown as the backend receives it, the response as it is edited',
  async (t) => {
    const [first, second] = forwards(explained([full], fullHead));
    const request = {
      line: 'POST /new/x?y=1 HTTP/1.1',
      fields: ['Host: new.example', 'Origin: https://a.example', 'X-Env: test', 'X-New: 1'],
    };
    t.same(first!.request, request);
    t.same(second!.request, request);
    t.same(first!.response, { remove: ['server'], append: ['X-By: é'] });
  },
);

t.test('without filters the request is shown as it came', async (t) => {
  const [only] = forwards(explained([{ backendRefs: [backend('ns/v1:80')] }], { target: '/a?', headers: HEADERS }));
  t.same(only, {
    kind: 'forward',
    addresses: ['10.0.0.1'],
    protocol: null,
    request: {
      line: 'GET /a HTTP/1.1',
      fields: ['Host: web.example', 'X-Env: prod', 'x-env: again', 'Origin: https://a.example'],
    },
    response: { remove: [], append: [] },
    policy: null,
    callTimeoutMs: null,
    mirrors: [],
  });
});

t.test('SPEC F10: each mirror is shown with its share and its own request', async (t) => {
  const [first] = forwards(explained([full], fullHead));
  matches(t, first!.mirrors, [
    {
      backend: 'm/early:80',
      percent: 20,
      request: {
        line: 'POST /old/x?y=1 HTTP/1.1',
        fields: ['Host: web.example', 'X-Env: prod', 'x-env: again', 'Origin: https://a.example'],
      },
      dropped: null,
    },
    { backend: 'm/late:80', percent: 100, request: first!.request, dropped: null },
    { backend: 'm/never:80', percent: 0, request: null, dropped: null },
    { backend: 'Bucket m/bad:80', percent: 100, request: null, dropped: /only a core Service can/ },
  ]);
});

t.test('SPEC T1, R1: timeouts and retries are shown', async (t) => {
  const [first] = forwards(explained([full], fullHead));
  t.same(first!.policy, {
    requestTimeoutMs: 90_000,
    attemptTimeoutMs: 500,
    retry: { attempts: 2, codes: [502, 503], backoffMs: 25 },
  });
});

t.test('SPEC F6, F12: replies made here are shown with their fields', async (t) => {
  matches(t, explained([{ filters: [redirect({ scheme: 'https' })] }], { target: '/a?b', headers: HEADERS }).outcome, {
    kind: 'local',
    status: 302,
    reason: 'redirect',
    message: 'The route redirects this request.',
    fields: ['Location: https://web.example/a?b'],
  });
  const preflight = [...HEADERS, ['Access-Control-Request-Method', 'PUT']] as const;
  const rules = [{ filters: [cors({ allowOrigins: ['*'] })], backendRefs: [backend('ns/v1:80')] }];
  matches(t, explained(rules, { method: 'OPTIONS', headers: preflight }).outcome, {
    kind: 'local',
    status: 204,
    reason: 'cors_preflight',
    fields: [
      'Access-Control-Allow-Origin: https://a.example',
      'Access-Control-Max-Age: 5',
      'Vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
    ],
  });
  const [actual] = forwards(explained(rules, { headers: HEADERS }));
  t.same(actual!.response.append, ['Vary: Origin', 'Access-Control-Allow-Origin: https://a.example']);
});

t.test('SPEC F17: a backend with filters of its own is told apart', async (t) => {
  const filters = [requestHeaders({ set: { 'X-Env': 'v2' } })];
  const refs = [
    backend('ns/v1:80'),
    backend('ns/v2:80', { filters }),
    backend('ns/v3:80'),
    backend('ns/v4:80', { filters: [redirect({ hostname: 'h' })] }),
  ];
  const result = explained([{ backendRefs: refs }], { headers: [['X-Env', 'prod']] });
  t.equal(
    formatExplanation(result).split('Backends')[1],
    `       25%  ns/v1:80  weight 1, at 10.0.0.1
               25%  ns/v2:80  weight 1, at 10.0.0.1
               25%  ns/v3:80  weight 1, at 10.0.0.1
               25%  ns/v4:80  weight 1, answered here: 302 redirect: The route redirects this request.

ns/v1:80, ns/v3:80:
Request   GET / HTTP/1.1
          X-Env: prod

ns/v2:80:
Request   GET / HTTP/1.1
          X-Env: v2

ns/v4:80:
Reply     Location: http://h/
`,
  );
});

t.test('the explanation of filters reads as aligned plain text', async (t) => {
  t.equal(
    formatExplanation(explained([full], fullHead)).split('Backends')[1],
    `       90%  ns/v1:80  weight 9, at 10.0.0.1
               10%  ns/v2:80  weight 1, at 10.0.0.1

Request   POST /new/x?y=1 HTTP/1.1
          Host: new.example
          Origin: https://a.example
          X-Env: test
          X-New: 1
Response  without server
          with X-By: é
Timeouts  1m30s for the request with its retries, 500ms for each attempt
Retries   2 more tries when no connection can be made, 502, 503, a reset of an idempotent request; after 25ms or more
Mirrors        20%  m/early:80  another request:
                    POST /old/x?y=1 HTTP/1.1
                    Host: web.example
                    X-Env: prod
                    x-env: again
                    Origin: https://a.example
              100%  m/late:80  the same request
                0%  m/never:80  never
              100%  Bucket m/bad:80  dropped: Bucket of group "example.com" cannot be a backend, only a core Service can
`,
  );
  t.match(
    formatExplanation(explained([{ filters: [redirect({ hostname: 'h' })] }], {})),
    /Outcome {3}answered here: 302 redirect: The route redirects this request\.\n {10}Location: http:\/\/h\/\n$/,
  );
});

t.test('SPEC A13, P6: a port that is tunnelled unread is told apart from one without routes', async (t) => {
  const serving = (parents: Parameters<typeof httpRoute>[1]) =>
    httpRoute('ns/r', parents, [rule({ backendRefs: [backend('ns/v1:80')] })]);
  const resources = [
    serving([parent('ns/web', { port: 80 })]),
    otherRoute('TLSRoute', 'ns/g', [parent('ns/web', { port: 81 })]),
  ];
  const opaque = explained([], {}, { resources, port: 81 });
  t.match(opaque, { frontend: null, outcome: { kind: 'original', opaque: 'ns/web:81' } });
  t.match(formatExplanation(opaque), /frontend {2}ns\/web:81 \(opaque: its connections are tunnelled unread\)/);
  t.match(explained([], {}, { resources, port: 82 }), { frontend: null, outcome: { kind: 'original', opaque: null } });
  t.equal(explained([], {}, { resources: [serving(['ns/web'])], port: 82 }).frontend, 'ns/web:*');
});

t.test('explaining moves no rotation: the traffic goes on as if nobody had asked', async (t) => {
  const table = compileTable(
    attach({ resources: [httpRoute('ns/r', ['ns/web'], [rule({ ...full, matches: [match()] })])], namespace: 'ns' }),
    testDeps(),
  );
  const share = table.frontends[0]!.matches[0]!.rule.shares[0]!;
  const explainOnce = () => explainService(table, { namespace: 'ns', name: 'web', port: 80 }, requestHead());
  const next = () => share.rotation!.next().mirrors!.length;
  const expected = [next(), next(), next(), next(), next()];
  t.same(
    expected.map(() => {
      explainOnce();
      return next();
    }),
    expected,
    'a share of one in five repeats after five',
  );
});
