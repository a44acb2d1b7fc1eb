/** Waiting for what a child process prints. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t from 'tap';
import { waitForLine } from '../../support/processes.ts';

/** Answers each line with itself, on both streams, and ends with more than a pipe holds. */
const ECHO = `
  require('node:readline').createInterface({ input: process.stdin })
    .on('line', (line) => { console.log('out', line); console.error('err', line); })
    .on('close', () => process.stdout.write('x'.repeat(1_000_000)));
`;

t.test(
  'a line is waited for any number of times, and nothing is left of it but that the child may go on',
  async (t) => {
    const child = spawn(process.execPath, ['-e', ECHO], { stdio: 'pipe' });
    const counts = () => [
      child.listenerCount('exit'),
      child.listenerCount('error'),
      child.stdout.listenerCount('data'),
      child.stderr.listenerCount('data'),
    ];
    const before = counts();
    for (const line of ['1', '2', '3']) {
      const waits = [waitForLine(child, /^out/), waitForLine(child, /^err/)];
      child.stdin.write(`${line}\n`);
      t.same(await Promise.all(waits), [`out ${line}`, `err ${line}`]);
    }
    t.same(counts(), before);
    await t.rejects(waitForLine(child, /never/, 1), { message: /no line matched/ });
    t.same(counts(), before);
    child.stdin.end();
    const [status] = (await once(child, 'exit')) as [number];
    t.equal(status, 0);
  },
);

t.test('what is printed by the time the streams end counts, although the child has ended', async (t) => {
  const child = spawn('sh', ['-c', '(sleep 0.2; echo late) & exit 3'], { stdio: 'pipe' });
  t.equal(await waitForLine(child, /^late/), 'late');
  const silent = spawn('sh', ['-c', 'echo other; exit 3'], { stdio: 'pipe' });
  await t.rejects(waitForLine(silent, /^late/), { message: /^ended with 3 before .*; it printed:\nother\n$/s });
});
