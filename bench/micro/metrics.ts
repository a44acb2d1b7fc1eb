/**
 * Cost of counting a request, and of a scrape at the cap of series.
 *
 * Run: node dist/bench/micro/metrics.js
 */
import type { Outcome } from '../../src/engine/engine.ts';
import { createExposition } from '../../src/observe/exposition.ts';
import { MAX_SERIES, Metrics } from '../../src/observe/metrics.ts';

const ROUNDS = 5_000_000;
const SCRAPES = 10;

const metrics = new Metrics();
for (let i = 0; i < MAX_SERIES; i++) {
  metrics.internSeries({
    parentNamespace: 'production',
    parentName: `checkout-service-${i % 50}`,
    parentPort: 8080,
    routeNamespace: 'production',
    routeName: `checkout-route-${i % 200}`,
    rule: String(i % 16),
    backendNamespace: 'production',
    backendName: `checkout-service-v${i}`,
    backendPort: 8080,
  });
}

const outcome = { series: 0, status: 200, reason: null, durationMs: 0 } satisfies Outcome;
const started = process.hrtime.bigint();
for (let i = 0; i < ROUNDS; i++) {
  outcome.series = i % MAX_SERIES;
  outcome.durationMs = i & 63;
  metrics.recordRequest(outcome);
}
const perRequest = Number(process.hrtime.bigint() - started) / ROUNDS;
console.log(`recordRequest: ${perRequest.toFixed(1)} ns`);

for (let i = 0; i < MAX_SERIES; i++) {
  metrics.recordRequest({ series: i, status: 503, reason: 'connect_failure', durationMs: 5 });
}
const exposition = createExposition({
  version: '0.0.0',
  metrics,
  acceptor: () => null,
  engine: () => null,
  downstreamConnections: () => 0,
  config: () => ({ generation: 1, hash: '0', valid: true }),
  unresolvedFrontends: () => 0,
  conditions: () => [],
});
for (let i = 0; i < SCRAPES; i++) {
  const before = process.cpuUsage();
  const text = await exposition.render();
  const { user, system } = process.cpuUsage(before);
  const cpuMs = ((user + system) / 1_000).toFixed(1);
  console.log(`scrape: ${MAX_SERIES} series, ${text.split('\n').length} lines, ${text.length} bytes, CPU ${cpuMs} ms`);
}
