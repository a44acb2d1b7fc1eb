/**
 * Compares the configuration that a sidecar serves with the one it would have: frontends, their rules, and conditions
 * of routes.
 *
 * Stage before: `planned.ts` and the sidecar. Stage after: `cli/diff.ts`. What depends only on addresses is not
 * compared, because only a sidecar knows them.
 */
import { isObject, listOf, objectOf, textOf, type Json } from '../kube/json.ts';

export type Change = 'added' | 'removed' | 'changed';

export interface RuleDiff {
  /** `HTTPRoute namespace/name` and the number of the rule. */
  readonly route: string;
  readonly rule: number;
  readonly change: Change;
  readonly before: unknown;
  readonly after: unknown;
}

export interface FrontendDiff {
  /** `namespace/name:port`. */
  readonly frontend: string;
  readonly change: Change;
  /** True when the rules are the same, but in another order. */
  readonly reordered: boolean;
  /** The properties of the frontend itself; null when equal. */
  readonly before: unknown;
  readonly after: unknown;
  readonly rules: readonly RuleDiff[];
}

export interface ConditionDiff {
  readonly route: string;
  readonly parent: string;
  readonly type: string;
  /** `True Accepted`; null: no such condition. */
  readonly before: string | null;
  readonly after: string | null;
  readonly message: string;
}

export interface ConfigDiff {
  readonly same: boolean;
  readonly frontends: readonly FrontendDiff[];
  readonly conditions: readonly ConditionDiff[];
}

export function compareConfigs(served: unknown, planned: unknown): ConfigDiff {
  const frontends = pairs(
    listOf(served, 'frontends'),
    listOf(planned, 'frontends'),
    (each) => textOf(each, 'key') ?? '',
  ).flatMap(frontendDiff);
  const conditions = conditionDiffs(served, planned);
  return { same: frontends.length + conditions.length === 0, frontends, conditions };
}

interface Pair {
  readonly key: string;
  readonly before: Json | null;
  readonly after: Json | null;
}

/** Pairs entries by key, sorted by key. */
function pairs(before: readonly Json[], after: readonly Json[], keyOf: (each: Json) => string): Pair[] {
  const [old, now] = [before, after].map((all) => new Map(all.map((each) => [keyOf(each), each])));
  const keys = [...new Set([...old!.keys(), ...now!.keys()])].sort();
  return keys.map((key) => ({ key, before: old!.get(key) ?? null, after: now!.get(key) ?? null }));
}

function changeOf({ before, after }: Pair): Change {
  return before === null ? 'added' : after === null ? 'removed' : 'changed';
}

function frontendDiff(pair: Pair): FrontendDiff[] {
  const [before, after] = [pair.before, pair.after].map((each) => (each === null ? null : frontendItself(each)));
  const [old, now] = [listOf(pair.before, 'rules'), listOf(pair.after, 'rules')];
  const rules = pairs(old, now, ruleKey).flatMap((rule): RuleDiff[] => {
    const [was, is] = [rule.before, rule.after].map((each) => (each === null ? null : ruleItself(each)));
    if (isSame(was, is)) return [];
    const named = rule.after ?? rule.before;
    return [
      { route: routeOf(named), rule: Number(named?.['rule'] ?? 0), change: changeOf(rule), before: was, after: is },
    ];
  });
  const reordered = rules.length === 0 && !isSame(orderOf(old), orderOf(now));
  const alike = isSame(before, after);
  if (alike && rules.length === 0 && !reordered) return [];
  return [
    {
      ...{ frontend: pair.key, change: changeOf(pair), reordered, rules },
      before: alike ? null : before,
      after: alike ? null : after,
    },
  ];
}

function frontendItself(frontend: Json): unknown {
  return { mode: frontend['mode'], routeKind: frontend['routeKind'], consumer: frontend['consumer'] };
}

function routeOf(rule: Json | null): string {
  return `${textOf(rule, 'kind') ?? ''} ${textOf(rule, 'route') ?? ''}`;
}

function ruleKey(rule: Json): string {
  // Padded, so that ten sorts after nine.
  return `${routeOf(rule)} ${String(rule['rule']).padStart(6, '0')}`;
}

/** The order of the rules, match by match. */
function orderOf(rules: readonly Json[]): unknown {
  return rules
    .flatMap((rule) =>
      listOf(rule, 'matches').map((match) => ({ key: ruleKey(rule), order: Number(match['order'] ?? 0) })),
    )
    .sort((a, b) => a.order - b.order)
    .map(({ key }) => key);
}

/** Without fields that depend on addresses, and without numbers that other rules influence. */
function ruleItself(rule: Json): unknown {
  const { kind: _, route: __, rule: ___, matches: ____, backends: _____, ...rest } = rule;
  const matches = listOf(rule, 'matches').map(({ order: _order, ...match }) => match);
  return { matches, ...rest, backends: listOf(rule, 'backends').map(backendItself) };
}

function backendItself(backend: Json): unknown {
  const { state, addresses: _, message, mirrors, ...rest } = backend;
  const unusable = state === 'refused' || state === 'unused';
  const shown = { ...rest, ...(unusable ? { state, message } : {}) };
  return Array.isArray(mirrors) ? { ...shown, mirrors: mirrors.filter(isObject).map(backendItself) } : shown;
}

/** Ignores the order of fields, which depends on the version that answers. */
function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  );
}

interface Condition {
  readonly route: string;
  readonly parent: string;
  readonly type: string;
  readonly text: string;
  readonly message: string;
}

function conditionsOf(config: unknown): Map<string, Condition> {
  const found = new Map<string, Condition>();
  for (const each of listOf(config, 'routes')) {
    const route = `${textOf(each, 'kind') ?? ''} ${textOf(each, 'namespace') ?? ''}/${textOf(each, 'name') ?? ''}`;
    for (const one of listOf(each, 'parents')) {
      const parent = textOf(one, 'parent') ?? '';
      for (const condition of listOf(one, 'conditions')) {
        const type = textOf(condition, 'type') ?? '';
        const text = `${textOf(condition, 'status') ?? ''} ${textOf(condition, 'reason') ?? ''}`;
        found.set(`${route} ${parent} ${type}`, {
          route,
          parent,
          type,
          text,
          message: textOf(condition, 'message') ?? '',
        });
      }
    }
  }
  return found;
}

function conditionDiffs(served: unknown, planned: unknown): ConditionDiff[] {
  const [old, now] = [conditionsOf(served), conditionsOf(planned)];
  return [...new Set([...old.keys(), ...now.keys()])].sort().flatMap((key): ConditionDiff[] => {
    const [before, after] = [old.get(key), now.get(key)];
    if (before?.text === after?.text) return [];
    const { route, parent, type } = (after ?? before)!;
    // According to the routes it holds; it fails only because of an address.
    if (before !== undefined && after?.text.startsWith('True') === true) {
      if (type === 'ResolvedRefs' || !before.text.startsWith('False')) return [];
    }
    return [
      { route, parent, type, before: before?.text ?? null, after: after?.text ?? null, message: after?.message ?? '' },
    ];
  });
}

/** True when the sidecar reports what is compared; an older version may not. */
export function canCompare(served: unknown): boolean {
  const frontends = objectOf({ served }, 'served')['frontends'];
  return Array.isArray(frontends) && Array.isArray(objectOf({ served }, 'served')['routes']);
}
