#!/usr/bin/env node
/** Entry point. Signals come first: everything else takes a while to load, and a sidecar may have to end before that. */
import { takeSignals } from './signals.ts';

if (['proxy', 'controller'].includes(process.argv[2] ?? '')) takeSignals({ SIGTERM: 0, SIGINT: 0 });
// The kernel ends a command by itself, but not one that is process 1. Statuses as a shell reports them.
else if (process.pid === 1) takeSignals({ SIGTERM: 143, SIGINT: 130 });

const { runProgram } = await import('./program.ts');
await runProgram();
