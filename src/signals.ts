/**
 * Handles SIGTERM, SIGINT and SIGUSR1 from the first line of the program on. It imports nothing of the project, so that
 * nothing is loaded before it.
 *
 * For process 1 of a container the kernel drops signals without a handler, so the process would not end before it is
 * killed. Stage before: the kubelet, a terminal. Stage after: code that has to finish something first.
 */
import { readFileSync } from 'node:fs';

export type EndSignal = 'SIGTERM' | 'SIGINT';

/** The status a shell reports for a program ended by SIGINT. */
const INTERRUPTED = 130;

/** Bit numbers in the signal masks in /proc. */
const BIT = { SIGTERM: 14n, SIGINT: 1n } as const;

let taken = false;
let signals = 0;
let onFirst: ((signal: EndSignal) => void) | null = null;

/**
 * From this call on, the first signal calls the handler set by `onFirstSignal`; without one it ends the process with
 * the given status. The second signal ends the process at once. Further calls have no effect.
 */
export function takeSignals(status: Readonly<Record<EndSignal, number>>): void {
  if (taken) return;
  taken = true;
  const take = (signal: NodeJS.Signals): void => {
    signals++;
    if (signals > 1) process.exit(INTERRUPTED);
    if (onFirst === null) process.exit(status[signal as EndSignal]);
    onFirst(signal as EndSignal);
  };
  const missed = process.pid === 1 ? missedSignal() : null;
  process.on('SIGTERM', take).on('SIGINT', take);
  // Without a listener Node opens a debugger port, which every container of the pod could use over the shared loopback
  // interface.
  process.on('SIGUSR1', () => undefined);
  if (missed !== null) take(missed);
}

/**
 * The signal that process 1 received before its first line. During its start, Node handles both signals by raising them
 * with the default action, which the kernel ignores for process 1. But the handler is then removed, and this is visible
 * in /proc.
 */
function missedSignal(): EndSignal | null {
  const caught = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'latin1'));
  if (caught === null) return null;
  const handled = (signal: EndSignal): boolean => ((BigInt(`0x${caught[1]!}`) >> BIT[signal]) & 1n) === 1n;
  return handled('SIGTERM') ? (handled('SIGINT') ? null : 'SIGINT') : 'SIGTERM';
}

export function onFirstSignal(handler: (signal: EndSignal) => void): void {
  onFirst = handler;
}
