/** What a GRPCRoute has of its own; what it shares with an HTTPRoute is compared with an API server in `api-server.test.ts`. */
import t from 'tap';
import type { GrpcRoute, GrpcRouteRule, ParsedFile } from '../../../src/gateway-api/types.ts';
import { matches } from '../../support/match.ts';
import { parse, summary } from './fixtures.ts';

const HEAD = 'apiVersion: gateway.networking.k8s.io/v1\nkind: GRPCRoute\nmetadata: { name: calls, namespace: shop }\n';
const PARENT = 'parentRefs: [{ group: "", kind: Service, name: cart, port: 80 }]';

const withRules = (rules: string): ParsedFile => parse(`${HEAD}spec: { ${PARENT}, rules: [${rules}] }\n`);
const withMatch = (match: string): ParsedFile => withRules(`{ matches: [${match}] }`);

function onlyRules({ resources, problems }: ParsedFile): readonly GrpcRouteRule[] {
  if (problems.length > 0) throw new Error(JSON.stringify(problems));
  return (resources[0] as GrpcRoute).rules;
}

t.test('SPEC G1: without matches a rule is for every call, and a route without rules has such a rule', async (t) => {
  const every = [{ method: null, headers: [] }];
  for (const rules of ['{}', '{ matches: [] }', '{ matches: [{}] }']) {
    t.same(onlyRules(withRules(rules))[0]?.matches, every, rules);
  }
  const { resources, problems } = parse(`${HEAD}spec: { ${PARENT} }\n`);
  t.same(problems, []);
  matches(t, resources, [
    {
      ...{ kind: 'GRPCRoute', namespace: 'shop', name: 'calls', hostnames: [] },
      parentRefs: [
        { group: '', kind: 'Service', namespace: 'shop', name: 'cart', port: 80, path: 'spec.parentRefs[0]' },
      ],
      rules: [
        {
          ...{ index: 0, name: null, matches: every, filters: [], backendRefs: [], retry: null },
          timeouts: { requestMs: null, backendRequestMs: null },
        },
      ],
    },
  ]);
});

t.test('SPEC G1: the type of a method is Exact by default, and what is not given is any', async (t) => {
  const cases: [string, object | null][] = [
    ['{ service: shop.Cart }', { type: 'Exact', service: 'shop.Cart', method: null }],
    ['{ method: Get }', { type: 'Exact', service: null, method: 'Get' }],
    ['{ type: Exact, service: shop.Cart, method: Get }', { type: 'Exact', service: 'shop.Cart', method: 'Get' }],
    [
      '{ type: RegularExpression, service: "shop[.].*" }',
      { type: 'RegularExpression', service: 'shop[.].*', method: null },
    ],
    [
      '{ type: RegularExpression, service: "", method: G.* }',
      { type: 'RegularExpression', service: null, method: 'G.*' },
    ],
    ['{ type: RegularExpression, service: "", method: "" }', null],
  ];
  for (const [method, expected] of cases) {
    t.same(onlyRules(withMatch(`{ method: ${method} }`))[0]?.matches[0]?.method, expected, method);
  }
});

t.test('SPEC M7: headers are read as those of an HTTPRoute', async (t) => {
  const matches = '{ headers: [{ name: X-Env, value: prod }, { type: RegularExpression, name: v, value: "[0-9]+" }] }';
  t.same(onlyRules(withMatch(matches))[0]?.matches[0]?.headers, [
    { type: 'Exact', name: 'x-env', value: 'prod' },
    { type: 'RegularExpression', name: 'v', value: '[0-9]+' },
  ]);
});

t.test('SPEC G4: filters of rules and backendRefs, weights and names', async (t) => {
  const modifier = '{ type: RequestHeaderModifier, requestHeaderModifier: { set: [{ name: a, value: b }] } }';
  const mirror = '{ type: RequestMirror, requestMirror: { backendRef: { name: m, port: 80 }, percent: 10 } }';
  const [rule] = onlyRules(
    withRules(
      `{ name: r, filters: [${modifier}, ${mirror}], backendRefs: [{ name: v1, port: 80, weight: 3, filters: [${modifier}] }] }`,
    ),
  );
  matches(t, rule, {
    name: 'r',
    filters: [{ type: 'RequestHeaderModifier' }, { type: 'RequestMirror', requestMirror: { numerator: 10 } }],
    backendRefs: [{ name: 'v1', namespace: 'shop', weight: 3, filters: [{ type: 'RequestHeaderModifier' }] }],
  });
});

