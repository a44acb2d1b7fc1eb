import t from 'tap';
import { attach } from '../../../src/config/attach.ts';
import type { CarriedRoute } from '../../../src/gateway-api/types.ts';
import { grpcCall, requestHead as typedHead } from '../../../src/routing/explain-request.ts';
import {
  explain,
  findFrontend,
  MAX_CANDIDATES,
  MAX_ELSEWHERE,
  type Explanation,
} from '../../../src/routing/explain.ts';
import { formatExplanation } from '../../../src/routing/format-explanation.ts';
import { compileTable } from '../../../src/routing/table.ts';
import {
  backend,
  callRegex,
  exactCall,
  exactField,
  exactPath,
  grpcMatch,
  grpcRoute,
  grpcRuleTo,
  httpRoute,
  match,
  parent,
  pathPrefix,
  pathRegex,
  requestHead,
  rule,
  ruleTo,
  testDeps,
  type HeadOptions,
  type TestDeps,
} from '../../support/routes.ts';
import { matches } from '../../support/match.ts';

function explained(
  routes: readonly CarriedRoute[],
  head: HeadOptions,
  port = 80,
  deps: TestDeps = testDeps(),
): Explanation {
  const table = compileTable(attach({ resources: routes, namespace: 'ns' }), deps);
  return explain(findFrontend(table, 'ns', 'web', port), requestHead(head));
}

const canary = httpRoute(
  'ns/canary',
  ['ns/web'],
  [
    ruleTo('v2', { headers: [exactField('version', 'new')] }),
    rule({
      name: 'split',
      matches: [match()],
      backendRefs: [
        backend('ns/v1:80', { weight: 90 }),
        backend('ns/v2:80', { weight: 10 }),
        backend('ns/v3:80', { weight: 0 }),
      ],
    }),
    ruleTo('static', { path: pathPrefix('/static') }),
    ruleTo('regex', { path: pathRegex('/img/.*') }),
  ],
);

t.test('each candidate is shown in evaluation order with every condition and what the request has', async (t) => {
  const result = explained([canary], { target: '/x?y=1', headers: [['Version', 'old']] });
  t.match(result, {
    request: { method: 'GET', path: '/x', query: 'y=1' },
    frontend: 'ns/web:*',
    winner: 2,
    runnerUp: null,
    elsewhereCount: 1,
  });
  t.same(
    result.candidates.map(({ ruleName, matched }) => [ruleName, matched]),
    [
      ['regex', false],
      ['v2', false],
      ['split', true],
    ],
  );
  t.same(result.candidates[1]!.predicates, [
    { part: 'path', expected: 'path prefix /', actual: '/x', matched: true },
    { part: 'header', expected: 'header version = "new"', actual: 'old', matched: false },
  ]);
  t.equal(result.elsewhere[0]!.ruleName, 'static');
});

t.test('SPEC P1: the winner is shown with the criterion that put it before the next rule that matches', async (t) => {
  const winners: [HeadOptions, string, string][] = [
    [{ headers: [['version', 'new']] }, 'v2', 'number of header matches'],
    [{ target: '/static/x' }, 'static', 'longer path prefix'],
    [{ target: '/img/x' }, 'regex', 'type of path match'],
  ];
  for (const [head, name, criterion] of winners) {
    const result = explained([canary], head);
    t.equal(result.candidates[result.winner!]!.ruleName, name);
    t.equal(result.runnerUp?.criterion, criterion);
  }
  const one = ruleTo('one');
  const twins = [httpRoute('ns/a', ['ns/web'], [one]), httpRoute('ns/b', ['ns/web'], [one], { creationTimestamp: 1 })];
  t.equal(explained(twins, {}).runnerUp?.criterion, 'age of the route');
  t.equal(
    explained([twins[0]!, httpRoute('ns/c', ['ns/web'], [one])], {}).runnerUp?.criterion,
    'namespace and name of the route',
  );
  t.equal(explained([httpRoute('ns/a', ['ns/web'], [one, one])], {}).runnerUp?.criterion, 'position of the rule');
});

t.test('SPEC P1, P5: rules are shown in the order in which they are tried, longer prefixes first', async (t) => {
  const rules = ['/', '/a/b/c', '/a/', '/a/b'].map((path) => ruleTo(path, { path: pathPrefix(path) }));
  const { candidates } = explained([httpRoute('ns/a', ['ns/web'], rules)], { target: '/a/b/c' });
  t.same(
    candidates.map(({ ruleName }) => ruleName),
    ['/a/b/c', '/a/b', '/a/', '/'],
  );
});

