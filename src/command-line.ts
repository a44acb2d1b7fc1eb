/**
 * Shared by all commands: reading the command line, and reporting a failure.
 *
 * Stage before: `main.ts`. Stage after: the commands. Only code that every command needs is loaded here, because most
 * of the start of a sidecar is loading code.
 *
 * Exit status 0: done; 1: the command found what it was asked to look for, or failed; 2: the command line is wrong.
 */
import { basename } from 'node:path';
import { isatty } from 'node:tty';
import { Command } from 'commander';
import { inWords } from './cli/in-words.ts';
import { outputTaken, writeNote, writeOutput } from './cli/standard-streams.ts';
import { packageVersion } from './package-root.ts';

/** The name under which kubectl finds `kubectl sideroute`. */
const PLUGIN = 'kubectl-sideroute';

/** The name by which the program was called. */
function nameOf(program = ''): string {
  return basename(program, '.js') === PLUGIN ? PLUGIN.replace('-', ' ') : 'sideroute';
}

/** The value of a flag that does not exist may be a password: a misspelt flag must not put it into a log. */
function withoutValue(text: string): string {
  return text.replace(/(unknown option '-[\w-]*)[^\w'-].*'/s, "$1'");
}

/** The program without its commands. */
export function newProgram(): Command {
  return (
    new Command(nameOf(process.argv[1]))
      .description('Gateway API (GAMMA) routing between Services from a sidecar: HTTPRoute without a mesh.')
      .version(packageVersion())
      .showHelpAfterError('(add --help for the options)')
      // Must precede the creation of commands, which inherit this.
      .configureOutput({
        writeOut: writeOutput,
        writeErr: writeNote,
        outputError: (text, write) => write(withoutValue(text)),
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
  // Writing the output may fail even when the command itself succeeded.
  await inWords(outputTaken);
}
