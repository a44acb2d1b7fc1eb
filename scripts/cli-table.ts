/**
 * Writes the generated part of docs/cli.md: each command with its examples, and the table of exit statuses, from `src/cli/manual.ts` and the
 * commands themselves.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { COMMON_STATUSES, MANUALS } from '../src/cli/manual.ts';
import { packageRoot } from '../src/package-root.ts';
import { buildProgram } from '../src/program.ts';

/** The commands that do something, by the words a user types. */
export function leafCommands(command: Command = buildProgram(), above: readonly string[] = []): Map<string, Command> {
  if (command.commands.length === 0) return new Map([[above.join(' '), command]]);
  return new Map(command.commands.flatMap((child) => [...leafCommands(child, [...above, child.name()])]));
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

function statusTable(paths: readonly string[]): string {
  const rows = Object.entries(COMMON_STATUSES).map(([status, meaning]) => `| every command | ${status} | ${meaning} |`);
  for (const path of paths)
    for (const [status, meaning] of Object.entries(MANUALS[path]?.statuses ?? {}))
      rows.push(`| \`${path}\` | ${status} | ${cell(meaning!)} |`);
  return `| Command | Status | Means |\n|---|---|---|\n${rows.join('\n')}\n`;
}

function section(path: string, command: Command): string {
  const rows = (MANUALS[path]?.examples ?? []).map(
    ({ command: typed, comment }) => `| ${comment} | \`${cell(typed)}\` |`,
  );
  const flags = `[its flags](configuration.md#${anchor(path, command)})`;
  const table = rows.length === 0 ? '' : `\n| For | Type |\n|---|---|\n${rows.join('\n')}\n`;
  return `### ${path}\n\n${command.description()}: ${flags}.\n${table}`;
}

/** The anchor of its heading in docs/configuration.md. */
function anchor(path: string, command: Command): string {
  const operands = command.registeredArguments.map((operand) => ` ${operand.name()}`).join('');
  return `sideroute ${path}${operands}`.toLowerCase().replaceAll(' ', '-');
}

const BEGIN = '<!-- commands:begin, written by scripts/cli-table.ts -->';
const END = '<!-- commands:end -->';

/** The document with its generated part replaced. */
export function withCurrentCommands(document: string): string {
  const before = document.slice(0, document.indexOf(BEGIN));
  const after = document.slice(document.indexOf(END));
  const commands = leafCommands();
  const sections = [...commands].map(([path, command]) => section(path, command));
  const statuses = `## Exit statuses\n\n${statusTable([...commands.keys()])}`;
  return `${before}${BEGIN}\n\n${statuses}\n## Commands\n\n${sections.join('\n')}\n${after}`;
}

export const cliDocument = new URL('docs/cli.md', packageRoot());

if (process.argv[1] === new URL(import.meta.url).pathname) {
  writeFileSync(cliDocument, withCurrentCommands(readFileSync(cliDocument, 'utf8')));
}
