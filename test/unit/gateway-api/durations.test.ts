import fc from 'fast-check';
import t from 'tap';
import { formatDuration, parseDuration } from '../../../src/gateway-api/durations.ts';

t.test('SPEC D1: components add up, in any order, also repeated', async (t) => {
  const cases: [string, number][] = [
    ['0s', 0],
    ['0h0m', 0],
    ['1ms', 1],
    ['500ms', 500],
    ['10s', 10_000],
    ['1m30s', 90_000],
    ['30s1m', 90_000],
    ['1h1h', 7_200_000],
    ['1h2m3s4ms', 3_723_004],
    ['99999h99999h99999h99999h', 4 * 99_999 * 3_600_000],
    ['00001s', 1000],
  ];
  for (const [text, durationMs] of cases) t.equal(parseDuration(text), durationMs, text);
});

t.test('SPEC D1: everything else is no duration', async (t) => {
  const cases = [
    '',
    '0',
    '1',
    '1.5h',
    '-1s',
    '+1s',
    '1d',
    '1us',
    's',
    '1 s',
    ' 1s',
    '1s ',
    '1S',
    '100000s',
    '1s\n',
    '١s',
  ];
  for (const text of [...cases, '1s1s1s1s1s', '1h2', 'Infinity', '1e3s']) t.equal(parseDuration(text), null, text);
});

t.test('a formatted duration is parsed to the same value', async (t) => {
  t.equal(formatDuration(0), '0s');
  t.equal(formatDuration(5_400_000), '1h30m');
  t.equal(formatDuration(61_001), '1m1s1ms');
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 99_999 * 3_600_000 }), (durationMs) => {
      return parseDuration(formatDuration(durationMs)) === durationMs;
    }),
  );
});
