/**
 * Formats the results of the checks for people and for programs.
 *
 * Stage before: `run.ts`. Stage after: `cli/check-cluster.ts`.
 */
import { GROUPS, RESULTS, type Finding, type Result } from './model.ts';
import { worst, type CheckReport } from './run.ts';
import type { Snapshot } from './snapshot.ts';

/** Maximum number of findings shown for one check, because many are usually the same fault. */
const FINDINGS_SHOWN = 10;
const SIGNS: Readonly<Record<Result, string>> = { ok: 'ok', warning: 'warning', unknown: 'unknown', error: 'error' };
const WIDTH = Math.max(...RESULTS.map((result) => SIGNS[result].length));

/** How a part of the text is made to stand out; what it prints has the same characters. */
export type Paint = (part: Result | 'heading', text: string) => string;
const NO_PAINT: Paint = (_, text) => text;

export function reportText(reports: readonly CheckReport[], paint = NO_PAINT): string {
  const lines: string[] = [];
  let group: string | null = null;
  for (const { check, result, looked, findings } of reports) {
    const heading = GROUPS[check.group];
    if (heading !== group) lines.push(...(group === null ? [] : ['']), paint('heading', heading));
    group = heading;
    const sign = paint(result, SIGNS[result]) + ' '.repeat(WIDTH - SIGNS[result].length);
    lines.push(`  ${sign}  ${check.id}: ${check.title} (${plain(looked)})`);
    for (const finding of findings.slice(0, FINDINGS_SHOWN)) lines.push(...findingLines(finding, paint));
    const more = findings.length - FINDINGS_SHOWN;
    if (more > 0) lines.push(`${' '.repeat(WIDTH + 4)}and ${more} more; -o json has them all`);
  }
  lines.push('', summaryOf(reports, paint));
  return `${lines.join('\n')}\n`;
}

function findingLines({ result, object, message, mend }: Finding, paint: Paint): string[] {
  const indent = ' '.repeat(WIDTH + 4);
  const what = `${object === null ? '' : `${object} `}${message}`;
  const how = 'command' in mend ? `$ ${mend.command}` : `to mend it: ${mend.sentence}`;
  return [`${indent}${paint(result, SIGNS[result])}: ${plain(what)}`, `${indent}  ${plain(how)}`];
}

/** A number of none stands out in nothing. */
function summaryOf(reports: readonly CheckReport[], paint: Paint): string {
  const count = (result: Result): number => reports.filter((each) => each.result === result).length;
  const parts = RESULTS.map((result) => {
    const part = `${count(result)} ${result}`;
    return count(result) === 0 ? part : paint(result, part);
  });
  return `${reports.length} checks: ${parts.join(', ')}`;
}

/** Texts from a cluster could move the cursor of a terminal or imitate a line of the report. */
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
