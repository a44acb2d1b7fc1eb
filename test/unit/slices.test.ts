import fc from 'fast-check';
import t from 'tap';
import { finish, Slicer, sortInSteps, type Steps } from '../../src/slices.ts';

/** A clock that only the work moves, and an event loop that notes when it turned. */
class Bench {
  nowMs = 0;
  readonly events: string[] = [];
  readonly slicer: Slicer;

  constructor(sliceMs: number, signal?: AbortSignal) {
    this.slicer = new Slicer({
      sliceMs,
      now: () => this.nowMs,
      pause: async () => {
        this.events.push(`turn ${this.nowMs}`);
      },
      ...(signal === undefined ? {} : { signal }),
    });
  }

  /** Steps that take `stepMs` each. */
  *work(name: string, stepMs: number, steps: number): Steps<string> {
    try {
      for (let step = 1; step <= steps; step++) {
        this.nowMs += stepMs;
        this.events.push(`${name}${step}`);
        yield;
      }
      return name;
    } finally {
      this.events.push(`${name} ends`);
    }
  }
}

t.test('work goes on until the slice is used up, then the event loop turns', async (t) => {
  const bench = new Bench(4);
  t.equal(await bench.slicer.run(bench.work('a', 2, 5)), 'a');
  t.same(bench.events, ['turn 0', 'a1', 'a2', 'turn 4', 'a3', 'a4', 'turn 8', 'a5', 'a ends']);
});

t.test('a step longer than a slice costs one turn', async (t) => {
  const bench = new Bench(4);
  await bench.slicer.run(bench.work('a', 50, 2));
  t.same(bench.events, ['turn 0', 'a1', 'turn 50', 'a2', 'turn 100', 'a ends']);
});

t.test('work that waits for something leaves the event loop alone until then', async (t) => {
  const bench = new Bench(4);
  let happen = (): void => undefined;
  const event = new Promise<void>((resolve) => (happen = resolve));
  const running = bench.slicer.run(
    (function* (): Steps<string> {
      bench.events.push('begins');
      yield event;
      bench.events.push('goes on');
      return 'done';
    })(),
  );
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  t.same(bench.events, ['turn 0', 'begins']);
  happen();
  t.equal(await running, 'done');
  t.same(bench.events, ['turn 0', 'begins', 'turn 0', 'goes on']);
});

t.test('a second piece of work begins with a turn of its own', async (t) => {
  const bench = new Bench(4);
  await bench.slicer.run(bench.work('a', 1, 1));
  await bench.slicer.run(bench.work('b', 1, 1));
  t.same(bench.events, ['turn 0', 'a1', 'a ends', 'turn 1', 'b1', 'b ends']);
});

t.test('what the work throws is what the caller gets', async (t) => {
  const bench = new Bench(4);
  const failing = function* (): Steps<never> {
    yield;
    throw new Error('no');
  };
  await t.rejects(bench.slicer.run(failing()), { message: 'no' });
});

t.test('the signal ends the work at its next pause, once its finally blocks are done', async (t) => {
  const stop = new AbortController();
  const bench = new Bench(4, stop.signal);
  const steps = function* (): Steps<void> {
    yield* bench.work('a', 4, 1);
    stop.abort(new Error('closed'));
    yield* bench.work('b', 4, 9);
  };
  await t.rejects(bench.slicer.run(steps()), { message: 'closed' });
  t.same(bench.events, ['turn 0', 'a1', 'turn 4', 'a ends', 'b1', 'turn 8', 'b ends']);
});

t.test('by default other callbacks of the event loop run in between', async (t) => {
  let turns = 0;
  let ticking = true;
  const tick = (): void => {
    turns++;
    if (ticking) setImmediate(tick);
  };
  setImmediate(tick);
  const turnOfStep: number[] = [];
  const steps = function* (): Steps<void> {
    for (let step = 0; step < 10; step++) {
      turnOfStep.push(turns);
      yield;
    }
  };
  await new Slicer({ sliceMs: 0 }).run(steps());
  ticking = false;
  t.equal(new Set(turnOfStep).size, 10);
});

t.test('finish does everything at once', async (t) => {
  const bench = new Bench(4);
  t.equal(finish(bench.work('a', 1, 3)), 'a');
  t.same(bench.events, ['a1', 'a2', 'a3', 'a ends']);
});

t.test('a sort in steps is the sort of an array, stable, and leaves its input alone', async (t) => {
  const item = fc.record({ key: fc.integer({ min: 0, max: 50 }), position: fc.constant(0) });
  fc.assert(
    fc.property(fc.array(item, { maxLength: 3_000, size: 'max' }), (items) => {
      const input = items.map(({ key }, position) => ({ key, position }));
      const before = [...input];
      const sorted = finish(sortInSteps(input, (a, b) => a.key - b.key));
      t.same(input, before);
      const expected = [...input].sort((a, b) => a.key - b.key);
      if (sorted.some((entry, index) => entry !== expected[index]) || sorted.length !== expected.length) {
        throw new Error('not sorted');
      }
    }),
    { numRuns: 30 },
  );
});

t.test('a sort in steps pauses', async (t) => {
  const items = Array.from({ length: 10_000 }, (_, index) => (index * 7_919) % 10_007);
  let pauses = 0;
  const steps = sortInSteps(items, (a, b) => a - b);
  while (steps.next().done !== true) pauses++;
  t.ok(pauses > 100, `${pauses} pauses`);
});
