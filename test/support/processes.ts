/** Child processes of tests and of the demo: start, wait for a line that says they are ready, stop. */
import type { ChildProcess, ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import type { CommandResult } from './cluster.ts';

/** A start takes half a second of processor time, for which a machine with fifty other processes may need long. */
export const A_START_MS = 60_000;
/** By then, what a child has printed has arrived, however busy the machine is. */
const AFTER_THE_END_MS = 5_000;

/**
 * Resolves with the first line of the child's standard output or error that matches; rejects when it ends first or
 * `timeoutMs` passes. Keeps draining both streams afterwards, so that the child never blocks on a full pipe.
 */
export async function waitForLine(child: ChildProcess, pattern: RegExp, timeoutMs = A_START_MS): Promise<string> {
  const collected: string[] = [];
  const done = new AbortController();
  try {
    return await new Promise<string>((resolve, reject) => {
      const fail = (why: string): void => reject(new Error(`${why}; it printed:\n${collected.join('')}`));
      for (const stream of [child.stdout, child.stderr]) {
        if (stream === null) continue;
        let rest = '';
        const look = (chunk: string): void => {
          collected.push(chunk);
          const lines = (rest + chunk).split('\n');
          rest = lines.pop() ?? '';
          const found = lines.find((line) => pattern.test(line));
          if (found !== undefined) resolve(found);
        };
        stream.setEncoding('utf8').on('data', look);
        // Later output is read and dropped, so that the child never waits for a reader.
        done.signal.addEventListener('abort', () => stream.off('data', look).resume());
      }
      let timer = setTimeout(() => fail(`no line matched ${pattern} within ${timeoutMs} ms`), timeoutMs);
      const ended = (code: number | null, signal: NodeJS.Signals | null): void =>
        fail(`ended with ${code ?? signal} before a line matched ${pattern}`);
      // Its last lines may come after its exit; a process that it leaves behind may keep its streams open for good.
      const exited = (code: number | null, signal: NodeJS.Signals | null): void => {
        clearTimeout(timer);
        timer = setTimeout(() => ended(code, signal), AFTER_THE_END_MS);
      };
      const failed = (error: Error): void => fail(error.message);
      child.once('exit', exited).once('close', ended).once('error', failed);
      done.signal.addEventListener('abort', () => {
        clearTimeout(timer);
        child.off('exit', exited).off('close', ended).off('error', failed);
      });
    });
  } finally {
    done.abort();
  }
}

/** Ends the child with `signal`, waits for its exit, and returns how it ended. */
export async function stopProcess(
  child: ChildProcess,
  signal: NodeJS.Signals = 'SIGTERM',
): Promise<number | string | null> {
  if (child.exitCode === null && child.signalCode === null) {
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }
  return child.exitCode ?? child.signalCode;
}

/** Collects the output of a child until its end, without blocking; rejects if it cannot be started. */
export function outcomeOf(child: ChildProcessByStdio<Writable | null, Readable, Readable>): Promise<CommandResult> {
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => resolve({ status: status ?? 128, stdout, stderr }));
  });
}
