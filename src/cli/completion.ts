/** `sideroute completion SHELL`: what makes a shell complete commands, flags, their values, and files where a flag takes one. */
import { Argument, type Command } from 'commander';
import { writeOutput } from './standard-streams.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

type Shell = (typeof SHELLS)[number];

export function registerCompletion(program: Command): void {
  program
    .command('completion')
    .description('print a script with which a shell completes commands, flags and their values')
    .addArgument(new Argument('<shell>', 'which shell').choices(SHELLS))
    .action(async (shell: Shell) => {
      // No other command needs it.
      const { completionScript } = await import('./completion/scripts.ts');
      writeOutput(completionScript(shell, program));
    });
}
