/** Room for connections that wait at one worker; the test turns the clock. */
import t from 'tap';
import { RoomMaker } from '../../../src/proxy/room-maker.ts';

t.test(
  'connections that only wait are closed for as long as there is no room, however long their requests have taken',
  (t) => {
    const asked: number[] = [];
    let later: (() => void)[] = [];
    let room = false;
    const maker = new RoomMaker({
      closeIdleBeside: (worker) => asked.push(worker),
      hasRoom: () => room,
      schedule: (callback) => later.push(callback),
    });
    const pass = (): void => {
      const due = later;
      later = [];
      for (const callback of due) callback();
    };
    maker.make(1);
    t.strictSame(asked, [1], 'at once');
    for (let i = 0; i < 5; i++) pass();
    t.equal(asked.length, 6, 'and again');
    maker.make(1);
    maker.make(2);
    t.equal(later.length, 2, 'once for each worker');
    pass();
    t.strictSame(asked.slice(6), [1, 2, 1, 2]);
    room = true;
    pass();
    t.equal(asked.length, 10, 'not where there is room');
    t.equal(later.length, 0, 'and then no more');
    room = false;
    maker.make(1);
    pass();
    t.strictSame(asked.slice(10), [1, 1], 'until it has paused again');
    t.end();
  },
);
