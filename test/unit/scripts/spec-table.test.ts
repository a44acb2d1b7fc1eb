/** Every numbered rule of Gateway API has a test, and the table in docs/ says which. */
import t from 'tap';

import { SPEC_CHAPTERS } from '../../../scripts/spec-rules.ts';
import { specDocument, specTests } from '../../../scripts/spec-table.ts';

/** How many rules each chapter has. */
const RULES = { A: 14, M: 9, P: 7, F: 17, B: 8, T: 3, R: 6, G: 6, E: 5, S: 5, D: 6, V: 13 };

const expected = Object.entries(RULES).flatMap(([letter, count]) =>
  Array.from({ length: count }, (_, i) => `${letter}${i + 1}`),
);

t.test('every rule has its statement, in order', async (t) => {
  t.strictSame(
    SPEC_CHAPTERS.flatMap(({ rules }) => rules.map(({ id }) => id)),
    expected,
  );
});

t.test('every rule has a test, and every number in a title is a rule', async (t) => {
  const tests = specTests();
  t.strictSame(
    expected.filter((id) => !tests.has(id)),
    [],
    'rules without a test',
  );
  t.strictSame(
    [...tests.keys()].filter((id) => !expected.includes(id)),
    [],
    'numbers without a rule',
  );
});

t.test('docs/spec-rules.md is current', async (t) => {
  t.ok(specDocument.current() === specDocument.text(), 'otherwise run: node dist/scripts/spec-table.js');
});
