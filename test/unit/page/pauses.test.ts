/** How long the page waits before it asks for the configuration again. */
import t from 'tap';
import { configPauseMs } from '../../../src/page/pauses.ts';

t.test('a configuration that is large takes a tenth of the time', (t) => {
  t.equal(configPauseMs(20), 180);
  t.equal(configPauseMs(2_000), 18_000);
  t.end();
});

t.test('one answer that was late does not keep the next configuration away for long', (t) => {
  t.equal(configPauseMs(10_000), 30_000);
  t.equal(configPauseMs(60_000), 30_000);
  t.end();
});
