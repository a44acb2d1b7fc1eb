/** How findings are shown. */
import t from 'tap';
import { reportData, reportText } from '../../../src/cluster-check/report.ts';
import { podOf, reportsOf, snapshotOf, type Changes } from '../../support/snapshots.ts';

function textOf(changes: Changes): string {
  return reportText(reportsOf(changes));
}

t.test('a finding has its object, what is wrong, and what to type', (t) => {
  const text = textOf({ objects: { pods: [podOf('client'), podOf('old', { bare: true })] } });
  t.match(text, /^ {2}warning +pods-without-sidecar: .* \(2 pods\)$/m);
  t.match(text, /^ +warning: Pod shop\/old has no sidecar: no route applies to its requests$/m);
  t.match(text, /^ +\$ kubectl -n shop rollout restart deployment\/old$/m);
  t.match(text, /^\d+ checks: \d+ ok, 1 warning, 0 unknown, 0 error$/m);
  t.end();
});

t.test('of many findings of a check the first ten are shown, and JSON has all', (t) => {
  const pods = Array.from({ length: 12 }, (_, index) => podOf(`old${index}`, { bare: true }));
  const changes = { objects: { pods: [podOf('client'), ...pods] } };
  t.match(textOf(changes), /and 2 more; -o json has them all/);
  const json = reportData(reportsOf(changes), snapshotOf(changes)) as {
    result: string;
    checks: { id: string; result: string; findings: object[] }[];
  };
  t.equal(json.result, 'warning');
  const check = json.checks.find(({ id }) => id === 'pods-without-sidecar');
  t.equal(check?.findings.length, 12);
  t.match(check?.findings[0], { object: 'Pod shop/old0', mend: { command: /rollout restart/ } });
  t.end();
});

t.test('what a cluster says cannot move the cursor or begin a line', (t) => {
  const text = textOf({ snapshot: { serverError: 'x\u001b[2J\nok  everything\u202e' } });
  t.match(text, /x \[2J ok {2}everything /);
  t.notMatch(text, /\u001b|\u202e/);
  t.end();
});
