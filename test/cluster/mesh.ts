/** sideroute in a test cluster, installed as docs/install.md says: the controller, and injection by admission policies. */
import { join } from 'node:path';
import { eventually } from '../support/eventually.ts';
import { siderouteImages } from './images.ts';
import type { NodeCluster } from './node.ts';
import { ROOT } from './programs.ts';

const SYSTEM = 'sideroute-system';
const DEADLINE_MS = 180_000;

export async function installSideroute(cluster: NodeCluster): Promise<void> {
  await cluster.load(await siderouteImages());
  await cluster.mustKubectl(['apply', '-k', join(ROOT, 'deploy', 'kustomize', 'controller', 'policy')]);
  await controllerReady(cluster);
  await policyInForce(cluster);
}

async function controllerReady(cluster: NodeCluster): Promise<void> {
  await cluster.mustKubectl(['-n', SYSTEM, 'rollout', 'status', 'deployment', '--timeout=180s']);
}

/** A policy is in force a moment after it has been written: a pod that comes sooner is not injected. */
async function policyInForce(cluster: NodeCluster): Promise<void> {
  const namespace = 'injection-probe';
  await cluster.mustKubectl(['create', 'namespace', namespace]);
  await cluster.mustKubectl(['label', 'namespace', namespace, 'sideroute.dev/injection=enabled']);
  await eventually(
    'pods of a labelled namespace are injected',
    async () => {
      const pod = await cluster.kubectl([
        ...['-n', namespace, 'run', 'probe', '--image=probe', '--dry-run=server', '--output=json'],
      ]);
      return pod.stdout.includes('sideroute-init');
    },
    DEADLINE_MS,
  );
  await cluster.mustKubectl(['delete', 'namespace', namespace, '--wait=false']);
}

/** No replica of the controller runs any more; returns what brings them back. */
export async function withoutController(cluster: NodeCluster): Promise<() => Promise<void>> {
  const scale = async (replicas: number) =>
    await cluster.mustKubectl(['-n', SYSTEM, 'scale', 'deployment', '--all', `--replicas=${replicas}`]);
  await scale(0);
  await eventually(
    'the controller has ended',
    async () => (await cluster.mustKubectl(['-n', SYSTEM, 'get', 'pods', '-o', 'name'])).trim() === '',
    DEADLINE_MS,
  );
  return async () => {
    await scale(2);
    await controllerReady(cluster);
  };
}
