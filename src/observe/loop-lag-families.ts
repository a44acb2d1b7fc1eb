/**
 * The families of metrics about the event loop. The library's own monitor wakes an idle process 50 times a second; names and values of
 * these are those that it would give: the interval of the timer is part of them. Each scrape begins anew.
 *
 * Registered by `exposition.ts`, in the place of the library's. Stage before: `loop-lag.ts`, read at the moment of the scrape.
 */
import type { Families } from './dns-families.ts';
import { LAG_INTERVAL_MS, type LagRecorder } from './loop-lag.ts';

type Figure = readonly [name: string, help: string, lagMs: (recorder: LagRecorder) => number];

const NOW = 'nodejs_eventloop_lag_seconds';
const DEVIATION: Figure = [
  'nodejs_eventloop_lag_stddev_seconds',
  'The standard deviation of the recorded event loop delays.',
  (lag) => lag.deviation,
];
const FIGURES: readonly Figure[] = [
  ['nodejs_eventloop_lag_min_seconds', 'The minimum recorded event loop delay.', (lag) => lag.min],
  ['nodejs_eventloop_lag_max_seconds', 'The maximum recorded event loop delay.', (lag) => lag.max],
  ['nodejs_eventloop_lag_mean_seconds', 'The mean of the recorded event loop delays.', (lag) => lag.mean],
  DEVIATION,
  [
    'nodejs_eventloop_lag_p50_seconds',
    'The 50th percentile of the recorded event loop delays.',
    (lag) => lag.percentile(50),
  ],
  [
    'nodejs_eventloop_lag_p90_seconds',
    'The 90th percentile of the recorded event loop delays.',
    (lag) => lag.percentile(90),
  ],
  [
    'nodejs_eventloop_lag_p99_seconds',
    'The 99th percentile of the recorded event loop delays.',
    (lag) => lag.percentile(99),
  ],
];

export const LOOP_LAG_NAMES: readonly string[] = [NOW, ...FIGURES.map(([name]) => name)];

export function registerLoopLag(families: Families, recorder: LagRecorder): void {
  let nowMs = 0;
  families.gauge(NOW, 'Lag of event loop in seconds.', () => {
    const startedMs = performance.now();
    setImmediate(() => {
      nowMs = performance.now() - startedMs;
      // By now the others have been read.
      recorder.reset();
    });
    // Of the scrape before.
    return nowMs / 1_000;
  });
  for (const figure of FIGURES) {
    const [name, help, lagMs] = figure;
    const intervalMs = figure === DEVIATION ? 0 : LAG_INTERVAL_MS;
    families.gauge(name, help, () => (lagMs(recorder) + intervalMs) / 1_000);
  }
}
