/**
 * SIGTERM, SIGINT and SIGUSR1, from the first line of the program on: imports nothing of ours, so that nothing is loaded
 * before it.
 *
 * The kernel drops a signal for process 1 of a container that nobody handles yet; it would not end before it is killed.
 * Stage before: the kubelet, a terminal. Stage after: whoever has something to finish first.
 */
import { readFileSync } from 'node:fs';

export type EndSignal = 'SIGTERM' | 'SIGINT';

/** What a shell reports of a program that SIGINT has ended. */
const INTERRUPTED = 130;

/** Of the mask of signals in /proc. */
const BIT = { SIGTERM: 14n, SIGINT: 1n } as const;

let taken = false;
let signals = 0;
let onFirst: ((signal: EndSignal) => void) | null = null;

/**
 * From here on the first signal does what `onFirstSignal` says, until then it ends the process with the status given for it;
 * the second one ends the process at once. Once they are taken, another call changes nothing.
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
  // Without a listener Node opens a debugger to whoever shares the loopback interface: every container of the pod.
  process.on('SIGUSR1', () => undefined);
  if (missed !== null) take(missed);
}

/**
 * What came to process 1 before its first line. While Node starts it handles both signals by ending the process with them,
 * which the kernel does not do to process 1; but the handler is gone then, and that can be seen.
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
