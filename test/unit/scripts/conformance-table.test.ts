/** Every official conformance test that applies has a case, and the table in docs/ says which. */
import t from 'tap';

import { CONFORMANCE_CASES, conformanceDocument } from '../../../scripts/conformance-table.ts';
import { CONFORMANCE_PROFILES } from '../../../scripts/conformance-tests.ts';

const official = CONFORMANCE_PROFILES.flatMap(({ tests }) => tests);
const covered = new Set(CONFORMANCE_CASES.flatMap(({ tests }) => tests));

t.test('every official test stands once, and has a case exactly when it applies', async (t) => {
  const names = official.map(({ name }) => name);
  t.equal(new Set(names).size, names.length);
  t.strictSame(
    official
      .filter(({ name, outcome }) => covered.has(name) !== (outcome.kind !== 'not applicable'))
      .map(({ name }) => name),
    [],
  );
  t.strictSame(
    [...covered].filter((name) => !names.includes(name)),
    [],
    'every case names official tests only',
  );
});

t.test('every case has a title with the numbers of its rules, and a title of its own', async (t) => {
  const titles = CONFORMANCE_CASES.map(({ title }) => title);
  t.equal(new Set(titles).size, titles.length);
  t.strictSame(
    titles.filter((title) => !/^SPEC [A-Z]\d+(?:-[A-Z]\d+)?(?:, [A-Z]\d+(?:-[A-Z]\d+)?)*: /.test(title)),
    [],
  );
});

t.test('docs/conformance.md is current', async (t) => {
  t.ok(
    conformanceDocument.current() === conformanceDocument.text(),
    'otherwise run: node dist/scripts/conformance-table.js',
  );
});
