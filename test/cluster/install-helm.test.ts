/**
 * The chart in a real Kubernetes, by Helm: with the webhook, with policies, and with what it takes by itself; from one to the other by an
 * upgrade; and after an uninstall everything that runs goes on. What is none of sideroute's is before and after as it was.
 */
// Needs: helm.
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { eventually } from '../support/eventually.ts';
import { program } from '../support/manifests.ts';
import { applicationImages, siderouteImages } from './images.ts';
import { startNode, type NodeCluster } from './node.ts';
import { mustRun } from './processes.ts';
import { ROOT } from './programs.ts';
import { APPLICATIONS, available, curl, manifest, NAMESPACE, readyPods } from './scenario.ts';

const SYSTEM = 'sideroute-system';
const DEADLINE_MS = 240_000;
const TIMEOUT_MS = 1_500_000;

t.setTimeout(TIMEOUT_MS);

async function json<T>(cluster: NodeCluster, ...args: readonly string[]): Promise<T> {
  return JSON.parse(await cluster.mustKubectl([...args, '-o', 'json'])) as T;
}

interface PodList {
  readonly items: readonly {
    readonly metadata: {
      readonly name: string;
      readonly uid: string;
      readonly labels?: object;
      readonly annotations?: object;
    };
    readonly spec: { readonly initContainers?: readonly { readonly name: string }[] };
    readonly status: { readonly containerStatuses?: readonly { readonly restartCount: number }[] };
  }[];
}

const pods = (cluster: NodeCluster, namespace: string) => json<PodList>(cluster, '-n', namespace, 'get', 'pods');

/** What the API server makes of a pod that it names, in these namespaces, without the names that it makes up. */
async function madeOf(cluster: NodeCluster, namespaces: readonly string[]): Promise<string[]> {
  const pod = {
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { generateName: 'made-', labels: { app: 'made' } } },
    spec: { containers: [{ name: 'app', image: 'app:1', ports: [{ containerPort: 80 }] }], restartPolicy: 'Never' },
  };
  const texts: string[] = [];
  for (const namespace of namespaces) {
    const args = ['-n', namespace, 'create', '--dry-run=server', '-o', 'json', '-f', '-'];
    const { metadata, spec } = JSON.parse(await cluster.mustKubectl(args, JSON.stringify(pod))) as PodList['items'][0];
    const text = JSON.stringify({ labels: metadata.labels, annotations: metadata.annotations, spec }, null, 1);
    texts.push(text.replaceAll(/kube-api-access-\w+/g, 'kube-api-access'));
  }
  return texts;
}

/** Until new pods are injected, or not any more; a refused one is neither. */
async function untilProbed(cluster: NodeCluster, isInjected: boolean): Promise<void> {
  await eventually(
    `new pods are ${isInjected ? 'injected' : 'plain'}`,
    async () => {
      const args = ['-n', NAMESPACE, 'run', 'probe', '--image=probe', '--dry-run=server', '--output=json'];
      const { status, stdout } = await cluster.kubectl(args);
      return status === 0 && stdout.includes('sideroute-init') === isInjected;
    },
    DEADLINE_MS,
  );
}

async function routed(t: Test, cluster: NodeCluster): Promise<void> {
  await available(cluster);
  const there = await eventually(
    'old pods are gone',
    async () => {
      const all = await readyPods(cluster);
      return all.length === APPLICATIONS.length ? all : null;
    },
    DEADLINE_MS,
  );
  for (const { name, ready } of there) t.equal(ready, '2/2', name);
  const isRouted = async () => (await curl(cluster, '-H', 'Version: new')) === 'Hello from Version 2\n';
  await eventually('the route is served', isRouted, DEADLINE_MS);
  t.equal(await curl(cluster), 'Hello from Version 1\n');
}

