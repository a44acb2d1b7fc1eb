/**
 * Formats a comparison for people: each frontend as a unified diff of its rules, and changed conditions of routes.
 *
 * Stage before: `compare.ts`. Stage after: `cli/make-diff.ts`.
 */
import { structuredPatch } from 'diff';
import { yamlText } from '../export/yaml-text.ts';
import type { ConditionDiff, ConfigDiff, FrontendDiff } from './compare.ts';

const CONTEXT_LINES = 3;

export function diffText({ same, frontends, conditions }: ConfigDiff): string {
  if (same) return 'nothing would change\n';
  const parts = frontends.map(frontendText);
  if (conditions.length > 0) parts.push(conditions.map(conditionLine).join(''));
  return parts.join('\n');
}

function frontendText({ frontend, change, reordered, before, after, rules }: FrontendDiff): string {
  const heading = `frontend ${plain(frontend)}: ${change}${reordered ? ', its rules in another order' : ''}\n`;
  const own = before === null && after === null ? '' : hunks(before, after);
  const each = rules.map(
    (rule) => `${plain(rule.route)} rule ${rule.rule}: ${rule.change}\n${hunks(rule.before, rule.after)}`,
  );
  return [heading, own, ...each].join('');
}

function hunks(before: unknown, after: unknown): string {
  const [old, now] = [before, after].map((value) => (value === null ? '' : yamlText(value)));
  const patch = structuredPatch('', '', old!, now!, undefined, undefined, { context: CONTEXT_LINES });
  return patch.hunks
    .map(
      ({ oldStart, oldLines, newStart, newLines, lines }) =>
        `@@ -${oldStart},${oldLines} +${newStart},${newLines} @@\n${lines.map((line) => `${plain(line)}\n`).join('')}`,
    )
    .join('');
}

function conditionLine({ route, parent, type, before, after, message }: ConditionDiff): string {
  const of = `${route}${parent === '' ? '' : ` -> ${parent}`}: ${type}`;
  const why = message === '' ? '' : `: ${message}`;
  if (before === null) return plain(`+ ${of}=${after ?? ''}${why}`) + '\n';
  if (after === null) return plain(`- ${of}=${before}`) + '\n';
  return `${plain(`- ${of}=${before}`)}\n${plain(`+ ${of}=${after}${why}`)}\n`;
}

/** Replaces control characters, because the answer of a pod must not control the terminal. */
function plain(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, ' ');
}
