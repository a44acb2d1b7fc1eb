/**
 * What all commands have in common: how the command line is read, and how a failure is told.
 *
 * Stage before: `main.ts`. Stage after: the commands. Only what every command needs is loaded here: most of the start of a sidecar is
 * loading code.
 *
 * Exit status 0: done; 1: the command found what it was asked to look for, or failed; 2: the command line is wrong.
 */
import { basename } from 'node:path';
import { isatty } from 'node:tty';
import { Command } from 'commander';
import { inWords } from './cli/in-words.ts';
import { outputTaken, writeNote, writeOutput } from './cli/standard-streams.ts';
import { packageVersion } from './package-root.ts';

/** How kubectl finds what is typed as `kubectl sideroute`. */
const PLUGIN = 'kubectl-sideroute';

/** As it was called. */
function nameOf(program = ''): string {
  return basename(program, '.js') === PLUGIN ? PLUGIN.replace('-', ' ') : 'sideroute';
}

/** Without commands. */
export function newProgram(): Command {
  return (
    new Command(nameOf(process.argv[1]))
      .description('Gateway API (GAMMA) routing between Services from a sidecar: HTTPRoute without a mesh.')
      .version(packageVersion())
      .showHelpAfterError('(add --help for the options)')
      // Before the commands are made, which take this over.
      .configureOutput({
        writeOut: writeOutput,
        writeErr: writeNote,
        getOutHelpWidth: () => (isatty(1) ? process.stdout.columns : 80),
        getErrHelpWidth: () => (isatty(2) ? process.stderr.columns : 80),
        getOutHasColors: () => false,
        getErrHasColors: () => false,
      })
      .exitOverride()
  );
}

export async function run(program: Command): Promise<void> {
  await inWords(() => program.parseAsync(process.argv));
  // Whatever became of the command, what it has printed may not have been taken.
  await inWords(outputTaken);
}
