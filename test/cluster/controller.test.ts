/** The controller against a real API server, with the permissions that it is installed with and no others. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Obj } from '../support/api-server.ts';
import { FakeSidecar, readSet, settled, startController, type ReadSet } from '../support/controller/harness.ts';
import { INJECTED, namespace, pod, route, service } from '../support/controller/objects.ts';
import { eventually } from '../support/eventually.ts';
import { temporaryDirectory } from '../support/sidecar.ts';
import { startApi, type ApiCluster } from './api.ts';
import { ROOT } from './programs.ts';

const DEADLINE_MS = 60_000;
const TIMEOUT_MS = 600_000;

async function apply(cluster: ApiCluster, ...objects: object[]): Promise<void> {
  const list = { apiVersion: 'v1', kind: 'List', items: objects };
  await cluster.mustKubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], JSON.stringify(list));
}

async function get(cluster: ApiCluster, ...args: string[]): Promise<Record<string, unknown>> {
  return JSON.parse(await cluster.mustKubectl(['get', ...args, '-o', 'json'])) as Record<string, unknown>;
}

async function setIn(cluster: ApiCluster, of: string): Promise<ReadSet | null> {
  const { items } = await get(cluster, 'configmaps', '-n', of);
  return readSet(items as Obj[], of);
}

interface ParentStatus {
  readonly controllerName: string;
  readonly conditions: readonly {
    readonly type: string;
    readonly status: string;
    readonly reason: string;
    readonly observedGeneration: number;
    readonly lastTransitionTime: string;
  }[];
}

async function statusOf(cluster: ApiCluster, name: string, kind = 'httproute'): Promise<readonly ParentStatus[]> {
  const { status } = await get(cluster, kind, name, '-n', 'shop');
  return (status as { parents?: ParentStatus[] } | undefined)?.parents ?? [];
}

function told(parents: readonly ParentStatus[]): string[] {
  return parents.flatMap(({ controllerName, conditions }) =>
    conditions.map(({ type, status, reason, observedGeneration }) => {
      return `${controllerName} ${type}=${status} ${reason} ${observedGeneration}`;
    }),
  );
}

const ACCOUNT = { namespace: 'sideroute-system', name: 'sideroute-controller' };

/** A kubeconfig of the controller's service account, with the permissions that it is installed with. */
async function accountOf(cluster: ApiCluster, directory: string): Promise<string> {
  for (const file of ['namespace', 'rbac']) {
    await cluster.mustKubectl(['apply', '-f', join(ROOT, 'deploy', 'kustomize', 'controller', 'base', `${file}.yaml`)]);
  }
  const token = await cluster.mustKubectl(['create', 'token', ACCOUNT.name, '-n', ACCOUNT.namespace, '--duration=2h']);
  const config = JSON.parse(readFileSync(cluster.kubeconfig, 'utf8')) as Record<string, unknown>;
  const path = join(directory, 'kubeconfig');
  writeFileSync(path, JSON.stringify({ ...config, users: [{ name: 'administrator', user: { token: token.trim() } }] }));
  return path;
}

// Of the file, and of the parts that wait for servers to start again.
t.setTimeout(TIMEOUT_MS);

