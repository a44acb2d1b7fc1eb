#!/usr/bin/env node
/** Entry point. Signals come first: everything else takes a while to load, and a sidecar may have to end before that. */
import { takeSignals } from './signals.ts';

if (['proxy', 'controller'].includes(process.argv[2] ?? '')) takeSignals({ SIGTERM: 0, SIGINT: 0 });
// The kernel ends a command by itself, but not one that is process 1. Statuses as a shell reports them.
else if (process.pid === 1) takeSignals({ SIGTERM: 143, SIGINT: 130 });

const { newProgram, run } = await import('./command-line.ts');
if (process.argv[2] === 'proxy') {
  // A sidecar that has died is to be back soon: it waits for the code of no other command.
  const { registerProxy } = await import('./cli/proxy.ts');
  await run(registerProxy(newProgram()));
} else {
  const { buildProgram } = await import('./program.ts');
  await run(buildProgram());
}
