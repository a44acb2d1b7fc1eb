/** The line through samples of a soak. */
import t from 'tap';
import { linearFit, lowest } from '../../soak/linear-fit.ts';

const times = Array.from({ length: 100 }, (_, i) => i * 5);

t.test('a line is found with its growth over the whole time', (t) => {
  const { growth, error } = linearFit(
    times,
    times.map((time) => 80 + time * 0.1),
  );
  t.ok(Math.abs(growth - 49.5) < 1e-6, `${growth}`);
  t.ok(error < 1e-6);
  t.end();
});

t.test('a saw does not rise, and a saw that climbs does', (t) => {
  const saw = times.map((_, i) => 80 + (i % 10) * 3);
  const flat = linearFit(times, saw);
  t.ok(Math.abs(flat.growth) < 3 && flat.error > 1, `${flat.growth} ± ${flat.error}`);
  const climbing = linearFit(
    times,
    saw.map((value, i) => value + i * 0.2),
  );
  t.ok(climbing.growth > 17, `${climbing.growth}`);
  t.end();
});

t.test('the lowest of each part do not rise with what comes and goes, and do with what stays', (t) => {
  const lows = (values: readonly number[]): number[] => lowest(values, (value) => value, 10);
  // Nothing at first, then bursts.
  const bursts = times.map((_, i) => 150 + (i > 50 && i % 7 < 4 ? 500 : 0));
  t.same(lows(bursts), Array(10).fill(150));
  const leak = lows(bursts.map((value, i) => value + i));
  t.same([leak[0], leak[9]], [150, 240]);
  t.same(
    lowest([3, 1, 2], (value) => value, 10),
    [3, 1, 2],
  );
  t.end();
});
