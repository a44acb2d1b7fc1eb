/** The whole command line. The options table of the documentation is generated from it. */
import { isatty } from 'node:tty';
import { Command } from 'commander';
import { registerCheck } from './cli/check.ts';
import { registerConnections } from './cli/connections.ts';
import { registerExplain } from './cli/explain.ts';
import { registerInject } from './cli/inject.ts';
import { registerIptables } from './cli/iptables.ts';
import { registerLogLevel } from './cli/log-level.ts';
import { registerProxy } from './cli/proxy.ts';
import { registerQuit } from './cli/quit.ts';
import { registerRoutes } from './cli/routes.ts';
import { writeNote, writeOutput } from './cli/standard-streams.ts';
import { registerStatus } from './cli/status.ts';
import { registerWait } from './cli/wait.ts';
import { loadNative } from './native/binding.ts';
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
  registerRoutes(program);
  registerStatus(program);
  registerWait(program);
  registerConnections(program);
  registerLogLevel(program);
  registerQuit(program);
  return program;
}
