/** What the guard says of figures: which are a regression, which it does not know, and what is recorded. */
import t from 'tap';
import {
  advice,
  compare,
  isFailure,
  table,
  update,
  type Figure,
  type Figures,
  type Verdict,
} from '../../../bench/guard/figures.ts';

const MACHINE = { processor: 'x64', node: '20.20.2' };
const NODE = 'x64, Node 20';

const figure = (name: string, value: number, dependsOn: Figure['dependsOn'] = 'processor'): Figure => ({
  name,
  value,
  unit: 'calls',
  dependsOn,
  tolerance: 0.1,
});

function verdictOn(value: number, expected: number, tolerance = 0.1): Verdict {
  const recorded = { x64: { 'calls/get': { value: expected, tolerance } } };
  return compare([figure('calls/get', value)], recorded, MACHINE, ['calls'])[0]!.verdict;
}

t.test('a figure is worse where it is more than the tolerance above what is recorded', async (t) => {
  const cases: readonly (readonly [value: number, expected: number, tolerance: number, verdict: Verdict])[] = [
    [100, 100, 0.1, 'ok'],
    [109, 100, 0.1, 'ok'],
    [110.5, 100, 0.1, 'WORSE'],
    [5, 4, 0.1, 'WORSE'],
    [91, 100, 0.1, 'ok'],
    [89, 100, 0.1, 'better'],
    [140, 100, 0.5, 'ok'],
    [151, 100, 0.5, 'WORSE'],
    [0, 0, 0.1, 'ok'],
    [0.001, 0, 0.1, 'WORSE'],
  ];
  for (const [value, expected, tolerance, verdict] of cases)
    t.equal(verdictOn(value, expected, tolerance), verdict, `${value} of ${expected} within ${tolerance}`);
});

t.test(
  'a figure that is not recorded for this processor or this Node is a failure, and says how it is recorded',
  async (t) => {
    const recorded: Figures = {
      x64: { 'calls/get': { value: 4, tolerance: 0.1 } },
      'x64, Node 22': { 'memory/idle': { value: 4, tolerance: 0.1 } },
    };
    const compared = compare([figure('calls/get', 4), figure('memory/idle', 4, 'node')], recorded, MACHINE, [
      'calls',
      'memory',
    ]);
    t.same(
      compared.map(({ verdict }) => verdict),
      ['ok', 'UNKNOWN'],
    );
    t.same(
      compared.filter(isFailure).map(({ name }) => name),
      ['memory/idle'],
    );
    t.same(advice(compared), [
      'bench/guard/figures.json has nothing for x64, Node 20: memory/idle. npm run guard -- --update records it.',
    ]);
  },
);

t.test('a figure that is recorded and not measured any more is a failure where its measure ran', async (t) => {
  const recorded: Figures = {
    x64: { 'calls/get': { value: 4, tolerance: 0.1 } },
    [NODE]: { 'calls/post': { value: 4, tolerance: 0.1 } },
  };
  t.same(
    compare([], recorded, MACHINE, ['calls']).map(({ name, verdict }) => [name, verdict]),
    [
      ['calls/get', 'GONE'],
      ['calls/post', 'GONE'],
    ],
  );
  t.same(compare([], recorded, MACHINE, ['memory']), []);
});

t.test(
  'what is recorded replaces what was there for this machine, with the tolerance it had, and nothing else',
  async (t) => {
    const recorded: Figures = {
      arm64: { 'calls/get': { value: 9, tolerance: 0.1 } },
      x64: {
        'calls/get': { value: 4, tolerance: 0.3 },
        'calls/old': { value: 4, tolerance: 0.1 },
        'memory/idle': { value: 7, tolerance: 0.1 },
      },
    };
    const updated = update([figure('calls/get', 5), figure('calls/new', 6, 'node')], recorded, MACHINE, ['calls']);
    t.same(updated, {
      arm64: { 'calls/get': { value: 9, tolerance: 0.1 } },
      x64: { 'calls/get': { value: 5, tolerance: 0.3 }, 'memory/idle': { value: 7, tolerance: 0.1 } },
      [NODE]: { 'calls/new': { value: 6, tolerance: 0.1 } },
    });
    t.equal(recorded['x64']!['calls/get']!.value, 4);
  },
);

t.test('the table has a line for each figure, and the command that shows what does not hold', async (t) => {
  const recorded: Figures = {
    x64: { 'calls/get': { value: 4, tolerance: 0.1 }, 'calls/post': { value: 4, tolerance: 0.1 } },
  };
  const compared = compare([figure('calls/get', 4), figure('calls/post', 6)], recorded, MACHINE, ['calls']);
  const [head, get, post] = table(compared, (name) => `show ${name}`).split('\n');
  t.match(head, /figure +unit +expected +seen +ratio +at most/);
  t.match(get, /^calls\/get +calls +4 +4 +1\.000 +1\.10 +ok$/);
  t.match(post, /^calls\/post +calls +4 +6 +1\.500 +1\.10 +WORSE +show calls\/post$/);
  t.match(advice(compared).join('\n'), /^Worse than recorded: calls\/post\./);
});
