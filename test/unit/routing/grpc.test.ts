/** GRPCRoutes in the decision: which calls match, which match wins, what a call gets that no backend has. */
import t from 'tap';
import { attach } from '../../../src/config/attach.ts';
import type { GrpcRoute, GrpcRouteMatch, GrpcRouteRule, Resource } from '../../../src/gateway-api/types.ts';
import { decide } from '../../../src/routing/decide.ts';
import type { Decision, RequestHead } from '../../../src/routing/decision.ts';
import { isGrpcContentType } from '../../../src/routing/grpc-call.ts';
import { compileTable } from '../../../src/routing/table.ts';
import { matches } from '../../support/match.ts';
import {
  backend,
  callHead,
  callRegex,
  exactCall,
  exactField,
  grpcMatch,
  grpcRoute,
  grpcRule,
  grpcRuleTo,
  httpRoute,
  parent,
  regexField,
  requestHead,
  ruleTo,
  service,
  testDeps,
} from '../../support/routes.ts';

const WEB = 'ns/web';

/** What is decided at port 80 of ns/web. */
function decider(...resources: readonly Resource[]): (head: RequestHead) => Decision {
  const deps = testDeps();
  const table = compileTable(attach({ resources: [service(WEB, [80]), ...resources], namespace: 'ns' }), deps);
  return (head) => decide(table, deps.frontendId(`${WEB}:80`), head);
}

/** Name of the backend, or what a call is told. */
function answerOf(decision: Decision): string {
  if (decision.kind === 'forward') return decision.backend.name;
  return decision.kind === 'local' ? `${decision.reason} ${decision.grpc ?? 'nothing'}` : decision.kind;
}

/** One route; a rule sends to a backend of its name. */
function asker(...rules: readonly GrpcRouteRule[]): (name: string, headers?: Parameters<typeof callHead>[1]) => string {
  const ask = decider(grpcRoute('ns/route', [WEB], rules));
  return (name, headers) => answerOf(ask(callHead(name, headers)));
}

/** Several routes of one rule and one match each, sending to a backend of the route's name. */
function winnerOf(
  head: RequestHead,
  entries: Readonly<Record<string, GrpcRouteMatch>>,
  fields: Partial<GrpcRoute> = {},
) {
  const routes = Object.entries(entries).map(([name, match]) =>
    grpcRoute(`ns/${name}`, [WEB], [grpcRuleTo(name, match)], fields),
  );
  return answerOf(decider(...routes)(head));
}

const NONE = 'no_route UNIMPLEMENTED';

t.test('SPEC G1, G2, M3: exact names of service and method, case-sensitive', async (t) => {
  const ask = asker(grpcRuleTo('v1', grpcMatch(exactCall('shop.Cart', 'Get'))));
  t.equal(ask('shop.Cart/Get'), 'v1');
  for (const name of [
    ...['shop.cart/Get', 'shop.Cart/get', 'shop.Cart/GetAll', 'shop.Cart', 'shop.Cart/', 'shop.Cart/Get/', 'Cart/Get'],
    ...['shop.Cart/Get/x', 'x/shop.Cart/Get', '/shop.Cart/Get', 'shop%2ECart/Get', ''],
  ]) {
    t.equal(ask(name), NONE, name);
  }
});

t.test('SPEC G1, G2: a service alone is every method of it, a method alone that of every service', async (t) => {
  const service = asker(grpcRuleTo('v1', grpcMatch(exactCall('shop.Cart'))));
  for (const name of ['shop.Cart/Get', 'shop.Cart/x']) t.equal(service(name), 'v1', name);
  for (const name of ['shop.CartX/Get', 'shop/Get', 'shop.Cart.v2/Get', 'Shop.Cart/Get']) t.equal(service(name), NONE);
  const method = asker(grpcRuleTo('v1', grpcMatch(exactCall(null, 'Get'))));
  for (const name of ['shop.Cart/Get', 'x/Get']) t.equal(method(name), 'v1', name);
  for (const name of ['shop.Cart/get', 'Get', '/Get', 'shop.Cart/GetX', 'shop.Cart/x/Get']) t.equal(method(name), NONE);
});

t.test('SPEC G2, M5: regular expressions match whole names, the service apart from the method', async (t) => {
  const both = asker(grpcRuleTo('v1', grpcMatch(callRegex('shop[.](Cart|Order)', 'Get.*'))));
  for (const name of ['shop.Cart/Get', 'shop.Order/GetAll']) t.equal(both(name), 'v1', name);
  for (const name of ['xshop.Cart/Get', 'shop.Carts/Get', 'shop.Cart/List', 'shop.Cart/xGet'])
    t.equal(both(name), NONE);
  const one = asker(grpcRuleTo('v1', grpcMatch(callRegex('a|b'))));
  t.same(
    ['a/x', 'b/y', 'ab/x', 'a|b/x'].map((name) => one(name)),
    ['v1', 'v1', NONE, NONE],
  );
  const greedy = asker(grpcRuleTo('v1', grpcMatch(callRegex(null, '.*'))));
  t.same(
    ['a/x', 'a/x/y', 'a/', 'a'].map((name) => greedy(name)),
    ['v1', 'v1', 'v1', NONE],
  );
});

