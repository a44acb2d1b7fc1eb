/**
 * The families of metrics about the event loop. The library's own monitor wakes an idle process 50 times a second; names and values of
 * these are those that it would give: the interval of the timer is part of them. Each scrape begins anew.
 *
 * Registered by `exposition.ts`, in the place of the library's. Stage before: `loop-lag.ts`, read at the moment of the scrape.
 */
import type { Families } from './dns-families.ts';
import { LAG_INTERVAL_MS, type LagRecorder } from './loop-lag.ts';

const NOW = 'nodejs_eventloop_lag_seconds';
/** Of the others, in milliseconds. */
const FIGURES: readonly (readonly [name: string, help: string, read: (lag: LagRecorder) => number])[] = [
  ['nodejs_eventloop_lag_min_seconds', 'The minimum recorded event loop delay.', (lag) => lag.min + LAG_INTERVAL_MS],
  ['nodejs_eventloop_lag_max_seconds', 'The maximum recorded event loop delay.', (lag) => lag.max + LAG_INTERVAL_MS],
  [
    'nodejs_eventloop_lag_mean_seconds',
    'The mean of the recorded event loop delays.',
    (lag) => lag.mean + LAG_INTERVAL_MS,
  ],
  [
    'nodejs_eventloop_lag_stddev_seconds',
    'The standard deviation of the recorded event loop delays.',
    (lag) => lag.deviation,
  ],
  [
    'nodejs_eventloop_lag_p50_seconds',
    'The 50th percentile of the recorded event loop delays.',
    (lag) => lag.percentile(50) + LAG_INTERVAL_MS,
  ],
  [
    'nodejs_eventloop_lag_p90_seconds',
    'The 90th percentile of the recorded event loop delays.',
    (lag) => lag.percentile(90) + LAG_INTERVAL_MS,
  ],
  [
    'nodejs_eventloop_lag_p99_seconds',
    'The 99th percentile of the recorded event loop delays.',
    (lag) => lag.percentile(99) + LAG_INTERVAL_MS,
  ],
];

export const LOOP_LAG_NAMES: readonly string[] = [NOW, ...FIGURES.map(([name]) => name)];

export function registerLoopLag(families: Pick<Families, 'gauge'>, recorder: LagRecorder): void {
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
  for (const [name, help, read] of FIGURES) families.gauge(name, help, () => read(recorder) / 1_000);
}
