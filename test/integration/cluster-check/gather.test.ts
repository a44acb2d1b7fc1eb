/** What is read of an API server, in which words it is asked, and what becomes of what cannot be read. */
import t, { type Test } from 'tap';
import { CONTROLLER_NEEDS } from '../../../src/cluster-check/controller-needs.ts';
import { gather, type GatherOptions } from '../../../src/cluster-check/gather.ts';
import { runChecks } from '../../../src/cluster-check/run.ts';
import type { Snapshot } from '../../../src/cluster-check/snapshot.ts';
import { KubeClient } from '../../../src/kube/client.ts';
import { encodeRoot } from '../../../src/route-set/encode.ts';
import { matches } from '../../support/match.ts';
import { readManifests } from '../../support/manifests.ts';
import { granted } from '../../support/permissions.ts';
import { controllerOf, namespaceOf, serviceOf } from '../../support/snapshots.ts';
import { stubCluster, type Answer, type Asked } from '../../support/stub-cluster.ts';

/** Lists are empty, but for what `answer` gives. */
async function snapshotFrom(
  t: Test,
  answer: (asked: Asked) => Answer,
  options: Partial<GatherOptions> & { date?: string } = {},
): Promise<{ snapshot: Snapshot; asked: readonly Asked[] }> {
  const { date, ...others } = options;
  const { url, asked } = await stubCluster(t, answer, date);
  const client = new KubeClient(
    {
      ...{ server: url, ca: null, cert: null, key: null, servername: null, verify: true, issuer: null, headers: {} },
      authorization: () => null,
    },
    'test',
  );
  t.teardown(() => client.close());
  const snapshot = await gather({ client, namespace: null, clientVersion: '0.1.0', ...others });
  return { snapshot, asked };
}

function listOf(kind: string, items: readonly object[], more = ''): Answer {
  return { status: 200, body: { kind: `${kind}List`, apiVersion: 'v1', metadata: { continue: more }, items } };
}

function refused(message: string): Answer {
  return { status: 403, body: { kind: 'Status', message, reason: 'Forbidden' } };
}

t.test('objects come page by page, know what they are, and have no managedFields', async (t) => {
  const { snapshot, asked } = await snapshotFrom(
    t,
    ({ path, query }) => {
      if (path !== '/api/v1/services') return null;
      const item = {
        ...serviceOf('a'),
        kind: undefined,
        metadata: { name: 'a', namespace: 'shop', managedFields: [1] },
      };
      if (!query.has('continue')) return listOf('Service', [item], 'next');
      return listOf('Service', [{ ...item, metadata: { name: 'b', namespace: 'shop' } }]);
    },
    { pageSize: 1 },
  );
  const listing = snapshot.listings.services;
  t.match(listing, { state: 'read', cut: false });
  const items = listing?.state === 'read' ? listing.items : [];
  matches(t, items, [
    { kind: 'Service', metadata: { name: 'a' } },
    { kind: 'Service', metadata: { name: 'b' } },
  ]);
  t.notMatch(items[0], { metadata: { managedFields: [1] } });
  const pages = asked.filter(({ path }) => path === '/api/v1/services').map(({ query }) => query.get('limit'));
  t.same(pages, ['1', '1']);
});

t.test('nothing is written, and no Secret is read', async (t) => {
  const { asked } = await snapshotFrom(t, ({ path }) =>
    path === '/apis/apps/v1/deployments' ? listOf('Deployment', [controllerOf()]) : null,
  );
  for (const { method, path } of asked) {
    t.notMatch(path, /secrets/);
    t.ok(method === 'GET' || /(?:selfsubject|subjectaccess)reviews$/.test(path), `${method} ${path}`);
  }
});

t.test('more objects than are looked at are told', async (t) => {
  const { snapshot } = await snapshotFrom(
    t,
    ({ path }) => (path === '/api/v1/namespaces' ? listOf('Namespace', [namespaceOf('a')], 'more') : null),
    { maxItems: 2 },
  );
  t.match(snapshot.listings.namespaces, { state: 'read', cut: true });
  const report = runChecks(snapshot, true).find(({ check }) => check.id === 'api-permissions');
  t.equal(report?.result, 'unknown');
  t.match(report?.findings[0]?.message, /more namespaces than are looked at, which are 2/);
});

t.test('what is forbidden everywhere is read in the namespace that is asked about', async (t) => {
  const { snapshot } = await snapshotFrom(
    t,
    ({ path }) =>
      path.startsWith('/api/v1/namespaces/shop/pods') || path === '/version' ? null : refused(`no ${path}`),
    { namespace: 'shop' },
  );
  t.match(snapshot.listings.pods, { state: 'read', only: 'shop' });
  t.match(snapshot.listings.services, { state: 'forbidden', message: 'no /api/v1/services' });
  const reports = runChecks(snapshot, false);
  const ok = reports.filter(({ result }) => result === 'ok').map(({ check }) => check.id);
  t.same(ok, ['api-reachable', 'api-version', 'clock', 'sidecars-ready'], 'nothing else is said to be well');
});

