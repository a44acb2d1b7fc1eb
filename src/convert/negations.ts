/**
 * Replaces entries with exclusions by entries without: the later entries are repeated before such an entry, for the
 * requests that it excludes.
 *
 * Stage before: `virtual-service.ts`, `service-profile.ts`. Stage after: `order.ts`.
 */
import type { Findings } from './findings.ts';
import { covers, intersect, type Guard } from './guards.ts';
import { MAX_ENTRIES, type Entry } from './model.ts';
import { isSayable } from './rewrites.ts';

/**
 * Entries with the same behaviour without `excludes`, and without entries that earlier ones cover completely. What
 * cannot be expressed is reported. Null when there are too many: in the worst case each exclusion doubles the number of
 * repeated entries.
 */
export function withoutNegations(entries: readonly Entry[], findings: Findings): Entry[] | null {
  if (entries.length > MAX_ENTRIES) return null;
  let rest: readonly Entry[] = [];
  for (const entry of entries.toReversed()) {
    const repeated = entry.excludes.flatMap((excluded) => repeatFor(entry, excluded, rest, findings));
    if (repeated.length + rest.length > MAX_ENTRIES) return null;
    const before = withoutCovered([...repeated, { ...entry, excludes: [] }], []);
    rest = [...before, ...withoutCovered(rest, before)];
  }
  return [...rest];
}

function repeatFor(entry: Entry, excluded: Guard, rest: readonly Entry[], findings: Findings): Entry[] {
  const { fields } = entry.origin;
  const region = intersect(entry.guard, excluded);
  if (region === null) return [];
  const tell = (what: string): void => {
    findings.differs(
      'without-headers',
      fields,
      '',
      `${entry.place} does not take some requests by a negation, and ${what}`,
    );
  };
  if (region === undefined) {
    tell(
      'which these are cannot be said beside its other conditions: the rule takes them, too; write the rules by hand',
    );
    return [];
  }
  const repeated: Entry[] = [];
  for (const later of rest) {
    const guard = intersect(region, later.guard);
    if (guard === undefined || (guard !== null && !isSayable(later.rewrite, guard))) {
      tell(`which of them ${later.place} takes cannot be said: ${entry.place} takes those; write the rules by hand`);
    } else if (guard !== null) {
      repeated.push({ ...later, guard });
    }
    if (covers(later.guard, region)) return repeated;
  }
  tell(
    'no later rule takes all of these: they would be answered 404, and here the rule takes them; add a last rule without a match',
  );
  return repeated;
}

/** The entries that no entry in `before` covers. When `before` is empty, those that no preceding entry covers. */
function withoutCovered(entries: readonly Entry[], before: readonly Entry[]): Entry[] {
  const kept: Entry[] = [];
  for (const entry of entries) {
    const earlier = before.length === 0 ? kept : before;
    if (!earlier.some(({ guard }) => covers(guard, entry.guard))) kept.push(entry);
  }
  return kept;
}
