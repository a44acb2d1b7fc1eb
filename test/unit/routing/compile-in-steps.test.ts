import t from 'tap';
import { attach, attachInSteps } from '../../../src/config/attach.ts';
import { parseRoutes } from '../../../src/config/route-parser.ts';
import type { Resource } from '../../../src/gateway-api/types.ts';
import { decide } from '../../../src/routing/decide.ts';
import { findFrontend } from '../../../src/routing/explain.ts';
import { compileTable, compileTableInSteps, type RouteTable } from '../../../src/routing/table.ts';
import { Slicer, type Steps } from '../../../src/slices.ts';
import { largeRouteFiles, type LargeRoutes } from '../../support/large-routes.ts';
import { requestHead, testDeps, type TestDeps } from '../../support/routes.ts';

const RULES = 2_000;

/** Shapes with one Service and with many, with many rules in a route and with one. */
const SHAPES: Readonly<Record<string, LargeRoutes>> = {
  'many rules to a route': { routes: RULES / 16, rulesPerRoute: 16, services: 20, format: 'documents', files: 1 },
  'one rule to a route, one Service': { routes: RULES, rulesPerRoute: 1, services: 1, format: 'documents', files: 1 },
};

function resources(shape: LargeRoutes, generation: number): readonly Resource[] {
  const [[file, text]] = [...largeRouteFiles({ ...shape, generation })] as [[string, string]];
  return parseRoutes(file, text, null).resources;
}

/** Where a request of the rule of this number goes. */
function ask(
  table: RouteTable,
  { routes, rulesPerRoute, services }: LargeRoutes,
  rule: number,
  generation: number,
): string {
  const route = Math.floor(rule / rulesPerRoute) % routes;
  const frontend = findFrontend(table, 'shop', `shop-${route % services}`, 80);
  const target = `/service${rule % 97}/team${(rule * 7) % 1013}/item${rule}/x`;
  const head = requestHead({ target, headers: [['x-tenant', `t${generation}-${rule}`]] });
  const decision = decide(table, frontend?.id ?? 1_000, head);
  return decision.kind === 'forward' ? decision.backend.key : decision.kind;
}

function* attachAndCompile(input: readonly Resource[], deps: TestDeps): Steps<RouteTable> {
  return yield* compileTableInSteps(yield* attachInSteps({ resources: input, namespace: 'shop' }), deps);
}

for (const [name, shape] of Object.entries(SHAPES)) {
  t.test(`a table compiled in slices is the one compiled at once (${name})`, async (t) => {
    const input = resources(shape, 1);
    const deps = testDeps();
    const sliced = await new Slicer({ sliceMs: 0 }).run(attachAndCompile(input, deps));
    const atOnce = compileTable(attach({ resources: input, namespace: 'shop' }), deps);
    for (let rule = 0; rule < RULES; rule++) {
      const answer = ask(sliced, shape, rule, 1);
      if (!answer.startsWith(`shop/shop-${rule % 50}-v`)) t.fail(`rule ${rule}: ${answer}`);
      if (ask(sliced, shape, rule, 2) !== ask(atOnce, shape, rule, 2)) t.fail(`rule ${rule}`);
    }
    t.equal(sliced.frontends.length, atOnce.frontends.length);
  });

  t.test(`the table before decides while the next one is compiled (${name})`, async (t) => {
    const deps = testDeps();
    let table = compileTable(attach({ resources: resources(shape, 1), namespace: 'shop' }), deps);
    let turns = 0;
    let compiling = true;
    const serve = (): void => {
      if (!compiling) return;
      turns++;
      const rule = turns % RULES;
      if (!ask(table, shape, rule, 1).startsWith('shop/') || ask(table, shape, rule, 2) !== 'local') {
        t.fail(`rule ${rule} in turn ${turns}`);
      }
      setImmediate(serve);
    };
    setImmediate(serve);
    const next = await new Slicer({ sliceMs: 0 }).run(attachAndCompile(resources(shape, 2), deps));
    compiling = false;
    table = next;
    // A pause at least for each rule: however large the table, no slice is longer than it should be.
    t.ok(turns > RULES, `${turns} turns of the event loop`);
    t.match(ask(table, shape, 7, 2), /^shop\//);
    t.equal(ask(table, shape, 7, 1), 'local');
  });
}

t.test('SPEC V10: other work has its turn between the regular expressions of a table', async (t) => {
  const matches = Array.from({ length: 32 }, (_, match) => ({
    path: { type: 'RegularExpression', value: `/step-${match}/[a-z]+` },
    headers: Array.from({ length: 16 }, (_, index) => ({
      type: 'RegularExpression',
      name: `h${index}`,
      value: `step-${match}-${index}[a-z]{1,9}`,
    })),
  }));
  const document = {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: 'route', namespace: 'shop' },
    spec: { parentRefs: [{ group: '', kind: 'Service', name: 'cart', port: 80 }], rules: [{ matches }] },
  };
  const { resources } = parseRoutes('route.json', JSON.stringify(document), null);
  const attachment = attach({ resources, namespace: 'shop' });
  const steps = compileTableInSteps(attachment, testDeps());
  let pauses = 0;
  while (steps.next().done !== true) pauses++;
  t.ok(pauses > 32 * 17, `${pauses} pauses`);
});
