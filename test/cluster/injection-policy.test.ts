/**
 * The admission policies that inject by label, in a real API server: the pod that it makes is the one that `sideroute inject` makes
 * of the manifest, and what inject refuses is refused with the reason.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ROOT } from '../support/manifests.ts';
import { podsOf, type Pod } from '../support/inject-pods.ts';
import { inject, injected, manifests, onlyTemplate, type PodTemplate } from '../unit/inject/fixtures.ts';
import { startApi, type ApiCluster } from './api.ts';

const POLICY = readFileSync(join(ROOT, 'deploy/kustomize/controller/policy/policy.yaml'), 'utf8');
const RECORD = 'sideroute.dev/injected';
const LABEL = 'sideroute.dev/injection=enabled';

/** What only the API server knows of a pod. */
interface StoredPod {
  readonly metadata: {
    readonly name: string;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec: PodTemplate['spec'];
}

interface NamedPod {
  readonly name: string;
  readonly pod: Pod;
  /** Fixture it comes from. */
  readonly file: string;
}

function named(directory: 'inject' | 'inject-refused'): NamedPod[] {
  return manifests(directory)
    .flatMap(({ name, text }) => {
      try {
        return podsOf(text).map((pod) => ({ file: name, pod }));
      } catch {
        // Not even YAML: nothing that an API server would see.
        return [];
      }
    })
    .map(({ file, pod }, position) => {
      const index = position + (directory === 'inject' ? 0 : 500);
      const { labels, annotations } = pod.metadata;
      return { name: `pod-${index}`, file, pod: { ...pod, metadata: { labels, annotations, name: `pod-${index}` } } };
    });
}

/** What the API server says against each, by the name of the pod. */
async function create(cluster: ApiCluster, namespace: string, pods: readonly Pod[]): Promise<Map<string, string>> {
  const list = pods.map((pod) => JSON.stringify(pod)).join('\n---\n');
  const { stderr } = await cluster.kubectl(['-n', namespace, 'create', '--validate=false', '-f', '-'], list);
  const errors = stderr.split(/\n?(?=Error from server|The Pod )/).filter((error) => error.trim() !== '');
  return new Map(errors.map((error) => [/\b(pod-\d+)\b/.exec(error)?.[1] ?? error, error]));
}

async function storedIn(cluster: ApiCluster, namespace: string): Promise<Map<string, StoredPod>> {
  const list = JSON.parse(await cluster.mustKubectl(['-n', namespace, 'get', 'pods', '-o', 'json'])) as {
    items: StoredPod[];
  };
  return new Map(list.items.map((pod) => [pod.metadata.name, pod]));
}

/** The record says what was there before, which is not the same for a manifest and for a pod. */
function comparable({ metadata, spec }: StoredPod): object {
  const { [RECORD]: record, ...annotations } = metadata.annotations ?? {};
  const said = record === undefined ? null : (JSON.parse(record) as Record<string, unknown>);
  return { annotations, labels: metadata.labels, spec, record: said === null ? null : { ...said, created: [] } };
}

/** Until a policy is in force, which the API server takes a moment for. */
async function untilInjected(cluster: ApiCluster, namespace: string): Promise<void> {
  const probe = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'probe' },
    spec: { containers: [{ name: 'a', image: 'a' }] },
  };
  const args = ['-n', namespace, 'create', '--dry-run=server', '-o', 'json', '-f', '-'];
  for (;;) {
    const { stdout } = await cluster.kubectl(args, JSON.stringify(probe));
    if (stdout.includes(RECORD)) return;
  }
}

async function withPolicies(t: Test): Promise<ApiCluster> {
  const cluster = await startApi();
  t.teardown(() => cluster.stop());
  for (const namespace of ['labelled', 'plain', 'possible', 'sideroute-system'])
    await cluster.mustKubectl(['create', 'namespace', namespace]);
  await cluster.mustKubectl(['label', 'namespace', 'labelled', LABEL]);
  await cluster.mustKubectl(['apply', '-f', '-'], POLICY);
  await untilInjected(cluster, 'labelled');
  return cluster;
}

