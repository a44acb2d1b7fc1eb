/**
 * Writes the tables of flags and environment variables into docs/configuration.md, from the commands themselves.
 * `--check` only compares: exit status 1 if the document is out of date.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import type { Command, Option } from 'commander';
import { buildProgram } from '../src/program.ts';
import { packageRoot } from '../src/package-root.ts';

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

function fallback(option: Option): string {
  const value: unknown = option.defaultValueDescription ?? option.defaultValue;
  if (value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)) return '';
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

function table(command: Command): string {
  const rows = command.options
    .filter(({ long, hidden }) => long !== '--version' && !hidden)
    .map(
      (option) =>
        `| \`${cell(option.flags)}\` | ${option.envVar === undefined ? '' : `\`${option.envVar}\``} | ${cell(fallback(option))} | ${cell(option.description)} |`,
    );
  if (rows.length === 0) return '';
  return `| Flag | Environment | Default | Meaning |\n|---|---|---|---|\n${rows.join('\n')}\n`;
}

function sections(command: Command, path: string): string[] {
  const usage = command.registeredArguments
    .map((argument) => (argument.required ? ` <${argument.name()}>` : ` [${argument.name()}]`))
    .join('');
  const own =
    command.commands.length > 0 ? '' : `### \`${path}${usage}\`\n\n${command.description()}.\n\n${table(command)}`;
  return [own, ...command.commands.flatMap((child) => sections(child, `${path} ${child.name()}`))].filter(
    (text) => text !== '',
  );
}

const BEGIN = '<!-- options:begin, written by scripts/options-table.ts -->';
const END = '<!-- options:end -->';

/** The document with its generated part replaced. */
export function withCurrentOptions(document: string): string {
  const before = document.slice(0, document.indexOf(BEGIN));
  const after = document.slice(document.indexOf(END));
  return `${before}${BEGIN}\n\n${sections(buildProgram(), 'sideroute').join('\n')}\n${after}`;
}

export const configurationDocument = new URL('docs/configuration.md', packageRoot());

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const current = readFileSync(configurationDocument, 'utf8');
  writeFileSync(configurationDocument, withCurrentOptions(current));
}
