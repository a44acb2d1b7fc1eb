/** Nudges with a clock of the test. */
import t from 'tap';
import { Nudger, type Look, type NudgerOptions, type Verification } from '../../../src/controller/nudger.ts';
import type { PodEntry } from '../../../src/controller/objects.ts';
import { isTold, nextValue } from '../../../src/controller/told.ts';
import { createLogger } from '../../../src/log.ts';

const HASH = 'a'.repeat(64);
const NEXT = 'b'.repeat(64);

class Bench {
  now = 1_000;
  readonly pods = new Map<string, PodEntry>();
  /** `key=value`. */
  readonly nudges: string[] = [];
  readonly lookedAt: string[] = [];
  readonly delays: number[] = [];
  look: (pod: PodEntry) => Look = () => ({ found: 'served', hash: HASH });
  refuse = false;
  readonly #timers = new Map<object, { atMs: number; callback: () => void }>();
  readonly nudger: Nudger;
  readonly term = new AbortController();

  constructor(options: Partial<NudgerOptions> = {}) {
    this.nudger = new Nudger({
      rate: 1_000,
      pod: (key) => this.pods.get(key) ?? null,
      annotate: async (pod, value) => {
        if (this.refuse) throw new Error('forbidden');
        this.nudges.push(`${pod.key}=${value}`);
        this.pods.set(pod.key, { ...pod, told: value });
        return true;
      },
      look: async (pod) => {
        this.lookedAt.push(pod.key);
        return this.look(pod);
      },
      logger: createLogger('error', () => undefined),
      onConfirmed: (ms) => this.delays.push(ms),
      now: () => this.now,
      random: () => 0,
      setTimer: (callback, ms) => {
        const timer = { unref: () => undefined };
        this.#timers.set(timer, { atMs: this.now + ms, callback });
        return timer;
      },
      clearTimer: (timer) => this.#timers.delete(timer),
      ...options,
    });
    this.nudger.start(this.term.signal);
  }

  add(key: string, uid = key): void {
    const [namespace = '', name = ''] = key.split('/');
    this.pods.set(key, { key, namespace, name, uid, resourceVersion: '1', createdMs: 0, told: '' });
  }

  written(key: string, hash: string): void {
    this.nudger.written(this.pods.get(key)!, hash);
  }

  verify(key: string, hash: string, how: Verification = {}): void {
    this.nudger.verify(this.pods.get(key)!, hash, how);
  }

