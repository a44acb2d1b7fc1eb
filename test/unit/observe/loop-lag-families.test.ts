/** What a scrape says of the event loop: what prom-client would, of which the interval of the timer is a part. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import { LagRecorder } from '../../../src/observe/loop-lag.ts';
import { registerLoopLag } from '../../../src/observe/loop-lag-families.ts';

t.test('how late the loop was since the scrape before', async (t) => {
  const recorder = new LagRecorder();
  const gauges = new Map<string, () => number>();
  registerLoopLag({ gauge: (name, _help, read) => gauges.set(name, read) }, recorder);
  const scrape = (): object => {
    return Object.fromEntries([...gauges].map(([name, read]) => [name, Number(read().toFixed(3))]));
  };
  const said = ([now, min, max, mean, deviation, p50, p90, p99]: readonly number[]): object => ({
    nodejs_eventloop_lag_seconds: now,
    nodejs_eventloop_lag_min_seconds: min,
    nodejs_eventloop_lag_max_seconds: max,
    nodejs_eventloop_lag_mean_seconds: mean,
    nodejs_eventloop_lag_stddev_seconds: deviation,
    nodejs_eventloop_lag_p50_seconds: p50,
    nodejs_eventloop_lag_p90_seconds: p90,
    nodejs_eventloop_lag_p99_seconds: p99,
  });
  recorder.record(3);
  recorder.record(7);
  t.strictSame(scrape(), said([0, 0.023, 0.027, 0.025, 0.002, 0.023, 0.027, 0.027]));
  await nextTurn();
  const next = scrape() as { nodejs_eventloop_lag_seconds: number };
  t.ok(next.nodejs_eventloop_lag_seconds >= 0);
  t.strictSame({ ...next, nodejs_eventloop_lag_seconds: 0 }, said([0, 0.02, 0.02, 0.02, 0, 0.02, 0.02, 0.02]));
});
