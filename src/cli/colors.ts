/**
 * Colours on standard output: by default only on a terminal.
 *
 * `--color` takes precedence over FORCE_COLOR, and that over NO_COLOR, as in Node. JSON and YAML never contain colours.
 */
import { isatty } from 'node:tty';
import { Option, type Command } from 'commander';

const WHEN = ['auto', 'always', 'never'] as const;

type When = (typeof WHEN)[number];

const CODES = { bold: [1, 22], red: [31, 39], green: [32, 39], yellow: [33, 39], cyan: [36, 39] } as const;

export type Style = keyof typeof CODES;

let when: When = 'auto';

function colorOption(): Option {
  return new Option('--color <when>', 'colours in output for people').choices(WHEN).default('auto');
}

function addColorOption(command: Command, option: Option): void {
  command.addOption(option).on('option:color', (value: When) => {
    when = value;
  });
}

/** `--color` before a command. Must run before commands are created, because they inherit it. */
export function registerColors(program: Command): void {
  program
    .configureOutput({ getOutHasColors: () => hasColors() })
    .configureHelp({ styleTitle: (title) => paint('bold', title) });
  addColorOption(program, colorOption());
}

/** `--color` after a command. The help of the program explains it. */
export function addColorsBehind(program: Command): void {
  for (const command of program.commands) {
    addColorOption(command, colorOption().hideHelp());
    addColorsBehind(command);
  }
}

/** True when standard output gets colours. */
export function hasColors(env: NodeJS.ProcessEnv = process.env): boolean {
  if (when !== 'auto') return when === 'always';
  const { FORCE_COLOR: force, NO_COLOR: no } = env;
  if (force !== undefined && force !== '') return force !== '0' && force !== 'false';
  if (no !== undefined && no !== '') return false;
  return isatty(1) && env['TERM'] !== 'dumb';
}

export function paint(style: Style, text: string): string {
  if (!hasColors()) return text;
  const [on, off] = CODES[style];
  return `\u001b[${on}m${text}\u001b[${off}m`;
}

const SEVERITIES: Readonly<Record<string, Style>> = { error: 'red', warning: 'yellow', note: 'cyan' };

/** A problem line with its severity (between colons) coloured. */
export function paintSeverity(line: string): string {
  return line.replace(/(?<=: )(?:error|warning|note)(?=: )/, (severity) => paint(SEVERITIES[severity]!, severity));
}

const CHECK_STYLES = { heading: 'bold', ok: 'green', warning: 'yellow', unknown: 'yellow', error: 'red' } as const;

/** A part of what `check --cluster` prints. */
export function paintCheck(part: keyof typeof CHECK_STYLES, text: string): string {
  return paint(CHECK_STYLES[part], text);
}

/** `Accepted=True`, coloured by its status. */
export function condition(type: string, status: string): string {
  const style = status === 'True' ? 'green' : status === 'False' ? 'red' : 'yellow';
  return `${type}=${paint(style, status)}`;
}
