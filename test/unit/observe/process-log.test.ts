/** The log on a descriptor that nobody reads: it costs neither time nor memory, and says afterwards what is missing. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';

import { ProcessLog } from '../../../src/observe/process-log.ts';
import { collect } from '../../support/collect.ts';
import { eventually } from '../../support/eventually.ts';
import { LogPipe } from '../../support/log-pipe.ts';
import { matches } from '../../support/match.ts';

const MIB = 1024 * 1024;

/**
 * MiB that the process holds: what is alive in the heap, and all that is resident and no part of the heap. How much garbage is there when one
 * looks is up to V8, which lets more of it gather where its threads have to wait for a processor.
 */
function held(): number {
  collect();
  const { rss, heapTotal, heapUsed } = process.memoryUsage();
  return (rss - heapTotal + heapUsed) / MIB;
}

/** Enough that what they take is optimised before memory is measured: a compiler has tens of MiB for a moment. */
const WARM_UP = 20_000;
const LINES = 200_000;

t.test(
  'a reader that stalls: lines beyond the buffer are lost, counted and told of, and nothing waits for it',
  async (t) => {
    const pipe = new LogPipe(t);
    const log = new ProcessLog('info', { fd: pipe.fd });
    t.teardown(() => log.close());
    const text = 'x'.repeat(500);
    for (let i = 0; i < WARM_UP; i++) log.logger.info('warm', { text });
    const before = held();
    for (let i = 0; i < LINES; i++) log.logger.info('more', { text, i });
    // Stringified they are 117 MB.
    const growth = held() - before;
    t.ok(growth < 32, `${growth.toFixed(1)} MiB`);
    t.ok(log.counters().dropped > LINES / 2);
    const told = () =>
      pipe
        .read()
        .filter(({ message }) => message === 'lines of the log were lost')
        .reduce((sum, line) => sum + (line['lines'] as number), 0);
    await eventually('read, and the loss is told of', () => {
      const missing = told();
      const { lines, dropped } = log.counters();
      return lines + dropped === LINES + WARM_UP && missing === dropped;
    });
    log.logger.warn('later', { text: '\u2028 \ud800 "' });
    await eventually('a later line', () => pipe.read().some(({ message }) => message === 'later'));
    const lines = pipe.read().filter(({ level }) => level === 'info');
    t.equal(lines.length, log.counters().lines - 1);
    t.match(
      pipe.read().find(({ message }) => message === 'lines of the log were lost'),
      {
        time: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/,
        level: 'warn',
      },
    );
  },
);

t.test('closing writes what waits, and does not wait for a reader that has stalled', async (t) => {
  const pipe = new LogPipe(t);
  const log = new ProcessLog('info', { fd: pipe.fd });
  log.logger.info('last words');
  log.close();
  matches(t, await pipe.lines(1), [{ message: 'last words' }]);
  log.logger.info('too late');
  t.equal(log.counters().dropped, 1);

  const stalled = new LogPipe(t);
  const other = new ProcessLog('info', { fd: stalled.fd });
  for (let i = 0; i < 10_000; i++) other.logger.info('more', { text: 'x'.repeat(100) });
  other.close();
  t.ok(other.counters().dropped > 0);
});

/** Runs `code` with a log that has taken over, and returns status and standard error. */
function run(code: string) {
  const module = fileURLToPath(new URL('../../../src/observe/process-log.js', import.meta.url));
  const program = `import { ProcessLog } from '${module}';
const log = new ProcessLog('info'); log.takeOver(); process.on('exit', () => log.close());
${code}`;
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  return { status, lines: stderr.split('\n').filter((line) => line !== '') };
}

t.test('what Node says by itself is a line of the log, and so is what ends the process', (t) => {
  const warned = run(`process.emitWarning('take care', 'SomeWarning');`);
  t.equal(warned.status, 0);
  matches(
    t,
    warned.lines.map((line) => JSON.parse(line) as object),
    [{ level: 'warn', message: 'take care', name: 'SomeWarning' }],
  );
  for (const code of [`setImmediate(() => { throw new Error('oh no'); });`, `Promise.reject(new Error('oh no'));`]) {
    const ended = run(code);
    t.equal(ended.status, 1);
    matches(
      t,
      ended.lines.map((line) => JSON.parse(line) as object),
      [{ level: 'error', error: /^Error: oh no\n +at / }],
    );
  }
  t.end();
});