  /** Lets the time pass, from one timer to the next. */
  async pass(ms: number): Promise<void> {
    const endMs = this.now + ms;
    for (;;) {
      await settle();
      const next = [...this.#timers].sort(([, a], [, b]) => a.atMs - b.atMs)[0];
      if (next === undefined || next[1].atMs > endMs) break;
      this.#timers.delete(next[0]);
      this.now = next[1].atMs;
      next[1].callback();
    }
    this.now = endMs;
    await settle();
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

t.test('a pod is told at once and looked at a moment later', async (t) => {
  const bench = new Bench();
  bench.add('a/one');
  bench.written('a/one', HASH);
  await bench.pass(0);
  t.same(bench.nudges, ['a/one=aaaaaaaaaaaa']);
  t.same(bench.lookedAt, []);
  await bench.pass(1_000);
  t.same(bench.lookedAt, ['a/one']);
  t.equal(bench.nudger.depth, 0);
  t.match(bench.nudger.counters, { nudges: 1, confirmed: 1 });
  t.same(bench.delays, [800]);
  bench.verify('a/one', HASH);
  await bench.pass(60_000);
  t.equal(bench.lookedAt.length, 1, 'what it has said once is not asked again');
});

t.test('a pod that is gone when it is told counts as no nudge', async (t) => {
  const bench = new Bench({ annotate: async () => false });
  bench.add('a/one');
  bench.written('a/one', HASH);
  await bench.pass(0);
  t.match(bench.nudger.counters, { nudges: 0 });
  t.equal(bench.nudger.depth, 0);
});

t.test(
  'the time that a delivery took is that of what was written last, whatever the pod has missed before',
  async (t) => {
    const bench = new Bench();
    bench.look = () => ({ found: 'served', hash: NEXT });
    bench.add('a/one');
    bench.written('a/one', HASH);
    await bench.pass(10_000);
    bench.written('a/one', NEXT);
    t.equal(bench.nudger.oldestMs, 10_000, 'the oldest change that it lacks');
    await bench.pass(1_000);
    t.match(bench.nudger.counters, { confirmed: 1 });
    t.same(bench.delays, [800]);
  },
);

t.test('an attempt that fails after something newer was written is no failure of the newer one', async (t) => {
  let fail = (): void => undefined;
  const bench = new Bench({
    annotate: async (pod, value) => {
      bench.nudges.push(`${pod.key}=${value}`);
      if (bench.nudges.length > 1) return true;
      await new Promise<void>((_, reject) => (fail = () => reject(new Error('conflict'))));
      return true;
    },
  });
  bench.look = () => ({ found: 'served', hash: NEXT });
  bench.add('a/one');
  bench.written('a/one', HASH);
  await bench.pass(0);
  bench.written('a/one', NEXT);
  fail();
  await bench.pass(0);
  t.same(bench.nudges, ['a/one=aaaaaaaaaaaa', 'a/one=bbbbbbbbbbbb'], 'it is told at once');
  t.match(bench.nudger.counters, { failed: 1 });
});

t.test('in a term that is over already nobody is told', async (t) => {
  const bench = new Bench();
  bench.term.abort();
  const over = new AbortController();
  over.abort();
  bench.nudger.start(over.signal);
  bench.add('a/one');
  bench.written('a/one', HASH);
  await bench.pass(10_000);
  t.same(bench.nudges, []);
  t.ok(bench.nudger.idle);
});

t.test('a nudge that is not taken up is given again, in other words, as long as the pod lives', async (t) => {
  const bench = new Bench();
  bench.look = () => ({ found: 'served', hash: NEXT });
  bench.add('a/one');
  bench.written('a/one', HASH);
  await bench.pass(2_600);
  t.same(bench.nudges, ['a/one=aaaaaaaaaaaa', 'a/one=aaaaaaaaaaaa.2', 'a/one=aaaaaaaaaaaa.3']);
  t.equal(bench.nudger.oldestMs, 2_600);
  await bench.pass(60_000);
  const within = (ms: number, nudges: number) => bench.nudges.length >= nudges && bench.nudger.oldestMs === ms;
  t.ok(within(62_600, 14), `${bench.nudges.length} in the first minute, in which a kubelet may be back`);
  t.equal(bench.nudger.counters.late, 0);
  await bench.pass(7_200_000 - 62_600);
  const before = bench.nudges.length;
  t.ok(before < 80, `${before} in two hours`);
  t.match(bench.nudger.counters, { late: 1, confirmed: 0 });
  t.equal(bench.nudger.oldestMs, 7_200_000);
  t.equal(bench.nudger.depth, 1);
  await bench.pass(600_000);
  t.ok(bench.nudges.length > before, 'it is told on');
  bench.look = () => ({ found: 'served', hash: HASH });
  await bench.pass(600_000);
  t.match(bench.nudger.counters, { late: 1, confirmed: 1 });
  t.equal(bench.nudger.depth, 0);
  t.equal(bench.nudger.oldestMs, 0);
});

t.test(
  'once the API server is back those that lack something are asked at once, and told often until kubelets are back',
  async (t) => {
    const bench = new Bench();
    bench.look = () => ({ found: 'served', hash: NEXT });
    bench.add('a/one');
    bench.refuse = true;
    bench.written('a/one', HASH);
    await bench.pass(1_800_000);
    t.same(bench.nudges, []);
    bench.refuse = false;
    const asked = bench.lookedAt.length;
    bench.nudger.serverWasAway();
    await bench.pass(0);
    t.equal(bench.lookedAt.length, asked + 1);
    t.equal(bench.nudges.length, 1);
    for (let elapsedMs = 0; elapsedMs < 120_000; elapsedMs += 10_000) {
      const before = bench.nudges.length;
      await bench.pass(10_000);
      t.ok(bench.nudges.length > before, `told after ${elapsedMs} ms`);
    }
    bench.look = () => ({ found: 'served', hash: HASH });
    await bench.pass(6_000);
    t.equal(bench.nudger.depth, 0);
    bench.nudger.serverWasAway();
    await bench.pass(60_000);
    t.equal(bench.nudger.depth, 0, 'who has its routes is left alone');
  },
);

t.test('who cannot be asked is told on for as long as kubelets may take to be back', async (t) => {
  const bench = new Bench();
  bench.look = () => ({ found: 'unreachable' });
  bench.add('a/one');
  bench.nudger.serverWasAway();
  bench.written('a/one', HASH);
  await bench.pass(90_000);
  const before = bench.nudges.length;
  t.ok(before > 4 && before < 12, `${before} nudges`);
  await bench.pass(3_600_000);
  t.ok(bench.nudges.length < 15, `${bench.nudges.length} nudges`);
  t.match(bench.nudger.counters, { assumed: 1 });
  t.equal(bench.nudger.depth, 0);
});

t.test('a pod of the same name has nothing of the one before', async (t) => {
  const looks: ((look: Look) => void)[] = [];
  const asked: string[] = [];
  const bench = new Bench({
    look: async (pod) => {
      asked.push(pod.uid);
      return await new Promise<Look>((resolve) => looks.push(resolve));
    },
  });
  bench.add('a/db-0', 'first');
  bench.verify('a/db-0', HASH);
  await bench.pass(0);
  const first = bench.pods.get('a/db-0')!;
  bench.nudger.forget(first);
  bench.add('a/db-0', 'second');
  bench.verify('a/db-0', HASH);
  await bench.pass(0);
  // The answer of the one that has just gone.
  looks[0]!({ found: 'served', hash: HASH });
  await bench.pass(60_000);
  t.same(asked, ['first', 'second']);
  t.equal(bench.nudger.depth, 1);
  looks[1]!({ found: 'none' });
  await bench.pass(0);
  t.same(bench.nudges, ['a/db-0=aaaaaaaaaaaa']);
  t.equal(bench.nudger.counters.confirmed, 0);
});

t.test('one that was told by whoever led before is asked when there is nothing better to do', async (t) => {
  const bench = new Bench({ rate: 10 });
  bench.look = ({ name }) => (name === 'lacks' ? { found: 'none' } : { found: 'served', hash: HASH });
  for (let index = 0; index < 100; index++) {
    bench.add(`a/${index}`);
    bench.verify(`a/${index}`, HASH, { routine: true });
  }
  bench.add('a/lacks');
  bench.verify('a/lacks', HASH, { routine: true });
  t.equal(bench.nudger.depth, 0, 'nothing says that they lack anything');
  await bench.pass(0);
  t.ok(bench.lookedAt.length <= 2, `${bench.lookedAt.length} looks at once`);
  bench.add('b/new');
  bench.written('b/new', HASH);
  await bench.pass(0);
  t.same(bench.nudges, ['b/new=aaaaaaaaaaaa'], 'what has changed comes first');
  await bench.pass(60_000);
  t.equal(bench.lookedAt.filter((key) => key !== 'a/lacks').length, 101);
  t.same(bench.nudges.slice(0, 2), ['b/new=aaaaaaaaaaaa', 'a/lacks=aaaaaaaaaaaa']);
  t.equal(bench.nudger.depth, 1);
});

t.test('a pod that has ended is told of nothing any more', async (t) => {
  const bench = new Bench();
  bench.look = () => ({ found: 'gone' });
  bench.add('a/job');
  bench.written('a/job', HASH);
  await bench.pass(60_000);
  t.equal(bench.nudges.length, 1);
  bench.written('a/job', NEXT);
  await bench.pass(60_000);
  t.equal(bench.nudges.length, 1);
});

t.test('a pod that has not started yet lacks nothing', async (t) => {
  const bench = new Bench();
  bench.look = () => ({ found: 'starting' });
  bench.add('a/pending');
  bench.written('a/pending', HASH);
  await bench.pass(3_600_000);
  t.equal(bench.nudger.depth, 0);
  t.equal(bench.nudger.oldestMs, 0);
  t.equal(bench.nudges.length, 1);
  bench.look = () => ({ found: 'none' });
  await bench.pass(400_000);
  t.ok(bench.nudges.length > 1, 'once it runs it is asked, and told');
});

t.test('one that cannot be asked is told twice', async (t) => {
  const bench = new Bench();
  bench.look = () => ({ found: 'unreachable' });
  bench.add('a/one');
  bench.written('a/one', HASH);
  await bench.pass(600_000);
  t.equal(bench.nudges.length, 2);
  t.match(bench.nudger.counters, { assumed: 1 });
});

t.test('changes while one waits are one nudge, with the age of the first', async (t) => {
  const bench = new Bench();
  bench.add('a/one');
  bench.look = () => ({ found: 'served', hash: NEXT });
  bench.written('a/one', HASH);
  bench.written('a/one', NEXT);
  await bench.pass(500);
  bench.written('a/one', NEXT);
  await bench.pass(60_000);
  t.same(
    bench.nudges.filter((nudge) => nudge.includes('bbbb')),
    ['a/one=bbbbbbbbbbbb'],
  );
  t.equal(bench.nudger.counters.confirmed, 1);
});

t.test('one that is verified is looked at first, and told only when it lacks something', async (t) => {
  const bench = new Bench();
  bench.add('a/has');
  bench.add('a/lacks');
  bench.add('a/starting');
  bench.look = ({ name }) =>
    name === 'has' ? { found: 'served', hash: HASH } : name === 'lacks' ? { found: 'none' } : { found: 'starting' };
  for (const key of bench.pods.keys()) bench.verify(key, HASH);
  await bench.pass(500);
  t.same(bench.nudges, ['a/lacks=aaaaaaaaaaaa']);
  t.equal(bench.nudger.counters.confirmed, 1);
  bench.look = () => ({ found: 'served', hash: HASH });
  await bench.pass(60_000);
  t.equal(bench.nudges.length, 1);
  t.equal(bench.nudger.counters.confirmed, 3);
});

t.test('no more are told in a second than is allowed', async (t) => {
  const bench = new Bench({ rate: 10 });
  for (let index = 0; index < 100; index++) {
    bench.add(`a/${index}`);
    bench.written(`a/${index}`, HASH);
  }
  await bench.pass(0);
  t.ok(bench.nudges.length <= 10, `${bench.nudges.length} at once`);
  await bench.pass(1_000);
  t.ok(bench.nudges.length <= 21, `${bench.nudges.length} after a second`);
  await bench.pass(60_000);
  t.equal(bench.nudges.length, 100);
  t.equal(bench.nudger.counters.confirmed, 100);
});

t.test('a pod that is gone is not tried again; one that cannot be written is, ever less often', async (t) => {
  const bench = new Bench();
  bench.add('a/gone');
  bench.written('a/gone', HASH);
  bench.pods.delete('a/gone');
  await bench.pass(1_000);
  t.equal(bench.nudger.depth, 0);
  bench.add('a/forbidden');
  bench.refuse = true;
  bench.written('a/forbidden', HASH);
  await bench.pass(3_600_000);
  t.match(bench.nudger.counters, { late: 1, confirmed: 0 });
  const { failed } = bench.nudger.counters;
  t.ok(failed > 10 && failed < 70, `${failed} tries in an hour`);
  bench.refuse = false;
  await bench.pass(400_000);
  t.equal(bench.nudger.depth, 0);
});

t.test('nothing is told by one that does not lead any more', async (t) => {
  const bench = new Bench({ rate: 1 });
  for (const key of ['a/1', 'a/2']) {
    bench.add(key);
    bench.written(key, HASH);
  }
  await bench.pass(0);
  bench.term.abort();
  bench.written('a/2', NEXT);
  await bench.pass(60_000);
  t.equal(bench.nudges.length, 1);
  t.equal(bench.nudger.depth, 0);
});

t.test('an annotation is never set to what it is', async (t) => {
  t.equal(nextValue('', HASH), 'aaaaaaaaaaaa');
  t.equal(nextValue('aaaaaaaaaaaa', HASH), 'aaaaaaaaaaaa.2');
  t.equal(nextValue('aaaaaaaaaaaa.2', HASH), 'aaaaaaaaaaaa.3');
  t.equal(nextValue('aaaaaaaaaaaa.x', HASH), 'aaaaaaaaaaaa.2');
  t.equal(nextValue('bbbbbbbbbbbb.7', HASH), 'aaaaaaaaaaaa');
  t.ok(isTold('aaaaaaaaaaaa.3', HASH));
  t.notOk(isTold('bbbbbbbbbbbb', HASH));
});

t.test('one that has waited for its turn longer than kubelets take is asked before it is told', async (t) => {
  const bench = new Bench({ rate: 1 });
  for (let index = 0; index < 100; index++) {
    bench.add(`a/${index}`);
    bench.written(`a/${index}`, HASH);
  }
  await bench.pass(400_000);
  t.equal(bench.nudger.counters.confirmed, 100);
  t.ok(bench.nudges.length < 65, `${bench.nudges.length} told of 100`);
  t.ok(bench.nudges.length > 10);
});

t.test('a pod whose routes change all the time is told a few times in a second', async (t) => {
  const bench = new Bench();
  bench.add('a/one');
  for (let index = 0; index < 100; index++) {
    bench.written('a/one', String(index).padStart(64, 'x'));
    await bench.pass(10);
  }
  t.ok(bench.nudges.length <= 5, `${bench.nudges.length} nudges`);
  bench.look = () => ({ found: 'served', hash: '99'.padStart(64, 'x') });
  await bench.pass(5_000);
  t.equal(bench.nudger.counters.confirmed, 1);
});