t.test('a kind that the server has not is absent, and another version of it is taken', async (t) => {
  const { snapshot } = await snapshotFrom(t, ({ path }) => {
    if (path.includes('felixconfigurations') || path.includes('/v1/servicecidrs')) {
      return { status: 404, body: { kind: 'Status' } };
    }
    return null;
  });
  t.match(snapshot.listings.felixConfigurations, { state: 'absent' });
  t.match(snapshot.listings.serviceCidrs, { state: 'read' });
});

t.test('what fails is told, not taken for nothing', async (t) => {
  const { snapshot } = await snapshotFrom(t, ({ path }) =>
    path === '/api/v1/pods' ? { status: 500, body: { kind: 'Status', message: 'etcd is away' } } : null,
  );
  t.match(snapshot.listings.pods, { state: 'failed', message: /etcd is away/ });
});

t.test('the clock of the server is that of its answers', async (t) => {
  const { snapshot } = await snapshotFrom(t, () => null, { date: 'Thu, 01 Jan 2026 00:00:00 GMT' });
  t.ok((snapshot.clockAheadMs ?? 0) > 86_400_000, String(snapshot.clockAheadMs));
  t.ok(Math.abs(snapshot.nowMs - Date.parse('2026-01-01T00:00:00Z')) < 3_600_000);
});

t.test('nobody answers', async (t) => {
  const { snapshot } = await snapshotFrom(t, () => ({ status: 503, body: { message: 'not yet' } }));
  const reports = runChecks(snapshot, false);
  t.equal(reports.length, 1);
  matches(t, reports[0], { result: 'error', check: { id: 'api-reachable' }, findings: [{ message: /not yet/ }] });
});

t.test('of a route set only what each shard says of itself is kept', async (t) => {
  const root = encodeRoot([], [{ kind: 'Service', namespace: 'shop', name: 'a', text: '{}' }]);
  const binaryData = { [root.key]: root.bytes(3).toString('base64'), 'other.gz': 'x' };
  const { snapshot } = await snapshotFrom(t, ({ path, query }) =>
    path === '/api/v1/configmaps' && query.get('labelSelector') === 'app.kubernetes.io/managed-by=sideroute-controller'
      ? listOf('ConfigMap', [{ metadata: { name: root.name, namespace: 'shop' }, binaryData }])
      : null,
  );
  matches(t, snapshot.shards, [{ namespace: 'shop', name: root.name, header: { index: 0, textHash: root.textHash } }]);
  t.equal(snapshot.shards.length, 1);
  t.notMatch(JSON.stringify(snapshot.listings.routeSets), /binaryData/);
});

t.test('the permissions that are asked about are those of the install', async (t) => {
  const files = ['base/rbac.yaml', 'webhook/webhook.yaml'].map((file) => `kustomize/controller/${file}`);
  const text = (resource: string, verb: string, name: string | null): string => `${verb} ${resource} ${name ?? ''}`;
  const shards = /^sideroute-set-[1-6]$/;
  const manifests = granted(files.flatMap((file) => readManifests(file))).flatMap(({ resource, verb, names }) =>
    (names ?? ['']).filter((name) => !shards.test(name)).map((name) => text(resource, verb, name)),
  );
  const asked = CONTROLLER_NEEDS.map(({ resource, subresource, verb, name }) =>
    text(subresource === '' ? resource : `${resource}/${subresource}`, verb, name),
  );
  t.same(asked.sort(), manifests.sort());
});

t.test('a permission that is not granted is told, and one that may not be asked about is unknown', async (t) => {
  const withController = (review: (resource: string) => Answer) => (asked: Asked) => {
    if (asked.path === '/apis/apps/v1/deployments') return listOf('Deployment', [controllerOf()]);
    if (!asked.path.endsWith('/subjectaccessreviews')) return null;
    const { spec } = asked.body as { spec: { user: string; resourceAttributes: { resource: string } } };
    t.equal(spec.user, 'system:serviceaccount:sideroute-system:sideroute-controller');
    return review(spec.resourceAttributes.resource);
  };
  const resultOf = async (review: (resource: string) => Answer) => {
    const { snapshot } = await snapshotFrom(t, withController(review));
    return runChecks(snapshot, false).find(({ check }) => check.id === 'controller-permissions')!;
  };
  const some = await resultOf((resource) => ({ status: 201, body: { status: { allowed: resource !== 'leases' } } }));
  t.equal(some.result, 'error');
  t.match(some.findings[0]?.message, /may not create leases, get leases sideroute-controller/);
  t.equal((await resultOf(() => refused('no'))).result, 'unknown');
});