t.test('SPEC G1, M2, M7: matches are ORed, headers of one ANDed', async (t) => {
  const ask = asker(
    grpcRuleTo(
      'v1',
      grpcMatch(exactCall('a'), [exactField('x', '1'), regexField('y', '[0-9]+')]),
      grpcMatch(exactCall('b')),
    ),
  );
  t.equal(
    ask('a/M', [
      ['X', '1'],
      ['Y', '22'],
    ]),
    'v1',
  );
  t.equal(ask('a/M', [['X', '1']]), NONE);
  t.equal(ask('b/M'), 'v1');
});

t.test('SPEC G3: characters of the service before those of the method before the number of headers', async (t) => {
  const headers = [exactField('x', '1'), exactField('y', '1')];
  const call = callHead('shop.Cart/Get', [
    ['x', '1'],
    ['y', '1'],
  ]);
  // Each loses to all before it, whatever its name, its headers and its place.
  const ordered: [string, GrpcRouteMatch][] = [
    ['i', grpcMatch(exactCall('shop.Cart', 'Get'), headers)],
    ['h', grpcMatch(exactCall('shop.Cart', 'Get'))],
    ['g', grpcMatch(exactCall('shop.Cart'), headers)],
    ['f', grpcMatch(exactCall('shop.Cart'))],
    ['e', grpcMatch(callRegex('shop[.].*', 'G.*'), headers)],
    ['d', grpcMatch(callRegex('shop[.].*'), headers)],
    ['c', grpcMatch(callRegex('shop.*', 'Get|List|Put'), headers)],
    ['b2', grpcMatch(exactCall(null, 'Get'))],
    ['b1', grpcMatch(callRegex(null, 'G.*'), headers)],
    ['a2', grpcMatch(null, headers)],
    ['a1', grpcMatch()],
  ];
  for (let first = 0; first < ordered.length; first++) {
    const rest = ordered.slice(first);
    t.equal(winnerOf(call, Object.fromEntries(rest)), rest[0]![0], rest.map(([name]) => name).join());
    t.equal(winnerOf(call, Object.fromEntries(rest.reverse())), rest.at(-1)![0]);
  }
});

t.test('SPEC G3, P3: then the oldest route, the first by name, the first rule and the first match', async (t) => {
  const match = grpcMatch(exactCall('a', 'B'));
  const one = (name: string, options: Partial<GrpcRoute>) =>
    grpcRoute(`ns/${name}`, [WEB], [grpcRuleTo(name, match)], options);
  const ask = (...routes: GrpcRoute[]) => answerOf(decider(...routes)(callHead('a/B')));
  t.equal(ask(one('a', { creationTimestamp: 2 }), one('b', { creationTimestamp: 1 })), 'b');
  t.equal(ask(one('a', {}), one('b', { creationTimestamp: 1 })), 'b');
  t.equal(ask(one('b', { creationTimestamp: 1 }), one('a', { creationTimestamp: 1 })), 'a');
  t.equal(asker(grpcRuleTo('first', match), grpcRuleTo('second', match))('a/B'), 'first');
});

t.test('SPEC G6: what is no call of gRPC is answered as what no rule matches', async (t) => {
  const ask = decider(grpcRoute('ns/route', [WEB], [grpcRuleTo('v1')]));
  const contentType = (value: string | null, method = 'POST'): string =>
    answerOf(ask(requestHead({ method, target: '/a/B', headers: value === null ? [] : [['Content-Type', value]] })));
  for (const value of [
    'application/grpc',
    'application/grpc+proto',
    'application/grpc;charset=utf-8',
    'Application/GRPC',
  ]) {
    t.equal(contentType(value), 'v1', value);
    t.ok(isGrpcContentType(value), value);
  }
  for (const value of [null, '', 'application/json', 'application/grp', 'application/grpc-web', 'application/grpcx']) {
    t.equal(contentType(value), NONE, String(value));
    t.notOk(isGrpcContentType(value), String(value));
  }
  t.equal(contentType('application/grpc', 'GET'), NONE);
  matches(t, ask(requestHead()), { kind: 'local', status: 404, reason: 'no_route' });
});

t.test('the content type is read once, and is among the fields by which a decision may be known again', async (t) => {
  const deps = testDeps();
  const rule = grpcRuleTo('v1', grpcMatch(null, [exactField('content-type', 'application/grpc+proto')]));
  const table = compileTable(attach({ resources: [grpcRoute('ns/r', [WEB], [rule])], namespace: 'ns' }), deps);
  const [frontend] = table.frontends;
  t.same(frontend!.reader.headerNames, ['content-type']);
  const head = requestHead({ method: 'POST', target: '/a/B', headers: [['content-type', 'application/grpc+proto']] });
  matches(t, decide(table, frontend!.id, head), { kind: 'forward', repeatable: true });
  t.same([...head.reads], [['content-type', 1]]);
  const http = compileTable(attach({ resources: [httpRoute('ns/r', [WEB], [ruleTo('v1')])], namespace: 'ns' }), deps);
  t.same(http.frontends[0]!.reader.headerNames, [], 'routes of HTTP do not ask');
});

