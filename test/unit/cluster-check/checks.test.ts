/** Each check finds its fault, says what it is and how it is mended, and finds nothing in a healthy cluster. */
import t from 'tap';
import { CHECKS } from '../../../src/cluster-check/checks.ts';
import { found, reportsOf } from '../../support/snapshots.ts';
import { FAULTS, HEALTHY_WEBHOOK } from './faults.ts';

t.test('a healthy cluster has no finding, by policy and by webhook, before and after the install', (t) => {
  for (const changes of [{}, HEALTHY_WEBHOOK]) {
    for (const before of [false, true]) {
      t.same(
        [...found(changes, before).values()].map(({ findings }) => findings),
        [],
      );
      t.ok(reportsOf(changes, before).every(({ result }) => result === 'ok'));
    }
  }
  t.end();
});

t.test('before the install nothing is said of what it installs', (t) => {
  const changes = {
    objects: {
      ...{ deployments: [], leases: [], mutatingPolicies: [], mutatingPolicyBindings: [], validatingPolicies: [] },
      ...{ validatingPolicyBindings: [], pods: [], routeSets: [], httpRoutes: [] },
    },
  };
  t.same([...found(changes, true).keys()], []);
  t.ok(found(changes).has('controller-present'));
  t.end();
});

for (const { id, fault, changes, says, mend, result, also = [] } of FAULTS) {
  t.test(`${id}: ${fault}`, (t) => {
    const reports = found(changes);
    const report = reports.get(id);
    t.ok(report, `found: ${[...reports.keys()].join(', ')}`);
    if (report === undefined) return t.end();
    t.equal(report.result, result);
    const [finding] = report.findings;
    t.match(`${finding!.object ?? ''} ${finding!.message}`, says);
    t.match('command' in finding!.mend ? finding!.mend.command : finding!.mend.sentence, mend);
    for (const other of also) t.ok(reports.has(other), other);
    return t.end();
  });
}

t.test('each check has a fault that it finds', (t) => {
  const tried = new Set(FAULTS.map(({ id }) => id));
  t.same(
    CHECKS.map(({ id }) => id).filter((id) => !tried.has(id)),
    [],
  );
  t.equal(new Set(CHECKS.map(({ id }) => id)).size, CHECKS.length);
  t.end();
});

t.test('what may not be read is unknown, whichever kind it is, and never ok', (t) => {
  for (const check of CHECKS) {
    for (const kind of check.needs) {
      const listings = { [kind]: { state: 'forbidden' as const, message: 'no' } };
      const report = reportsOf({ listings }).find((each) => each.check.id === check.id);
      t.equal(report?.result, 'unknown', `${check.id} without ${kind}`);
    }
  }
  t.end();
});

t.test('of a namespace only its own findings are told, and those of the cluster', (t) => {
  const changes = FAULTS.find(({ id }) => id === 'route-parent-missing')!.changes;
  t.ok(found({ ...changes, snapshot: { namespace: 'shop' } }).has('route-parent-missing'));
  t.notOk(found({ ...changes, snapshot: { namespace: 'other' } }).has('route-parent-missing'));
  const none = FAULTS.find(({ id }) => id === 'controller-present')!.changes;
  t.ok(found({ ...none, snapshot: { namespace: 'other' } }).has('controller-present'));
  t.end();
});

t.test('a Service of a namespace that may not be read is unknown, not missing', (t) => {
  const { services } = { services: { state: 'read' as const, items: [], only: 'clients', cut: false } };
  const reports = found({ listings: { services } });
  t.equal(reports.get('route-parent-missing')?.result, 'unknown');
  t.equal(reports.get('route-backend-missing')?.result, 'unknown');
  t.end();
});
