import t from 'tap';
import { MAX_MIRRORS, type ForwardDecision } from '../../../src/routing/decision.ts';
import { seededRandom } from '../../support/random-routes.ts';
import { backend, service, testDeps } from '../../support/routes.ts';
import {
  extension,
  mirror,
  OneRule,
  redirect,
  requestHeaders,
  responseHeaders,
  urlRewrite,
} from '../../support/filters.ts';

/** Names of the mirrors of a decision. */
function names(decision: ForwardDecision): string[] {
  return (decision.mirrors ?? []).map((target) => target.backend.name);
}

/** How many of `requests` each mirror gets. */
function count(rules: OneRule, requests: number): Record<string, number> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < requests; i++) {
    for (const name of names(rules.forward())) counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

t.test('SPEC F10: a mirror without a share gets every request, with the compiled decision itself', async (t) => {
  const one = new OneRule({ filters: [mirror('m/a:80'), mirror('m/b:8080')] });
  const first = one.forward('/x?y');
  t.equal(first, one.forward('/z'));
  const [a, b] = first.mirrors!;
  t.equal(a!.backend, one.deps.backends.get('m/a:80'));
  t.equal(b!.backend, one.deps.backends.get('m/b:8080'));
  t.equal(a!.plan, null, 'the original URI arrives');
  t.match(one.deps.series[b!.series], {
    parentName: 'web',
    routeName: 'r',
    rule: 'only',
    backendNamespace: 'm',
    backendName: 'b',
    backendPort: 8080,
  });
  t.not(first.series, a!.series);
});

t.test('SPEC F10: of any denominator of requests exactly the numerator is mirrored, wherever it starts', async (t) => {
  const shares = [
    [20, 100],
    [25, 50],
    [35, 100],
    [1, 3],
    [2, 3],
    [99, 100],
    [1, 1000],
    [7, 2_147_483_647],
  ] as const;
  for (const [numerator, denominator] of shares) {
    for (let seed = 0; seed < 5; seed++) {
      const deps = testDeps(seededRandom(seed));
      const one = new OneRule({ filters: [mirror('m/a:80', { numerator, denominator })] }, { deps });
      const requests = denominator > 10_000 ? 1000 : denominator;
      count(one, seed);
      for (let cycle = 0; cycle < 3; cycle++) {
        const expected = denominator > 10_000 ? 0 : numerator;
        t.equal(count(one, requests)['a'] ?? 0, expected, `${numerator}/${denominator} from ${seed}`);
      }
    }
  }
});

t.test('SPEC F10: mirrored requests are evenly spread', async (t) => {
  for (let seed = 0; seed < 20; seed++) {
    const one = new OneRule({ filters: [mirror('m/a:80', { numerator: 20 })] }, { deps: testDeps(seededRandom(seed)) });
    const gaps: number[] = [];
    let gap = 0;
    for (let i = 0; i < 100; i++) {
      gap++;
      if (names(one.forward()).length === 0) continue;
      gaps.push(gap);
      gap = 0;
    }
    t.same(new Set(gaps.slice(1)), new Set([5]));
  }
});

t.test('SPEC F10: even the first request of many proxies follows the share', async (t) => {
  const random = seededRandom(11);
  let mirrored = 0;
  for (let i = 0; i < 2000; i++) {
    const one = new OneRule({ filters: [mirror('m/a:80', { numerator: 30 })] }, { deps: testDeps(random) });
    mirrored += names(one.forward()).length;
  }
  t.ok(Math.abs(mirrored - 600) < 80, `${mirrored} of 2000`);
});

t.test('SPEC F10: several mirrors are chosen independently, the same choice is the same decision', async (t) => {
  const one = new OneRule(
    {
      filters: [
        mirror('m/half:80', { numerator: 1, denominator: 2 }),
        mirror('m/all:80'),
        mirror('m/third:80', { numerator: 1, denominator: 3 }),
      ],
    },
    { deps: testDeps(seededRandom(3)) },
  );
  const byChoice = new Map<string, Set<ForwardDecision>>();
  for (let i = 0; i < 60; i++) {
    const decision = one.forward();
    const choice = names(decision).join();
    byChoice.set(choice, (byChoice.get(choice) ?? new Set()).add(decision));
  }
  t.same([...byChoice.keys()].sort(), ['all', 'all,third', 'half,all', 'half,all,third']);
  for (const decisions of byChoice.values()) t.equal(decisions.size, 1);
  t.same(count(one, 60), { half: 30, all: 60, third: 20 });
});

t.test('SPEC F10: a share of nothing mirrors nothing and looks up nothing', async (t) => {
  const one = new OneRule({ filters: [mirror('m/a:80', { numerator: 0 })] });
  t.same(count(one, 200), {});
  t.notOk(one.deps.backends.has('m/a:80'));
});

t.test('SPEC F10: a mirror that cannot be used is dropped, the request and other mirrors are unaffected', async (t) => {
  const resources = [service('ns/web', [80]), service('m/a', [81]), service('m/tls', [{ appProtocol: 'tls' }])];
  const one = new OneRule(
    {
      filters: [
        mirror('m/a:80'),
        mirror('m/b:80', {}, { group: 'example.com', kind: 'Bucket' }),
        mirror('m/tls:80'),
        mirror('m/ok:80'),
      ],
    },
    { resources },
  );
  t.same(names(one.forward()), ['ok']);
});

t.test('SPEC F2, F10: a mirror gets what the filters before it have made of the request', async (t) => {
  const one = new OneRule({
    filters: [
      mirror('m/first:80'),
      requestHeaders({ set: { A: '1' } }),
      responseHeaders({ set: { R: '1' } }),
      mirror('m/second:80'),
      urlRewrite({ hostname: 'h' }),
    ],
    backendRefs: [
      backend('v/v1:80', {
        filters: [mirror('m/third:80'), requestHeaders({ add: { B: '1' } }), mirror('m/fourth:80')],
      }),
    ],
  });
  const { mirrors, plan } = one.forward();
  const response = { remove: [], append: [] };
  const a = { name: 'A', value: '1' };
  t.same(
    mirrors!.map(({ backend: { name }, plan: own }) => [name, own]),
    [
      ['first', null],
      ['second', { request: { remove: ['a'], append: [a] }, response, host: null, path: null }],
      ['third', { request: { remove: ['a'], append: [a] }, response, host: 'h', path: null }],
      [
        'fourth',
        { request: { remove: ['a'], append: [a, { name: 'B', value: '1' }] }, response, host: 'h', path: null },
      ],
    ],
  );
  t.same(plan!.response, { remove: ['r'], append: [{ name: 'R', value: '1' }] });
});

t.test('SPEC F10, F17: mirrors of a backendRef go with its share only', async (t) => {
  const one = new OneRule({
    filters: [mirror('m/rule:80')],
    backendRefs: [backend('v/v1:80', { filters: [mirror('m/v1:80')] }), backend('v/v2:80')],
  });
  const decisions = [one.forward(), one.forward()];
  t.same(
    new Map(decisions.map((decision) => [decision.backend.name, names(decision)])),
    new Map([
      ['v1', ['rule', 'v1']],
      ['v2', ['rule']],
    ]),
  );
});

t.test('SPEC D2, F10: as many mirrors as a rule and a backendRef can have', async (t) => {
  const some = (prefix: string) =>
    Array.from({ length: 16 }, (_, i) => mirror(`m/${prefix}${i}:80`, { numerator: 50 }));
  const one = new OneRule({ filters: some('a'), backendRefs: [backend('v/v1:80', { filters: some('b') })] });
  const counts = count(one, 10);
  t.equal(Object.keys(counts).length, MAX_MIRRORS);
  t.same(new Set(Object.values(counts)), new Set([5]));
});

t.test('SPEC F10: requests that are answered here are not mirrored', async (t) => {
  const filters = [mirror('m/a:80', { numerator: 50 })];
  const cases = [
    new OneRule({ filters: [...filters, redirect()], backendRefs: [] }),
    new OneRule({ filters, backendRefs: [] }),
    new OneRule({ filters: [...filters, extension] }),
    new OneRule({ filters, backendRefs: [backend('v/v1:80', { filters: [extension] })] }),
  ];
  for (const one of cases) {
    t.equal(one.decide().kind, 'local');
    t.notOk(one.deps.backends.has('m/a:80'));
  }
  const unresolved = new OneRule({ filters });
  unresolved.deps.backends.get('v/v1:80')!.addresses = [];
  t.match(unresolved.decide(), { kind: 'local', reason: 'unresolved' });
});
