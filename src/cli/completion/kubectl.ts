/**
 * Completion for `kubectl sideroute`, in the lines that kubectl reads: a choice with its description behind a tab each, and what the shell is
 * to do about names of files.
 *
 * Stage before: `choices.ts`. Stage after: `kubectl-complete.ts`.
 */
import type { Command } from 'commander';
import { choicesFor } from './choices.ts';
import { completedCommands } from './model.ts';

/** Directives of cobra's, which kubectl's completion is made with: names of files where nothing else is offered, or none. */
const FILES = 0;
const NO_FILES = 4;

export function kubectlLines(program: Command, typed: readonly string[]): string {
  const { words, files } = choicesFor(completedCommands(program), typed);
  const lines = words.map(({ name, description }) => (description === '' ? name : `${name}\t${description}`));
  return [...lines, `:${files ? FILES : NO_FILES}`, ''].join('\n');
}