t.test('the chart in every variant', { timeout: TIMEOUT_MS }, async (t) => {
  const cluster = await startNode();
  t.teardown(() => cluster.stop());
  await cluster.load([...(await siderouteImages()), ...(await applicationImages())]);
  const helm = async (...args: string[]) =>
    await mustRun([program('helm')!, ...args, '--kubeconfig', cluster.kubeconfig]);
  const install = async (kind: string) => {
    await helm(
      ...['upgrade', '--install', 'sideroute', join(ROOT, 'deploy', 'helm', 'sideroute-controller')],
      ...['--namespace', SYSTEM, '--create-namespace', '--set', `injection.kind=${kind},image.pullPolicy=IfNotPresent`],
      ...['--wait', '--timeout', '240s'],
    );
  };
  const kinds = async (): Promise<string[]> => {
    const resources = 'mutatingwebhookconfigurations,mutatingadmissionpolicies,validatingadmissionpolicies';
    const { items } = await json<{ items: { kind: string; metadata: { name: string } }[] }>(cluster, 'get', resources);
    const own = items.filter(({ metadata }) => metadata.name.startsWith('sideroute-'));
    return own.map(({ kind, metadata }) => `${kind} ${metadata.name}`).sort();
  };
  const POLICIES = [
    'MutatingAdmissionPolicy sideroute-injection',
    'ValidatingAdmissionPolicy sideroute-controller-pods',
    'ValidatingAdmissionPolicy sideroute-injection',
  ];
  const restart = () => cluster.mustKubectl(['-n', NAMESPACE, 'rollout', 'restart', 'deployment']);
  const foreign = ['elsewhere', 'kube-system', SYSTEM];
  for (const namespace of ['elsewhere', SYSTEM]) await cluster.mustKubectl(['create', 'namespace', namespace]);
  const untouched = async () => ({
    made: await madeOf(cluster, foreign),
    running: (await pods(cluster, 'kube-system')).items.map(({ metadata: { uid, annotations }, spec }) => ({
      ...{ uid, annotations, spec },
    })),
  });
  const before = await eventually('service accounts are there', () => untouched().catch(() => null), DEADLINE_MS);

  await t.test('the webhook, with a certificate that an upgrade keeps', { timeout: TIMEOUT_MS }, async (t) => {
    await install('webhook');
    await cluster.mustKubectl(['apply', '-f', '-'], manifest('namespace'));
    await untilProbed(cluster, true);
    for (const name of [...APPLICATIONS, 'my-server', 'my-server-route'])
      await cluster.mustKubectl(['apply', '-f', '-'], manifest(name));
    await routed(t, cluster);
    t.same(await kinds(), [
      'MutatingWebhookConfiguration sideroute-injection',
      'ValidatingAdmissionPolicy sideroute-controller-pods',
    ]);
    const secret = () => json<{ data: object }>(cluster, '-n', SYSTEM, 'get', 'secret', 'sideroute-webhook');
    const { data } = await secret();
    t.match(data, { 'tls.crt': /./, 'tls.key': /./, 'ca.crt': /./ });
    await install('webhook');
    t.same((await secret()).data, data, 'the certificate stays');
    await untilProbed(cluster, true);
    t.same(await untouched(), before, 'what is none of sideroute’s');
  });

  await t.test('from the webhook to policies', { timeout: TIMEOUT_MS }, async (t) => {
    await install('policy');
    t.same(await kinds(), POLICIES);
    await untilProbed(cluster, true);
    await restart();
    await routed(t, cluster);
    t.same(await untouched(), before, 'what is none of sideroute’s');
    const { items } = await json<{ items: { status?: { typeChecking?: { expressionWarnings?: unknown[] } } }[] }>(
      ...([cluster, 'get', 'validatingadmissionpolicies'] as const),
    );
    for (const { status } of items) t.same(status?.typeChecking?.expressionWarnings ?? [], []);
  });

  await t.test('what cannot be injected is said where people look', { timeout: TIMEOUT_MS }, async (t) => {
    const set = {
      ...{ apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: { name: 'on-the-node' } },
      spec: {
        selector: { matchLabels: { app: 'on-the-node' } },
        template: {
          metadata: { labels: { app: 'on-the-node' } },
          spec: { hostNetwork: true, containers: [{ name: 'app', image: 'app:1' }] },
        },
      },
    };
    await cluster.mustKubectl(['-n', NAMESPACE, 'create', '-f', '-'], JSON.stringify(set));
    const said = await eventually(
      'an event of the DaemonSet',
      async () => {
        const shown = await cluster.mustKubectl(['-n', NAMESPACE, 'describe', 'daemonset', 'on-the-node']);
        return shown.includes('FailedCreate') ? shown : null;
      },
      DEADLINE_MS,
    );
    t.match(said, /spec\.hostNetwork is true: the rules would capture traffic of the node/);
    t.match(said, /label it sideroute\.dev\/inject=disabled/);
    await cluster.mustKubectl(['-n', NAMESPACE, 'delete', 'daemonset', 'on-the-node']);
  });

  await t.test(
    'from policies to the webhook, and back by what the chart takes itself',
    { timeout: TIMEOUT_MS },
    async (t) => {
      await install('webhook');
      await untilProbed(cluster, true);
      await restart();
      await routed(t, cluster);
      await install('auto');
      t.same(await kinds(), POLICIES);
      await untilProbed(cluster, true);
      await restart();
      await routed(t, cluster);
    },
  );

  await t.test('after an uninstall pods go on, and new ones are plain', { timeout: TIMEOUT_MS }, async (t) => {
    const running = async () =>
      (await pods(cluster, NAMESPACE)).items.map(({ metadata: { uid }, spec, status }) => ({
        ...{ uid, spec },
        restarts: status.containerStatuses?.map(({ restartCount }) => restartCount),
      }));
    const was = await running();
    await helm('uninstall', 'sideroute', '--namespace', SYSTEM, '--wait', '--timeout', '180s');
    t.same(await kinds(), []);
    await untilProbed(cluster, false);
    t.same(await running(), was, 'the same pods');
    await routed(t, cluster);
    t.same(await untouched(), before, 'what is none of sideroute’s');
  });
});
