/** Backends that break off, hang, say nonsense or end idle connections: what it costs, request by request. */
import t from 'tap';
import { FaultHarness, FULL, ONE, THREE, TIMEOUT_MS } from '../support/faults/harness.ts';
import { ingredient, type Ingredient } from '../support/faults/ingredient.ts';
import { metricValue } from '../support/faults/witnesses.ts';

t.setTimeout(FULL ? 1_800_000 : 180_000);

const BROKEN_OFF = /^refused 502 upstream_reset$/;
const TIMED_OUT = /^refused 504 timeout$/;
const NO_HTTP = /^refused 502 upstream_protocol$/;
const CUT = /^truncated 200$/;
const POST = { method: 'POST', bodyBytes: 50 };
const one = { backends: ONE };

const reused = (['reset', 'fin'] as const).flatMap((how) => [
  ingredient(`reused-${how}`, { path: '/one', plan: `fault=${how}-reused` }, one),
  ingredient(
    `post-reused-${how}`,
    { path: '/one', plan: `fault=${how}-reused`, ...POST },
    { ...one, planted: { fault: how, allows: BROKEN_OFF } },
  ),
]);
const fresh = ['reset-before', 'fin-before'].flatMap((fault) => [
  ingredient(fault, { path: '/one', plan: `fault=${fault}` }, { ...one, expected: BROKEN_OFF }),
  ingredient(`post-${fault}`, { path: '/one', plan: `fault=${fault}`, ...POST }, { ...one, expected: BROKEN_OFF }),
]);
const broken = ['reset-body', 'fin-body', 'reset-chunks', 'bad-chunk'].map((fault) =>
  ingredient(fault, { path: '/one', plan: `fault=${fault}` }, { ...one, expected: CUT }),
);
const hanging = [
  ingredient('hang', { path: '/timed', plan: 'fault=hang' }, { ...one, expected: TIMED_OUT }),
  ingredient('post-hang', { path: '/timed', plan: 'fault=hang', ...POST }, { ...one, expected: TIMED_OUT }),
  ingredient('stall', { path: '/timed', plan: 'fault=stall' }, { ...one, expected: CUT }),
];
const garbage = [
  ingredient('garbage', { path: '/one', plan: 'fault=garbage' }, { ...one, expected: NO_HTTP }),
  ingredient('post-garbage', { path: '/one', plan: 'fault=garbage', ...POST }, { ...one, expected: NO_HTTP }),
];
const closing = ingredient('closing', { path: '/three', plan: 'fault=close-after' }, { backends: THREE });
const postClosing = ingredient(
  'post-closing',
  { path: '/three', plan: 'fault=close-after', ...POST },
  { backends: THREE, planted: { fault: 'close-after', allows: BROKEN_OFF } },
);
const halves = [
  ingredient('client-half', { style: 'half-close', path: '/one', plan: 'delay=20' }, one),
  ingredient('client-half-large', { style: 'half-close', path: '/one', plan: 'size=300000,over=40' }, one),
  ingredient('client-half-post', { style: 'half-close', path: '/one', plan: 'delay=20', ...POST }, one),
  ingredient('upstream-half', { path: '/one', plan: 'fault=half-close' }, one),
];
const slow = { style: 'slow-send', path: '/one', method: 'POST', bodyBytes: 20, pauseMs: FULL ? 1_000 : 30 } as const;
const slowWriters = [ingredient('slow', slow, one), ingredient('slow-chunked', { ...slow, chunked: true }, one)];
const early = ingredient('early', { path: '/one', method: 'POST', bodyBytes: 200_000, plan: 'fault=early' }, one);

/** A small response of fault-backend.ts, cut off at each of its bytes; ids of the same kind are of one length. */
function cuts(): Ingredient[] {
  const name = (how: string, cut: number): string => `cut-${how}-${String(cut).padStart(3, '0')}`;
  const id = `${name('fin', 0)}.0000000`;
  const head = `HTTP/1.1 200 OK\r\nx-backend: b1\r\nx-id: ${id}\r\nContent-Length: 100\r\n\r\n`.length;
  return ['fin', 'rst'].flatMap((how) =>
    Array.from({ length: head + 100 }, (_, cut) => {
      const expected = cut < head ? BROKEN_OFF : CUT;
      return ingredient(name(how, cut), { path: '/one', plan: `cut=${cut},by=${how}` }, { ...one, expected });
    }),
  );
}
const cutOff = cuts();

