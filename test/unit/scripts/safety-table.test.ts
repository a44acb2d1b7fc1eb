/** Every numbered case has a test, and the table in docs/ says which. */
import t from 'tap';

import { SAFETY_CHAPTERS } from '../../../scripts/safety-cases.ts';
import { safetyDocument, safetyTests } from '../../../scripts/safety-table.ts';

const CASES = 147;

t.test('the cases are numbered without a gap', async (t) => {
  const numbers = SAFETY_CHAPTERS.flatMap((chapter) => chapter.cases.map((entry) => entry.number));
  t.strictSame(
    numbers,
    Array.from({ length: CASES }, (_, i) => i + 1),
  );
});

t.test('every case has a test, and every number in a title is a case', async (t) => {
  const tests = safetyTests();
  const missing = Array.from({ length: CASES }, (_, i) => String(i + 1)).filter((number) => !tests.has(number));
  t.strictSame(missing, [], 'cases without a test');
  t.strictSame(
    [...tests.keys()].filter((rule) => !(Number(rule) >= 1 && Number(rule) <= CASES)),
    [],
  );
});

t.test('docs/safety-cases.md is current', async (t) => {
  t.ok(safetyDocument.current() === safetyDocument.text(), 'otherwise run: node dist/scripts/safety-table.js');
});
