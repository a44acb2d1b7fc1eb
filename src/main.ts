#!/usr/bin/env node
/**
 * Entry point. Signals are handled first: loading everything else takes a while, and a sidecar may have to end before
 * that.
 */
import { takeSignals } from './signals.ts';

if (['proxy', 'controller'].includes(process.argv[2] ?? '')) takeSignals({ SIGTERM: 0, SIGINT: 0 });
// The kernel ends a command on these signals, unless it is process 1. The statuses are those a shell reports.
else if (process.pid === 1) takeSignals({ SIGTERM: 143, SIGINT: 130 });

void main();

async function main(): Promise<void> {
  if (process.argv[2] === 'proxy') {
    // A sidecar that has died must restart quickly, and keeps in memory what it has loaded. So it loads neither the
    // other commands nor the parser of their flags.
    const { plainSettings } = await import('./cli/plain-settings.ts');
    const settings = plainSettings(process.argv.slice(3), process.env);
    const { inWords } = await import('./cli/in-words.ts');
    const { startProxy } = await import('./cli/start-proxy.ts');
    if (settings !== null) return inWords(() => startProxy(settings));
  }
  const { run } = await import('./command-line.ts');
  const { buildProgram } = await import('./program.ts');
  await run(buildProgram());
}