t.test('backends that fail', async (t) => {
  const harness = await FaultHarness.start(t, [
    ...[...reused, ...fresh, ...broken, ...hanging, ...garbage, closing, postClosing, ...halves, ...slowWriters, early],
    ...cutOff,
  ]);

  await t.test('FAULT 1: a fresh connection that ends before a byte of the response is a 502, sent once', async (t) => {
    const count = FULL ? 2_500 : 100;
    for (const kind of fresh) await harness.send(kind, count);
    await harness.settle(t);
    for (const kind of fresh) t.equal(harness.executions(kind), count, `${kind.kind.name} executed once each`);
  });

  await t.test(
    'FAULT 1: a reused connection that ends before a byte of the response costs no GET, and repeats no POST',
    async (t) => {
      const count = FULL ? 10_000 : 500;
      for (const kind of reused) await harness.send(kind, count, 8);
      await harness.settle(t);
      for (const kind of reused) {
        const answered = harness.count(kind, 'answered 200');
        if (kind.rule.once)
          t.ok(answered > 0 && answered < count, `${answered} of ${count} POST answered, the others 502`);
        else t.equal(answered, count, 'every GET answered');
      }
      t.ok(harness.ledger.repeated > 0, `${harness.ledger.repeated} GET sent twice`);
    },
  );

  await t.test(
    'FAULT 2: a response cut off at any byte is a 502 before the end of its head, and visibly cut behind it',
    async (t) => {
      for (let round = 0; round < (FULL ? 5 : 1); round += 1) for (const kind of cutOff) await harness.send(kind, 1);
      await harness.settle(t);
      const whole = (kind: Ingredient): number => harness.count(kind, 'answered 200');
      t.same(cutOff.filter(whole), [], `${cutOff.length} places`);
    },
  );

  await t.test('FAULT 2: a body that breaks off shows to the client, in each framing', async (t) => {
    const count = FULL ? 1_000 : 100;
    for (const kind of broken) await harness.send(kind, count);
    await harness.settle(t);
    for (const kind of broken) t.equal(harness.count(kind, 'truncated 200'), count, kind.kind.name);
  });

  await t.test(
    'FAULT 3: a backend that accepts and says nothing is a 504 at the deadline; one that stalls is cut off there',
    async (t) => {
      const count = FULL ? 500 : 60;
      const durations: number[] = [];
      harness.onRecord = ({ sentMs, endedMs }) => durations.push(endedMs - sentMs);
      for (const kind of hanging) await harness.send(kind, count, 20);
      harness.onRecord = () => undefined;
      await harness.settle(t);
      t.equal(durations.length, count * hanging.length);
      t.ok(Math.min(...durations) >= TIMEOUT_MS - 5, 'none before the deadline');
      t.comment(`between ${Math.min(...durations)} and ${Math.max(...durations)} ms, deadline ${TIMEOUT_MS} ms`);
    },
  );

  await t.test('FAULT 3: what is no HTTP is a 502, sent once', async (t) => {
    const count = FULL ? 1_000 : 100;
    for (const kind of garbage) await harness.send(kind, count);
    await harness.settle(t);
    for (const kind of garbage) t.equal(harness.executions(kind), count, `${kind.kind.name} executed once each`);
  });

  await t.test(
    'FAULT 4: backends that close connections as the next request comes cost no GET, and repeat no POST',
    async (t) => {
      const count = FULL ? 100_000 : 3_000;
      await Promise.all([harness.send(closing, count, 12), harness.send(postClosing, Math.ceil(count / 4), 4)]);
      await harness.settle(t);
      t.equal(harness.count(closing, 'answered 200'), count, 'every GET answered');
      const repeated = metricValue(harness.metrics(), 'sideroute_reconnects_total{reason="reset"}');
      t.comment(
        `${repeated} GET sent again so far; ${harness.count(postClosing, 'refused 502 upstream_reset')} POST 502`,
      );
    },
  );

  await t.test('FAULT 5: a half that ends early, on either side, does not end the response', async (t) => {
    const count = FULL ? 1_000 : 100;
    for (const kind of halves) await harness.send(kind, count, 20);
    await harness.settle(t);
    for (const kind of halves) t.equal(harness.count(kind, 'answered 200'), count, kind.kind.name);
  });

  await t.test('FAULT 6: slow writers complete; an early answer does not wait for the rest of an upload', async (t) => {
    const count = FULL ? 1_000 : 100;
    // One kind at a time: a backend has at most 1,024 connections.
    for (const kind of slowWriters) await harness.send(kind, count, count);
    await harness.send(early, count);
    await harness.settle(t);
    for (const kind of [...slowWriters, early]) t.equal(harness.count(kind, 'answered 200'), count, kind.kind.name);
  });

  await harness.reconcile(t);
});
