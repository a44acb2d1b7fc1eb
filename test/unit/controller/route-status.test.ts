/** When and how status is written. */
import t from 'tap';
import { leftOutOf, planStatus, type StatusInput } from '../../../src/controller/route-status.ts';
import { matches } from '../../support/match.ts';

const OURS = 'sideroute.dev/controller';
const parentRef = { group: '', kind: 'Service', name: 'a', port: 80 };

function input(more: Partial<StatusInput> = {}): StatusInput {
  const conditions = [{ type: 'Accepted', status: 'True', reason: 'Accepted', message: 'm' }] as const;
  return {
    current: [],
    wanted: [{ parentRef, conditions }],
    controllerName: OURS,
    namespace: 'ns',
    generation: 3,
    now: new Date('2026-11-28T12:00:00.123Z'),
    ...more,
  };
}

function current(more: object = {}, of: object = parentRef): Record<string, unknown> {
  return {
    parentRef: of,
    controllerName: OURS,
    conditions: [
      {
        ...{ type: 'Accepted', status: 'True', reason: 'Accepted', message: 'm', observedGeneration: 3 },
        lastTransitionTime: '2026-01-01T00:00:00Z',
        ...more,
      },
    ],
  };
}

t.test('times are those of the API, and change with the status alone', async (t) => {
  matches(t, planStatus(input())?.parents, [
    { controllerName: OURS, conditions: [{ lastTransitionTime: '2026-11-28T12:00:00Z', observedGeneration: 3 }] },
  ]);
  for (const [what, more, time] of [
    ['another generation', { observedGeneration: 2 }, '2026-01-01T00:00:00Z'],
    ['another reason', { reason: 'Pending' }, '2026-01-01T00:00:00Z'],
    ['another message', { message: 'x' }, '2026-01-01T00:00:00Z'],
    ['another status', { status: 'Unknown' }, '2026-11-28T12:00:00Z'],
  ] as const) {
    const plan = planStatus(input({ current: [current(more)] }));
    matches(t, plan?.parents, [{ conditions: [{ lastTransitionTime: time, message: 'm', reason: 'Accepted' }] }], what);
  }
});

t.test('nothing is written when nothing would change by meaning', async (t) => {
  t.equal(planStatus(input({ current: [current()] })), null);
  t.equal(
    planStatus(input({ current: [current({}, { kind: 'Service', name: 'a', port: 80, namespace: 'ns' })] })),
    null,
  );
  t.equal(planStatus(input({ current: [{ controllerName: 'other/one', parentRef }, current()] })), null);
  t.equal(planStatus(input({ wanted: [], current: [{ controllerName: 'other/one', parentRef }] })), null);
});

t.test('what is in our entries and does not belong there goes', async (t) => {
  const [condition] = current()['conditions'] as object[];
  const cases: [string, Record<string, unknown>[]][] = [
    ['a condition too many', [{ ...current(), conditions: [condition, { ...condition, type: 'PartiallyInvalid' }] }]],
    ['an entry twice', [current(), current()]],
    ['an entry of a parent that is gone', [current(), current({}, { kind: 'Service', name: 'gone' })]],
    ['no list', [{ ...current(), conditions: 'x' }]],
  ];
  for (const [what, before] of cases) {
    const parents = planStatus(input({ current: before }))?.parents;
    t.equal(parents?.length, 1, what);
    matches(t, parents?.[0], { parentRef, conditions: [{ type: 'Accepted' }] }, what);
    t.equal((parents?.[0]?.['conditions'] as unknown[]).length, 1, what);
  }
});

t.test('entries of others stay as they are and where they are, whatever is in them', async (t) => {
  const foreign = [{ controllerName: 'other/one', x: [1] }, { parentRef }, { controllerName: 7 }];
  const plan = planStatus(input({ current: [foreign[0]!, current({ message: 'old' }), foreign[1]!, foreign[2]!] }));
  t.same(
    plan?.parents.map((entry) => (entry['controllerName'] === OURS ? 'ours' : entry)),
    [foreign[0], 'ours', foreign[1], foreign[2]],
  );
  t.same(planStatus(input({ wanted: [], current: [...foreign, current()] }))?.parents, foreign);
});

t.test('there is room for 32, of which others have theirs', async (t) => {
  const foreign = Array.from({ length: 31 }, (_, index) => ({ controllerName: 'other/one', index }));
  const wanted = [80, 81, 82].map((port) => ({ parentRef: { ...parentRef, port }, conditions: [] }));
  const plan = planStatus(input({ current: foreign, wanted }));
  t.equal(plan?.parents.length, 32);
  t.equal(leftOutOf(input({ current: foreign, wanted })), 2);
  t.equal(planStatus(input({ current: [...foreign, { controllerName: 'x', index: 32 }], wanted })), null, 'no room');
  t.equal(leftOutOf(input({ current: [...foreign, { controllerName: 'x', index: 32 }], wanted })), 3);
});
