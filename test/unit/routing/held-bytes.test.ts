/** What many small routes hold once they are compiled: references, conditions and shares that are equal are there once. */
import t from 'tap';
import { attach } from '../../../src/config/attach.ts';
import type { Attachment } from '../../../src/config/attachment.ts';
import { parseRouteFile } from '../../../src/gateway-api/parse.ts';
import { decide } from '../../../src/routing/decide.ts';
import type { CompileDeps } from '../../../src/routing/decision.ts';
import { compileTable, type RouteTable } from '../../../src/routing/table.ts';
import { collect } from '../../support/collect.ts';
import { largeRouteFiles } from '../../support/large-routes.ts';
import { requestHead, testDeps } from '../../support/routes.ts';

function heldBytes(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

/** As of the routes for which there is no series of their own any more. */
const deps = (): CompileDeps => ({ ...testDeps(), internSeries: () => 0 });

function configurationOf(routes: number, compileDeps: CompileDeps): { attachment: Attachment; table: RouteTable } {
  const files = largeRouteFiles({ routes, rulesPerRoute: 1, services: 50, format: 'documents', files: 1 });
  const resources = [...files].flatMap(([name, text]) => parseRouteFile(name, text).resources);
  const attachment = attach({ resources, namespace: 'shop' });
  return { attachment, table: compileTable(attachment, compileDeps) };
}

t.test('a route with one rule holds less than 2.5 KiB, with all that is made of it', (t) => {
  const ROUTES = 4_000;
  const kept = [configurationOf(200, deps())];
  const before = heldBytes();
  kept.push(configurationOf(ROUTES, deps()));
  const each = (heldBytes() - before) / ROUTES;
  t.ok(each < 2.5 * 1024, `${each.toFixed(0)} bytes`);
  t.equal(kept[1]!.attachment.conditions.length, 2 * ROUTES);
  t.end();
});

t.test('rules with the same backends rotate over them each by itself', (t) => {
  const own = deps();
  const { table } = configurationOf(200, own);
  const frontend = own.frontendId('shop/shop-0:80');
  // The rules 0, 50, 100 and 150 are of one Service, and have backends in common.
  const rules = [0, 50, 100, 150];
  const backends = rules.map(() => [] as string[]);
  for (let round = 0; round < 10; round++) {
    for (const [at, index] of rules.entries()) {
      const target = `/service${index % 97}/team${(index * 7) % 1013}/item${index}`;
      const decision = decide(table, frontend, requestHead({ target, headers: [['x-tenant', `t0-${index}`]] }));
      if (decision.kind !== 'forward') throw new Error(`${index}: ${decision.kind}`);
      backends[at]!.push(decision.backend.name);
    }
  }
  for (const each of backends) {
    t.equal(each.filter((name) => name === 'shop-0-v1').length, 9);
    t.equal(each.filter((name) => name === 'shop-0-v2').length, 1);
  }
  t.end();
});
