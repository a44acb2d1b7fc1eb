/**
 * Converts from "the first entry that matches" to the order of the Gateway API, in which the more specific match wins
 * wherever its rule is.
 *
 * Stage before: `negations.ts`. Stage after: `routes.ts`.
 *
 * If a later match would win over an earlier one, the earlier entry gets an additional match: a part of its own match
 * that contains all requests both would take, and that is as specific as the later one. Among equally specific matches
 * the earlier rule wins. This is repeated until no later match wins anywhere. Then, of all matches for a request, the
 * best one belongs to the first entry that matches it.
 */
import { MAX_ITEMS } from '../gateway-api/limits.ts';
import { compareMatches, type RankedMatch } from '../routing/precedence.ts';
import type { Findings } from './findings.ts';
import { covers, disjoint, strengthen, type Guard } from './guards.ts';
import type { Entry } from './model.ts';
import { isSayable } from './rewrites.ts';

const MAX_ADDED = 256;
/**
 * Overlapping pairs are compared again after each addition, each time with all entries before them. The limit is about
 * a second of work.
 */
const MAX_VISITS = 2_000_000;
/** Number of pairs that are reported one by one. */
const MAX_TOLD = 50;

const SAME_ROUTE = { kind: 'HTTPRoute', creationTimestamp: null, namespace: '', name: '' };

/** The precedence of the Gateway API: negative when `a` is preferred, 0 when the position of the rule decides. */
function compareGuards(a: Guard, b: Guard): number {
  const ranked = (match: Guard) =>
    ({ route: SAME_ROUTE, rule: { index: 0 }, match, matchIndex: 0 }) as unknown as RankedMatch;
  return compareMatches(ranked(a), ranked(b));
}

/**
 * The same entries in their order, with additions that preserve the behaviour. Pairs for which this is impossible are
 * reported. Null when there are too many.
 */
export function inGatewayOrder(entries: readonly Entry[], findings: Findings): Entry[] | null {
  const ordered = [...entries];
  const reported = new Set<string>();
  const work = { visits: 0 };
  for (let later = 1; later < ordered.length; later++) {
    for (let earlier = later - 1; earlier >= 0; earlier--) {
      const added = needed(ordered, earlier, later, work);
      if (work.visits > MAX_VISITS) return null;
      if (added === null) continue;
      if (!isWritable(added)) {
        report(ordered[earlier]!, ordered[later]!, reported, findings);
        continue;
      }
      if (ordered.length - entries.length >= MAX_ADDED) return null;
      // Directly after the entry it is a part of: there it changes nothing under the rule "first match wins".
      ordered.splice(earlier + 1, 0, added);
      // It may win over entries before it, so everything from here on is compared again.
      later = earlier;
      break;
    }
  }
  return ordered;
}

/** The part of the earlier entry that must be added so that it wins over the later one; null when nothing is needed. */
function needed(entries: readonly Entry[], earlier: number, later: number, work: { visits: number }): Entry | null {
  const [first, second] = [entries[earlier]!, entries[later]!];
  if (isAlike(first, second)) return null;
  if (disjoint(first.guard, second.guard) || compareGuards(second.guard, first.guard) >= 0) return null;
  const guard = strengthen(first.guard, second.guard);
  work.visits += later;
  const holds = entries
    .slice(0, later)
    .some(
      (entry) => isAlike(entry, first) && covers(entry.guard, guard) && compareGuards(entry.guard, second.guard) <= 0,
    );
  return holds ? null : { ...first, guard };
}

/** True when both treat a request in the same way. */
function isAlike(a: Entry, b: Entry): boolean {
  return a.origin === b.origin && JSON.stringify(a.rewrite) === JSON.stringify(b.rewrite);
}

function isWritable({ guard, rewrite }: Entry): boolean {
  if (guard.headers.length > MAX_ITEMS.headers || guard.queryParams.length > MAX_ITEMS.queryParams) return false;
  return isSayable(rewrite, guard);
}

function report(first: Entry, second: Entry, reported: Set<string>, findings: Findings): void {
  const key = `${first.place} ${second.place}`;
  if (reported.has(key)) return;
  reported.add(key);
  const { fields } = first.origin;
  if (reported.size > MAX_TOLD) {
    const why = `and more such pairs than ${MAX_TOLD}: split the rules by hand`;
    findings.differs('order-differs', fields, '', why);
    return;
  }
  findings.differs(
    'order-differs',
    fields,
    '',
    `requests that both ${first.place} and ${second.place} match are to go by the first of them, and Gateway API prefers the ` +
      'second, which asks for more; split the rules by hand so that no request matches both',
  );
}
