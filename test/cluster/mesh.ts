/** sideroute in a test cluster: two replicas of the controller with the permissions that its document names, and injection by policy. */
import { join } from 'node:path';
import { ACCOUNT, leastPermissions } from '../support/controller/rbac.ts';
import { eventually } from '../support/eventually.ts';
import { siderouteImages } from './images.ts';
import type { NodeCluster } from './node.ts';
import { ROOT } from './programs.ts';

const SYSTEM = ACCOUNT.namespace;
const DEADLINE_MS = 180_000;

const CONTROLLER = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: ACCOUNT,
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: ACCOUNT.name } },
    template: {
      metadata: { labels: { app: ACCOUNT.name } },
      spec: {
        serviceAccountName: ACCOUNT.name,
        containers: [
          {
            name: 'controller',
            image: 'sideroute:0.1.0',
            imagePullPolicy: 'IfNotPresent',
            args: ['controller'],
            env: [
              { name: 'POD_NAMESPACE', valueFrom: { fieldRef: { fieldPath: 'metadata.namespace' } } },
              { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
            ],
            readinessProbe: { httpGet: { path: '/readyz', port: 15020 }, periodSeconds: 1 },
            livenessProbe: { httpGet: { path: '/livez', port: 15020 } },
            resources: { requests: { cpu: '50m', memory: '80Mi' }, limits: { memory: '256Mi' } },
            securityContext: {
              runAsNonRoot: true,
              readOnlyRootFilesystem: true,
              allowPrivilegeEscalation: false,
              capabilities: { drop: ['ALL'] },
            },
          },
        ],
      },
    },
  },
};

export async function installSideroute(cluster: NodeCluster): Promise<void> {
  await cluster.load(await siderouteImages());
  const objects = { apiVersion: 'v1', kind: 'List', items: [...leastPermissions(), CONTROLLER] };
  await cluster.mustKubectl(['apply', '-f', '-'], JSON.stringify(objects));
  const policy = join(ROOT, 'deploy', 'kustomize', 'controller', 'policy', 'policy.yaml');
  await cluster.mustKubectl(['apply', '-f', policy]);
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
