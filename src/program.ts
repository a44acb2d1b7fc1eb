/**
 * The whole command line. The options table of the documentation is generated from it.
 *
 * Exit status 0: done; 1: the command found what it was asked to look for, or failed; 2: the command line is wrong.
 */
import { isatty } from 'node:tty';
import { Command, CommanderError } from 'commander';
import { loadNative } from './addon/binding.ts';
import { registerCheck } from './cli/check.ts';
import { registerConnections } from './cli/connections.ts';
import { registerController } from './cli/controller.ts';
import { registerExplain } from './cli/explain.ts';
import { registerInject } from './cli/inject.ts';
import { registerIptables } from './cli/iptables.ts';
import { registerLogLevel } from './cli/log-level.ts';
import { registerPolicy } from './cli/policy.ts';
import { registerProxy } from './cli/proxy.ts';
import { registerQuit } from './cli/quit.ts';
import { registerRoutes } from './cli/routes.ts';
import { outputTaken, writeNote, writeOutput } from './cli/standard-streams.ts';
import { registerStatus } from './cli/status.ts';
import { registerWait } from './cli/wait.ts';
import { ProxyError } from './errors.ts';
import { packageVersion } from './package-root.ts';

export function buildProgram(): Command {
  const version = packageVersion();
  const program = new Command('sideroute')
    .description('Gateway API (GAMMA) routing between Services from a sidecar: HTTPRoute without a mesh.')
    .version(version)
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
    .exitOverride();
  registerProxy(program);
  registerCheck(program);
  registerExplain(program);
  registerIptables(program, { loadBinding: loadNative });
  registerInject(program, version);
  registerPolicy(program, version);
  registerRoutes(program);
  registerController(program, version);
  registerStatus(program);
  registerWait(program);
  registerConnections(program);
  registerLogLevel(program);
  registerQuit(program);
  return program;
}

export async function runProgram(): Promise<void> {
  await inWords(() => buildProgram().parseAsync(process.argv));
  // Whatever became of the command, what it has printed may not have been taken.
  await inWords(outputTaken);
}

/** Says what has failed, in one line, and leaves its exit status, unless there is one of an earlier failure. */
async function inWords(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode ||= error.exitCode === 0 ? 0 : 2;
    } else if (error instanceof ProxyError) {
      writeNote(`sideroute: ${error.message}\n`);
      process.exitCode ||= error.code === 'invalid-setting' ? 2 : 1;
    } else {
      throw error;
    }
  }
}
