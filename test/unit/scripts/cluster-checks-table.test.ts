import t from 'tap';
import { clusterChecksDocument } from '../../../scripts/cluster-checks-table.ts';

t.test('docs/cluster-checks.md is current', async (t) => {
  const hint = 'otherwise run: node dist/scripts/cluster-checks-table.js';
  t.ok(clusterChecksDocument.current() === clusterChecksDocument.text(), hint);
});