t.test('SPEC B7: a backend is shown with what is spoken there, where that is not up to the caller', async (t) => {
  const deps = testDeps();
  deps.internBackend('ns', 'v1', 80).protocol = 'http2';
  deps.internBackend('ns', 'v2', 80).protocol = 'http1';
  const { outcome } = explained([canary], {}, 80, deps);
  matches(t, outcome, {
    shares: [
      { backend: 'ns/v1:80', answer: { protocol: 'http2', request: { line: 'GET / HTTP/2' } } },
      { backend: 'ns/v2:80', answer: { protocol: 'http1', request: { line: 'GET / HTTP/1.1' } } },
      { backend: 'ns/v3:80' },
    ],
  });
  const text = formatExplanation(explained([canary], {}, 80, deps));
  t.match(text, 'ns/v1:80  weight 90, at 10.0.0.1, in HTTP/2\n');
  t.match(text, 'ns/v2:80  weight 10, at 10.0.0.1, in HTTP/1.1\n');
});

t.test('SPEC B2: backends are shown with their share and what it gets now', async (t) => {
  const deps = testDeps();
  deps.internBackend('ns', 'v2', 80).state = 'missing';
  const { outcome } = explained([canary], {}, 80, deps);
  matches(t, outcome, {
    kind: 'shares',
    shares: [
      { backend: 'ns/v1:80', percent: 90, answer: { kind: 'forward', addresses: ['10.0.0.1'] } },
      { backend: 'ns/v2:80', percent: 10, answer: { kind: 'local', status: 500, reason: 'no_backend' } },
      { backend: 'ns/v3:80', percent: 0, answer: { kind: 'never' } },
    ],
  });
});

t.test('SPEC A5, E1, E3: local replies and missing frontends are told with their reason', async (t) => {
  const only = httpRoute(
    'ns/r',
    [parent('ns/web', { port: 80 })],
    [rule({ matches: [match({ path: exactPath('/a') })] })],
  );
  t.match(explained([only], {}).outcome, { kind: 'local', status: 404, reason: 'no_route' });
  t.match(explained([only], { target: '/a' }).outcome, {
    kind: 'local',
    reason: 'no_backend',
    message: /no backendRefs/,
  });
  const unattached = explained([only], {}, 8080);
  t.match(unattached, { frontend: null, outcome: { kind: 'original' } });
  t.match(formatExplanation(unattached), /no route is attached/);
});

t.test('the port of its own comes before the frontend of every port', async (t) => {
  const routes = [
    httpRoute('ns/a', [parent('ns/web', { port: 80 })], [ruleTo('a')]),
    httpRoute('ns/b', ['ns/web'], [ruleTo('b')]),
  ];
  t.equal(explained(routes, {}, 80).frontend, 'ns/web:80');
  t.equal(explained(routes, {}, 81).frontend, 'ns/web:*');
});

t.test('the explanation reads as aligned plain text', async (t) => {
  const text = formatExplanation(explained([canary], { target: '/static/a?b=1', headers: [['version', 'old']] }));
  t.equal(
    text,
    `request   GET /static/a?b=1
frontend  ns/web:*

Rules in the order they are tried:
  1. ns/canary rules[3] (regex) matches[0]: does not match
       no   path ~ /img/.*  is "/static/a"
  2. ns/canary rules[2] (static) matches[0]: wins
       yes  path prefix /static  is "/static/a"
  3. ns/canary rules[0] (v2) matches[0]: does not match
       yes  path prefix /           is "/static/a"
       no   header version = "new"  is "old"
  4. ns/canary rules[1] (split) matches[0]: matches too
       yes  path prefix /  is "/static/a"

Winner    ns/canary rules[2] (static) matches[0]
          comes before ns/canary rules[1] (split) matches[0] by: longer path prefix
Backends      100%  v/static:80  weight 1, at 10.0.0.1

Request   GET /static/a?b=1 HTTP/1.1
`,
  );
  const shares = formatExplanation(explained([canary], {}));
  t.match(shares, 'Backends       90%  ns/v1:80  weight 90, at 10.0.0.1\n');
  t.match(shares, '                0%  ns/v3:80  weight 0, never picked\n');
  t.match(shares, '       no   header version = "new"  absent\n');
});

t.test('rules for other paths are listed up to a limit', async (t) => {
  const rules = Array.from({ length: MAX_ELSEWHERE + 5 }, (_, index) => ruleTo('x', { path: exactPath(`/p${index}`) }));
  const result = explained([httpRoute('ns/r', ['ns/web'], rules)], {});
  t.equal(result.elsewhere.length, MAX_ELSEWHERE);
  t.equal(result.elsewhereCount, MAX_ELSEWHERE + 5);
  t.match(formatExplanation(result), 'and 5 more');
});