t.test('a controller and a real API server', { timeout: TIMEOUT_MS }, async (t) => {
  const directory = temporaryDirectory();
  t.teardown(directory.remove);
  const cluster = await startApi();
  t.teardown(() => cluster.stop());
  const kubeconfig = await accountOf(cluster, directory.path);
  const sidecar = new FakeSidecar('127.77.0.1');
  const servedPort = await sidecar.listen();
  t.teardown(() => sidecar.close());
  await apply(
    cluster,
    namespace('shop', { labels: INJECTED }),
    namespace('clients'),
    service('my-server', 'shop', '10.96.0.10'),
    service('my-server-v1', 'shop', '10.96.0.11'),
    route('r', 'shop'),
    pod('client', 'clients'),
  );
  await cluster.mustKubectl([
    ...['patch', 'pod', 'client', '-n', 'clients', '--subresource=status', '--type=merge', '-p'],
    JSON.stringify({ status: { phase: 'Running', podIP: sidecar.address, podIPs: [{ ip: sidecar.address }] } }),
  ]);
  const started = await startController(kubeconfig, {
    ...{ leaderElection: true, leaseNamespace: ACCOUNT.namespace, nudge: true, servedPort },
  });
  let closed = false;
  t.teardown(() => (closed ? undefined : started.close()));
  const eventuallySlow = <T>(what: string, condition: () => Promise<T>) => eventually(what, condition, DEADLINE_MS);

  await t.test('sets, status and the nudge arrive, with the least permissions', { timeout: TIMEOUT_MS }, async (t) => {
    const set = await eventuallySlow('there is a set', () => setIn(cluster, 'clients'));
    t.same(set.names, ['Service shop/my-server', 'Service shop/my-server-v1', 'HTTPRoute shop/r']);
    t.match(set.items[2]!['metadata'], { creationTimestamp: /^20/, generation: 1 });
    const status = await eventuallySlow('there is a status', async () => {
      const parents = await statusOf(cluster, 'r');
      return parents.length > 0 ? parents : null;
    });
    t.same(told(status), [
      'sideroute.dev/controller Accepted=True Accepted 1',
      'sideroute.dev/controller ResolvedRefs=True ResolvedRefs 1',
    ]);
    await eventuallySlow('the pod is told, and again until its sidecar has it', async () => {
      const { metadata } = await get(cluster, 'pod', 'client', '-n', 'clients');
      const { annotations } = metadata as { annotations: Record<string, string> };
      return annotations['sideroute.dev/routes']?.startsWith(`${set.hash.slice(0, 12)}.`);
    });
    sidecar.hash = set.hash;
    await settled(started);
    t.same(
      started.log.filter(({ level, error }) => level === 'error' || /forbidden/i.test(String(error))),
      [],
    );
  });

  await t.test(
    'an edit of the data is written over; what changes nothing is not written',
    { timeout: TIMEOUT_MS },
    async (t) => {
      const before = await get(cluster, 'configmap', 'sideroute-set-0', '-n', 'shop');
      await cluster.mustKubectl(['label', 'service', 'my-server', '-n', 'shop', 'some=label']);
      await cluster.mustKubectl(['annotate', 'httproute', 'r', '-n', 'shop', 'some=annotation']);
      await settled(started);
      t.equal(
        ((await get(cluster, 'configmap', 'sideroute-set-0', '-n', 'shop'))['metadata'] as Obj['metadata'])
          .resourceVersion,
        (before['metadata'] as Obj['metadata']).resourceVersion,
      );
      const patch = JSON.stringify({ binaryData: { 'sideroute-set-0.gz': 'AAAA' } });
      await cluster.mustKubectl(['patch', 'configmap', 'sideroute-set-0', '-n', 'shop', '--type=merge', '-p', patch]);
      await eventuallySlow('it is as it was', async () => {
        const { binaryData } = await get(cluster, 'configmap', 'sideroute-set-0', '-n', 'shop');
        return (binaryData as Record<string, string>)['sideroute-set-0.gz'] !== 'AAAA';
      });
      t.ok(await setIn(cluster, 'shop'));
      await settled(started);
    },
  );

  await t.test('two controllers of different names rest once both have written', { timeout: TIMEOUT_MS }, async (t) => {
    const other = await startController(kubeconfig, { controllerName: 'example.com/second' });
    t.teardown(() => other.close());
    await settled(other);
    await settled(started);
    const versionOf = async (): Promise<string> => {
      const { metadata } = await get(cluster, 'httproute', 'r', '-n', 'shop');
      return (metadata as Obj['metadata']).resourceVersion!;
    };
    const parents = await statusOf(cluster, 'r');
    t.same(parents.map(({ controllerName }) => controllerName).sort(), [
      'example.com/second',
      'sideroute.dev/controller',
    ]);
    const version = await versionOf();
    await settled(other);
    await settled(started);
    t.equal(await versionOf(), version);
    await apply(cluster, route('r', 'shop', { backends: [{ name: 'nowhere', port: 80 }] }));
    await eventuallySlow('both tell of the next generation', async () => {
      const now = await statusOf(cluster, 'r');
      return (
        now.length === 2 &&
        now.every(({ conditions }) => conditions.every(({ observedGeneration }) => observedGeneration === 2))
      );
    });
    const now = await statusOf(cluster, 'r');
    for (const { conditions } of now) t.match(conditions[1], { status: 'False', reason: 'BackendNotFound' });
    const since = (all: readonly ParentStatus[]) => all.map(({ conditions }) => conditions[0]!.lastTransitionTime);
    t.same(since(now), since(parents), 'Accepted has not changed');
  });

  await t.test(
    'a GRPCRoute is accepted, and an HTTPRoute beside it says that it has lost',
    { timeout: TIMEOUT_MS },
    async (t) => {
      await apply(cluster, route('g', 'shop', { kind: 'GRPCRoute' }));
      await eventuallySlow('it is told', async () => {
        return (
          told(await statusOf(cluster, 'g', 'grpcroute'))[0] === 'sideroute.dev/controller Accepted=True Accepted 1'
        );
      });
      await eventuallySlow('it has lost', async () => {
        return told(await statusOf(cluster, 'r')).includes('sideroute.dev/controller Accepted=False Conflicted 2');
      });
      await cluster.mustKubectl(['delete', 'grpcroute', 'g', '-n', 'shop']);
      await eventuallySlow('it is accepted again', async () => {
        return told(await statusOf(cluster, 'r')).includes('sideroute.dev/controller Accepted=True Accepted 2');
      });
      t.pass();
    },
  );

  await t.test('what changes while etcd and the API server are killed arrives', { timeout: TIMEOUT_MS }, async (t) => {
    await cluster.apiServer.stop('SIGKILL');
    await cluster.etcd.stop('SIGKILL');
    await eventually(
      'it is noticed',
      () => started.controller.state.index.routes.size === 1 && !started.controller.leading,
      DEADLINE_MS,
    );
    cluster.etcd.start();
    cluster.apiServer.start();
    await cluster.ready();
    await apply(cluster, route('meanwhile', 'shop'));
    await eventuallySlow('it is in the set', async () => {
      return (await setIn(cluster, 'clients'))!.names.includes('HTTPRoute shop/meanwhile');
    });
    const { hash } = (await setIn(cluster, 'clients'))!;
    sidecar.hash = hash;
    await settled(started);
    t.same(told(await statusOf(cluster, 'meanwhile'))[0], 'sideroute.dev/controller Accepted=True Accepted 1');
  });

  await t.test('it lets go of the Lease when it ends', { timeout: TIMEOUT_MS }, async (t) => {
    await started.close();
    closed = true;
    const { spec } = await get(cluster, 'lease', ACCOUNT.name, '-n', ACCOUNT.namespace);
    t.equal((spec as Record<string, unknown>)['holderIdentity'], '');
  });
});
