/**
 * Computes the new `status.parents` of a route: entries of other controllers unchanged, ours with the current
 * conditions.
 *
 * Stage before: `route-conditions.ts`. Stage after: `status-writer.ts`. Pure. Nothing is written when the meaning would
 * not change, so that two controllers never react to each other forever.
 */
import { isObject, listOf, numberOf, textOf, type Json } from '../kube/json.ts';
import type { ParentConditions } from './route-conditions.ts';

export interface StatusInput {
  /** The current `status.parents`. */
  readonly current: readonly Json[];
  readonly wanted: readonly ParentConditions[];
  readonly controllerName: string;
  /** Namespace of the route, for parentRefs without one. */
  readonly namespace: string;
  /** Generation of the route version that the conditions describe. */
  readonly generation: number;
  readonly now: Date;
}

export interface StatusPlan {
  readonly parents: readonly Json[];
}

/** The limit of the API. */
export const MAX_PARENTS = 32;
const MAX_MESSAGE_CHARS = 32_768;

/** The number of our entries for which others leave room. */
function roomFor({ current, controllerName }: StatusInput): number {
  const foreign = current.filter((entry) => textOf(entry, 'controllerName') !== controllerName).length;
  return Math.max(0, MAX_PARENTS - foreign);
}

/** The number of our entries without room beside those of others. */
export function leftOutOf(input: StatusInput): number {
  return Math.max(0, input.wanted.length - roomFor(input));
}

/** Null when the current status is already right, as far as there is room. */
export function planStatus(input: StatusInput): StatusPlan | null {
  const { current, controllerName, namespace } = input;
  const isOurs = (entry: Json): boolean => textOf(entry, 'controllerName') === controllerName;
  const wanted = new Map<string, ParentConditions>();
  for (const parent of input.wanted.slice(0, roomFor(input)))
    wanted.set(identityOf(parent.parentRef, namespace), parent);
  const parents: Json[] = [];
  let changed = false;
  // Entries keep their position.
  for (const entry of current) {
    if (!isOurs(entry)) {
      parents.push(entry);
      continue;
    }
    const identity = identityOf(entry['parentRef'], namespace);
    const parent = wanted.get(identity);
    wanted.delete(identity);
    const next = parent === undefined ? null : entryOf(parent, entry, input);
    if (next !== null) parents.push(next);
    changed ||= next !== entry;
  }
  for (const parent of wanted.values()) {
    parents.push(entryOf(parent, null, input));
    changed = true;
  }
  return changed ? { parents } : null;
}

/** Equal for references with the same meaning. */
function identityOf(parentRef: unknown, namespace: string): string {
  const group = textOf(parentRef, 'group') ?? '';
  return JSON.stringify([
    group === 'core' ? '' : group,
    textOf(parentRef, 'kind') ?? 'Service',
    textOf(parentRef, 'namespace') ?? namespace,
    textOf(parentRef, 'name'),
    textOf(parentRef, 'sectionName'),
    numberOf(parentRef, 'port'),
  ]);
}

/** Returns `entry` itself when its meaning is the same. */
function entryOf({ parentRef, conditions }: ParentConditions, entry: Json | null, input: StatusInput): Json {
  const known = new Map(listOf(entry, 'conditions').map((condition) => [textOf(condition, 'type'), condition]));
  let same = entry !== null && known.size === conditions.length && hasConditions(entry, conditions.length);
  const now = input.now.toISOString().replace(/\.\d+Z$/, 'Z');
  const next = conditions.map(({ type, status, reason, message: full }): Json => {
    const message = full.slice(0, MAX_MESSAGE_CHARS);
    const before = known.get(type);
    const since = textOf(before, 'status') === status ? textOf(before, 'lastTransitionTime') : null;
    same &&=
      textOf(before, 'status') === status &&
      textOf(before, 'reason') === reason &&
      textOf(before, 'message') === message &&
      numberOf(before, 'observedGeneration') === input.generation;
    const lastTransitionTime = since ?? now;
    return { type, status, reason, message, observedGeneration: input.generation, lastTransitionTime };
  });
  if (same && entry !== null) return entry;
  return { parentRef, controllerName: input.controllerName, conditions: next };
}

/** True when there are exactly `count` entries and all of them are conditions. */
function hasConditions(entry: Json, count: number): boolean {
  const { conditions } = entry;
  return Array.isArray(conditions) && conditions.length === count && conditions.every(isObject);
}