t.test('what is wrong with a match is told with its field', async (t) => {
  const place = 'spec.rules[0].matches[0].method';
  const cases: [string, string[]][] = [
    ['{ method: {} }', [`missing-field ${place}`]],
    ['{ method: Get }', [`wrong-type ${place}`]],
    ['{ method: { service: 1.Cart } }', [`bad-grpc-name ${place}.service`]],
    ['{ method: { service: shop.Cart, method: Get/Item } }', [`bad-grpc-name ${place}.method`]],
    ['{ method: { service: "" } }', [`empty-value ${place}.service`]],
    ['{ method: { type: Prefix, service: shop } }', [`unsupported-value ${place}.type`]],
    [
      '{ method: { type: RegularExpression, service: "(", method: "*" } }',
      [`bad-regex ${place}.service`, `bad-regex ${place}.method`],
    ],
    ['{ service: shop.Cart }', ['unknown-field spec.rules[0].matches[0].service']],
    ['{ path: { value: /a } }', ['unknown-field spec.rules[0].matches[0].path']],
  ];
  for (const [match, expected] of cases) {
    const { resources, problems } = withMatch(match);
    t.same(summary(problems), expected, match);
    matches(t, resources, [{ kind: 'RefusedRoute', routeKind: 'GRPCRoute', parentRefs: [{ name: 'cart' }] }]);
  }
  matches(t, withMatch('{ service: shop.Cart }').problems, [{ message: /it belongs to method\.service/ }]);
  matches(t, withMatch('{ method: { type: Prefix } }').resources, [{ reason: 'Invalid' }]);
  matches(t, withMatch('{ method: { type: Prefix, service: a } }').resources, [{ reason: 'UnsupportedValue' }]);
});

t.test('a name that is none says what was probably meant', async (t) => {
  for (const [method, advice] of [
    ['service: shop.Cart/Get', /got "shop\.Cart\/Get"; write service "shop\.Cart" and method "Get"$/],
    ['method: /shop.Cart/Get', /; write service "shop\.Cart" and method "Get"$/],
    ['service: /shop.Cart', /; write "shop\.Cart"$/],
    ['service: shop.Cart/', /; write "shop\.Cart"$/],
    ['service: shop.Cart, method: /Get', /; write "Get"$/],
    ['service: shop.*', /; an expression needs type: RegularExpression$/],
    ['method: "Get|List"', /; an expression needs type: RegularExpression$/],
    ['service: shop-cart', /got "shop-cart"$/],
  ] as const) {
    matches(t, withMatch(`{ method: { ${method} } }`).problems, [{ code: 'bad-grpc-name', message: advice }], method);
  }
});

t.test('a service with a dot in front is taken, as the API has it, and told that it never matches', async (t) => {
  const { resources, problems } = withMatch('{ method: { service: .shop.Cart } }');
  matches(t, resources, [{ kind: 'GRPCRoute' }]);
  matches(t, problems, [
    {
      severity: 'warning',
      code: 'never-matches',
      path: 'spec.rules[0].matches[0].method.service',
      message: /"shop.Cart"/,
    },
  ]);
});

t.test('what only an HTTPRoute has is no field or value of a GRPCRoute', async (t) => {
  const cases: [string, string][] = [
    ['{ timeouts: { request: 1s } }', 'unknown-field spec.rules[0].timeouts'],
    ['{ retry: { attempts: 1 } }', 'unknown-field spec.rules[0].retry'],
    ['{ filters: [{ type: CORS }] }', 'unsupported-value spec.rules[0].filters[0].type'],
    ['{ filters: [{ type: URLRewrite }] }', 'unsupported-value spec.rules[0].filters[0].type'],
  ];
  for (const [rule, expected] of cases) t.same(summary(withRules(rule).problems), [expected], rule);
});

t.test('SPEC B8, V11: session persistence is ignored with a warning, as in an HTTPRoute', async (t) => {
  const { resources, problems } = withRules('{ sessionPersistence: { type: Cookie, cookie: {} } }');
  matches(t, resources, [{ kind: 'GRPCRoute' }]);
  t.same(summary(problems), ['not-carried-yet spec.rules[0].sessionPersistence']);
});

t.test('versions of the API that a cluster may have', async (t) => {
  for (const version of ['v1', 'v1alpha2']) {
    const { resources } = parse(`${HEAD.replace('k8s.io/v1', `k8s.io/${version}`)}spec: { ${PARENT} }\n`);
    matches(t, resources, [{ kind: 'GRPCRoute' }], version);
  }
  const { resources, problems } = parse(`${HEAD.replace('k8s.io/v1', 'k8s.io/v2')}spec: { ${PARENT} }\n`);
  matches(t, problems, [{ code: 'unsupported-version', message: /for a GRPCRoute, got/ }]);
  matches(t, resources, [{ kind: 'RefusedRoute' }]);
});
