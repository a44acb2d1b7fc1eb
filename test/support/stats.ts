/** A reporter of statistics with default sources. */
import { LoopLag } from '../../src/observe/loop-lag.ts';
import { Metrics } from '../../src/observe/metrics.ts';
import { StatsReporter, type StatsSources } from '../../src/admin/stats.ts';

export function statsReporter(sources: Partial<StatsSources> = {}): StatsReporter {
  return new StatsReporter({
    version: '0.0.0',
    metrics: new Metrics(),
    loopLag: new LoopLag(),
    acceptor: () => null,
    engine: () => null,
    upstreams: () => [],
    backendKeys: () => [],
    downstreamConnections: () => 0,
    config: () => ({ generation: 1, hash: 'h', valid: true, unresolvedFrontends: 0, revision: '1.0' }),
    draining: () => false,
    metricsAddresses: () => ['[::]:15020'],
    ...sources,
  });
}
