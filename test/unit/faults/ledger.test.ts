/** The ledger of the fault tests: it finds what is wrong, and charges to a fault only what that fault may cost. */
import t from 'tap';
import { kind, type ClientRecord } from '../../support/faults/kinds.ts';
import { BodyCheck, wholeBody } from '../../support/faults/body.ts';
import { Ledger, type KindRule } from '../../support/faults/ledger.ts';
import { matches } from '../../support/match.ts';

const rule = (name: string, fields: Partial<KindRule> = {}): KindRule => ({
  ...{
    name,
    backends: ['a'],
    expected: /^answered 200$/,
    planted: null,
    once: false,
    plain: false,
    long: false,
    http2: false,
  },
  ...fields,
});

const record = (id: string, fields: Partial<ClientRecord> = {}): ClientRecord => ({
  ...{ id, sentMs: Date.now() - 10, endedMs: Date.now(), outcome: 'answered', code: 200, reason: null },
  ...{ backend: 'a', generation: null, detail: null },
  ...fields,
});

const REFUSED = { outcome: 'refused', code: 502, reason: 'upstream_reset', backend: null } as const;

/** What a ledger finds wrong with one request. */
function violations(
  fields: Partial<ClientRecord>,
  executed: readonly string[],
  logged: string | null,
  of = rule('get'),
) {
  const ledger = new Ledger([of]);
  const request = record(`${of.name}.1`, fields);
  for (const backend of executed) ledger.executed(request.id, backend);
  if (logged !== null) ledger.logged(request.id, logged);
  ledger.answered(request);
  ledger.settle(true);
  return [...ledger.violations.keys()];
}

t.test('a request that was answered by its backend, once, and logged as such, is in order', (t) => {
  t.same(violations({}, ['a'], '200'), []);
  t.end();
});

t.test('everything else is found', (t) => {
  const once = rule('post', { once: true });
  matches(t, violations({ outcome: 'none', code: 0 }, ['a'], null), [/^lost/]);
  matches(t, violations(REFUSED, ['a'], '502 upstream_reset'), [/^lost/]);
  matches(t, violations({ backend: 'b' }, ['b'], '200'), [/wrong backend/]);
  matches(t, violations({ outcome: 'corrupt' }, ['a'], '200'), [/wrong or mixed/]);
  matches(t, violations({}, [], '200'), [/not executed/]);
  matches(t, violations({}, ['a'], '502 upstream_reset'), [/log says otherwise/]);
  t.same(violations({}, ['a', 'a'], '200'), [], 'an idempotent request may be repeated');
  matches(t, violations({}, ['a', 'a'], '200', once), [/more than once/]);
  const unsent = { outcome: 'refused', code: 503, reason: 'connect_failure', backend: null } as const;
  matches(t, violations(unsent, ['a'], '503 connect_failure', once), [/^lost/, /not sent/]);
  t.end();
});

t.test('a request that was not taken was executed by nobody', (t) => {
  const untaken = rule('get', { expected: /^untaken$/ });
  const fields = { outcome: 'untaken', code: 0, backend: null } as const;
  t.same(violations(fields, [], null, untaken), []);
  matches(t, violations(fields, ['a'], null, untaken), [/^lost/]);
  t.end();
});

t.test('what was executed or logged, but never sent, is found', (t) => {
  const ledger = new Ledger([rule('get')]);
  ledger.executed('get.1', 'a');
  ledger.logged('get.2', '200');
  ledger.settle(true);
  t.equal(ledger.violations.get('executed or logged, but never sent'), 2);
  t.end();
});

