/** Every fault of the table has a test, and docs/faults.md says which. */
import { fileURLToPath } from 'node:url';
import t from 'tap';

import { FAULT_CASES } from '../../../scripts/fault-cases.ts';
import { faultsDocument, numberedFaultTests } from '../../../scripts/faults-table.ts';
import { isThere } from '../../../scripts/test-titles.ts';
import { packageRoot } from '../../../src/package-root.ts';

const root = fileURLToPath(packageRoot());

t.test('every fault has a test, and every number in a title is a fault', async (t) => {
  const tests = numberedFaultTests();
  const numbers = FAULT_CASES.map((_, i) => String(i + 1));
  const missing = FAULT_CASES.filter(({ shownBy }, i) => shownBy === undefined && !tests.has(String(i + 1)));
  t.strictSame(
    missing.map(({ fault }) => fault),
    [],
    'faults without a test',
  );
  t.strictSame(
    [...tests.keys()].filter((number) => !numbers.includes(number)),
    [],
  );
});

t.test('every test that is named is there, and a name that is not there is noticed', async (t) => {
  const named = FAULT_CASES.flatMap(({ shownBy = [] }) => shownBy);
  t.strictSame(
    named.filter((test) => !isThere(root, test)),
    [],
  );
  t.notOk(isThere(root, { ...named[0]!, title: 'what no test shows' }));
  t.notOk(isThere(root, { ...named[0]!, file: 'test/none.test.ts' }));
});

t.test('every fault has its figure', async (t) => {
  t.strictSame(
    FAULT_CASES.filter(({ figure }) => figure === '').map(({ fault }) => fault),
    [],
  );
});

t.test('docs/faults.md is current', async (t) => {
  t.ok(faultsDocument.current() === faultsDocument.text(), 'otherwise run: node dist/scripts/faults-table.js');
});
