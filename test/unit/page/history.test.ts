import t from 'tap';
import type { SeriesCounters, SeriesLabels, Stats } from '../../../src/page/answers.ts';
import { CURVE_SECONDS, History } from '../../../src/page/history.ts';
import { matches } from '../../support/match.ts';

const LABELS: Omit<SeriesLabels, 'id'> = {
  ...{ parentNamespace: 'shop', parentName: 'web', parentPort: 80 },
  ...{ routeNamespace: 'shop', routeName: 'web', rule: '0' },
  ...{ backendNamespace: 'shop', backendName: 'v1', backendPort: 80 },
};
const CATALOG = {
  bucketsMs: [1, 10],
  reasons: { connect_failure: { status: 503, source: 'upstream', text: '' } },
  grpcFaults: ['UNAVAILABLE'],
  metrics: [],
};

function series(requests: number, failed = 0): SeriesCounters {
  const results: SeriesCounters['results'] = [
    ['200', '', requests - failed],
    ['503', 'connect_failure', failed],
  ];
  return { id: 0, durationMs: requests * 2, buckets: [0, requests], results };
}

function stats(atMs: number, counters: readonly SeriesCounters[], more: Partial<Stats> = {}): Stats {
  return {
    ...{ version: '1', node: 'v20', instance: 'a', atMs, uptimeMs: atMs, draining: false },
    config: { generation: 1, hash: '', valid: true, unresolvedFrontends: 0, revision: '' },
    process: { rssBytes: 0, heapUsedBytes: 0, cpuMs: 0, loopDelayMs: null },
    connections: { downstream: 0, detecting: 0, tunnels: 0, openRequests: 0, upgraded: 0, bufferedBytes: 0 },
    ...{ passthrough: {}, refused: {}, retriesDenied: {}, upstreams: [] },
    ...{ seriesRevision: 'a.1', series: counters },
    ...more,
  };
}

const FIRST = { catalog: CATALOG, labels: [{ id: 0, ...LABELS }] };

t.test('rates are of the last seconds, curves of the last minutes', (t) => {
  const history = new History();
  t.equal(history.known, '');
  history.push(stats(0, [], FIRST));
  t.equal(history.known, 'a.1');
  t.equal(history.ready, false);
  for (let second = 1; second <= 60; second++) history.push(stats(second * 1_000, [series(second * 20)]));
  for (let second = 61; second <= 75; second++)
    history.push(stats(second * 1_000, [series(1_200 + (second - 60) * 5, second - 60)]));
  t.equal(history.ready, true);
  const ids = history.idsOf(LABELS);
  t.same(ids, [0]);
  t.same(history.idsOfParent('shop', 'web', 80), [0]);
  t.match(history.rates(ids), { perSecond: 5, errorShare: 0.2, meanMs: 2, p50Ms: 5.5 });
  t.match(history.totalRates(), { perSecond: 5 });
  matches(t, history.reasons(), [{ reason: 'connect_failure', total: 15, perSecond: 1 }]);
  const curve = [...history.curve(ids)];
  t.equal(curve.length, CURVE_SECONDS);
  t.same(curve.slice(-15), Array<number>(15).fill(5));
  t.same(curve.slice(-75, -15), Array<number>(60).fill(20));
  t.equal(curve[0], 0);
  t.same([...history.curve(ids, 'errors')].slice(-16), [0, ...Array<number>(15).fill(1)]);
  t.same([...history.totalCurve('requests')], curve);
  t.end();
});

t.test('a pause becomes the mean of its time, and answers close together one second', (t) => {
  const history = new History();
  history.push(stats(0, [], FIRST));
  history.push(stats(30_000, [series(300)]));
  history.push(stats(30_200, [series(310)]));
  history.push(stats(31_000, [series(330)]));
  const curve = [...history.curve([0])];
  t.same(curve.slice(-32), [0, ...Array<number>(30).fill(10), 30]);
  t.end();
});

