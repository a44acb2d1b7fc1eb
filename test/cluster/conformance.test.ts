/**
 * The official suite, unmodified: every test of the mesh profiles passes, again and again, and fails without the controller. SIDEROUTE_REPORT=FILE
 * keeps the report of the last run, as docs/conformance/ has it.
 */
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { CONFORMANCE_PROFILES, isMeshTest } from '../../scripts/conformance-tests.ts';
import { FEATURES, runSuite } from './conformance.ts';
import { echoImage } from './images.ts';
import { installSideroute, withoutController } from './mesh.ts';
import { startNode } from './node.ts';
import { runToEnd } from './processes.ts';
import { program, ROOT } from './programs.ts';
import { say } from './say.ts';
import { matches } from '../support/match.ts';

interface Report {
  readonly profiles: readonly {
    readonly name: string;
    readonly core: { readonly result: string; readonly statistics: Record<string, number> };
    readonly extended: { readonly result: string; readonly statistics: Record<string, number> };
  }[];
}

/** An answer that is right by chance is not right twenty times in a row. SIDEROUTE_FULL=1: five runs in a row. */
const RUNS = process.env['SIDEROUTE_FULL'] === undefined ? [undefined, 20] : [undefined, undefined, undefined, 20, 20];

t.setTimeout(3_000_000);

t.test('the official suite passes', { timeout: 3_000_000 }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sideroute-conformance-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  const cluster = await startNode();
  t.teardown(() => cluster.stop());
  await cluster.load([await echoImage()]);
  await installSideroute(cluster);
  const report = join(directory, 'report.yaml');
  const expected = CONFORMANCE_PROFILES.flatMap(({ tests }) => tests)
    .filter(({ name, outcome }) => isMeshTest(name) && outcome.kind === 'passes')
    .map(({ name }) => name);

  for (const [index, consecutiveSuccesses] of RUNS.entries())
    await t.test(`run ${index + 1}, ${consecutiveSuccesses ?? 3} right answers in a row`, async (t) => {
      const run = await runSuite(cluster, {
        report,
        version,
        ...(consecutiveSuccesses === undefined ? {} : { consecutiveSuccesses }),
      });
      t.strictSame(run.failed, [], run.failed.length === 0 ? '' : failureLines(run.log));
      t.strictSame([...run.passed].sort(), [...expected].sort(), 'every test of the mesh was run');
      t.equal(run.status, 0);
      const { profiles } = parse(readFileSync(report, 'utf8')) as Report;
      const byName = [...profiles].sort((a, b) => a.name.localeCompare(b.name));
      matches(t, byName, [
        {
          name: 'MESH-GRPC',
          core: { result: 'success', statistics: { Passed: 3, Failed: 0, Skipped: 0 } },
        },
        {
          name: 'MESH-HTTP',
          core: { result: 'success', statistics: { Passed: 7, Failed: 0, Skipped: 0 } },
          extended: {
            result: 'success',
            statistics: { Passed: 7, Failed: 0, Skipped: 0 },
            supportedFeatures: FEATURES.slice(0, 9).sort(),
          },
        },
      ]);
      const judged = await runToEnd([await program('report-check'), report]);
      t.equal(judged.status, 0, judged.stdout + judged.stderr);
      say(`official suite, run ${index + 1}: ${run.passed.length} passed in ${run.seconds} s`);
    });
  const kept = process.env['SIDEROUTE_REPORT'];
  if (kept !== undefined) copyFileSync(report, kept);

  await t.test('without the controller it fails', async (t) => {
    const back = await withoutController(cluster);
    const run = await runSuite(cluster, {
      report: join(directory, 'control.yaml'),
      version,
      only: 'MeshHTTPRouteRequestHeaderModifier',
    });
    t.strictSame(run.failed, ['MeshHTTPRouteRequestHeaderModifier']);
    t.not(run.status, 0);
    await back();
  });
});

/** Where the suite says why. */
function failureLines(log: string): string {
  return log
    .split('\n')
    .filter((line) => /--- FAIL|Error:|error/.test(line))
    .slice(0, 60)
    .join('\n');
}
