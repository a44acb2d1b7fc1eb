/** How late the loop is, measured by a timer that sleeps where there is nothing to measure; time is the test's. */
import t from 'tap';
import { LagRecorder, LoopLag } from '../../../src/observe/loop-lag.ts';

/** A clock, a processor and a timer that the test turns. */
class Machine {
  nowMs = 0;
  processorMs = 0;
  quiet = 0;
  workWhenQuietMs = 0;
  delayMs = 0;
  #callback: () => void = () => undefined;
  readonly lag = new LoopLag({
    now: () => this.nowMs,
    processorMs: () => this.processorMs,
    schedule: (callback, delayMs) => {
      this.#callback = callback;
      this.delayMs = delayMs;
    },
    onQuiet: () => {
      this.quiet++;
      this.processorMs += this.workWhenQuietMs;
    },
  });

  /** Until the timer has fired: so much later than it was due, and so much of the time at work. */
  turn(lateMs: number, workMs: number): void {
    this.nowMs += this.delayMs + lateMs;
    this.processorMs += workMs;
    this.#callback();
  }
}

/** To two figures. */
function about(value: number): number {
  return Number(value.toPrecision(2));
}

t.test('what is recorded is how late the timer comes, in the intervals of a loop at work and of an idle one', (t) => {
  const machine = new Machine();
  const recorder = machine.lag.recorder();
  t.equal(machine.delayMs, 2_000, 'idle');
  machine.turn(3, 400);
  t.equal(machine.delayMs, 20, 'at work');
  machine.turn(7, 10);
  t.equal(recorder.count, 2);
  t.same([recorder.min, recorder.max, recorder.mean, recorder.deviation].map(about), [3, 7, 5, 2]);
  for (let turn = 0; turn < 50; turn++) machine.turn(0, 0);
  t.equal(machine.delayMs, 2_000, 'idle after a second without work');
  t.end();
});

t.test('each has a recorder of its own, from when it asks', (t) => {
  const machine = new Machine();
  const first = machine.lag.recorder();
  machine.turn(1, 0);
  const second = machine.lag.recorder();
  machine.turn(2, 0);
  first.reset();
  t.same([first.count, first.min, first.max, first.mean, first.deviation, first.percentile(99)], [0, 0, 0, 0, 0, 0]);
  t.same([second.count, about(second.max)], [1, 2]);
  t.end();
});

t.test('percentiles are exact to a hundredth, and lie between the least and the greatest', (t) => {
  const recorder = new LagRecorder();
  for (let lagMs = 1; lagMs <= 1_000; lagMs++) recorder.record(lagMs);
  for (const percent of [1, 50, 90, 99]) {
    const found = recorder.percentile(percent);
    t.ok(found >= percent * 10 && found < percent * 10.1, `${percent}: ${found}`);
  }
  t.equal(about(recorder.percentile(100)), 1_000);
  t.equal(recorder.percentile(100), recorder.max);
  recorder.record(0);
  t.ok(recorder.percentile(0.01) <= 0.01, 'none at all');
  recorder.record(1e9);
  t.equal(about(recorder.percentile(100)), 1e9);
  t.end();
});

t.test('it is told that there is next to no work, again and again, when that has been so for two seconds', (t) => {
  const machine = new Machine();
  machine.turn(0, 9);
  machine.turn(0, 19);
  t.equal(machine.quiet, 2);
  machine.turn(0, 90);
  t.equal(machine.quiet, 2, 'not quite none');
  machine.turn(0, 300);
  for (let turn = 0; turn < 200; turn++) machine.turn(0, machine.delayMs / 20);
  t.equal(machine.quiet, 2, 'not while something goes on');
  for (let turn = 0; turn < 60; turn++) machine.turn(0, 0);
  t.ok(machine.quiet > 2);
  t.end();
});

t.test('what is done in a quiet moment does not count as work', (t) => {
  const machine = new Machine();
  machine.workWhenQuietMs = 500;
  for (let turn = 0; turn < 20; turn++) machine.turn(0, 0);
  t.equal(machine.quiet, 20);
  t.end();
});