t.test(
  'of many rules for one path the first are described, the winner and the runner-up wherever they stand',
  async (t) => {
    const tenants = Array.from({ length: 2 * MAX_CANDIDATES }, (_, index) =>
      ruleTo(`tenant-${index}`, { headers: [exactField('tenant', String(index))] }),
    );
    const route = httpRoute('ns/r', ['ns/web'], [...tenants, ruleTo('all'), ruleTo('rest'), ruleTo('last')]);
    const all = 2 * MAX_CANDIDATES + 1;
    const positions = ({ candidates }: Explanation) => candidates.map(({ position }) => position);
    const first = Array.from({ length: MAX_CANDIDATES }, (_, index) => index + 1);

    const none = explained([route], { headers: [['tenant', 'other']] });
    t.same(positions(none), [...first, all, all + 1]);
    t.equal(none.candidateCount, all + 2);
    t.equal(none.candidates[none.winner!]!.ruleName, 'all');
    t.match(none.runnerUp, { candidate: MAX_CANDIDATES + 1, criterion: 'position of the rule' });
    const text = formatExplanation(none);
    t.match(
      text,
      `\n     ${MAX_CANDIDATES} more are tried here, not shown\n${all}. ns/r rules[${all - 1}] (all) matches[0]: wins\n`,
    );
    t.match(text, '\n     1 more is tried here, not shown\n');

    const late = explained([route], { headers: [['tenant', String(all - 2)]] });
    t.same(positions(late), [...first, all - 1, all]);
    t.equal(late.candidates[late.winner!]!.ruleName, `tenant-${all - 2}`);
    t.equal(late.candidates[late.runnerUp!.candidate]!.ruleName, 'all');

    const early = explained([route], { headers: [['tenant', '0']] });
    t.same(positions(early), [...first, all]);
    t.equal(early.winner, 0);
    t.equal(early.runnerUp?.candidate, MAX_CANDIDATES);
  },
);

const calls = grpcRoute(
  'ns/calls',
  ['ns/web'],
  [
    grpcRuleTo('get', grpcMatch(exactCall('shop.Cart', 'Get'), [exactField('x', '1')])),
    grpcRuleTo('cart', grpcMatch(exactCall('shop.Cart'))),
    grpcRuleTo('lists', grpcMatch(callRegex(null, 'List.*'))),
    grpcRuleTo('rest', grpcMatch(exactCall('shop.Order'))),
  ],
);

/** As `sideroute explain --grpc`. */
function explainedCall(name: string, headers: readonly { name: string; value: string }[] = []): Explanation {
  const table = compileTable(attach({ resources: [calls], namespace: 'ns' }), testDeps());
  const request = grpcCall(name, headers);
  return explain(findFrontend(table, 'ns', 'web', 80), typedHead(request), request.headers);
}

t.test('SPEC G3: a call is explained by service and method, and what decided is named', async (t) => {
  const text = formatExplanation(
    explainedCall('shop.Cart/Get', [
      { name: 'x', value: '1' },
      { name: 'grpc-timeout', value: '1500m' },
    ]),
  );
  t.equal(
    text,
    `request   POST /shop.Cart/Get
frontend  ns/web:* (GRPCRoute)

Rules in the order they are tried:
  1. ns/calls rules[0] (get) matches[0]: wins
       yes  service = shop.Cart, method = Get  is "/shop.Cart/Get"
       yes  header x = "1"                     is "1"
       yes  a call of gRPC                     is "POST, application/grpc"
  2. ns/calls rules[1] (cart) matches[0]: matches too
       yes  service = shop.Cart  is "/shop.Cart/Get"
       yes  a call of gRPC       is "POST, application/grpc"
  3. ns/calls rules[2] (lists) matches[0]: does not match
       no   method ~ List.*  is "/shop.Cart/Get"
       yes  a call of gRPC   is "POST, application/grpc"

Rules for other paths (1):
     ns/calls rules[3] (rest) matches[0]  service = shop.Order

Winner    ns/calls rules[0] (get) matches[0]
          comes before ns/calls rules[1] (cart) matches[0] by: type of method match
Backends      100%  v/get:80  weight 1, at 10.0.0.1

Request   POST /shop.Cart/Get HTTP/2
          content-type: application/grpc
          te: trailers
          x: 1
          grpc-timeout: 1500m
Timeouts  1s500ms by grpc-timeout
`,
  );
});

t.test('SPEC E1, G6: a call that nothing matches is told its code, and what is no call is told 404', async (t) => {
  const call = explainedCall('shop.None/Get');
  t.match(call, { routeKind: 'GRPCRoute', request: { call: true }, winner: null, outcome: { grpc: 'UNIMPLEMENTED' } });
  t.match(
    formatExplanation(call),
    /Outcome {3}answered here: UNIMPLEMENTED \(grpc-status 12\) no_route: no rule matches/,
  );
  const request = explained([calls], { target: '/shop.Cart/Get' });
  t.match(request, { request: { call: false }, winner: null });
  t.match(formatExplanation(request), /no {3}a call of gRPC +is "GET, no content-type"/);
  t.match(formatExplanation(request), /Outcome {3}answered here: 404 no_route: no rule matches/);
  t.equal(explained([canary], { target: '/' }).routeKind, 'HTTPRoute');
});