t.test('SPEC E1-E4, B3: what a call is told when no backend has it', async (t) => {
  const told = (rule: Partial<GrpcRouteRule>, ...others: readonly Resource[]): Decision =>
    decider(...others, grpcRoute('ns/route', [WEB], [grpcRule(rule)]))(callHead('a/B'));
  t.equal(answerOf(told({ matches: [grpcMatch(exactCall('x'))] })), 'no_route UNIMPLEMENTED');
  matches(t, told({}), { status: 500, reason: 'no_backend', grpc: 'UNIMPLEMENTED' }, 'no backendRefs');
  const ref = { ...backend('v/v1:80'), filters: [] };
  t.equal(
    answerOf(told({ backendRefs: [{ ...ref, kind: 'Bucket', group: 'example.com' }] })),
    'no_backend UNAVAILABLE',
  );
  t.equal(answerOf(told({ backendRefs: [ref] }, service('v/v1', [81]))), 'no_backend UNAVAILABLE');
  t.equal(answerOf(told({ backendRefs: [{ ...ref, weight: 0 }] })), 'no_backend UNAVAILABLE');
  const extension = { type: 'ExtensionRef', extensionRef: { group: 'g', kind: 'K', name: 'n' } } as const;
  t.equal(answerOf(told({ filters: [extension], backendRefs: [ref] })), 'unsupported_filter UNIMPLEMENTED');
  t.equal(answerOf(told({ backendRefs: [{ ...ref, filters: [extension] }] })), 'unsupported_filter UNIMPLEMENTED');
});

t.test('SPEC B7, G5: a backend that speaks HTTP/2 is one for calls, one of WebSocket is none', async (t) => {
  const to = (appProtocol: string | null): string =>
    answerOf(
      decider(
        service('v/v1', [{ port: 80, appProtocol }]),
        grpcRoute('ns/route', [WEB], [grpcRuleTo('v1')]),
      )(callHead('a/B')),
    );
  for (const protocol of [null, 'grpc', 'kubernetes.io/h2c', 'http', 'example.com/own']) t.equal(to(protocol), 'v1');
  for (const protocol of ['kubernetes.io/ws', 'https', 'redis']) t.equal(to(protocol), 'no_backend UNAVAILABLE');
});

t.test('SPEC B2, F5, F10, G4: weights, header modifiers and mirrors are those of an HTTPRoute', async (t) => {
  const edit = { set: [{ name: 'X-A', value: '1' }], add: [], remove: ['x-b'] };
  const ref = (key: string, weight: number) => ({ ...backend(key, { weight }), filters: [] });
  const ask = decider(
    grpcRoute(
      'ns/route',
      [WEB],
      [
        grpcRule({
          filters: [
            { type: 'RequestHeaderModifier', requestHeaderModifier: edit },
            { type: 'ResponseHeaderModifier', responseHeaderModifier: edit },
            { type: 'RequestMirror', requestMirror: { backendRef: ref('v/m:80', 1), numerator: 1, denominator: 1 } },
          ],
          backendRefs: [ref('v/v1:80', 7), ref('v/v2:80', 3), ref('v/v3:80', 0)],
        }),
      ],
    ),
  );
  const counts = new Map<string, number>();
  for (let call = 0; call < 1000; call++) {
    const decision = ask(callHead('a/B'));
    counts.set(answerOf(decision), (counts.get(answerOf(decision)) ?? 0) + 1);
    if (call > 0) continue;
    const edits = { remove: ['x-a', 'x-b'], append: [{ name: 'X-A', value: '1' }] };
    matches(t, decision, {
      kind: 'forward',
      plan: { request: edits, response: edits, host: null, path: null },
      policy: null,
      mirrors: [{ backend: { key: 'v/m:80' } }],
    });
  }
  t.same(Object.fromEntries(counts), { v1: 700, v2: 300 });
});

t.test('SPEC A6, A7, P6: producer and consumer routes, and ports of their own kind each', async (t) => {
  const resources = [
    service(WEB, [80, 81]),
    grpcRoute('ns/producer', [parent(WEB, { port: 80 })], [grpcRuleTo('producer')]),
    grpcRoute('client/consumer', [parent(WEB, { port: 80 })], [grpcRuleTo('consumer')]),
    httpRoute('ns/http', [WEB], [ruleTo('http')]),
  ];
  const answers = (namespace: string) => {
    const deps = testDeps();
    const table = compileTable(attach({ resources, namespace }), deps);
    return [
      answerOf(decide(table, deps.frontendId(`${WEB}:80`), callHead('a/B'))),
      answerOf(decide(table, deps.frontendId(`${WEB}:81`), callHead('a/B'))),
    ];
  };
  t.same(answers('ns'), ['producer', 'http']);
  t.same(answers('client'), ['consumer', 'http']);
});
