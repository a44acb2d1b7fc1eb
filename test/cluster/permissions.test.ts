/**
 * The controller does all it can do with the permissions that it is installed with, and uses every one of them; and of a pod, which it may
 * write, the admission policy of the install lets it change the one annotation.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { defaultSettings } from '../../src/inject/annotations.ts';
import { kubeconfigAccess } from '../../src/kube/kubeconfig.ts';
import { KubeClient, type KubeRequest } from '../../src/kube/client.ts';
import { createLogger } from '../../src/log.ts';
import { Webhook } from '../../src/webhook/webhook.ts';
import { settled, startController } from '../support/controller/harness.ts';
import { INJECTED, namespace, pod, route, service } from '../support/controller/objects.ts';
import { eventually } from '../support/eventually.ts';
import { readManifests, type Manifest } from '../support/manifests.ts';
import { granted, needed } from '../support/permissions.ts';
import { temporaryDirectory } from '../support/sidecar.ts';
import { startApi, type ApiCluster } from './api.ts';

const DEADLINE_MS = 60_000;
const TIMEOUT_MS = 600_000;
const BASE = 'kustomize/controller/base';
const ACCOUNT = { namespace: 'sideroute-system', name: 'sideroute-controller' };
const ROUTES = 'sideroute.dev/routes';

/** A kubeconfig of the controller's service account. */
async function accountOf(t: Test, cluster: ApiCluster): Promise<string> {
  const { path, remove } = temporaryDirectory();
  t.teardown(remove);
  const token = await cluster.mustKubectl(['create', 'token', ACCOUNT.name, '-n', ACCOUNT.namespace, '--duration=2h']);
  const config = JSON.parse(readFileSync(cluster.kubeconfig, 'utf8')) as Record<string, unknown>;
  const file = join(path, 'kubeconfig');
  writeFileSync(file, JSON.stringify({ ...config, users: [{ name: 'administrator', user: { token: token.trim() } }] }));
  return file;
}

/** What all clients of this process ask for. `before`: somebody else is faster with something. */
function recorded(t: Test, before: (request: KubeRequest) => Promise<void>): Map<string, Set<string | null>> {
  const used = new Map<string, Set<string | null>>();
  const take = (method: string, path: string, isWatch: boolean): void => {
    const need = needed(method, path, isWatch);
    if (need === null) return;
    const key = `${need.resource} ${need.verb}`;
    used.set(key, (used.get(key) ?? new Set()).add(need.name));
  };
  const { prototype } = KubeClient;
  const send: KubeClient['send'] = Reflect.get(prototype, 'send');
  const watch: KubeClient['watch'] = Reflect.get(prototype, 'watch');
  prototype.send = async function (request) {
    take(request.method, request.path, false);
    await before(request);
    return await send.call(this, request);
  };
  prototype.watch = function (request, ...rest) {
    take('GET', request.path, true);
    return watch.call(this, request, ...rest);
  };
  t.teardown(() => Object.assign(prototype, { send, watch }));
  return used;
}

async function apply(cluster: ApiCluster, ...objects: object[]): Promise<void> {
  const list = { apiVersion: 'v1', kind: 'List', items: objects };
  await cluster.mustKubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], JSON.stringify(list));
}

t.setTimeout(TIMEOUT_MS);

