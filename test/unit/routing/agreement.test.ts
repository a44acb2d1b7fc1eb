import t from 'tap';
import { attach } from '../../../src/config/attach.ts';
import { decide } from '../../../src/routing/decide.ts';
import type { Decision, SeriesLabels } from '../../../src/routing/decision.ts';
import { explain, findFrontend, type Explanation } from '../../../src/routing/explain.ts';
import { FIND_MY_WAY_MAX_PATHS } from '../../../src/routing/path-index.ts';
import { compileTable } from '../../../src/routing/table.ts';
import { generateRequests, generateTable, seededRandom } from '../../support/random-routes.ts';
import { referenceRoute, type ReferenceResult } from '../../support/reference-matcher.ts';
import { exactPath, httpRoute, requestHead, ruleTo, testDeps } from '../../support/routes.ts';

const TABLES = 300;
const REQUESTS_PER_PORT = 40;

const crowd = httpRoute(
  'prod/crowd',
  ['prod/crowd'],
  Array.from({ length: FIND_MY_WAY_MAX_PATHS + 1 }, (_, index) => ruleTo('any', { path: exactPath(`/${index}`) })),
);

/** Rule identity and kind of answer, in one line. */
function describeDecision(decision: Decision, series: readonly SeriesLabels[]): string {
  const labels = series[decision.series]!;
  const rule = `${labels.routeNamespace}/${labels.routeName}#${labels.rule}`;
  if (decision.kind === 'original') return 'original';
  if (decision.kind === 'forward') return `${rule} -> ${decision.backend.key}`;
  return decision.reason === 'no_route' ? 'no_route' : `${rule} -> ${decision.status} ${decision.reason}`;
}

function describeReference(result: ReferenceResult): string[] {
  if (result.kind !== 'rule') return [result.kind];
  const rule = `${result.route.namespace}/${result.route.name}#${result.rule.index}`;
  if (result.shares.length === 0) return [`${rule} -> 500 no_backend`];
  return result.shares.map((share) => `${rule} -> ${share.backend ?? '500 no_backend'}`);
}

function describeExplanation(explanation: Explanation): string[] {
  const { outcome, winner, candidates } = explanation;
  if (outcome.kind === 'original') return ['original'];
  if (winner === null) return [outcome.kind === 'local' ? outcome.reason : outcome.kind];
  const rule = `${candidates[winner]!.route}#${candidates[winner]!.ruleIndex}`;
  if (outcome.kind === 'local') return [`${rule} -> ${outcome.status} ${outcome.reason}`];
  return outcome.shares
    .filter((share) => share.weight > 0)
    .map(({ answer, backend }) =>
      answer.kind === 'local' ? `${rule} -> ${answer.status} ${answer.reason}` : `${rule} -> ${backend}`,
    );
}

t.test('SPEC A5-A7, M1-M9, P1-P5, B2-B4: decide, explain and the reference agree on random tables', async (t) => {
  const seen = { original: 0, no_route: 0, forward: 0, local: 0 };
  const types = { Exact: 0, PathPrefix: 0, RegularExpression: 0 };
  let requests = 0;
  let disagreements = 0;
  for (let seed = 1; seed <= TABLES; seed++) {
    const generated = generateTable(seed);
    const deps = testDeps(seededRandom(seed));
    // Every other table is made large by a Service of its own, so that both path indexes are exercised.
    const resources = seed % 2 === 0 ? generated.resources : [...generated.resources, crowd];
    const attachment = attach({ resources, namespace: generated.clientNamespace });
    const table = compileTable(attachment, deps);
    for (const port of generated.service.ports) {
      const { namespace, name } = generated.service;
      const frontend = findFrontend(table, namespace, name, port);
      for (const request of generateRequests(generated, seed * 7919 + port, REQUESTS_PER_PORT)) {
        requests++;
        const expected = referenceRoute(
          {
            resources: generated.resources,
            clientNamespace: generated.clientNamespace,
            service: { namespace, name, port },
          },
          request,
        );
        const head = requestHead(request);
        const decision = decide(table, frontend?.id ?? 1000, head);
        const actual = describeDecision(decision, deps.series);
        const reads = Math.max(0, ...head.reads.values());
        const explained = describeExplanation(explain(frontend, head)).sort();
        const allowed = describeReference(expected).sort();
        if (expected.kind === 'rule') types[expected.match.path.type]++;
        seen[decision.kind === 'local' && decision.reason === 'no_route' ? 'no_route' : decision.kind]++;
        if (!allowed.includes(actual) || explained.join() !== allowed.join() || reads > 1) {
          disagreements++;
          if (disagreements < 5) t.same({ actual, explained, reads }, { allowed, request, seed, port });
        }
      }
    }
  }
  t.equal(disagreements, 0, `${requests} requests`);
  t.ok(requests >= 20_000, 'enough requests');
  // The generators must keep hitting everything, or agreement means little.
  t.ok(seen.forward > requests / 4, `forwarded ${seen.forward}`);
  t.ok(seen.local > requests / 20, `answered by a rule ${seen.local}`);
  t.ok(seen.no_route > requests / 50, `no route ${seen.no_route}`);
  t.ok(seen.original > 0, `unattached ${seen.original}`);
  for (const [type, count] of Object.entries(types)) t.ok(count > requests / 50, `${type} won ${count}`);
});
