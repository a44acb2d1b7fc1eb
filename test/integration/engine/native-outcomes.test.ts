/** The turns of an engine as JavaScript sees them: outcomes at the end of each, other engines in it, and what is left afterwards. */
import t from 'tap';

import { loadNative } from '../../../src/addon/binding.ts';
import {
  createHttpEngine,
  DECISION,
  DECISION_KIND,
  OUTCOME_MIRROR,
  OUTCOME_NUMBERS,
  type HttpEngine,
} from '../../../src/addon/http-engine.ts';
import { REQUEST_REASONS, type RequestReason } from '../../../src/errors.ts';
import { collected } from '../../support/collect.ts';
import { eventually } from '../../support/eventually.ts';
import { adopted } from '../../support/wire-end.ts';

const REPLIES = (Object.keys(REQUEST_REASONS) as RequestReason[]).map((name, reason) => ({
  name,
  status: REQUEST_REASONS[name].status,
  reason,
  head: `HTTP/1.1 ${REQUEST_REASONS[name].status} x\r\n`,
  body: 'x\n',
}));
const CONNECTIONS = 12;
const REQUESTS = 8;
const MIRRORS = 32;
/** Never mirrored, which is told of each mirror at once. */
const UPGRADE = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n';

t.test(
  'no JavaScript is told of an outcome within the step of a request, beyond a thousand of them either',
  async (t) => {
    let requests = 0;
    let mirrors = 0;
    const underWay: number[] = [];
    const engine = createHttpEngine({
      replies: REPLIES,
      decide: () => {
        engine.decision.fill(0);
        engine.decision[DECISION.kind] = DECISION_KIND.forward;
        // There is no such backend: the request is answered in the step that it begins in.
        engine.decision[DECISION.backend] = 9;
        engine.decision[DECISION.plan] = engine.decision[DECISION.policy] = -1;
        engine.decision[DECISION.mirrors] = group;
      },
      onOutcomes: (count) => {
        underWay.push(engine.counters().requestsOpen);
        for (let i = 0; i < count; i++) {
          if (engine.outcomes[i * OUTCOME_NUMBERS] === OUTCOME_MIRROR) mirrors++;
          else requests++;
        }
      },
    });
    t.teardown(() => engine.close());
    const group = engine.addMirrors(Array.from({ length: MIRRORS }, () => ({ backend: 9, plan: -1, series: 0 })));
    const clients = await Promise.all(
      Array.from({ length: CONNECTIONS }, () => adopted(t, (fd) => engine.adopt(fd, 0, '127.0.0.1', 80, true))),
    );
    // All of it is there when the loop turns.
    for (const client of clients) client.send(UPGRADE.repeat(REQUESTS));
    await eventually('every request is told of', () => requests === CONNECTIONS * REQUESTS);
    t.equal(mirrors, CONNECTIONS * REQUESTS * MIRRORS);
    t.strictSame([...new Set(underWay)], [0]);
  },
);

t.test('outcomes of a load are told together, and all of them before counters are read', async (t) => {
  const told: number[] = [];
  const engine = createHttpEngine({
    replies: REPLIES,
    // The most there is: no request takes as long.
    outcomeDelayMs: 1_000,
    decide: () => {
      engine.decision.fill(0);
      engine.decision[DECISION.kind] = DECISION_KIND.local;
      engine.decision[DECISION.plan] = engine.decision[DECISION.policy] = engine.decision[DECISION.mirrors] = -1;
      // Asked once: what JavaScript has done in a turn is followed by its outcomes.
      engine.decision[DECISION.repeatable] = 1;
    },
    onOutcomes: (count) => {
      told.push(count);
      // Reading them meanwhile is no reason to tell them again.
      engine.counters();
    },
  });
  t.teardown(() => engine.close());
  engine.setInterest(0, [], false);
  const client = await adopted(t, (fd) => engine.adopt(fd, 0, '127.0.0.1', 80, true));
  const all = (): number => told.reduce((sum, count) => sum + count, 0);
  for (let request = 1; request <= REQUESTS; request++) {
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await eventually('it is answered', () => client.text.split('HTTP/1.1 ').length === request + 1);
  }
  t.ok(told.length < REQUESTS, 'not each by itself');
  t.equal(engine.counters().requests, REQUESTS);
  t.equal(all(), REQUESTS);
  const before = told.length;
  engine.counters();
  t.equal(told.length, before, 'nothing is told twice');
  // Nobody asks, and nothing else happens.
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await eventually('the last one is told of', () => all() === REQUESTS + 1);
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await eventually('it is answered', () => client.text.split('HTTP/1.1 ').length === REQUESTS + 3);
  engine.close();
  await eventually('the end tells of those that wait', () => all() === REQUESTS + 2);
});

/** Answers without a backend, and tells `told` of it. */
function localEngine(told: () => void): HttpEngine {
  const engine = createHttpEngine({
    replies: REPLIES,
    decide: () => {
      engine.decision.fill(0);
      engine.decision[DECISION.kind] = DECISION_KIND.local;
      engine.decision[DECISION.plan] = engine.decision[DECISION.policy] = engine.decision[DECISION.mirrors] = -1;
      told();
    },
    onOutcomes: () => undefined,
  });
  return engine;
}

t.test('two engines are asked in one turn', async (t) => {
  let asked = 0;
  const engines = [0, 1].map(() => localEngine(() => asked++));
  t.teardown(() => engines.forEach((engine) => engine.close()));
  const clients = await Promise.all(
    engines.map((engine) => adopted(t, (fd) => engine.adopt(fd, 0, '127.0.0.1', 80, true))),
  );
  for (let round = 1; round <= 300; round++) {
    for (const client of clients) client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await eventually('both are asked', () => asked === 2 * round);
  }
  t.equal(asked, 600);
});

t.test(
  'an engine and an acceptor that are closed are collected, although what they call back knows them',
  async (t) => {
    const open = (): WeakRef<object>[] => {
      const engine = localEngine(() => undefined);
      const acceptor = loadNative().createAcceptor({
        listen: [{ address: '127.0.0.1', port: 0 }],
        detectTimeoutMs: 1_000,
        connectTimeoutMs: 1_000,
        maxConnections: 10,
        maxHeadBytes: 65_536,
        maxHeaderFields: 200,
        onHttp: () => acceptor.take(),
        onDropped: () => acceptor.counters(),
      });
      const carrying = localEngine(() => undefined);
      const end = (): void => carrying.close();
      carrying.carry({ send: () => (end(), true), resume: end, reset: end });
      acceptor.close();
      for (const each of [engine, carrying]) each.close();
      return [engine, carrying, acceptor].map((each) => new WeakRef<object>(each));
    };
    const closed = open();
    await collected(closed);
    t.same(
      closed.map((each) => each.deref()),
      [undefined, undefined, undefined],
    );
  },
);
