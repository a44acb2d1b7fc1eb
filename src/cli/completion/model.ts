/**
 * What there is to complete, by command, from the commands themselves.
 *
 * Stage before: commander's commands. Stage after: `bash.ts`, `zsh.ts`, `fish.ts`, which write it in the words of a shell.
 */
import type { Command } from 'commander';

/** What may stand somewhere: words, names of files, or something that nobody can know. */
export type Values = readonly string[] | 'files' | 'unknown';

export interface Described {
  readonly name: string;
  readonly description: string;
}

export interface Flag {
  /** `--output`, `-o`. */
  readonly names: readonly string[];
  readonly description: string;
  /** Null: it takes none, or none that must be there. */
  readonly values: Values | null;
}

export interface CompletedCommand {
  /** `routes export`; empty for the program. */
  readonly path: string;
  readonly commands: readonly Described[];
  readonly flags: readonly Flag[];
  readonly operands: Values;
}

/** Placeholders of what is a file or a directory. */
const FILES = /^(?:paths?|files?|dir|directory|filename)$/;

/** The program and all commands below it. */
export function completedCommands(command: Command, above: readonly string[] = []): CompletedCommand[] {
  const help = command.createHelp();
  const flags = [...help.visibleOptions(command), ...help.visibleGlobalOptions(command)].map((option) => ({
    names: [option.long, option.short].filter((name) => name !== undefined),
    description: firstClause(option.description),
    values: option.required ? valuesOf(option.argChoices, placeholder(option.flags)) : null,
  }));
  const operands = command.registeredArguments.map((operand) => valuesOf(operand.argChoices, operand.name()));
  const own: CompletedCommand = {
    path: above.join(' '),
    commands: help
      .visibleCommands(command)
      .map((each) => ({ name: each.name(), description: firstClause(each.description()) })),
    // `helpCommand` and the like may bring a name twice.
    flags: flags.filter(({ names }, index) => flags.findIndex((other) => other.names[0] === names[0]) === index),
    operands: anyOf(operands),
  };
  return [own, ...command.commands.flatMap((child) => completedCommands(child, [...above, child.name()]))];
}

/** Which of several operands a word is may depend on what it is, as of `log-level [pod] [level]`. */
function anyOf(operands: readonly Values[]): Values {
  if (operands.includes('files')) return 'files';
  const words = operands.flatMap((values) => (typeof values === 'string' ? [] : values));
  return words.length === 0 && operands.length > 0 ? 'unknown' : words;
}

function valuesOf(choices: readonly string[] | undefined, name: string): Values {
  return choices ?? (FILES.test(name) ? 'files' : 'unknown');
}

/** `-f, --filename <path>`: path. */
function placeholder(flags: string): string {
  return /<([^>.]+)/.exec(flags)?.[1] ?? '';
}

/** There is a line for it. */
function firstClause(text: string): string {
  return text.replaceAll('\n', ' ').split(/[;:(]/)[0]!.trim();
}

/** In single quotes, for a POSIX shell. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
