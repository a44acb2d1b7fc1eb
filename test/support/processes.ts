/** Child processes of tests and of the demo: start, wait for a line that says they are ready, stop. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/**
 * Resolves with the first line of the child's standard output or error that matches; rejects when it ends first or
 * `timeoutMs` passes. Keeps draining both streams afterwards, so that the child never blocks on a full pipe.
 */
export async function waitForLine(child: ChildProcess, pattern: RegExp, timeoutMs = 15_000): Promise<string> {
  const collected: string[] = [];
  return await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => fail(`no line matched ${pattern} within ${timeoutMs} ms`), timeoutMs);
    function fail(why: string): void {
      clearTimeout(timer);
      reject(new Error(`${why}; it printed:\n${collected.join('')}`));
    }
    for (const stream of [child.stdout, child.stderr]) {
      let rest = '';
      stream?.setEncoding('utf8').on('data', (chunk: string) => {
        collected.push(chunk);
        const lines = (rest + chunk).split('\n');
        rest = lines.pop() ?? '';
        const found = lines.find((line) => pattern.test(line));
        if (found === undefined) return;
        clearTimeout(timer);
        resolve(found);
      });
    }
    child.once('exit', (code, signal) => fail(`ended with ${code ?? signal} before a line matched ${pattern}`));
    child.once('error', (error) => fail(error.message));
  });
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
