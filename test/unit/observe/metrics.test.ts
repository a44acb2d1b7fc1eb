import t from 'tap';

import { MIRROR_RESULTS } from '../../../src/errors.ts';
import type { SeriesLabels } from '../../../src/routing/decision.ts';
import { DURATION_BUCKETS_MS, Metrics } from '../../../src/observe/metrics.ts';

function labels(backendName: string): SeriesLabels {
  return {
    parentNamespace: 'shop',
    parentName: 'cart',
    parentPort: 80,
    routeNamespace: 'shop',
    routeName: 'cart',
    rule: '0',
    backendNamespace: 'shop',
    backendName,
    backendPort: 8080,
  };
}

function counts(metrics: Metrics): string[] {
  const lines: string[] = [];
  metrics.eachCount((series, code, reason, count) => lines.push(`${series} ${code} ${reason} ${count}`));
  return lines.sort();
}

t.test('equal labels are the same series, others get the next integer', async (t) => {
  const metrics = new Metrics();
  t.equal(metrics.internSeries(labels('v1')), 0);
  t.equal(metrics.internSeries(labels('v2')), 1);
  t.equal(metrics.internSeries(labels('v1')), 0);
  t.equal(metrics.seriesCount, 2);
});

t.test('requests are counted by series, code and reason', async (t) => {
  const metrics = new Metrics();
  const v1 = metrics.internSeries(labels('v1'));
  const v2 = metrics.internSeries(labels('v2'));
  metrics.recordRequest({ series: v1, status: 200, reason: null, durationMs: 1 });
  metrics.recordRequest({ series: v1, status: 200, reason: null, durationMs: 1 });
  metrics.recordRequest({ series: v2, status: 503, reason: 'connect_failure', durationMs: 1 });
  metrics.recordRequest({ series: v2, status: 503, reason: null, durationMs: 1 });
  metrics.recordRequest({ series: v2, status: 0, reason: 'downstream_reset', durationMs: 1 });
  t.same(counts(metrics), ['0 200  2', '1 0 downstream_reset 1', '1 503  1', '1 503 connect_failure 1']);
});

t.test('a duration falls into the first bucket that is not below it', async (t) => {
  const metrics = new Metrics();
  const series = metrics.internSeries(labels('v1'));
  for (const durationMs of [0, 1, 1.001, 30_000, 30_001]) {
    metrics.recordRequest({ series, status: 200, reason: null, durationMs });
  }
  const { buckets, durationMs } = metrics.totals(series);
  t.equal(buckets[0], 2);
  t.equal(buckets[1], 1);
  t.equal(buckets[DURATION_BUCKETS_MS.length - 1], 1);
  t.equal(buckets[DURATION_BUCKETS_MS.length], 1);
  t.equal(Math.round(durationMs), 60_003);
});

t.test('label sets beyond the cap share one series, and how many is known', async (t) => {
  const metrics = new Metrics(2);
  metrics.internSeries(labels('v1'));
  metrics.internSeries(labels('v2'));
  const folded = metrics.internSeries(labels('v3'));
  t.equal(folded, metrics.otherSeries);
  t.equal(metrics.internSeries(labels('v4')), folded);
  t.equal(metrics.foldedSeries, 2);
  metrics.recordRequest({ series: folded, status: 200, reason: null, durationMs: 1 });
  t.equal(metrics.totals(folded).labels.parentName, 'other');
  t.same(counts(metrics), [`${folded} 200  1`]);
});

t.test('a backend that invents status codes cannot make series without end', async (t) => {
  const metrics = new Metrics();
  const series = metrics.internSeries(labels('v1'));
  for (let status = 100; status <= 999; status++) {
    metrics.recordRequest({ series, status, reason: null, durationMs: 1 });
  }
  const lines = counts(metrics);
  t.equal(lines.length, 128);
  t.ok(lines.includes(`0 other other ${900 - 127}`));
});

t.test('refused requests are counted by reason', async (t) => {
  const metrics = new Metrics();
  metrics.recordRefused('bad_request');
  metrics.recordRefused('bad_request');
  const seen: unknown[] = [];
  metrics.eachRefused((reason, count) => seen.push([reason, count]));
  t.same(seen, [['bad_request', 2]]);
});

t.test('retries are counted by series, refusals to retry by reason', async (t) => {
  const metrics = new Metrics(1);
  const series = metrics.internSeries(labels('v1'));
  metrics.recordRequest({ series, status: 200, reason: null, durationMs: 1, retries: 0, retryDenied: null });
  metrics.recordRequest({ series, status: 200, reason: null, durationMs: 1, retries: 2, retryDenied: null });
  metrics.recordRequest({ series, status: 503, reason: null, durationMs: 1, retries: 1, retryDenied: 'body' });
  metrics.recordRequest({ series: metrics.otherSeries, status: 200, reason: null, durationMs: 1, retries: 5 });
  const seen: unknown[] = [];
  metrics.eachRetry((id, count) => seen.push([id, count]));
  metrics.eachRetryDenied((reason, count) => seen.push([reason, count]));
  t.same(seen, [
    [series, 3],
    [metrics.otherSeries, 5],
    ['budget', 0],
    ['body', 1],
  ]);
});

t.test('mirrors are counted by series and result', async (t) => {
  const metrics = new Metrics(2);
  metrics.internSeries(labels('v1'));
  const series = metrics.internSeries(labels('mirror'));
  for (const result of MIRROR_RESULTS) metrics.recordMirror({ series, result });
  metrics.recordMirror({ series, result: 'timeout' });
  metrics.recordMirror({ series: metrics.otherSeries, result: 'answered' });
  const seen: string[] = [];
  metrics.eachMirrored((id, result, count) => seen.push(`${id} ${result} ${count}`));
  t.same(seen, [
    ...MIRROR_RESULTS.map((result) => `${series} ${result} ${result === 'timeout' ? 2 : 1}`),
    `${metrics.otherSeries} answered 1`,
  ]);
});
