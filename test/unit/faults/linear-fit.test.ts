/** The line through samples of a soak. */
import t from 'tap';
import { linearFit } from '../../soak/linear-fit.ts';

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
