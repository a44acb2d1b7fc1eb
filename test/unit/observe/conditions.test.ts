import t from 'tap';

import type { RouteCondition } from '../../../src/config/attachment.ts';
import { createLogger } from '../../../src/log.ts';
import { finish } from '../../../src/slices.ts';
import { ConditionLog, ConditionText } from '../../../src/observe/conditions.ts';
import { matches } from '../../support/match.ts';

function condition(options: Partial<RouteCondition> = {}): RouteCondition {
  return {
    routeKind: 'HTTPRoute',
    namespace: 'shop',
    name: 'cart',
    parent: 'shop/cart:80',
    parentRef: null,
    observedGeneration: null,
    type: 'Accepted',
    status: 'True',
    reason: 'Accepted',
    message: 'producer route',
    source: { file: 'cart.yaml', document: 1, line: 1 },
    ...options,
  };
}

const UNRESOLVED = condition({
  type: 'ResolvedRefs',
  status: 'False',
  reason: 'BackendNotFound',
  message: 'Service shop/v1 has no TCP port 81',
});

/** Samples only: value by labels. */
function samples(text: string): string[] {
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

t.test('a condition is one series whose value is its status', async (t) => {
  const text = finish(
    new ConditionText().render([
      condition(),
      UNRESOLVED,
      condition({ name: 'late', status: 'Unknown', reason: 'Pending' }),
      condition({ name: 'part', type: 'PartiallyInvalid', reason: 'UnsupportedValue' }),
    ]),
  );
  t.match(text, /^# HELP sideroute_route_condition .*\n# TYPE sideroute_route_condition gauge\n/);
  const series = (name: string, type: string, reason: string): string =>
    `sideroute_route_condition{kind="HTTPRoute",route_namespace="shop",route_name="${name}",parent="shop/cart:80",` +
    `type="${type}",reason="${reason}"}`;
  t.same(samples(text).sort(), [
    `${series('cart', 'Accepted', 'Accepted')} 1`,
    `${series('cart', 'ResolvedRefs', 'BackendNotFound')} 0`,
    `${series('late', 'Accepted', 'Pending')} -1`,
    `${series('part', 'PartiallyInvalid', 'UnsupportedValue')} 1`,
  ]);
});

t.test('a condition that stands twice is one series', async (t) => {
  const refused = condition({ parent: '', status: 'False', reason: 'UnsupportedValue' });
  t.equal(samples(finish(new ConditionText().render([refused, { ...refused }]))).length, 1);
});

t.test('beyond the cap faults come first, and what is left out is known', async (t) => {
  const text = new ConditionText(2);
  const many = ['a', 'b', 'c', 'd'].map((name) => condition({ name }));
  const lines = samples(finish(text.render([...many, UNRESOLVED])));
  t.equal(lines.length, 2);
  t.match(lines[0], 'BackendNotFound');
  t.equal(text.folded, 3);
  finish(text.render([]));
  t.equal(text.folded, 0);
});

t.test('a fault is logged once, again when it changes, and when it is over', async (t) => {
  const lines: Record<string, unknown>[] = [];
  const log = new ConditionLog(createLogger('info', (line) => lines.push(JSON.parse(line) as Record<string, unknown>)));
  const update = (...conditions: RouteCondition[]): Record<string, unknown>[] => {
    lines.length = 0;
    finish(log.update(conditions));
    return lines;
  };
  t.same(update(condition()), []);
  matches(t, update(condition(), UNRESOLVED), [
    {
      level: 'warn',
      message: 'route condition ResolvedRefs is False: Service shop/v1 has no TCP port 81',
      route: 'HTTPRoute shop/cart',
      parent: 'shop/cart:80',
      parentRef: null,
      observedGeneration: null,
      type: 'ResolvedRefs',
      reason: 'BackendNotFound',
      file: 'cart.yaml',
      document: 1,
    },
  ]);
  t.same(update(condition(), { ...UNRESOLVED }), []);
  matches(t, update(condition(), { ...UNRESOLVED, message: 'something else' }), [{ message: /something else$/ }]);
  matches(t, update(condition(), condition({ type: 'ResolvedRefs', reason: 'ResolvedRefs' })), [
    { level: 'info', message: 'route condition ResolvedRefs is in order again', route: 'HTTPRoute shop/cart' },
  ]);
  matches(t, update(condition({ type: 'PartiallyInvalid', reason: 'UnsupportedValue' })), [
    { level: 'warn', message: /^route condition PartiallyInvalid is True: / },
  ]);
  t.same(update(), [], 'a route that is gone is no news');
});

t.test('what is not known is no line, and takes none back', async (t) => {
  const lines: string[] = [];
  const log = new ConditionLog(createLogger('info', (line) => lines.push(line)));
  const update = (...conditions: RouteCondition[]): number => {
    lines.length = 0;
    finish(log.update(conditions));
    return lines.length;
  };
  const unknown = condition({
    type: 'ResolvedRefs',
    status: 'Unknown',
    reason: 'Pending',
    message: 'cluster DNS does not answer',
  });

  const resolved = condition({ type: 'ResolvedRefs', reason: 'ResolvedRefs' });
  t.equal(update(unknown), 0, 'the resolver says it, once for each Service');
  t.equal(update(resolved), 0, 'so nothing is in order again');
  t.equal(update(UNRESOLVED), 1);
  t.equal(update(unknown), 0);
  t.equal(update(UNRESOLVED), 0, 'it has been said');
  t.equal(update(unknown), 0);
  t.equal(update(resolved), 1, 'in order again');
});
