/** Counts system calls of processes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { eventually } from '../../test/support/eventually.ts';

const ATTACH_DEADLINE_MS = 60_000;

/** By name: how often all threads of these processes made the call while `body` ran, the most frequent first. */
export async function countedCalls(
  pids: readonly number[],
  body: () => void | Promise<void>,
): Promise<Map<string, number>> {
  const which = pids.flatMap((pid) => ['-p', String(pid)]);
  const strace = spawn('strace', ['-f', '-c', '-U', 'calls,name', ...which], { stdio: ['ignore', 'ignore', 'pipe'] });
  let report = '';
  strace.stderr.setEncoding('utf8').on('data', (text: string) => (report += text));
  await eventually('strace has attached', () => report.includes('attached'), ATTACH_DEADLINE_MS);
  await body();
  const ended = once(strace, 'close');
  strace.kill('SIGINT');
  await ended;
  const calls = [...report.matchAll(/^\s*(\d+) (\w+)$/gm)].map(([, count, name]) => [name!, Number(count)] as const);
  if (calls.length === 0) throw new Error(`strace has counted nothing:\n${report}`);
  // The last line is the sum.
  return new Map(calls.filter(([name]) => name !== 'total'));
}
