/** Traces system calls of a process. */
// Needs: strace.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import type { Test } from 'tap';
import { eventually } from './eventually.ts';

/** The given system calls of all threads of a process while `body` runs, as strace prints them with socket names. */
export async function traced(
  t: Test,
  pid: number,
  calls: readonly string[],
  body: () => Promise<void>,
): Promise<string[]> {
  const file = `/tmp/sideroute-strace-${process.pid}`;
  t.teardown(() => rmSync(file, { force: true }));
  const strace = spawn('strace', ['-f', '-yy', '-e', `trace=${calls.join(',')}`, '-o', file, '-p', String(pid)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  t.teardown(() => strace.kill('SIGKILL'));
  let said = '';
  strace.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await eventually('strace', () => said.includes('attached'));
  await body();
  const ended = once(strace, 'exit');
  strace.kill('SIGINT');
  await ended;
  return readFileSync(file, 'utf8').split('\n');
}
