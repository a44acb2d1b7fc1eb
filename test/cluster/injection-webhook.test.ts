/**
 * The webhook with a real API server: two replicas that share a certificate, the pods that come of it, and a change of the
 * certificate under way.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { defaultSettings } from '../../src/inject/annotations.ts';
import { kubeconfigAccess } from '../../src/kube/kubeconfig.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { createLogger } from '../../src/log.ts';
import { Webhook } from '../../src/webhook/webhook.ts';
import { parseManifests, ROOT } from '../support/manifests.ts';
import { podsOf, type Pod } from '../support/inject-pods.ts';
import { injected, manifests, onlyTemplate, VERSION } from '../unit/inject/fixtures.ts';
import { startApi, type ApiCluster } from './api.ts';

const RECORD = 'sideroute.dev/injected';
const HOUR_MS = 3_600_000;

function replica(t: Test, cluster: ApiCluster): Webhook {
  const client = new KubeClient(kubeconfigAccess(cluster.kubeconfig), 'test');
  t.teardown(() => client.close());
  return new Webhook({
    ...{ api: client, namespace: 'sideroute-system', port: 0, log: createLogger('error', () => undefined) },
    inject: { version: VERSION, settings: defaultSettings(VERSION) },
    // They begin an hour ago, so two thirds of their life are over at once: every look is a step of the change.
    rotation: { names: ['localhost'], lifetimeMs: HOUR_MS / 4, overlapMs: 0 },
  });
}

async function stored(cluster: ApiCluster, namespace: string): Promise<Map<string, Pod>> {
  const list = JSON.parse(await cluster.mustKubectl(['-n', namespace, 'get', 'pods', '-o', 'json'])) as {
    items: Pod[];
  };
  return new Map(list.items.map((pod) => [pod.metadata['name'] as string, pod]));
}

function comparable({ metadata, spec }: Pod): object {
  const { [RECORD]: record, ...annotations } = (metadata['annotations'] ?? {}) as Record<string, string>;
  return {
    annotations,
    spec,
    record: record === undefined ? null : { ...(JSON.parse(record) as object), created: [] },
  };
}

t.test('injection by the webhook', async (t) => {
  const cluster = await startApi();
  t.teardown(() => cluster.stop());
  for (const namespace of ['labelled', 'plain', 'sideroute-system'])
    await cluster.mustKubectl(['create', 'namespace', namespace]);
  await cluster.mustKubectl(['label', 'namespace', 'labelled', 'sideroute.dev/injection=enabled']);
  const file = readFileSync(join(ROOT, 'deploy/kustomize/controller/webhook/webhook.yaml'), 'utf8');
  const objects = parseManifests(file) as unknown as { kind: string; webhooks?: { clientConfig: object }[] }[];
  await cluster.mustKubectl(['apply', '-f', '-'], JSON.stringify(objects.find(({ kind }) => kind === 'Secret')));

  const replicas = [replica(t, cluster), replica(t, cluster)];
  const ending = new AbortController();
  t.teardown(() => ending.abort());
  await t.rejects(replicas[0]!.look(), /not found/, 'without its configuration it is not ready');
  t.notOk(replicas[0]!.ready);
  const configuration = objects.find(({ kind }) => kind === 'MutatingWebhookConfiguration')!;
  await cluster.mustKubectl(['apply', '-f', '-'], JSON.stringify(configuration));
  await Promise.all(replicas.map((one) => one.look()));
  for (const one of replicas) t.ok(one.ready, 'with it, it is');
  const [webhook] = configuration.webhooks!;
  /** No Service leads anywhere in a cluster without nodes. */
  const sendTo = async (port: number): Promise<void> => {
    const found = JSON.parse(
      await cluster.mustKubectl(['get', 'mutatingwebhookconfiguration', 'sideroute-injection', '-o', 'json']),
    ) as {
      webhooks: { clientConfig: { caBundle: string } }[];
    };
    const { caBundle } = found.webhooks[0]!.clientConfig;
    const url = {
      ...configuration,
      webhooks: [{ ...webhook, clientConfig: { url: `https://localhost:${port}/inject`, caBundle } }],
    };
    await cluster.mustKubectl(['replace', '-f', '-'], JSON.stringify(url));
  };
  const probe = (name: string) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: { containers: [{ name: 'a', image: 'a' }] },
  });
  const isInjected = async (): Promise<boolean> => {
    const args = ['-n', 'labelled', 'create', '--dry-run=server', '-o', 'json', '-f', '-'];
    return (await cluster.kubectl(args, JSON.stringify(probe('probe')))).stdout.includes(RECORD);
  };
  const untilAsked = async (one: Webhook): Promise<void> => {
    const before = one.outcomes.injected;
    while (one.outcomes.injected === before) await isInjected();
  };
  await sendTo(replicas[0]!.port);
  await untilAsked(replicas[0]!);

  await t.test('a pod is the one that inject makes, classic ones too', async (t) => {
    const pods = manifests('inject')
      .flatMap(({ text }) => podsOf(text))
      .map((pod, index) => {
        const { labels, annotations } = pod.metadata;
        return { ...pod, metadata: { labels, annotations, name: `pod-${index}` } };
      });
    const text = (list: readonly object[]) => list.map((pod) => JSON.stringify(pod)).join('\n---\n');
    const expected = pods.map((pod) => ({ ...pod, ...onlyTemplate(injected(JSON.stringify(pod))) }));
    await cluster.kubectl(['-n', 'plain', 'create', '--validate=false', '-f', '-'], text(expected));
    await cluster.kubectl(['-n', 'labelled', 'create', '--validate=false', '-f', '-'], text(pods));
    const [plain, labelled] = [await stored(cluster, 'plain'), await stored(cluster, 'labelled')];
    t.same([...labelled.keys()], [...plain.keys()]);
    for (const [name, pod] of plain) t.same(comparable(labelled.get(name)!), comparable(pod), name);
    t.ok(plain.size > 40, `${plain.size} pods`);
  });

  await t.test('a refusal says why and what to do', async (t) => {
    const pod = { ...probe('node'), spec: { ...probe('node').spec, hostNetwork: true } };
    const { stderr } = await cluster.kubectl(['-n', 'labelled', 'create', '-f', '-'], JSON.stringify(pod));
    t.match(stderr, 'sideroute cannot be added to this pod: spec.hostNetwork is true: the rules would capture traffic');
    t.match(stderr, /label it sideroute\.dev\/inject=disabled/);
  });

  await t.test('no pod is refused while the certificate changes, whichever replica is behind', async (t) => {
    const certificate = () =>
      cluster.mustKubectl([
        '-n',
        'sideroute-system',
        'get',
        'secret',
        'sideroute-webhook',
        '-o',
        'jsonpath={.data.tls\\.crt}',
      ]);
    const first = await certificate();
    // The other replica makes every step; this one serves the old certificate until it looks.
    for (let step = 0; step < 4 && (await certificate()) === first; step++) {
      await replicas[1]!.look();
      t.ok(await isInjected(), `step ${step}`);
    }
    t.not(await certificate(), first, 'there is a new one');
    await sendTo(replicas[1]!.port);
    await untilAsked(replicas[1]!);
    await replicas[0]!.look();
    await sendTo(replicas[0]!.port);
    await untilAsked(replicas[0]!);
    t.ok(replicas.every(({ ready }) => ready));
  });

  await t.test('without a webhook that answers, a labelled namespace has no new pods, and others do', async (t) => {
    await sendTo(1);
    const create = (namespace: string, name: string) =>
      cluster.kubectl(['-n', namespace, 'create', '-f', '-'], JSON.stringify(probe(name)));
    while (await isInjected());
    t.match((await create('labelled', 'none')).stderr, /failed calling webhook/);
    t.equal((await create('plain', 'none')).status, 0);
  });

  // They close when they are told to end.
  await Promise.all(
    replicas.map(async (one) => {
      const running = one.run(ending.signal);
      ending.abort();
      await running;
    }),
  );
});
