/** What has to be taken away when the process ends, also when a signal ends it. */
import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** `takeAway` runs once: at `end()`, when the process exits, or before the signal that ends it does. It cannot wait for anything. */
export function endWith(takeAway: () => void): { end(): void } {
  let isOver = false;
  function end(): void {
    if (isOver) return;
    isOver = true;
    clearInterval(orphaned);
    process.off('exit', end);
    for (const signal of SIGNALS) process.off(signal, interrupted);
    takeAway();
  }
  function interrupted(signal: NodeJS.Signals): void {
    // Everything that has something to take away hears of the exit.
    process.exit(128 + constants.signals[signal]);
  }
  // A runner of tests that is killed tells its tests nothing.
  const parent = process.ppid;
  const orphaned = setInterval(() => process.env['TAP'] === '1' && process.ppid !== parent && process.exit(1), 1000);
  orphaned.unref();
  process.once('exit', end);
  for (const signal of SIGNALS) process.on(signal, interrupted);
  return { end };
}
