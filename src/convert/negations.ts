/**
 * Entries that do not take some requests, to entries that all take what they match: before such an entry, what comes after it is
 * repeated for the requests that it does not take.
 *
 * Stage before: `virtual-service.ts`, `service-profile.ts`. Stage after: `order.ts`.
 */
import type { Findings } from './findings.ts';
import { covers, intersect, type Guard } from './guards.ts';
import type { Entry } from './model.ts';
import { isSayable } from './rewrites.ts';

/** The same behaviour without `excludes`. What cannot be said is reported. */
export function withoutNegations(entries: readonly Entry[], findings: Findings): Entry[] {
  let rest: Entry[] = [];
  for (const entry of entries.toReversed()) {
    const repeated = entry.excludes.flatMap((excluded) => repeatFor(entry, excluded, rest, findings));
    rest = withoutCovered([...repeated, { ...entry, excludes: [] }, ...rest]);
  }
  return rest;
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

/** Without entries that an earlier one leaves nothing for. */
export function withoutCovered(entries: readonly Entry[]): Entry[] {
  const kept: Entry[] = [];
  for (const entry of entries) {
    const isCovered = kept.some((earlier) => earlier.excludes.length === 0 && covers(earlier.guard, entry.guard));
    if (!isCovered) kept.push(entry);
  }
  return kept;
}
