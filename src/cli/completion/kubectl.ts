/**
 * Completion for `kubectl sideroute`, in the format that kubectl reads: one choice per line with its description after a tab, and then a directive
 * for the shell about names of files.
 *
 * Stage before: `choices.ts`. Stage after: `kubectl-complete.ts`.
 */
import type { Command } from 'commander';
import { choicesFor } from './choices.ts';
import { completedCommands } from './model.ts';

/** Directives of cobra, the library of kubectl's completion: offer names of files if there is no other choice, or never. */
const FILES = 0;
const NO_FILES = 4;

export function kubectlLines(program: Command, typed: readonly string[]): string {
  const { words, files } = choicesFor(completedCommands(program), typed);
  const lines = words.map(({ name, description }) => (description === '' ? name : `${name}\t${description}`));
  return [...lines, `:${files ? FILES : NO_FILES}`, ''].join('\n');
}
