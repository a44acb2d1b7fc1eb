/** Phrases are those of Node's table, which is not loaded for them. */
import { STATUS_CODES } from 'node:http';
import t from 'tap';
import { statusPhrase } from '../../src/status-phrases.ts';

t.test('every registered status has the phrase that Node gives it', (t) => {
  const codes = Object.keys(STATUS_CODES).map(Number);
  t.ok(codes.length > 50);
  for (const code of codes) t.equal(statusPhrase(code), STATUS_CODES[code], String(code));
  t.equal(statusPhrase(499), 'Client Closed Request');
  t.equal(statusPhrase(599), 'Unknown');
  t.end();
});