t.test('a new life of the process begins from nothing', (t) => {
  const history = new History();
  history.push(stats(0, [], FIRST));
  history.push(stats(1_000, [series(1_000)]));
  const reborn = { instance: 'b', seriesRevision: 'b.1' };
  history.push(stats(600, [series(5)], { ...FIRST, ...reborn }));
  t.equal(history.known, 'b.1');
  t.equal(history.ready, false);
  history.push(stats(1_600, [series(12)], reborn));
  t.equal(history.rates([0]).perSecond, 7);
  t.equal(history.curve([0]).filter((value) => value > 0).length, 1);
  t.end();
});

t.test('a series that goes away does not make the others look busy', (t) => {
  const history = new History();
  const second = { ...LABELS, id: 4_097, rule: '1' };
  const busy = (requests: number, failed: number): SeriesCounters => ({ ...series(requests, failed), id: second.id });
  history.push(stats(0, [series(1_000, 100), busy(50, 10)], { ...FIRST, labels: [...FIRST.labels, second] }));
  history.push(stats(1_000, [busy(60, 12)], { labels: [second], seriesRevision: 'a.2' }));
  t.match(history.totalRates(), { perSecond: 10 });
  matches(t, history.reasons(), [{ reason: 'connect_failure', total: 12, perSecond: 2 }]);
  t.same(history.idsOf(LABELS), []);
  t.same(history.idsOfParent('shop', 'web', 80), [second.id]);
  t.equal(history.rates([0]).perSecond, 0);
  t.equal(history.totalCurve('requests').at(-1), 10);
  t.end();
});

t.test('copies for mirrors and any other counter', (t) => {
  const history = new History();
  const mirror = (answered: number, reset: number): SeriesCounters => {
    return { id: 0, durationMs: 0, buckets: [], results: [], mirrored: { answered, reset } };
  };
  history.push(stats(0, [mirror(10, 0)], { ...FIRST, passthrough: { tls: 100 } }));
  history.push(stats(2_000, [mirror(15, 5)], { passthrough: { tls: 40 } }));
  t.match(history.mirrorRates([0]), { perSecond: 5, errorShare: 0.5 });
  t.equal(
    history.rate(({ passthrough }) => passthrough['tls'] ?? 0),
    20,
    'went back, so it began anew',
  );
  t.equal(
    history.rate(() => 0),
    0,
  );
  t.end();
});

t.test('the part of the requests that did not reach a backend; nothing without requests', (t) => {
  const history = new History();
  const results = (ok: number, refused: number, missing: number, own: number): SeriesCounters => ({
    ...{ id: 0, durationMs: 0, buckets: [] },
    results: [
      ['200', '', ok],
      ['500', '', own],
      ['503', 'connect_failure', refused],
      ['500', 'no_backend', missing],
    ],
  });
  history.push(stats(0, [results(0, 0, 0, 0)], FIRST));
  t.equal(history.unreached([0]), null);
  history.push(stats(1_000, [results(0, 3, 1, 0)]));
  t.equal(history.unreached([0]), 1);
  history.push(stats(2_000, [results(2, 3, 1, 2)]));
  t.equal(history.unreached([0]), 0.5, 'errors that a backend answers have reached it');
  t.end();
});

t.test('calls of gRPC are counted by their status, and faults among them are errors', (t) => {
  const history = new History();
  const calls = (ok: number, down: number, own: number): SeriesCounters => ({
    ...{ id: 0, durationMs: 0, buckets: [] },
    results: [
      ['200', '', ok + down],
      ['200', 'connect_failure', own],
    ],
    calls: [
      ['200', '', 'OK', ok],
      ['200', '', 'UNAVAILABLE', down],
      ['200', 'connect_failure', 'UNAVAILABLE', own],
    ],
  });
  history.push(stats(0, [], FIRST));
  t.same(history.callStatuses(), []);
  history.push(stats(1_000, [calls(6, 3, 1)]));
  matches(t, history.callStatuses(), [
    { status: 'OK', total: 6, perSecond: 6 },
    { status: 'UNAVAILABLE', total: 4, perSecond: 4 },
  ]);
  t.match(history.rates([0]), { perSecond: 10, errorShare: 0.4 });
  t.end();
});
