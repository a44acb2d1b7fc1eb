/** The install with the webhook, what an upgrade to policies does, and an uninstall: pods that run go on as they are. */
import { join } from 'node:path';
import t from 'tap';
import { eventually } from '../support/eventually.ts';
import { applicationImages, siderouteImages } from './images.ts';
import { startNode, type NodeCluster } from './node.ts';
import { ROOT } from './programs.ts';
import { APPLICATIONS, available, curl, manifest, NAMESPACE, readyPods } from './scenario.ts';

const DEADLINE_MS = 180_000;
const kustomization = (name: string) => join(ROOT, 'deploy', 'kustomize', 'controller', name);

/** Null: refused. */
async function probe(cluster: NodeCluster): Promise<'injected' | 'plain' | null> {
  const args = ['-n', NAMESPACE, 'run', 'probe', '--image=probe', '--dry-run=server', '--output=json'];
  const { status, stdout } = await cluster.kubectl(args);
  if (status !== 0) return null;
  return stdout.includes('sideroute-init') ? 'injected' : 'plain';
}

async function running(cluster: NodeCluster): Promise<unknown[]> {
  const list = JSON.parse(await cluster.mustKubectl(['-n', NAMESPACE, 'get', 'pods', '-o', 'json'])) as {
    items: { metadata: { uid: string }; spec: unknown; status: { containerStatuses: { restartCount: number }[] } }[];
  };
  return list.items.map(({ metadata, spec, status }) => ({
    ...{ uid: metadata.uid, spec },
    restarts: status.containerStatuses.map(({ restartCount }) => restartCount),
  }));
}

t.test('the webhook injects, policies take over, and after an uninstall everything that runs goes on', async (t) => {
  const cluster = await startNode();
  t.teardown(() => cluster.stop());
  await cluster.load([...(await siderouteImages()), ...(await applicationImages())]);
  const applied = await cluster.kubectl(['apply', '-k', kustomization('webhook')]);
  t.equal(applied.status, 0, applied.stderr);
  t.equal(applied.stderr, '', 'without a warning');
  await cluster.mustKubectl(['-n', 'sideroute-system', 'rollout', 'status', 'deployment', '--timeout=180s']);

  await cluster.mustKubectl(['apply', '-f', '-'], manifest('namespace'));
  await eventually('the webhook is asked', async () => (await probe(cluster)) === 'injected', DEADLINE_MS);
  for (const name of [...APPLICATIONS, 'my-server', 'my-server-route'])
    await cluster.mustKubectl(['apply', '-f', '-'], manifest(name));
  await available(cluster);
  for (const { name, ready } of await readyPods(cluster)) t.equal(ready, '2/2', name);
  const routed = async () => (await curl(cluster, '-H', 'Version: new')) === 'Hello from Version 2\n';
  await eventually('the route is served', routed, DEADLINE_MS);

  await cluster.mustKubectl(['apply', '-k', kustomization('policy')]);
  await cluster.mustKubectl(['delete', 'mutatingwebhookconfiguration', 'sideroute-injection']);
  await eventually('policies inject', async () => (await probe(cluster)) === 'injected', DEADLINE_MS);

  const before = await running(cluster);
  for (const name of ['policy', 'webhook'])
    await cluster.mustKubectl(['delete', '-k', kustomization(name), '--ignore-not-found', '--timeout=120s']);
  // The API server takes a moment to forget them.
  await eventually('new pods are plain', async () => (await probe(cluster)) === 'plain', DEADLINE_MS);
  t.same(await running(cluster), before, 'the same pods, which have not been touched');
  for (let i = 0; i < 5; i += 1) {
    t.equal(await curl(cluster), 'Hello from Version 1\n');
    t.equal(await curl(cluster, '-H', 'Version: new'), 'Hello from Version 2\n');
  }
});
