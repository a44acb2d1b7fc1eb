/** Every numbered case has a test, and the table in docs/ says which. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import t from 'tap';

import { SAFETY_CHAPTERS } from '../../../scripts/safety-cases.ts';
import { currentSafetyDocument, safetyDocument, safetyTests } from '../../../scripts/safety-table.ts';
import { provingTests } from '../../../scripts/test-titles.ts';

const CASES = 98;

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
  t.ok(currentSafetyDocument() === safetyDocument(), 'otherwise run: node dist/scripts/safety-table.js');
});

t.test('titles are found in literals of every kind, with several rules, and nowhere else', async (t) => {
  const root = t.testdir({});
  mkdirSync(join(root, 'tests/deep'), { recursive: true });
  writeFileSync(
    join(root, 'tests/deep/a.test.ts'),
    [
      "t.test('SPEC M4: a path that isn\\'t escaped', () => {});",
      '{ title: "SPEC A5, M4: two rules" },',
      't.test(`SPEC E1: with ${value}`)',
      '// SPEC M9: only a comment',
      "t.test('not SPEC M8: in front')",
      "t.test('SAFETY 4: another prefix')",
    ].join('\n'),
  );
  writeFileSync(join(root, 'tests/notes.md'), "'SPEC M7: no test'");
  const file = 'tests/deep/a.test.ts';
  t.strictSame(Object.fromEntries(provingTests(root, 'tests', 'SPEC')), {
    M4: [
      { sentence: "a path that isn't escaped", file },
      { sentence: 'two rules', file },
    ],
    A5: [{ sentence: 'two rules', file }],
    E1: [{ sentence: 'with ${value}', file }],
  });
});
