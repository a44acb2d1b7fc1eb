/**
 * `status.parents` of a route as it is to be: entries of other controllers as they are, ours with the conditions of now.
 *
 * Stage before: `route-conditions.ts`. Stage after: `status-writer.ts`. Pure. Nothing is to be written when nothing would
 * change by meaning, so that two controllers never answer each other for ever.
 */
import { isObject, listOf, numberOf, textOf, type Json } from '../kube/json.ts';
import type { ParentConditions } from './route-conditions.ts';

export interface StatusInput {
  /** `status.parents` as it is. */
  readonly current: readonly Json[];
  readonly wanted: readonly ParentConditions[];
  readonly controllerName: string;
  /** Of the route, for parentRefs that name no namespace. */
  readonly namespace: string;
  /** Of the version of the route that the conditions are about. */
  readonly generation: number;
  readonly now: Date;
}

export interface StatusPlan {
  readonly parents: readonly Json[];
}

/** The limit of the API. */
export const MAX_PARENTS = 32;
const MAX_MESSAGE_CHARS = 32_768;

/** For how many of ours others leave room. */
function roomFor({ current, controllerName }: StatusInput): number {
  const foreign = current.filter((entry) => textOf(entry, 'controllerName') !== controllerName).length;
  return Math.max(0, MAX_PARENTS - foreign);
}

/** Entries of ours for which there is no room beside those of others. */
export function leftOutOf(input: StatusInput): number {
  return Math.max(0, input.wanted.length - roomFor(input));
}

/** Null when what there is says it all, as far as there is room. */
export function planStatus(input: StatusInput): StatusPlan | null {
  const { current, controllerName, namespace } = input;
  const isOurs = (entry: Json): boolean => textOf(entry, 'controllerName') === controllerName;
  const wanted = new Map<string, ParentConditions>();
  for (const parent of input.wanted.slice(0, roomFor(input)))
    wanted.set(identityOf(parent.parentRef, namespace), parent);
  const parents: Json[] = [];
  let changed = false;
  // In place, so that nothing moves.
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

/** The same for references that mean the same. */
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

/** `entry` itself when it says the same. */
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

/** No more and no fewer, and nothing among them that is no condition. */
function hasConditions(entry: Json, count: number): boolean {
  const { conditions } = entry;
  return Array.isArray(conditions) && conditions.length === count && conditions.every(isObject);
}
