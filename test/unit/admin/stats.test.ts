import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';

import { REQUEST_REASONS } from '../../../src/errors.ts';
import { GRPC_FAULTS } from '../../../src/grpc-status.ts';
import { MAX_SERIES, Metrics } from '../../../src/observe/metrics.ts';
import type { StatsReporter } from '../../../src/admin/stats.ts';
import type { Stats } from '../../../src/page/answers.ts';
import { statsReporter } from '../../support/stats.ts';
import { matches } from '../../support/match.ts';

const LABELS = {
  ...{ parentNamespace: 'shop', parentName: 'web', parentPort: 80 },
  ...{ routeNamespace: 'shop', routeName: 'web', rule: '0' },
  ...{ backendNamespace: 'shop', backendName: 'v1', backendPort: 80 },
};

async function ask(reporter: StatsReporter, known = ''): Promise<Stats> {
  let text = '';
  for await (const piece of reporter.dump(known)) text += piece;
  return JSON.parse(text) as Stats;
}

t.test('series with requests have their counters, all have their labels', async (t) => {
  const metrics = new Metrics();
  const v1 = metrics.internSeries(LABELS);
  const v2 = metrics.internSeries({ ...LABELS, backendName: 'v2' });
  metrics.internSeries({ ...LABELS, backendName: 'v3' });
  metrics.recordRequest({ series: v1, status: 200, reason: null, durationMs: 0.5 });
  metrics.recordRequest({ series: v1, status: 200, reason: null, durationMs: 7, retries: 2 });
  metrics.recordRequest({ series: v1, status: 503, reason: 'connect_failure', durationMs: 3 });
  metrics.recordRequest({ series: v1, status: 200, reason: null, durationMs: 7, grpcStatus: 'NOT_FOUND' });
  metrics.recordMirror({ series: v2, result: 'answered' });
  metrics.recordRefused('bad_request');
  const answer = await ask(statsReporter({ metrics }));
  t.same(answer.series, [
    {
      id: v1,
      durationMs: 17.5,
      buckets: [1, 0, 1, 2],
      results: [
        ['200', '', 3],
        ['503', 'connect_failure', 1],
      ],
      calls: [['200', '', 'NOT_FOUND', 1]],
      retries: 2,
    },
    { id: v2, durationMs: 0, buckets: [], results: [], mirrored: { answered: 1 } },
  ]);
  t.same(answer.refused, { bad_request: 1 });
  t.same(
    answer.labels!.map(({ id, backendName }) => [id, backendName]),
    [
      [0, 'v1'],
      [1, 'v2'],
      [2, 'v3'],
      [MAX_SERIES, 'other'],
    ],
  );
  t.same(Object.keys(answer.catalog!.reasons), Object.keys(REQUEST_REASONS));
  t.equal(answer.catalog!.reasons['connect_failure']!.text, REQUEST_REASONS.connect_failure.text);
  t.same(answer.catalog!.grpcFaults, GRPC_FAULTS);
  t.same(answer.catalog!.metrics, ['[::]:15020']);
});

t.test('who knows the labels gets them only when there are others', async (t) => {
  let nowMs = 0;
  const metrics = new Metrics(MAX_SERIES, () => nowMs);
  const reporter = statsReporter({ metrics });
  metrics.beginCompile();
  const first = metrics.internSeries(LABELS);
  metrics.endCompile();
  const whole = await ask(reporter);
  t.same(
    whole.labels!.map(({ id }) => id),
    [first, MAX_SERIES],
  );
  metrics.recordRequest({ series: first, status: 200, reason: null, durationMs: 1 });
  const known = await ask(reporter, whole.seriesRevision);
  t.equal(known.seriesRevision, whole.seriesRevision);
  t.notOk(known.labels);
  t.notOk(known.catalog);
  matches(t, known.series, [{ id: first }]);
  t.equal(known.instance, whole.instance);
  t.ok(known.atMs > whole.atMs);

  metrics.beginCompile();
  const second = metrics.internSeries({ ...LABELS, rule: '1' });
  metrics.endCompile();
  const added = await ask(reporter, known.seriesRevision);
  t.not(added.seriesRevision, known.seriesRevision);
  t.same(
    added.labels!.map(({ id, rule }) => [id, rule]),
    [
      [first, '0'],
      [second, '1'],
      [MAX_SERIES, 'other'],
    ],
  );
  nowMs += 86_400_000;
  metrics.expire();
  nowMs += 86_400_000;
  metrics.expire();
  const expired = await ask(reporter, added.seriesRevision);
  t.same(
    expired.labels!.map(({ id }) => id),
    [second, MAX_SERIES],
  );
  t.same(expired.series, []);
  const other = await ask(statsReporter({ metrics }), expired.seriesRevision);
  t.not(other.instance, whole.instance);
  t.ok(other.labels, 'of another life of the process');
});

t.test('connections, upstreams with the names of their backends, the process', async (t) => {
  const upstream = { address: '10.96.0.1', port: 80, active: 1, idle: 2, connecting: 0, queued: 3 };
  const totals = { connects: 4, connectFailures: 5, requests: 6 };
  const reporter = statsReporter({
    backendKeys: () => ['shop/v1:80', 'shop/v2:80'],
    upstreams: () => [1, -1].map((backend) => ({ backend, ...upstream, ...totals })),
    downstreamConnections: () => 7,
    draining: () => true,
  });
  const answer = await ask(reporter);
  t.same(answer.upstreams, [
    { ...upstream, ...totals, backend: 'shop/v2:80' },
    { ...upstream, ...totals, backend: null },
  ]);
  t.match(answer, { draining: true, connections: { downstream: 7, openRequests: 0 }, config: { generation: 1 } });
  t.ok(answer.process.rssBytes > 1e6);
  t.ok(answer.process.cpuMs > 0);
  t.equal(answer.process.loopDelayMs, null, 'measured from now on');
  // The measuring timer has to tick.
  let { loopDelayMs } = answer.process;
  while (loopDelayMs === null) {
    await delay(5);
    ({ loopDelayMs } = (await ask(reporter)).process);
  }
  t.ok(loopDelayMs.max >= loopDelayMs.mean && loopDelayMs.mean >= 0);
});

t.test('thousands of series arrive in pieces that are made one after the other', async (t) => {
  const metrics = new Metrics();
  for (let index = 0; index < MAX_SERIES + 10; index++) {
    const series = metrics.internSeries({ ...LABELS, backendName: `v${index}` });
    metrics.recordRequest({ series, status: 200, reason: null, durationMs: index });
  }
  const pieces: string[] = [];
  for await (const piece of statsReporter({ metrics }).dump('')) pieces.push(piece);
  const answer = JSON.parse(pieces.join('')) as Stats;
  t.ok(pieces.length > 1, `${pieces.length} pieces`);
  t.equal(answer.series.length, MAX_SERIES + 1);
  matches(t, answer.series.at(-1), { id: MAX_SERIES, results: [['200', '', 10]] }, 'what found no room');
});
