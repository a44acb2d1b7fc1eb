import t from 'tap';

import { MIRROR_RESULTS } from '../../../src/errors.ts';
import { GRPC_STATUSES } from '../../../src/grpc-status.ts';
import { FollowedSlots } from '../../../src/observe/followed-slots.ts';
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
  for (const series of metrics.series) {
    metrics.eachCountOf(series, (code, reason, count) => lines.push(`${series} ${code} ${reason} ${count}`));
  }
  return lines.sort();
}

t.test('equal labels are the same series, others get the next integer', async (t) => {
  const metrics = new Metrics();
  t.equal(metrics.internSeries(labels('v1')), 0);
  t.equal(metrics.internSeries(labels('v2')), 1);
  t.equal(metrics.internSeries(labels('v1')), 0);
  t.same(metrics.series, [0, 1, metrics.otherSeries]);
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

t.test('calls of gRPC are counted by their status as well', async (t) => {
  const metrics = new Metrics();
  const v1 = metrics.internSeries(labels('v1'));
  const call = { series: v1, status: 200, reason: null, durationMs: 1 };
  metrics.recordRequest({ ...call, grpcStatus: 'OK' });
  metrics.recordRequest({ ...call, grpcStatus: 'OK' });
  metrics.recordRequest({ ...call, grpcStatus: 'missing' });
  metrics.recordRequest({ ...call, reason: 'connect_failure', grpcStatus: 'UNAVAILABLE' });
  metrics.recordRequest({ ...call, grpcStatus: null });
  metrics.recordRequest(call);
  t.same(counts(metrics), ['0 200  5', '0 200 connect_failure 1']);
  const calls: string[] = [];
  metrics.eachCallOf(v1, (...all) => void calls.push(all.join(' ')));
  t.same(calls.sort(), ['200  OK 2', '200  missing 1', '200 connect_failure UNAVAILABLE 1']);
});

t.test('a backend cannot make series of calls without end, and a series that goes takes its calls along', async (t) => {
  let nowMs = 0;
  const metrics = new Metrics(2_000, () => nowMs);
  metrics.beginCompile();
  const series = metrics.internSeries(labels('v1'));
  metrics.endCompile();
  for (const grpcStatus of GRPC_STATUSES) {
    for (let status = 200; status < 300; status++) {
      metrics.recordRequest({ series, status, reason: null, durationMs: 1, grpcStatus });
    }
  }
  let [kinds, all] = [0, 0];
  metrics.eachCallOf(series, (_code, _reason, _status, count) => {
    kinds++;
    all += count;
  });
  t.equal(kinds, 128);
  t.equal(all, 100 * GRPC_STATUSES.length);
  metrics.beginCompile();
  metrics.endCompile();
  nowMs += 60 * 60_000;
  metrics.expire();
  const next = metrics.internSeries(labels('v2'));
  metrics.eachCallOf(next, () => t.fail('none yet'));
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
  metrics.beginCompile();
  metrics.internSeries(labels('v1'));
  metrics.internSeries(labels('v2'));
  const folded = metrics.internSeries(labels('v3'));
  t.equal(folded, metrics.otherSeries);
  t.equal(metrics.internSeries(labels('v4')), folded);
  metrics.endCompile();
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

/** Metrics whose clock the test turns, and what is seen of a series. */
function aging(maxSeries: number) {
  let nowMs = 0;
  const metrics = new Metrics(maxSeries, () => nowMs);
  return {
    metrics,
    pass: (minutes: number) => (nowMs += minutes * 60_000),
    compile: (...backends: string[]) => {
      metrics.beginCompile();
      const ids = backends.map((name) => metrics.internSeries(labels(name)));
      metrics.endCompile();
      return ids;
    },
    names: () => metrics.series.map((series) => metrics.totals(series).labels.backendName),
  };
}

const DONE = { status: 200, reason: null, durationMs: 1 } as const;

t.test(
  'a series that no table has any more is forgotten when nothing was counted in it for a quarter of an hour',
  async (t) => {
    const { metrics, pass, compile, names } = aging(4);
    const [v1] = compile('v1', 'v2');
    metrics.recordRequest({ ...DONE, series: v1! });
    compile('v2');
    pass(14);
    // One that was in flight; its series counts on.
    metrics.recordRequest({ ...DONE, series: v1! });
    metrics.expire();
    pass(14);
    metrics.expire();
    t.same(names(), ['v1', 'v2', 'other']);
    t.same(counts(metrics), ['0 200  2']);
    pass(1);
    metrics.expire();
    t.same(names(), ['v2', 'other']);
    t.same(counts(metrics), []);
    pass(60);
    metrics.expire();
    t.same(names(), ['v2', 'other'], 'that of the current table stays, whether it counts or not');
  },
);

t.test(
  'the slot of a forgotten series begins at zero, and late outcomes of its former owner do not touch it',
  async (t) => {
    const { metrics, pass, compile, names } = aging(2);
    const [v1] = compile('v1');
    metrics.recordRequest({ ...DONE, series: v1!, retries: 3 });
    metrics.recordMirror({ series: v1!, result: 'answered' });
    compile('v2');
    pass(15);
    const [v3] = compile('v3');
    t.same(names().sort(), ['other', 'v2', 'v3']);
    t.not(v3, v1, 'another number');
    t.ok(Number.isInteger(v3) && v3! > 0 && v3! < 2 ** 31);
    t.same(counts(metrics), []);
    metrics.recordRequest({ ...DONE, series: v1!, retries: 3 });
    metrics.recordMirror({ series: v1!, result: 'answered' });
    metrics.recordRequest({ ...DONE, series: v3! });
    t.same(counts(metrics).sort(), [`${metrics.otherSeries} 200  1`, `${v3} 200  1`].sort());
    t.equal(metrics.totals(v1!).labels.backendName, 'other');
    t.notOk(metrics.hasSeries(v1!));
    const seen: unknown[] = [];
    metrics.eachRetry((series, count) => seen.push([series, count]));
    metrics.eachMirrored((series, result, count) => seen.push([series, result, count]));
    t.same(seen, [
      [metrics.otherSeries, 3],
      [metrics.otherSeries, 'answered', 1],
    ]);
  },
);

t.test('where there is no room, series that no table has give way after two minutes', async (t) => {
  const { metrics, pass, compile, names } = aging(2);
  compile('v1', 'v2');
  t.same(compile('v3'), [metrics.otherSeries], 'not before the last requests were scraped');
  t.equal(metrics.foldedSeries, 1);
  pass(2);
  const [v3] = compile('v3');
  t.equal(metrics.foldedSeries, 0);
  t.same(names(), ['v3', 'other']);
  t.same(compile('v3', 'v4')[0], v3, 'the same labels, the same number');
});

t.test('routes that change for years neither fill the room nor repeat a number', async (t) => {
  const { metrics, pass, compile } = aging(8);
  const seen = new Set<number>();
  for (let reload = 0; reload < 5_000; reload++) {
    const ids = compile(`a${reload}`, `b${reload}`);
    pass(3);
    for (const id of ids) {
      if (id === metrics.otherSeries || seen.has(id)) t.fail(`reload ${reload}: ${id}`);
      seen.add(id);
    }
  }
  t.equal(seen.size, 10_000);
  t.ok(metrics.series.length <= 9);
});

t.test('a table that could not be completed takes nothing away', async (t) => {
  const { metrics, pass, compile, names } = aging(4);
  compile('v1');
  metrics.beginCompile();
  metrics.internSeries(labels('v2'));
  pass(60);
  metrics.expire();
  t.same(names(), ['v1', 'v2', 'other']);
  compile('v1');
  pass(60);
  metrics.expire();
  t.same(names(), ['v1', 'other']);
});

/** Of a thread beside the one that has `sums`: what it is asked for is added there. */
function beside(sums: Metrics): Metrics {
  const give = (): void => sums.addCounts(structuredClone(metrics.takeCounts()));
  const metrics: Metrics = new Metrics(4, undefined, { slots: new FollowedSlots(4, give), onFull: give });
  return metrics;
}

/** Everything that is shown of a series. */
function shown(metrics: Metrics, series: number): object {
  const seen: unknown[] = [];
  metrics.eachCountOf(series, (...count) => seen.push(count));
  metrics.eachCallOf(series, (...count) => seen.push(count));
  metrics.eachRetry((id, count) => (id === series ? seen.push(['retries', count]) : 0));
  metrics.eachMirrored((id, result, count) => (id === series ? seen.push([result, count]) : 0));
  const { buckets, durationMs } = metrics.totals(series);
  return { seen: seen.map((entry) => JSON.stringify(entry)).sort(), buckets: [...buckets], durationMs };
}

t.test('what two threads count adds up to what one would have counted, whenever they are asked', async (t) => {
  const [one, sums] = [new Metrics(4), new Metrics(4)];
  const others = [beside(sums), beside(sums)];
  const ids = ['v1', 'v2', 'v3'].map((name) => {
    t.equal(one.internSeries(labels(name)), sums.internSeries(labels(name)));
    return one.internSeries(labels(name));
  });
  for (let i = 0; i < 1_000; i++) {
    const series = ids[i % 3]!;
    const outcome = {
      ...{ series, status: 200 + (i % 7), durationMs: i % 40, retries: i % 2 },
      reason: i % 5 === 0 ? ('timeout' as const) : null,
      retryDenied: i % 11 === 0 ? ('budget' as const) : null,
      grpcStatus: i % 3 === 0 ? GRPC_STATUSES[i % GRPC_STATUSES.length]! : null,
    };
    const other = i % 4 === 0 ? sums : others[i % 2]!;
    for (const metrics of [one, other]) {
      metrics.recordRequest(outcome);
      if (i % 9 === 0) metrics.recordMirror({ series, result: MIRROR_RESULTS[i % MIRROR_RESULTS.length]! });
      if (i % 13 === 0) metrics.recordRefused('bad_request');
    }
    if (i % 50 === 0) sums.addCounts(others[(i / 50) % 2]!.takeCounts());
  }
  for (const other of others) sums.addCounts(other.takeCounts());
  for (const series of ids) t.same(shown(sums, series), shown(one, series));
  const rest = (metrics: Metrics): unknown[] => {
    const seen: unknown[] = [];
    metrics.eachRefused((...count) => seen.push(count));
    metrics.eachRetryDenied((...count) => seen.push(count));
    return seen;
  };
  t.same(rest(sums), rest(one));
  for (const other of others) t.same(other.takeCounts(), { series: [], refused: [], retriesDenied: [0, 0] });
});

t.test('a thread that counts more kinds of outcomes than it has room for gives away what it has', async (t) => {
  const sums = new Metrics(4);
  const other = beside(sums);
  const series = sums.internSeries(labels('v1'));
  const statuses = Array.from({ length: 400 }, (_, i) => 100 + i);
  for (const status of statuses) {
    other.recordRequest({ series, status, reason: null, durationMs: 1, grpcStatus: GRPC_STATUSES[0]! });
  }
  sums.addCounts(other.takeCounts());
  let count = 0;
  sums.eachCountOf(series, (_code, _reason, each) => (count += each));
  let calls = 0;
  sums.eachCallOf(series, (_code, _reason, _status, each) => (calls += each));
  t.same([count, calls, sums.totals(series).buckets[0]], [400, 400, 400]);
});

t.test('a slot that is given to another series in between is counted for the one that it was', async (t) => {
  let nowMs = 0;
  const sums = new Metrics(1, () => nowMs);
  const other = beside(sums);
  sums.beginCompile();
  const before = sums.internSeries(labels('v1'));
  sums.endCompile();
  other.recordRequest({ series: before, status: 200, reason: null, durationMs: 1 });
  sums.beginCompile();
  sums.endCompile();
  nowMs = 3_600_000;
  sums.beginCompile();
  sums.expire();
  const after = sums.internSeries(labels('v2'));
  sums.endCompile();
  t.not(after, before);
  other.recordRequest({ series: after, status: 201, reason: null, durationMs: 1 });
  sums.addCounts(other.takeCounts());
  t.same(counts(sums), [`${after} 201  1`, `${sums.otherSeries} 200  1`].sort());
});
