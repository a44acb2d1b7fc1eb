/** Every defence of docs/threat-model.md has a test that is there. */
import { fileURLToPath } from 'node:url';
import t from 'tap';

import { isThere } from '../../../scripts/test-titles.ts';
import { ATTACKERS } from '../../../scripts/threats.ts';
import { threatsDocument } from '../../../scripts/threats-table.ts';
import { packageRoot } from '../../../src/package-root.ts';

const threats = ATTACKERS.flatMap((attacker) => attacker.threats);

t.test('every test that is named is there', async (t) => {
  const root = fileURLToPath(packageRoot());
  t.strictSame(
    threats.flatMap(({ shownBy }) => shownBy).filter((test) => !isThere(root, test)),
    [],
  );
});

t.test('every defence is shown', async (t) => {
  t.strictSame(
    threats.filter(({ defence, shownBy }) => !defence.startsWith('none') && shownBy.length === 0),
    [],
  );
});

t.test('docs/threat-model.md is current', async (t) => {
  t.ok(threatsDocument.current() === threatsDocument.text(), 'otherwise run: node dist/scripts/threats-table.js');
});
