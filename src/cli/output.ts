/**
 * Prints the result of a command: a table or text for people, JSON and YAML for programs. JSON and YAML contain all
 * data.
 *
 * Stage before: the commands. Stage after: `standard-streams.ts`.
 */
import { yamlText } from '../export/yaml-text.ts';
import { paint } from './colors.ts';
import type { OutputFormat } from './options.ts';
import { writeOutput } from './standard-streams.ts';

/** `human`: returns the text for people, including the final newline. */
export function writeResult(format: OutputFormat, value: unknown, human: () => string): void {
  writeOutput(format === 'table' ? human() : dataText(format, value));
}

/** The same data in both formats. */
export function dataText(format: Exclude<OutputFormat, 'table'>, value: unknown): string {
  const json = JSON.stringify(value, null, 2);
  // Fields that JSON omits, such as undefined ones, are omitted in YAML too.
  return format === 'json' ? `${json}\n` : yamlText(JSON.parse(json));
}

export interface Manifest {
  readonly kind?: unknown;
  readonly metadata?: unknown;
}

/** For `kubectl apply`; the table form lists the names of the objects. */
export function writeManifests(format: OutputFormat, manifests: readonly Manifest[]): void {
  if (format === 'yaml') writeOutput(manifests.map((manifest) => `---\n${yamlText(manifest)}`).join(''));
  else
    writeResult(format, { apiVersion: 'v1', kind: 'List', items: manifests }, () =>
      table(['KIND', 'NAMESPACE', 'NAME'], manifests.map(nameCells)),
    );
}

function nameCells({ kind, metadata }: Manifest): string[] {
  const { namespace, name } = (metadata ?? {}) as Readonly<Record<string, unknown>>;
  return [kind, namespace, name].map((part) => (typeof part === 'string' ? part : ''));
}

/** Columns as narrow as possible, `-` for missing values; empty without rows. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '';
  const lines = [head, ...rows.map((row) => row.map((cell) => (cell === '' ? '-' : cell)))];
  const widths = head.map((_, column) => lines.reduce((width, line) => Math.max(width, line[column]!.length), 0));
  const padded = lines.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
  return padded.map((line, index) => `${index === 0 ? paint('bold', line) : line}\n`).join('');
}
