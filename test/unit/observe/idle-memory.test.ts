/** Memory is given back where there is some to be had; how much there is says the test. */
import t from 'tap';
import { IdleMemory } from '../../../src/observe/idle-memory.ts';

const MIB = 1024 * 1024;

t.test('memory is given back once for each growth that is worth it', (t) => {
  let heldMib = 18;
  let given = 0;
  const memory = new IdleMemory({
    activity: () => 0,
    anonymousBytes: () => heldMib * MIB,
    giveBack: () => {
      given++;
      heldMib = Math.max(10, heldMib - 5);
    },
  });
  const quiet = (): number => {
    memory.quiet();
    return given;
  };
  t.equal(quiet(), 1, 'after the start');
  t.equal(heldMib, 13);
  for (let second = 0; second < 10; second++) t.equal(quiet(), 1, 'nothing has grown');
  heldMib = 14.5;
  t.equal(quiet(), 1, 'not worth it');
  heldMib = 30;
  t.equal(quiet(), 2, 'after a load');
  t.equal(quiet(), 2, 'what was not given back is in use');
  t.end();
});

t.test('a request that comes now and then waits for it only where there is much', (t) => {
  let [heldMib, requests, given] = [10, 0, 0];
  const memory = new IdleMemory({
    activity: () => requests,
    anonymousBytes: () => heldMib * MIB,
    giveBack: () => given++,
  });
  const quiet = (): number => {
    memory.quiet();
    return given;
  };
  requests++;
  t.equal(quiet(), 1, 'after the start');
  heldMib = 15;
  for (let second = 0; second < 10; second++) {
    requests++;
    t.equal(quiet(), 1, 'somebody might wait');
  }
  t.equal(quiet(), 2, 'nobody has come since');
  heldMib = 32;
  requests++;
  t.equal(quiet(), 3, 'after a large load, although requests still come');
  t.end();
});

t.test('what has gone by itself, as with most routes, is worth it when it comes again', (t) => {
  let [heldMib, given] = [60, 0];
  const memory = new IdleMemory({ activity: () => 0, anonymousBytes: () => heldMib * MIB, giveBack: () => given++ });
  const quietAt = (mib: number): number => {
    heldMib = mib;
    memory.quiet();
    return given;
  };
  t.equal(quietAt(60), 1);
  t.equal(quietAt(20), 1);
  t.equal(quietAt(21.9), 1);
  t.equal(quietAt(22), 2);
  t.end();
});

t.test('the kernel is asked by default', (t) => {
  let given = 0;
  const memory = new IdleMemory({ activity: () => 0, giveBack: () => given++ });
  memory.quiet();
  memory.quiet();
  t.equal(given, 1);
  t.end();
});