t.test('injection by admission policies', async (t) => {
  const cluster = await withPolicies(t);

  await t.test('a pod of a labelled namespace is the one that inject makes', async (t) => {
    // Classic sidecars are for clusters that have no policies.
    const pods = named('inject').filter(({ file }) => file !== 'classic.yaml');
    const expected = pods.map(({ name, pod }) => {
      const { metadata, spec } = onlyTemplate(injected(JSON.stringify(pod)));
      return { ...pod, metadata: { ...metadata, name }, spec };
    });
    const refusedPlain = await create(cluster, 'plain', expected);
    const refusedLabelled = await create(
      cluster,
      'labelled',
      pods.map(({ pod }) => pod),
    );
    t.same([...refusedLabelled.keys()], [...refusedPlain.keys()], 'the API takes the same pods');
    for (const error of refusedLabelled.values()) t.notMatch(error, /sideroute-injection/);
    const [plain, labelled] = [await storedIn(cluster, 'plain'), await storedIn(cluster, 'labelled')];
    for (const { name, file } of pods.filter((pod) => plain.has(pod.name)))
      t.same(comparable(labelled.get(name)!), comparable(plain.get(name)!), `${file}: ${name}`);
    t.ok(labelled.size > 40, `${labelled.size} pods`);
  });

  await t.test('what inject refuses is refused with the field and the reason', async (t) => {
    const all = named('inject-refused');
    await create(
      cluster,
      'possible',
      all.map(({ pod }) => pod),
    );
    const possible = await storedIn(cluster, 'possible');
    // Some are not even pods.
    const pods = all.filter(({ name }) => possible.has(name));
    const errors = await create(
      cluster,
      'labelled',
      pods.map(({ pod }) => pod),
    );
    let refused = 0;
    for (const { name, file, pod } of pods) {
      const problems = inject(JSON.stringify(pod)).problems;
      if (problems.length === 0) continue;
      refused++;
      const error = errors.get(name) ?? '';
      t.match(error, "ValidatingAdmissionPolicy 'sideroute-injection'", `${file}: ${problems[0]!.message}`);
      t.match(error, /label it sideroute\.dev\/inject=disabled/, `${file} says what to do`);
      for (const { path, message, code } of problems) {
        const classic = code === 'ends-by-itself';
        const place = classic ? 'sideroute.dev/mode' : path.replace(/\.ports\[\d+\].*/, '.ports');
        t.ok(error.includes(place), `${file} names ${place}: ${error}`);
        if (!classic && !code.includes('annotation')) t.ok(error.includes(message), `${file}: ${message}: ${error}`);
      }
    }
    t.ok(refused > 40, `${refused} pods`);
  });

  await t.test('everything else is untouched', async (t) => {
    const pod = (name: string, more: object = {}): Pod => ({
      ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name, ...more } },
      spec: { containers: [{ name: 'app', image: 'a:1' }] },
    });
    for (const namespace of ['kube-system', 'sideroute-system'])
      await cluster.mustKubectl(['label', 'namespace', namespace, LABEL]);
    const left = [
      pod('pod-1001', { labels: { 'sideroute.dev/inject': 'disabled' } }),
      pod('pod-1002', { annotations: { 'sideroute.dev/inject': 'false' } }),
      pod('pod-1003', { annotations: { 'kubernetes.io/config.mirror': 'x' } }),
    ];
    // The API wants the copy of a static pod to name its node.
    const placed = left.map((one) => ({ ...one, spec: { ...one.spec, nodeName: 'n' } }));
    for (const namespace of ['labelled', 'plain'])
      t.same([...(await create(cluster, namespace, placed)).values()], [], namespace);
    for (const namespace of ['plain', 'kube-system', 'sideroute-system'])
      t.same([...(await create(cluster, namespace, [pod('pod-1000')])).values()], [], namespace);
    const plain = await storedIn(cluster, 'plain');
    const labelled = await storedIn(cluster, 'labelled');
    for (const { metadata } of left) {
      const name = metadata['name'] as string;
      t.same(labelled.get(name)?.spec, plain.get(name)?.spec, name);
      t.same(labelled.get(name)?.metadata.annotations, plain.get(name)?.metadata.annotations, name);
    }
    for (const namespace of ['kube-system', 'sideroute-system'])
      t.same((await storedIn(cluster, namespace)).get('pod-1000')?.spec, plain.get('pod-1000')?.spec, namespace);
  });

  await t.test('a pod that only says that it is injected, or that another mesh is added to, is refused', async (t) => {
    const spec = { containers: [{ name: 'app', image: 'a:1' }] };
    const record = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'pod-2000', annotations: { [RECORD]: '{}' } },
      spec,
    };
    const manifest = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'pod-2001' }, spec };
    const mixed = onlyTemplate(injected(JSON.stringify(manifest)));
    const istio = { name: 'istio-proxy', image: 'b:1' };
    const after = { ...manifest, ...mixed, spec: { ...mixed.spec, containers: [...mixed.spec.containers, istio] } };
    const errors = await create(cluster, 'labelled', [record, after] as Pod[]);
    t.match(errors.get('pod-2000'), /is not what inject writes/);
    t.match(errors.get('pod-2001'), /spec\.containers\[1\]\.name is "istio-proxy" of Istio/);
  });
});
