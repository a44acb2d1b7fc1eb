/**
 * Entries that do not take some requests, to entries that all take what they match: before such an entry, what comes after it is
 * repeated for the requests that it does not take.
 *
 * Stage before: `virtual-service.ts`, `service-profile.ts`. Stage after: `order.ts`.
 */
import type { Findings } from './findings.ts';
import { covers, intersect, type Guard } from './guards.ts';
import { MAX_ENTRIES, type Entry } from './model.ts';
import { isSayable } from './rewrites.ts';

/**
 * The same behaviour without `excludes`, and without entries that earlier ones leave nothing for. What cannot be said is reported.
 * Null: there are too many; what is repeated doubles with each of them at worst.
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

/** Those for which `before` leaves something, and where that is empty, those that come before them. */
function withoutCovered(entries: readonly Entry[], before: readonly Entry[]): Entry[] {
  const kept: Entry[] = [];
  for (const entry of entries) {
    const earlier = before.length === 0 ? kept : before;
    if (!earlier.some(({ guard }) => covers(guard, entry.guard))) kept.push(entry);
  }
  return kept;
}
