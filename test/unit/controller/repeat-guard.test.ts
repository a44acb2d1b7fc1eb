/** Writes that somebody undoes, with a clock of the test. */
import t from 'tap';
import { RepeatGuard } from '../../../src/controller/repeat-guard.ts';

/** Whether it may be written, and then it is. */
function writes(guard: RepeatGuard, key: string, fingerprint: string): boolean {
  if (guard.waitMs(key, fingerprint) > 0) return false;
  guard.written(key, fingerprint);
  return true;
}

t.test('the same write a few times in a row is done at once, then ever later; another one at once', async (t) => {
  let now = 0;
  const guard = new RepeatGuard(() => now);
  const times: number[] = [];
  // Somebody undoes it each second.
  for (; now < 3_600_000; now += 1_000) if (writes(guard, 'a', 'x')) times.push(now);
  t.same(times.slice(0, 6), [0, 1_000, 2_000, 4_000, 8_000, 16_000]);
  t.ok(times.length < 25, `${times.length} in an hour`);
  t.ok(writes(guard, 'a', 'y'), 'another content');
  t.ok(writes(guard, 'b', 'x'), 'another object');
  now += 1_000_000;
  for (let again = 0; again < 3; again++) t.ok(writes(guard, 'a', 'y'), 'what has held for long is forgotten');
});

t.test('it remembers so many', async (t) => {
  const guard = new RepeatGuard(() => 0);
  for (let index = 0; index < 30_000; index++) for (let time = 0; time < 3; time++) guard.written(`k${index}`, 'x');
  t.equal(guard.waitMs('k29999', 'x') > 0, true);
  t.equal(guard.waitMs('k0', 'x'), 0);
});

t.test('what has not been written does not count', async (t) => {
  const guard = new RepeatGuard(() => 0);
  for (let attempt = 0; attempt < 100; attempt++) t.equal(guard.waitMs('a', 'x'), 0);
});
