import t from 'tap';
import { countsOf, difference, increase, isError, NO_COUNTS, quantile, ratesOf, sum } from '../../../src/page/rates.ts';

const REASONS = {
  redirect: { status: 302, source: 'route', text: '' },
  no_route: { status: 404, source: 'config', text: '' },
  connect_failure: { status: 503, source: 'upstream', text: '' },
};
const BOUNDS = [1, 10, 100];

t.test('an error is a 5xx of the backend, or a reply of sideroute that no route asks for', (t) => {
  t.equal(isError('200', '', REASONS), false);
  t.equal(isError('404', '', REASONS), false, "the backend's own 404");
  t.equal(isError('500', '', REASONS), true);
  t.equal(isError('302', 'redirect', REASONS), false);
  t.equal(isError('404', 'no_route', REASONS), true);
  t.equal(isError('503', 'connect_failure', REASONS), true);
  t.equal(isError('418', 'a_reason_of_tomorrow', REASONS), true);
  t.end();
});

t.test('a call is an error for its status of gRPC, and is one once', (t) => {
  const counts = countsOf(
    {
      ...{ id: 1, durationMs: 0, buckets: [] },
      results: [
        ['200', '', 5],
        ['503', '', 2],
        ['200', 'connect_failure', 1],
      ],
      calls: [
        ['200', '', 'OK', 1],
        ['200', '', 'UNAVAILABLE', 3],
        ['200', '', 'NOT_FOUND', 1],
        ['503', '', 'missing', 2],
        ['200', 'connect_failure', 'UNAVAILABLE', 1],
      ],
    },
    { reasons: REASONS, grpcFaults: ['UNAVAILABLE', 'missing'] },
  );
  t.match(counts, { requests: 8, errors: 6 });
  t.end();
});

t.test('counters become rates', (t) => {
  const series = (ok: number, failed: number, durationMs: number, buckets: number[]) =>
    countsOf(
      {
        id: 1,
        durationMs,
        buckets,
        results: [
          ['200', '', ok],
          ['503', 'connect_failure', failed],
        ],
      },
      { reasons: REASONS, grpcFaults: [] },
    );
  const counts = difference(series(90, 10, 1_000, [50, 40, 10]), series(50, 0, 200, [40, 10]));
  t.same(counts, { requests: 50, errors: 10, durationMs: 800, buckets: [10, 30, 10] });
  t.match(ratesOf(counts, 5, BOUNDS), { perSecond: 10, errorShare: 0.2, meanMs: 16 });
  t.same(ratesOf(NO_COUNTS, 5, BOUNDS), { perSecond: 0, errorShare: null, meanMs: null, p50Ms: null, p99Ms: null });
  t.same(sum([counts, counts, NO_COUNTS]), { requests: 100, errors: 20, durationMs: 1_600, buckets: [20, 60, 20] });
  t.end();
});

t.test('a counter that began anew counts from zero', (t) => {
  t.equal(increase(7, 5), 2);
  t.equal(increase(3, 1_000), 3);
  const older = { requests: 1_000, errors: 900, durationMs: 5_000, buckets: [500, 500] };
  const newer = { requests: 4, errors: 1, durationMs: 20, buckets: [1, 3] };
  t.same(difference(newer, older), newer);
  t.end();
});

t.test('quantiles lie within their bucket', (t) => {
  t.equal(quantile([], BOUNDS, 0.5), null);
  t.equal(quantile([0, 0], BOUNDS, 0.5), null);
  t.equal(quantile([4], BOUNDS, 0.5), 0.5, 'the middle of the first bucket');
  t.equal(quantile([0, 10], BOUNDS, 0.5), 5.5);
  t.equal(quantile([50, 50], BOUNDS, 0.5), 1, 'at the bound');
  t.equal(quantile([98, 0, 2], BOUNDS, 0.99), 55);
  t.equal(quantile([1, 0, 0, 1], BOUNDS, 0.99), Infinity, 'slower than every bound');
  t.end();
});
