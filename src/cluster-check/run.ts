/**
 * Runs the checks on a snapshot. Each results in `ok`, `warning`, `error`, or `unknown` when it lacks permission to
 * read.
 *
 * Stage before: `gather.ts`. Stage after: `report.ts`. Pure.
 */
import { CHECKS } from './checks.ts';
import { resourceName, type KindName } from './kinds.ts';
import { byHand, findingOf, RESULTS, type Check, type Finding, type Result } from './model.ts';
import type { Snapshot } from './snapshot.ts';
import { ClusterView } from './view.ts';

export interface CheckReport {
  readonly check: Check;
  readonly result: Result;
  readonly looked: string;
  readonly findings: readonly Finding[];
}

/** `before`: true before the install; checks of installed objects are then left out. */
export function runChecks(snapshot: Snapshot, before: boolean): CheckReport[] {
  const view = new ClusterView(snapshot);
  const checks = CHECKS.filter((check) => !before || check.before);
  // Without an answer of the API server, all other checks would report missing objects.
  return (snapshot.serverError === null ? checks : checks.slice(0, 1)).map((check) => reportOf(check, view));
}

function reportOf(check: Check, view: ClusterView): CheckReport {
  const unread = check.needs.filter((kind) => !view.isRead(kind));
  if (unread.length > 0) {
    return { check, result: 'unknown', looked: 'nothing', findings: [unreadFinding(unread)] };
  }
  const { looked, findings } = check.judge(view);
  const { namespace } = view.snapshot;
  const wanted = findings.filter(
    (each) => namespace === null || each.namespace === null || each.namespace === namespace,
  );
  return { check, looked, findings: wanted, result: worst(wanted) };
}

function unreadFinding(kinds: readonly KindName[]): Finding {
  const names = [...new Set(kinds.map(resourceName))].join(', ');
  const mend = byHand('see the check api-permissions, which says how they can be allowed to be read');
  return findingOf('unknown', `not looked at: ${names} cannot be read`, mend);
}

export function worst(findings: readonly Pick<Finding, 'result'>[]): Result {
  const ranks = findings.map(({ result }) => RESULTS.indexOf(result));
  return RESULTS[Math.max(0, ...ranks)]!;
}