t.test('permissions of the controller', { timeout: TIMEOUT_MS }, async (t) => {
  const cluster = await startApi();
  t.teardown(() => cluster.stop());
  const base = ['namespace', 'rbac', 'pod-writes'].flatMap((name) => readManifests(`${BASE}/${name}.yaml`));
  const webhook = readManifests('kustomize/controller/webhook/webhook.yaml').filter(({ kind }) => kind !== 'Service');
  await apply(cluster, ...base);
  await apply(
    cluster,
    ...[namespace('shop', { labels: INJECTED }), namespace('clients')],
    ...[service('my-server', 'shop', '10.96.0.10'), service('my-server-v1', 'shop', '10.96.0.11')],
    ...[route('r', 'shop'), route('g', 'shop', { kind: 'GRPCRoute', parents: [{ name: 'my-server-v1', port: 80 }] })],
    pod('client', 'clients'),
  );
  await apply(cluster, {
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'other', namespace: 'shop', labels: { app: 'other' } } },
    spec: { containers: [{ name: 'app', image: 'app:1' }] },
  });
  // Nobody answers there.
  const status = JSON.stringify({ status: { phase: 'Running', podIP: '127.77.0.9', podIPs: [{ ip: '127.77.0.9' }] } });
  await cluster.mustKubectl([
    ...['patch', 'pod', 'client', '-n', 'clients', '--subresource=status', '--type=merge', '-p', status],
  ]);
  // Not before there are pods: without a controller it lets none into a labelled namespace.
  await apply(cluster, ...webhook);
  const kubeconfig = await accountOf(t, cluster);
  const patch = async (name: string, body: object, config?: string, ...more: string[]) =>
    await cluster.kubectl([
      ...(config === undefined ? [] : [`--kubeconfig=${config}`]),
      ...['-n', 'shop', 'patch', 'pod', name, '--type=merge', '-p', JSON.stringify(body), ...more],
    ]);
  const label = { metadata: { labels: { a: 'b' } } };
  await eventually(
    'the policy is in force',
    async () => (await patch('other', label, kubeconfig, '--dry-run=server')).status !== 0,
    DEADLINE_MS,
  );

  await t.test('of a pod it changes its annotation and nothing else', async (t) => {
    const nudged = await patch('other', { metadata: { annotations: { [ROUTES]: 'abcdefabcdef' } } }, kubeconfig);
    t.equal(nudged.status, 0, `a first annotation: ${nudged.stderr}`);
    const again = await patch('other', { metadata: { annotations: { [ROUTES]: 'abcdefabcdef.2' } } }, kubeconfig);
    t.equal(again.status, 0, `another value: ${again.stderr}`);
    const owner = { apiVersion: 'v1', kind: 'Pod', name: 'x', uid: 'y' };
    for (const [what, body] of [
      ['annotation some', { metadata: { annotations: { some: 'other', [ROUTES]: 'abcdefabcdef.3' } } }],
      ['labels', label],
      ['labels', { metadata: { labels: { app: null } } }],
      ['finalizers', { metadata: { finalizers: ['example.com/never'] } }],
      ['ownerReferences', { metadata: { ownerReferences: [owner] } }],
      ['spec', { spec: { containers: [{ name: 'app', image: 'app:2' }] } }],
      ['spec', { spec: { activeDeadlineSeconds: 1 } }],
    ] as const) {
      const { status, stderr } = await patch('other', body, kubeconfig);
      t.not(status, 0, `${what}: ${JSON.stringify(body)}`);
      t.match(stderr, /the controller of sideroute changes nothing of a pod but the annotation sideroute\.dev\/routes/);
      t.match(stderr, new RegExp(`refused: (?:.*, )?${what}(?:,|$)`, 'm'));
    }
  });

  await t.test('everybody else goes on as before', async (t) => {
    for (const body of [
      label,
      { metadata: { annotations: { some: 'other' } } },
      { spec: { activeDeadlineSeconds: 99 } },
    ]) {
      const { status, stderr } = await patch('other', body);
      t.equal(status, 0, stderr);
    }
    const { status, stderr } = await patch('other', { metadata: { annotations: { some: null } } }, kubeconfig);
    t.not(status, 0, 'an annotation of somebody else cannot be removed either');
    t.match(stderr, /refused: annotation some/);
  });

  await t.test('every permission is used, and none is missing', { timeout: TIMEOUT_MS }, async (t) => {
    const interfered = new Set<string>();
    /** Somebody else writes the object between the look at it and the first write of it. */
    const used = recorded(t, async ({ method, path }) => {
      const object = path.replace(/\/status$/, '');
      const isWrite = (method === 'PATCH' && path !== object) || (method === 'PUT' && path.includes('/configmaps/'));
      if (!isWrite || interfered.has(object)) return;
      interfered.add(object);
      const [plural = '', name = ''] = object.split('/').slice(-2);
      await cluster.mustKubectl(['annotate', plural, name, '-n', object.split('/').at(-3)!, 'somebody=else']);
    });
    const started = await startController(kubeconfig, {
      ...{ leaderElection: true, leaseNamespace: ACCOUNT.namespace, nudge: true, servedPort: 1, cleanupAfterMs: 0 },
    });
    t.teardown(() => started.close());
    const has = async (what: string) => await eventually(`${what} is asked for`, () => used.has(what), DEADLINE_MS);
    await settled(started);
    await apply(cluster, route('r', 'shop', { backends: [{ name: 'nowhere', port: 80 }] }));
    for (const what of ['configmaps update', 'configmaps get', 'httproutes get', 'grpcroutes get', 'pods patch'])
      await has(what);
    await cluster.mustKubectl(['delete', 'pod', 'client', '-n', 'clients', '--grace-period=0', '--force']);
    await has('configmaps delete');
    await has('leases update');
    const client = new KubeClient(kubeconfigAccess(kubeconfig), 'test');
    t.teardown(() => client.close());
    const served = new Webhook({
      ...{ api: client, namespace: ACCOUNT.namespace, port: 0, log: createLogger('error', () => undefined) },
      inject: { version: '0', settings: defaultSettings('0') },
    });
    const ending = new AbortController();
    const running = served.run(ending.signal);
    await eventually('the webhook is ready', () => served.ready, DEADLINE_MS);
    ending.abort();
    await running;
    await settled(started);
    const refused = started.log.filter(({ error }) => /forbidden/i.test(String(error)));
    t.same(refused, [], 'nothing is refused');

    const permissions = granted([...base, ...webhook] as Manifest[]);
    const keys = permissions.map(({ resource, verb }) => `${resource} ${verb}`);
    t.same([...used.keys()].sort(), [...new Set(keys)].sort(), 'what is used is what is granted');
    for (const { resource, verb, names } of permissions) {
      if (names === null) continue;
      for (const name of used.get(`${resource} ${verb}`) ?? [])
        t.ok(names.includes(name ?? ''), `${verb} ${resource} ${name}`);
    }
    const limited = ['configmaps', 'leases', 'secrets', 'mutatingwebhookconfigurations'];
    for (const { resource, verb, names } of permissions) {
      if (limited.includes(resource) && !['create', 'list', 'watch'].includes(verb))
        t.ok(names !== null, `${verb} of ${resource} is limited to names`);
    }
  });
});
