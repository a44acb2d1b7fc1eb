/**
 * The metric families about the event loop. The monitor of the library would wake an idle process 50 times a second.
 * Names and values are the same as the library's, which include the timer interval. Each scrape starts a new recording.
 *
 * Registered by `exposition.ts` instead of the library's. Stage before: `loop-lag.ts`, read at the moment of the
 * scrape.
 */
import type { Families } from './dns-families.ts';
import { LAG_INTERVAL_MS, type LagRecorder } from './loop-lag.ts';

const NOW = 'nodejs_eventloop_lag_seconds';
/** The other figures, in milliseconds. */
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
      // The other gauges have been read by now.
      recorder.reset();
    });
    // The value of the previous scrape.
    return nowMs / 1_000;
  });
  for (const [name, help, read] of FIGURES) families.gauge(name, help, () => read(recorder) / 1_000);
}
