/** ServiceProfiles of Linkerd: what their routes become, by requests and by field. */
import t from 'tap';
import { matches } from '../../support/match.ts';
import { converted, served, service } from '../../support/converted.ts';

const NAME = 'web.default.svc.cluster.local';

function profile(routes: readonly object[], rest: object = {}, metadata: object = {}): object {
  return {
    apiVersion: 'linkerd.io/v1alpha2',
    kind: 'ServiceProfile',
    metadata: { name: NAME, namespace: 'default', ...metadata },
    spec: { routes, ...rest },
  };
}

interface Route {
  readonly metadata: { readonly namespace: string };
  readonly spec: {
    readonly rules: readonly { readonly name?: string; readonly retry?: object; readonly timeouts?: object }[];
  };
}

function convertedProfile(routes: readonly object[], rest: object = {}, metadata: object = {}) {
  const conversion = converted([service('web'), profile(routes, rest, metadata)]);
  const told = conversion.problems
    .filter(({ severity }) => severity !== 'note')
    .map(({ code, path }) => `${code} ${path}`);
  return { conversion, told, route: conversion.documents[0] as unknown as Route };
}

/** The rule that a request takes by its timeout; the last one has none. */
function ruleNames(routes: readonly object[], requests: readonly string[]): string[] {
  const { conversion, told } = convertedProfile(routes);
  t.same(told, []);
  // Each rule sends elsewhere, so that it can be told apart.
  const documents = JSON.parse(JSON.stringify(conversion.documents)) as {
    spec: { rules: { name?: string; backendRefs: object[] }[] };
  }[];
  for (const rule of documents[0]!.spec.rules) {
    rule.backendRefs = [{ name: (rule.name ?? 'rest').replace(/-\d+$/, ''), port: 80 }];
  }
  const serve = served({ ...conversion, documents }, 'default/web:80');
  return requests.map((request) => {
    const [method, path] = request.split(' ');
    return /\/(.*):/.exec(serve({ method: method!, path: path!, headers: {}, queryParams: {} }).to)![1]!;
  });
}

t.test('the first route whose condition holds; all, any and not', async (t) => {
  const routes = [
    { name: 'get-one', condition: { method: 'GET', pathRegex: '/books/\\d+' } },
    { name: 'some', condition: { any: [{ pathRegex: '/a' }, { all: [{ method: 'POST' }, { pathRegex: '/b' }] }] } },
    { name: 'not-get', condition: { not: { method: 'GET' } } },
    { name: 'books', condition: { pathRegex: '/books.*' } },
  ];
  const requests = ['GET /books/7', 'GET /books/x', 'PUT /books/7', 'PUT /a', 'POST /b', 'GET /b', 'GET /'];
  t.same(ruleNames(routes, requests), ['get-one', 'books', 'not-get', 'some', 'some', 'rest', 'rest']);
});

t.test('the branches of an expression are bound at its ends alone, as in Linkerd', async (t) => {
  const routes = [{ name: 'x', condition: { pathRegex: '/a|/b' } }];
  t.same(ruleNames(routes, ['GET /a', 'GET /ab', 'GET /x/b', 'GET /bx']), ['x', 'x', 'x', 'rest']);
});

t.test('timeouts, retries and what counts as failure', async (t) => {
  const { route, told } = convertedProfile([
    {
      name: 'GET /books/{id}',
      condition: { method: 'GET' },
      timeout: '250ms',
      isRetryable: true,
      responseClasses: [
        { condition: { status: { min: 404, max: 404 } }, isFailure: true },
        { condition: { status: { min: 500, max: 599 } }, isFailure: false },
      ],
    },
  ]);
  matches(t, route.spec.rules[0], {
    ...{ name: 'get-books-id', timeouts: { request: '250ms' }, retry: { codes: [404], attempts: 1 } },
    backendRefs: [{ name: 'web', port: 80 }],
  });
  t.same(told, ['retry-differs spec.routes[0].isRetryable']);
});

t.test('what cannot be said is told', async (t) => {
  t.same(convertedProfile([], { retryBudget: { retryRatio: 0.2, minRetriesPerSecond: 10, ttl: '10s' } }).told, [
    'retry-differs spec.retryBudget',
  ]);
  t.same(convertedProfile([{ name: 'x', condition: {} }]).told, ['bad-condition spec.routes[0].condition']);
  t.same(convertedProfile([{ name: 'x', condition: { method: 'BREW' } }]).told, [
    'match-left-out spec.routes[0].condition.method',
  ]);
  t.same(convertedProfile([], { opaquePorts: ['25'] }).told, ['left-out spec.opaquePorts']);
  const fails = [{ condition: { status: { min: 200, max: 299 } }, isFailure: true }];
  t.same(convertedProfile([{ name: 'x', condition: { method: 'GET' }, responseClasses: fails }]).told, [
    'response-class spec.routes[0].responseClasses',
  ]);
});

t.test('dstOverrides are weights; a profile of another namespace is for the clients there', async (t) => {
  const { route } = convertedProfile(
    [],
    {
      dstOverrides: [
        { authority: 'web-v1.default.svc.cluster.local.:8080', weight: '900m' },
        { authority: 'web-v2.default.svc.cluster.local', weight: 1 },
      ],
    },
    { namespace: 'shop' },
  );
  t.equal(route.metadata.namespace, 'shop');
  matches(t, route.spec.rules, [
    {
      backendRefs: [
        { name: 'web-v1', namespace: 'default', port: 8080, weight: 900 },
        { name: 'web-v2', namespace: 'default', port: 80, weight: 1000 },
      ],
    },
  ]);
});
