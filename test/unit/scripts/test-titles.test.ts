/** Titles with numbers of rules are found where they are, and only there. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import t from 'tap';

import { cell, proofsCell, provingTests } from '../../../scripts/test-titles.ts';

t.test('titles are found in literals of every kind, with several rules and ranges, and nowhere else', async (t) => {
  const root = t.testdir({});
  mkdirSync(join(root, 'tests/deep'), { recursive: true });
  writeFileSync(
    join(root, 'tests/deep/a.test.ts'),
    [
      "t.test('RULE M4: a path that isn\\'t escaped', () => {});",
      '{ title: "RULE A5, M4: two rules" },',
      't.test(`RULE E1: with ${value} and a name`)',
      't.test(`RULE E1: ${title}: of each case`)',
      't.test(`RULE E1: of all (${name})`)',
      "t.test('RULE M5-M6, 7-8: ranges')",
      '// RULE M9: only a comment',
      "t.test('not RULE M8: in front')",
      "t.test('OTHER 4: another prefix')",
    ].join('\n'),
  );
  writeFileSync(join(root, 'tests/notes.md'), "'RULE M7: no test'");
  const file = 'tests/deep/a.test.ts';
  const ranges = [{ sentence: 'ranges', file }];
  t.strictSame(Object.fromEntries(provingTests(root, 'tests', 'RULE')), {
    M4: [
      { sentence: "a path that isn't escaped", file },
      { sentence: 'two rules', file },
    ],
    A5: [{ sentence: 'two rules', file }],
    E1: [
      { sentence: 'with … and a name', file },
      { sentence: 'of each case', file },
      { sentence: 'of all', file },
    ],
    M5: ranges,
    M6: ranges,
    7: ranges,
    8: ranges,
  });
});

t.test('what Markdown would read in a table cell is escaped, except in code', async (t) => {
  t.equal(cell('a|b <c> *d* `*e*|f`'), 'a\\|b \\<c> \\*d\\* `*e*\\|f`');
  t.equal(
    proofsCell(
      [
        { sentence: 'one', file: 'test/unit/a.test.ts' },
        { sentence: '*', file: 'test/b.test.ts' },
      ],
      'test',
    ),
    'one ([unit/a.test.ts](../test/unit/a.test.ts))<br>\\* ([b.test.ts](../test/b.test.ts))',
  );
});
