/** The diagram of the page: what of a configuration is drawn, and that nothing lies on anything else. */
import t from 'tap';
import type { ConfigBackend, ConfigFrontend, ConfigRule } from '../../../src/page/answers.ts';
import { graphOf, layOut, type Graph, type Place } from '../../../src/page/graph.ts';
import { ConfigSearch, type FoundFrontend } from '../../../src/page/model.ts';

function backendTo(name: string, more: Partial<ConfigBackend> = {}): ConfigBackend {
  return {
    ...{ group: '', kind: 'Service', namespace: 'shop', name, port: 80, state: 'resolved', addresses: ['10.96.0.1'] },
    ...{ protocol: null, message: null, weight: 1, filters: [], mirrors: [], ...more },
  };
}

function ruleTo(index: number, backends: readonly ConfigBackend[]): ConfigRule {
  const timeouts = { requestMs: null, backendRequestMs: null };
  return {
    ...{ kind: 'HTTPRoute', route: 'shop/route', rule: index, name: null, matches: [], filters: [] },
    ...{ backends, timeouts, retry: null, refused: null },
  };
}

function frontendWith(name: string, rules: readonly ConfigRule[], more: Partial<ConfigFrontend> = {}): ConfigFrontend {
  return {
    ...{ key: `shop/${name}:80`, namespace: 'shop', name, port: 80, mode: 'http' as const, routeKind: 'HTTPRoute' },
    ...{ consumer: false, addresses: ['10.96.0.2'], unresolved: null, rules, ...more },
  };
}

function found(frontends: readonly ConfigFrontend[], words = ''): FoundFrontend[] {
  const rest = { generation: 1, hash: '', valid: true, routeSet: null, heldFiles: [], heldRoutes: [] };
  return new ConfigSearch({ ...rest, problems: [], routes: [], frontends }).find(words);
}

const rules = (count: number, name: string): ConfigRule[] =>
  Array.from({ length: count }, (_, index) => ruleTo(index, [backendTo(`${name}-${index}`)]));
const still = (): number => 0;

t.test('rules of different Services that go to one backend lead to one box, with their shares', async (t) => {
  const both = [backendTo('v1', { weight: 9 }), backendTo('v2')];
  const graph = graphOf(found([frontendWith('a', [ruleTo(0, both)]), frontendWith('b', [ruleTo(0, both)])]), still);
  t.same(
    graph.backends.map(({ key }) => key),
    ['shop/v1:80', 'shop/v2:80'],
  );
  t.same(
    graph.edges.map(({ frontend, rule, backend, share }) => [frontend, rule, backend, share]),
    [
      [0, 0, 0, 0.9],
      [0, 0, 1, 0.1],
      [1, 1, 0, 0.9],
      [1, 1, 1, 0.1],
    ],
  );
  t.equal(graph.left, 0);
});

t.test('copies, answers of its own and ports that are not read have lines, too', async (t) => {
  const mirror = { ...backendTo('copy'), numerator: 1, denominator: 2 };
  const graph = graphOf(
    found([
      frontendWith('a', [ruleTo(0, [backendTo('v1', { mirrors: [mirror], state: 'missing' })]), ruleTo(1, [])]),
      frontendWith('db', [], { mode: 'opaque' }),
    ]),
    still,
  );
  t.same(
    graph.edges.map(({ rule, backend, isMirror }) => [rule, graph.backends[backend]!.key, isMirror]),
    [
      [0, 'shop/v1:80', false],
      [0, 'shop/copy:80', true],
      [1, 'answered by sideroute', false],
      [null, 'tunnelled unread', false],
    ],
  );
  t.equal(graph.backends[0]!.fault, 'no address');
});

t.test('of hundreds of Services those with most requests are drawn, and what is left is counted', async (t) => {
  const many = Array.from({ length: 300 }, (_, index) => frontendWith(`s${index}`, rules(12, `b${index}`)));
  const graph = graphOf(found(many), ({ name }) => (name === 's277' ? 50 : name === 's3' ? 7 : 0));
  t.same(
    graph.frontends.map(({ frontend }) => frontend.name),
    ['s277', 's3', 's0'],
  );
  t.same(
    graph.frontends.map(({ left }) => left),
    [4, 4, 4],
  );
  t.equal(graph.left, 297);
  t.equal(graph.rules.length, 24);
  const named = graphOf(found(many, 's150:80'), still);
  t.same([named.frontends.length, named.frontends[0]?.frontend.name, named.left], [1, 's150', 0]);
});

t.test('of many backends of a rule some are drawn, and the others counted', async (t) => {
  const wide = ruleTo(
    0,
    Array.from({ length: 20 }, (_, index) => backendTo(`b${index}`)),
  );
  const graph = graphOf(found([frontendWith('a', [wide])]), still);
  t.same([graph.backends.length, graph.rules[0]!.left], [8, 12]);
  t.equal(graph.edges[0]!.share, 0.05, 'of all of them');
});

t.test('no box lies on another, and lines end at their boxes', async (t) => {
  const shared = [backendTo('v1'), backendTo('v2'), backendTo('v3')];
  const some = [
    frontendWith('a', [ruleTo(0, shared), ruleTo(1, [backendTo('v2')]), ruleTo(2, [])]),
    frontendWith('db', [], { mode: 'opaque' }),
    frontendWith('b', [...rules(5, 'x'), ruleTo(5, shared)]),
  ];
  const many = Array.from({ length: 40 }, (_, index) => frontendWith(`s${index}`, rules(3, `b${index % 7}`)));
  for (const frontends of [some, many]) {
    const graph: Graph = graphOf(found(frontends), still);
    const layout = layOut(graph);
    for (const places of [layout.frontends, layout.rules, layout.backends]) {
      const sorted: Place[] = [...places].sort((a, b) => a.y - b.y);
      for (const [index, { y, height }] of sorted.entries()) {
        t.ok(y >= 0 && y + height <= layout.height, 'within the drawing');
        const next = sorted[index + 1];
        if (next !== undefined) t.ok(y + height < next.y, 'apart from the next one');
      }
    }
    for (const [index, { rule, frontend, backend }] of graph.edges.entries()) {
      const { from, to } = layout.ends[index]!;
      const start = rule === null ? layout.frontends[frontend]! : layout.rules[rule]!;
      const end = layout.backends[backend]!;
      t.ok(from >= start.y && from <= start.y + start.height, 'leaves its box');
      t.ok(to >= end.y && to <= end.y + end.height, 'comes in at its box');
    }
  }
});