t.test('a fault is charged with what it may cost, while it lasts and where it is', async (t) => {
  const play = (backends: readonly string[] | null, allowed: string, during: boolean) => {
    const ledger = new Ledger([rule('get')]);
    const end = ledger.fault('killed', backends, (outcome) => outcome === allowed);
    const later = during ? {} : { sentMs: Date.now() + 5_000, endedMs: Date.now() + 5_010 };
    end(during ? 0 : 1_000);
    ledger.executed('get.1', 'a');
    ledger.answered(record('get.1', { ...REFUSED, ...later }));
    ledger.settle(true);
    return { costs: [...ledger.costs], lost: ledger.violations.size };
  };
  const charged = { costs: [['killed: refused 502 upstream_reset', 1]], lost: 0 };
  t.same(play(['a'], 'refused 502 upstream_reset', true), charged);
  t.same(play(null, 'refused 502 upstream_reset', true), charged);
  matches(t, play(['b'], 'refused 502 upstream_reset', true), { costs: [], lost: 1 });
  matches(t, play(['a'], 'refused 504 timeout', true), { costs: [], lost: 1 });
  matches(t, play(['a'], 'refused 502 upstream_reset', false), { costs: [], lost: 1 });
});

t.test('a fault of one backend is not charged with what another had begun to answer', (t) => {
  const cut = { outcome: 'truncated' } as const;
  const lost = (backend: string | null): number => {
    const ledger = new Ledger([rule('get', { backends: ['a', 'b'] })]);
    ledger.fault('killed', ['a', 'b'], () => true, 'a');
    ledger.answered(record('get.1', { ...cut, backend }));
    ledger.settle(true);
    return ledger.violations.size;
  };
  t.same([lost('a'), lost('b'), lost(null)], [0, 1, 0]);
  t.end();
});

t.test('a fault that is over before a long one ends is not charged with it', (t) => {
  const lost = (long: boolean): number => {
    const ledger = new Ledger([rule('get', { long })]);
    ledger.fault('killed', ['a'], () => true)(-5_000);
    ledger.answered(record('get.1', { outcome: 'truncated', sentMs: Date.now() - 60_000 }));
    ledger.settle(true);
    return ledger.violations.size;
  };
  t.same([lost(false), lost(true)], [0, 1]);
  t.end();
});

t.test('a fault that costs only what nobody has executed is not charged with the rest', (t) => {
  const ledger = new Ledger([rule('get')]);
  ledger.fault('closed', ['a'], (_outcome, _rule, executed) => !executed);
  ledger.answered(record('get.1', REFUSED));
  ledger.executed('get.2', 'a');
  ledger.answered(record('get.2', REFUSED));
  ledger.settle(true);
  t.same([...ledger.costs], [['closed: refused 502 upstream_reset', 1]]);
  matches(t, [...ledger.violations], [[/^lost/, 1]]);
  t.match(ledger.examples[0], /get\.2; .*after the begin of "closed"/);
  t.end();
});

t.test('a fault that a request asks for is charged with what it may cost', (t) => {
  const planted = rule('reset', { planted: { fault: 'reset', allows: /^refused 502 upstream_reset$/ } });
  t.same(violations(REFUSED, ['a'], '502 upstream_reset', planted), []);
  matches(t, violations({ outcome: 'none', code: 0 }, ['a'], null, planted), [/^lost/]);
  t.end();
});

t.test('what is settled is counted and forgotten', (t) => {
  const ledger = new Ledger([rule('get')]);
  for (let i = 0; i < 1_000; i += 1) {
    const id = `get.${i}`;
    ledger.executed(id, 'a');
    ledger.answered(record(id, { sentMs: Date.now() - 60_000, endedMs: Date.now() - 50_000 }));
  }
  ledger.answered(record('get.1000'));
  ledger.settle();
  t.equal(ledger.open, 1, 'what has just ended may still get a line');
  t.equal(ledger.settled, 1_000);
  t.equal(ledger.unlogged, 1_000);
  t.same([...ledger.outcomes], [['get answered 200', 1_000]]);
  t.end();
});

t.test('a body is recognised by its id, byte by byte', (t) => {
  const size = 200_001;
  const body = wholeBody('small.17', size);
  t.equal(body.length, size);
  const checked = (bytes: Buffer, id = 'small.17'): boolean => {
    const check = new BodyCheck(id);
    for (let at = 0; at < bytes.length; at += 777) check.push(bytes.subarray(at, at + 777));
    return check.good && check.receivedBytes === size;
  };
  t.ok(checked(body));
  t.notOk(checked(body, kind('small').name + '.18'));
  t.notOk(checked(Buffer.concat([body.subarray(0, 100), body.subarray(101), Buffer.from('x')])), 'a byte is missing');
  t.end();
});
