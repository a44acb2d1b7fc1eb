/** The ways of injection in a test cluster of the small size, one after the other: each is put up, in force, and taken away again. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { defaultSettings } from '../../src/inject/annotations.ts';
import { kubeconfigAccess } from '../../src/kube/kubeconfig.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { createLogger } from '../../src/log.ts';
import { Webhook } from '../../src/webhook/webhook.ts';
import { eventually } from '../support/eventually.ts';
import { parseManifests, ROOT } from '../support/manifests.ts';
import { VERSION } from '../unit/inject/fixtures.ts';
import type { ApiCluster } from './api.ts';

export const CONTROLLER_NAMESPACE = 'sideroute-system';
export const INJECTION_LABEL = 'sideroute.dev/injection=enabled';
export const RECORD = 'sideroute.dev/injected';
const DEADLINE_MS = 120_000;

export interface Way {
  readonly name: string;
  /** In force once it resolves; what it resolves to takes it away. `namespace`: a labelled one. */
  readonly install: (t: Test, cluster: ApiCluster, namespace: string) => Promise<() => Promise<void>>;
}

export const WAYS: readonly Way[] = [
  { name: 'policies', install: (_t, ...where) => installPolicies('policy', ...where) },
  { name: 'policies of v1beta1', install: (_t, ...where) => installPolicies('policy-v1beta1', ...where) },
  { name: 'the webhook', install: installWebhook },
];

/** What becomes of a plain pod. Null: it is refused. */
async function isInjected(cluster: ApiCluster, namespace: string): Promise<boolean | null> {
  const args = ['-n', namespace, 'run', 'probe', '--image=probe', '--dry-run=server', '--output=json'];
  const { status, stdout } = await cluster.kubectl(args);
  return status === 0 ? stdout.includes(RECORD) : null;
}

async function untilInjected(cluster: ApiCluster, namespace: string, expected: boolean): Promise<void> {
  await eventually(
    expected ? 'pods are injected' : 'pods are not injected any more',
    async () => (await isInjected(cluster, namespace)) === expected,
    DEADLINE_MS,
  );
}

async function installPolicies(
  kustomization: string,
  cluster: ApiCluster,
  namespace: string,
): Promise<() => Promise<void>> {
  const built = await cluster.mustKubectl(['kustomize', join(ROOT, 'deploy/kustomize/controller', kustomization)]);
  const policies = parseManifests(built).filter(({ metadata }) => metadata.name === 'sideroute-injection');
  const text = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: policies });
  await cluster.mustKubectl(['apply', '-f', '-'], text);
  await untilInjected(cluster, namespace, true);
  return async () => {
    await cluster.mustKubectl(['delete', '-f', '-'], text);
    await untilInjected(cluster, namespace, false);
  };
}

/** In the process of the test: no Service leads anywhere in a cluster without nodes, so the API server is told its address. */
async function installWebhook(t: Test, cluster: ApiCluster, namespace: string): Promise<() => Promise<void>> {
  const file = readFileSync(join(ROOT, 'deploy/kustomize/controller/webhook/webhook.yaml'), 'utf8');
  const objects = parseManifests(file) as unknown as { kind: string; webhooks?: { clientConfig: object }[] }[];
  const secret = objects.find(({ kind }) => kind === 'Secret')!;
  const configuration = objects.find(({ kind }) => kind === 'MutatingWebhookConfiguration')!;
  for (const object of [secret, configuration]) await cluster.mustKubectl(['apply', '-f', '-'], JSON.stringify(object));
  const client = new KubeClient(kubeconfigAccess(cluster.kubeconfig), 'test');
  t.teardown(() => client.close());
  const webhook = new Webhook({
    ...{ api: client, namespace: CONTROLLER_NAMESPACE, port: 0, log: createLogger('error', () => undefined) },
    inject: { version: VERSION, settings: defaultSettings(VERSION) },
    rotation: { names: ['localhost'] },
  });
  const ending = new AbortController();
  const running = webhook.run(ending.signal);
  t.teardown(() => ending.abort());
  await eventually('it is ready', () => webhook.ready, DEADLINE_MS);
  const name = 'sideroute-injection';
  const found = JSON.parse(await cluster.mustKubectl(['get', 'mutatingwebhookconfiguration', name, '-o', 'json'])) as {
    webhooks: { clientConfig: { caBundle: string } }[];
  };
  const { caBundle } = found.webhooks[0]!.clientConfig;
  const clientConfig = { url: `https://localhost:${webhook.port}/inject`, caBundle };
  const there = { ...configuration, webhooks: [{ ...configuration.webhooks![0], clientConfig }] };
  await cluster.mustKubectl(['replace', '-f', '-'], JSON.stringify(there));
  await untilInjected(cluster, namespace, true);
  return async () => {
    await cluster.mustKubectl(['delete', 'mutatingwebhookconfiguration', name]);
    await untilInjected(cluster, namespace, false);
    ending.abort();
    await running;
  };
}
