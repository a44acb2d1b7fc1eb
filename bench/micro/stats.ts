/**
 * What a response of /stats costs at the limit of series, with and without the labels.
 *
 *     node dist/bench/micro/stats.js
 */
import { MAX_SERIES, Metrics } from '../../src/observe/metrics.ts';
import type { Stats } from '../../src/page/answers.ts';
import { statsReporter } from '../../test/support/stats.ts';
import { flagsOf } from '../flags.ts';

flagsOf('node dist/bench/micro/stats.js', 'What a response of /stats costs at the limit of series.').parse();
const ANSWERS = 20;
const DURATIONS_MS = [0.5, 2, 4, 8, 20, 40, 80];

const metrics = new Metrics();
for (let index = 0; index < MAX_SERIES; index++) {
  const series = metrics.internSeries({
    parentNamespace: 'production',
    parentName: `checkout-service-${index % 50}`,
    parentPort: 8080,
    routeNamespace: 'production',
    routeName: `checkout-route-${index % 200}`,
    rule: String(index % 16),
    backendNamespace: 'production',
    backendName: `checkout-service-v${index}`,
    backendPort: 8080,
  });
  for (const durationMs of DURATIONS_MS) metrics.recordRequest({ series, status: 200, reason: null, durationMs });
  metrics.recordRequest({ series, status: 503, reason: 'connect_failure', durationMs: 5 });
}

const reporter = statsReporter({ metrics });
let known = '';
for (let round = 0; round < ANSWERS; round++) {
  const before = process.cpuUsage();
  let text = '';
  let pieces = 0;
  for await (const piece of reporter.dump(known)) {
    text += piece;
    pieces++;
  }
  const { user, system } = process.cpuUsage(before);
  const labels = known === '' ? 'with' : 'without';
  console.log(
    `${labels} labels: ${text.length} bytes in ${pieces} slices, CPU ${((user + system) / 1_000).toFixed(1)} ms`,
  );
  known = (JSON.parse(text) as Stats).seriesRevision;
}
