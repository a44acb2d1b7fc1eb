/**
 * The choices for the next word of a command line, for a shell that asks a program for them, as with `kubectl sideroute`.
 *
 * Stage before: `model.ts`. Stage after: `kubectl.ts`. The scripts for bash, zsh and fish do the same in their own language.
 */
import type { CompletedCommand, Described, Values } from './model.ts';

export interface Choices {
  readonly words: readonly Described[];
  /** True if names of files are also possible. */
  readonly files: boolean;
}

/** `typed`: the words after the name of the program. The last one may be incomplete or empty. */
export function choicesFor(commands: readonly CompletedCommand[], typed: readonly string[]): Choices {
  const byPath = new Map(commands.map((command) => [command.path, command]));
  let command = byPath.get('')!;
  let flag: string | null = null;
  for (const word of typed.slice(0, -1)) {
    if (flag !== null) flag = null;
    else if (word.startsWith('-')) flag = valuesOf(command, word) === null ? null : word;
    else command = byPath.get(command.path === '' ? word : `${command.path} ${word}`) ?? command;
  }
  const last = typed.at(-1) ?? '';
  const [, name, value = ''] = /^(--[^=]+)=(.*)$/.exec(last) ?? [];
  if (flag !== null) return ofValues(valuesOf(command, flag)!, last);
  if (name !== undefined) return ofValues(valuesOf(command, name) ?? 'unknown', value);
  if (last.startsWith('-')) {
    const flags = command.flags.flatMap(({ names, description }) => names.map((each) => ({ name: each, description })));
    return { words: begunBy(last, flags), files: false };
  }
  const { words, files } = ofValues(command.operands, last);
  return { words: [...begunBy(last, command.commands), ...words], files };
}

/** Null if the flag takes no value, or the command does not have this flag. */
function valuesOf({ flags }: CompletedCommand, flag: string): Values | null {
  return flags.find(({ names }) => names.includes(flag))?.values ?? null;
}

function ofValues(values: Values, begun: string): Choices {
  const words = typeof values === 'string' ? [] : values.map((name) => ({ name, description: '' }));
  return { words: begunBy(begun, words), files: values === 'files' };
}

function begunBy(begun: string, all: readonly Described[]): Described[] {
  return all.filter(({ name }) => name.startsWith(begun));
}
