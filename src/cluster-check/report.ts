/**
 * What came of the checks, for people and for programs.
 *
 * Stage before: `run.ts`. Stage after: `cli/check-cluster.ts`.
 */
import { GROUPS, RESULTS, type Finding, type Result } from './model.ts';
import { worst, type CheckReport } from './run.ts';
import type { Snapshot } from './snapshot.ts';

/** Of one check: the same fault in a hundred places is one fault. */
const FINDINGS_SHOWN = 10;
const SIGNS: Readonly<Record<Result, string>> = { ok: 'ok', warning: 'warning', unknown: 'unknown', error: 'error' };
const WIDTH = Math.max(...RESULTS.map((result) => SIGNS[result].length));

export function reportText(reports: readonly CheckReport[]): string {
  const lines: string[] = [];
  let group: string | null = null;
  for (const { check, result, looked, findings } of reports) {
    const heading = GROUPS[check.group];
    if (heading !== group) lines.push(...(group === null ? [] : ['']), heading);
    group = heading;
    lines.push(`  ${SIGNS[result].padEnd(WIDTH)}  ${check.id}: ${check.title} (${plain(looked)})`);
    for (const finding of findings.slice(0, FINDINGS_SHOWN)) lines.push(...findingLines(finding));
    const more = findings.length - FINDINGS_SHOWN;
    if (more > 0) lines.push(`${' '.repeat(WIDTH + 4)}and ${more} more; -o json has them all`);
  }
  lines.push('', summaryOf(reports));
  return `${lines.join('\n')}\n`;
}

function findingLines({ result, object, message, mend }: Finding): string[] {
  const indent = ' '.repeat(WIDTH + 4);
  const what = `${SIGNS[result]}: ${object === null ? '' : `${object} `}${message}`;
  const how = 'command' in mend ? `$ ${mend.command}` : `to mend it: ${mend.sentence}`;
  return [`${indent}${plain(what)}`, `${indent}  ${plain(how)}`];
}

function summaryOf(reports: readonly CheckReport[]): string {
  const count = (result: Result): number => reports.filter((each) => each.result === result).length;
  const parts = RESULTS.map((result) => `${count(result)} ${result}`);
  return `${reports.length} checks: ${parts.join(', ')}`;
}

/** What a cluster says may move the cursor of a terminal, or pretend to be a line of its own. */
function plain(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, ' ');
}

export function reportData(reports: readonly CheckReport[], snapshot: Snapshot): object {
  const checks = reports.map(({ check, result, looked, findings }) => ({
    id: check.id,
    group: check.group,
    title: check.title,
    result,
    looked,
    findings: findings.map(({ result: own, object, namespace, message, mend }) => {
      return { result: own, object, namespace, message, mend };
    }),
  }));
  const { serverVersion, clientVersion, namespace } = snapshot;
  const result = worst(reports.flatMap(({ findings }) => findings));
  return { result, serverVersion, clientVersion, namespace, checks };
}
