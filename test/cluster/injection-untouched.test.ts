/**
 * Pods that are none of sideroute's, before it is installed and after, in each way: what the API server makes of them is the same to the byte.
 * And pods of a labelled namespace that are made, changed or looked at in unusual ways.
 */
import t, { type Test } from 'tap';
import { FOREIGN_PODS } from '../support/foreign-pods.ts';
import { startApi, type ApiCluster } from './api.ts';
import { CONTROLLER_NAMESPACE, INJECTION_LABEL, RECORD, WAYS } from './injection.ts';
import { oddPods } from './odd-pods.ts';

const TIMEOUT_MS = 900_000;
/** Each with what it is labelled. */
const NAMESPACES: Readonly<Record<string, string | null>> = {
  unlabelled: null,
  'switched-off': 'sideroute.dev/injection=disabled',
  misspelt: 'sideroute.dev/injection=Enabled',
  labelled: INJECTION_LABEL,
  odd: INJECTION_LABEL,
  [CONTROLLER_NAMESPACE]: INJECTION_LABEL,
  'kube-system': INJECTION_LABEL,
  'kube-node-lease': INJECTION_LABEL,
};
/** In a labelled namespace, what leaves a pod alone. */
const LEFT_ALONE: Readonly<Record<string, { labels?: object; annotations?: object }>> = {
  'annotation-false': { annotations: { 'sideroute.dev/inject': 'false' } },
  'annotation-disabled': { annotations: { 'sideroute.dev/inject': 'disabled' } },
  'label-false': { labels: { 'sideroute.dev/inject': 'false' } },
  'label-disabled': { labels: { 'sideroute.dev/inject': 'disabled' } },
};

interface Placed {
  readonly namespace: string;
  readonly pod: { readonly metadata: { readonly name: string } };
}

function foreignPods(): Placed[] {
  return Object.entries(FOREIGN_PODS).flatMap(([name, { metadata, spec }]) => {
    const pod = (more: { labels?: object; annotations?: object }, podName: string) => ({
      ...{ apiVersion: 'v1', kind: 'Pod', spec },
      metadata: {
        name: podName,
        labels: { ...metadata.labels, ...more.labels },
        annotations: { ...metadata.annotations, ...more.annotations },
      },
    });
    const elsewhere = Object.keys(NAMESPACES).filter((namespace) => !['labelled', 'odd'].includes(namespace));
    const mirror = pod({ annotations: { 'kubernetes.io/config.mirror': 'x' } }, `${name}-mirror`);
    return [
      ...elsewhere.map((namespace) => ({ namespace, pod: pod({}, name) })),
      ...Object.entries(LEFT_ALONE).map(([how, more]) => ({ namespace: 'labelled', pod: pod(more, `${name}-${how}`) })),
      // The API wants the copy of a static pod to name its node.
      { namespace: 'labelled', pod: { ...mirror, spec: { ...spec, nodeName: 'n' } } },
    ];
  });
}

/** What the API server has made of them, by namespace and name, without what is another each time. */
async function made(cluster: ApiCluster, pods: readonly Placed[]): Promise<Map<string, string>> {
  const texts = pods.map(({ namespace, pod }) => ({ ...pod, metadata: { ...pod.metadata, namespace } }));
  const list = { apiVersion: 'v1', kind: 'List', items: texts };
  await cluster.mustKubectl(['create', '-f', '-'], JSON.stringify(list));
  const found = new Map<string, string>();
  for (const namespace of new Set(pods.map((placed) => placed.namespace))) {
    const { items } = JSON.parse(await cluster.mustKubectl(['get', 'pods', '-n', namespace, '-o', 'json'])) as {
      items: { metadata: Record<string, unknown> & { managedFields?: { time: string }[] } }[];
    };
    for (const { metadata, ...pod } of items) {
      const { uid, creationTimestamp, resourceVersion, ...lasting } = metadata;
      if (uid === undefined || creationTimestamp === undefined || resourceVersion === undefined)
        throw new Error('no pod');
      found.set(`${namespace}/${String(lasting['name'])}`, JSON.stringify({ ...pod, metadata: lasting }, null, 1));
    }
    await cluster.mustKubectl(['delete', 'pods', '--all', '-n', namespace, '--grace-period=0', '--force']);
  }
  return found;
}

t.setTimeout(TIMEOUT_MS);

t.test(
  'what is none of sideroute’s is untouched, and unusual pods are injected or refused',
  { timeout: TIMEOUT_MS },
  async (t) => {
    // The version of policies that Kubernetes 1.34 and 1.35 can be told to have.
    const cluster = await startApi(['--runtime-config=admissionregistration.k8s.io/v1beta1=true']);
    t.teardown(() => cluster.stop());
    for (const [namespace, label] of Object.entries(NAMESPACES)) {
      if (!namespace.startsWith('kube-')) await cluster.mustKubectl(['create', 'namespace', namespace]);
      if (label !== null) await cluster.mustKubectl(['label', 'namespace', namespace, label]);
    }
    const pods = foreignPods();
    const before = await made(cluster, pods);
    t.equal(before.size, pods.length);
    for (const { name, install } of WAYS) {
      await t.test(name, { timeout: TIMEOUT_MS }, async (t: Test) => {
        const remove = await install(t, cluster, 'odd');
        const after = await made(cluster, pods);
        t.same([...after.keys()].sort(), [...before.keys()].sort());
        for (const [place, text] of before) {
          t.equal(after.get(place), text, place);
          t.notMatch(text, RECORD, place);
        }
        await oddPods(t, cluster, 'odd');
        await remove();
      });
    }
  },
);
