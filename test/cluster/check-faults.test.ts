/**
 * `sideroute check --cluster` in a real API server: nothing is found where nothing is wrong; each fault that is planted is found by its check,
 * and gone once the command that was printed has been run.
 */
import { createServer, request as httpRequest } from 'node:http';
import { request } from 'node:https';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { namespace, route, service } from '../support/controller/objects.ts';
import { siderouteMeanwhile } from '../support/cli.ts';
import { eventually } from '../support/eventually.ts';
import { matches } from '../support/match.ts';
import { ROOT, readManifests } from '../support/manifests.ts';
import { startApi } from './api.ts';
import { gatewayApiDefinitions } from './programs.ts';
import {
  accountConfig,
  check,
  CheckedCluster,
  DEADLINE_MS,
  deployment,
  findingsOf,
  look,
  nodeInfo,
  slice,
  SYSTEM,
} from './check-cluster.ts';

const TIMEOUT_MS = 1_800_000;

interface Planted {
  readonly id: string;
  readonly fault: string;
  readonly plant: (cluster: CheckedCluster) => Promise<unknown>;
  /** In the line of the fault that is meant: object and message. */
  readonly says: RegExp;
  /** What the parts of a cluster do afterwards that an API server alone has not, or a person who reads the sentence. */
  readonly after?: (cluster: CheckedCluster) => Promise<unknown>;
  /** The mend is to look at something that is not there without nodes. */
  readonly onlyLooks?: boolean;
  /** Instead of what is printed: the same from a file that is at hand. */
  readonly instead?: (command: string) => Promise<string>;
  readonly clean?: (cluster: CheckedCluster) => Promise<unknown>;
}

const inject = 'sideroute.dev/injection';
const removeRoute =
  (name: string, kind = 'httproute') =>
  async (cluster: CheckedCluster) =>
    await cluster.kubectl('-n', 'shop', 'delete', kind, name);

/** A route of its own parent, so that it is in nobody's way. */
function own(
  name: string,
  options: { parent?: object; backend?: object; rules?: readonly object[]; kind?: string } = {},
): object {
  return route(name, 'shop', {
    parents: [{ name: 'my-server-v1', port: 80, ...options.parent }],
    backends: [{ name: 'my-server-v1', port: 80, ...options.backend }],
    ...(options.rules === undefined ? {} : { rules: options.rules }),
    ...(options.kind === undefined ? {} : { kind: options.kind }),
  });
}

async function again(cluster: CheckedCluster, name: string, inNamespace: string): Promise<void> {
  await cluster.removePod(name, inNamespace);
  await cluster.makePod(name, inNamespace);
}

const PLANTED: readonly Planted[] = [
  {
    ...{ id: 'pod-security', fault: 'the namespace enforces baseline', says: /Namespace shop enforces baseline/ },
    plant: (c) => c.kubectl('label', 'namespace', 'shop', 'pod-security.kubernetes.io/enforce=baseline'),
  },
  {
    ...{ id: 'other-meshes', fault: 'Istio injects the namespace as well', says: /Namespace shop .*Istio/ },
    plant: (c) => c.kubectl('label', 'namespace', 'shop', 'istio-injection=enabled'),
  },
  {
    ...{ id: 'other-meshes', fault: 'so does Linkerd', says: /Namespace shop .*Linkerd/ },
    plant: (c) => c.kubectl('annotate', 'namespace', 'shop', 'linkerd.io/inject=enabled'),
  },
  {
    ...{ id: 'injection-label', fault: 'the label says true', says: /Namespace typo says/ },
    plant: (c) => c.apply(namespace('typo', { labels: { [inject]: 'true' } })),
    clean: (c) => c.kubectl('label', 'namespace', 'typo', `${inject}-`),
  },
  {
    ...{ id: 'controller-ready', fault: 'the controller is scaled to 0', says: /scaled to 0/ },
    plant: (c) => c.kubectl('-n', SYSTEM, 'scale', 'deployment', 'sideroute-controller', '--replicas=0'),
  },
  {
    ...{
      id: 'controller-present',
      fault: 'a second controller',
      says: /Deployment second\/sideroute-controller is a second/,
    },
    plant: async (c) => {
      await c.apply(namespace('second'));
      const object = JSON.parse(
        await c.kubectl('-n', SYSTEM, 'get', 'deployment', 'sideroute-controller', '-o', 'json'),
      ) as {
        metadata: { labels: object };
        spec: object;
      };
      const metadata = { name: 'sideroute-controller', namespace: 'second', labels: object.metadata.labels };
      await c.apply({ apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec: object.spec });
    },
    after: (c) => c.kubectl('-n', 'second', 'delete', 'deployment', 'sideroute-controller'),
  },
  {
    ...{ id: 'controller-permissions', fault: 'the binding of its role is gone', says: /may not .*patch pods/ },
    plant: (c) => c.kubectl('delete', 'clusterrolebinding', 'sideroute-controller'),
  },
  {
    ...{ id: 'controller-pod-writes', fault: 'its admission policy is not bound', says: /no binding/ },
    plant: (c) => c.kubectl('delete', 'validatingadmissionpolicybinding', 'sideroute-controller-pods'),
  },
  {
    ...{ id: 'injection-policy-bound', fault: 'the policy that injects is not bound', says: /injects nothing/ },
    plant: (c) => c.kubectl('delete', 'mutatingadmissionpolicybinding', 'sideroute-injection'),
  },
  {
    ...{ id: 'injection-failure-policy', fault: 'failurePolicy Ignore', says: /Ignore/ },
    plant: (c) =>
      c.kubectl(
        ...['patch', 'mutatingadmissionpolicy', 'sideroute-injection', '--type=merge'],
        ...['-p', '{"spec":{"failurePolicy":"Ignore"}}'],
      ),
  },
  {
    ...{ id: 'controller-lease', fault: 'no replica leads', says: /nobody holds it/ },
    plant: (c) => c.stopController(),
    after: (c) => c.startController(),
  },
  {
    ...{ id: 'route-set-whole', fault: 'a ConfigMap of the set is damaged', says: /shop\/sideroute-set-0 .*damaged/ },
    plant: async (c) => {
      await c.stopController();
      const patch = JSON.stringify({ binaryData: { 'sideroute-set-0.gz': 'bm90IGd6aXA=' } });
      await c.kubectl('-n', 'shop', 'patch', 'configmap', 'sideroute-set-0', '--type=merge', '-p', patch);
    },
    after: (c) => c.startController(),
  },
  {
    ...{
      id: 'route-status',
      fault: 'nobody has seen the newest version of a route',
      says: /generation 1, and is of generation 2/,
    },
    plant: async (c) => {
      await c.stopController();
      const patch = JSON.stringify([{ op: 'replace', path: '/spec/rules/0/matches/0/path/value', value: '/x' }]);
      await c.kubectl('-n', 'shop', 'patch', 'httproute', 'route', '--type=json', '-p', patch);
    },
    onlyLooks: true,
    after: (c) => c.startController(),
  },
  {
    ...{ id: 'pods-without-sidecar', fault: 'a pod from before the label', says: /Pod late\/old has no sidecar/ },
    plant: async (c) => {
      await c.apply(namespace('late'), deployment('old', 'late'));
      await c.makePod('old', 'late');
      await c.kubectl('label', 'namespace', 'late', `${inject}=enabled`);
      await c.settled();
    },
    after: (c) => again(c, 'old', 'late'),
  },
  {
    ...{ id: 'host-network', fault: 'a pod in the network of its node', says: /Pod hosted\/agent has hostNetwork/ },
    plant: async (c) => {
      await c.apply(namespace('hosted'), deployment('agent', 'hosted'));
      await c.makePod('agent', 'hosted', { metadata: { ownerReferences: [] }, spec: { hostNetwork: true } });
      await c.kubectl('label', 'namespace', 'hosted', `${inject}=enabled`);
    },
  },
  {
    ...{
      id: 'sidecars-current',
      fault: 'a sidecar of an earlier version',
      says: /Pod shop\/stale .*sideroute:0\.0\.9/,
    },
    plant: async (c) => {
      await c.apply(deployment('stale', 'shop'));
      const pod = JSON.parse(await c.kubectl('-n', 'shop', 'get', 'pod', 'client', '-o', 'json')) as {
        metadata: { annotations: object };
        spec: { initContainers: { name: string; image: string }[]; volumes: object[] };
      };
      const initContainers = pod.spec.initContainers.map((container) =>
        container.name === 'sideroute' ? { ...container, image: 'sideroute:0.0.9' } : container,
      );
      const { annotations } = pod.metadata;
      const labels = { app: 'stale', 'pod-template-hash': 'abc' };
      await c.makePod('stale', 'shop', {
        metadata: { annotations, labels },
        spec: { initContainers, volumes: pod.spec.volumes },
      });
    },
    after: (c) => again(c, 'stale', 'shop'),
    clean: (c) => c.removePod('stale', 'shop'),
  },
  {
    ...{
      id: 'sidecars-told',
      fault: 'a pod was told of another set',
      says: /Pod shop\/client was told of the set bbbbbbbbbbbb/,
    },
    plant: (c) => c.kubectl('-n', 'shop', 'annotate', 'pod', 'client', 'sideroute.dev/routes=bbbbbbbbbbbb'),
    clean: (c) => c.kubectl('-n', 'shop', 'annotate', 'pod', 'client', 'sideroute.dev/routes-'),
  },
  {
    ...{
      id: 'sidecars-ready',
      fault: 'an init container fails',
      says: /Pod shop\/client its init container fails: nft is missing/,
    },
    plant: (c) => c.status('pod', 'client', failedInit('nft is missing'), 'shop'),
    onlyLooks: true,
    after: (c) => again(c, 'client', 'shop'),
  },
  {
    ...{
      id: 'workloads-refused',
      fault: 'admission refuses the pods of a Deployment',
      says: /Deployment shop\/client its pods are refused: no such/,
    },
    plant: (c) =>
      c.status(
        'deployment',
        'client',
        { conditions: [{ type: 'ReplicaFailure', status: 'True', message: 'no such annotation' }] },
        'shop',
      ),
    after: (c) => c.status('deployment', 'client', { conditions: [] }, 'shop'),
  },
  {
    ...{ id: 'cni-hides-cluster-ips', fault: 'Cilium balances in sockets', says: /kube-system\/cilium-config/ },
    plant: (c) =>
      c.apply(
        {
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: { name: 'cilium-config', namespace: 'kube-system' },
          data: { 'kube-proxy-replacement': 'true' },
        },
        { ...deployment('cilium', 'kube-system'), kind: 'DaemonSet' },
      ),
    clean: (c) => c.kubectl('-n', 'kube-system', 'delete', 'configmap/cilium-config', 'daemonset/cilium'),
  },
  {
    ...{ id: 'kube-proxy', fault: 'a mode of kube-proxy that is gone', says: /mode userspace/ },
    plant: (c) =>
      c.apply({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'kube-proxy', namespace: 'kube-system' },
        data: { 'config.conf': 'mode: userspace\n' },
      }),
    after: (c) => c.kubectl('-n', 'kube-system', 'delete', 'configmap', 'kube-proxy'),
  },
  {
    ...{
      id: 'service-cidrs',
      fault: 'a network of ClusterIPs that injection does not capture',
      says: /10\.200\.0\.0\/16/,
    },
    plant: async (c) => {
      await c.apply({
        apiVersion: 'networking.k8s.io/v1',
        kind: 'ServiceCIDR',
        metadata: { name: 'more' },
        spec: { cidrs: ['10.200.0.0/16'] },
      });
      await setDefaults(c, { 'service-cidrs': '10.96.0.0/16' });
    },
    after: async (c) => setDefaults(c, { 'service-cidrs': '10.96.0.0/16,10.200.0.0/16' }),
    clean: (c) => c.kubectl('apply', '-k', `${ROOT}/deploy/kustomize/controller/policy`),
  },
  {
    ...{ id: 'node-clocks', fault: 'the clock of a node is an hour ahead', says: /Node node-1 .*ahead/ },
    plant: (c) => c.renewNode(new Date(Date.now() + 3_600_000)),
    after: (c) => c.renewNode(),
  },
  {
    ...{ id: 'native-sidecars', fault: 'a kubelet before native sidecars', says: /Node node-1 .*v1\.28\.3/ },
    plant: (c) => c.status('node', 'node-1', { nodeInfo: nodeInfo('v1.28.3') }),
    after: (c) => c.status('node', 'node-1', { nodeInfo: nodeInfo('v1.36.1') }),
  },
  {
    ...{
      id: 'route-parent-missing',
      fault: 'a slip in the name of the parent',
      says: /HTTPRoute shop\/slip .*no such Service/,
    },
    plant: (c) => c.apply(own('slip', { parent: { name: 'my-server-vv1' } })),
    clean: removeRoute('slip'),
  },
  {
    ...{ id: 'route-parent-port', fault: 'a port that the parent has not', says: /HTTPRoute shop\/port .*8080/ },
    plant: (c) => c.apply(own('port', { parent: { port: 8080 } })),
    clean: removeRoute('port'),
  },
  {
    ...{ id: 'route-parent-address', fault: 'a headless parent', says: /HTTPRoute shop\/headless .*is headless/ },
    plant: (c) => c.apply(service('none', 'shop', 'None'), own('headless', { parent: { name: 'none' } })),
    after: removeRoute('headless'),
  },
  {
    ...{
      id: 'route-conflict',
      fault: 'a GRPCRoute on the same port',
      says: /HTTPRoute shop\/route .*GRPCRoute shop\/calls/,
    },
    plant: (c) => c.apply(route('calls', 'shop', { kind: 'GRPCRoute' })),
    after: removeRoute('calls', 'grpcroute'),
  },
  {
    ...{ id: 'route-refused', fault: 'an expression that is none', says: /HTTPRoute shop\/broken/ },
    plant: (c) =>
      c.apply(own('broken', { rules: [{ matches: [{ path: { type: 'RegularExpression', value: '/(' } }] }] })),
    after: removeRoute('broken'),
  },
  {
    ...{
      id: 'route-backend-missing',
      fault: 'a slip in the name of a backend',
      says: /HTTPRoute shop\/backend .*my-server-v11/,
    },
    plant: (c) => c.apply(own('backend', { backend: { name: 'my-server-v11' } })),
    clean: removeRoute('backend'),
  },
  {
    ...{
      id: 'route-backend-port',
      fault: 'a port that the backend has not',
      says: /HTTPRoute shop\/backend .*port 8080/,
    },
    plant: (c) => c.apply(own('backend', { backend: { port: 8080 } })),
    clean: removeRoute('backend'),
  },
  {
    ...{ id: 'route-backend-address', fault: 'a headless backend', says: /HTTPRoute shop\/backend .*headless/ },
    plant: (c) => c.apply(service('none', 'shop', 'None'), own('backend', { backend: { name: 'none' } })),
    after: removeRoute('backend'),
  },
  {
    ...{
      id: 'backend-endpoints',
      fault: 'nobody behind a backend',
      says: /Service shop\/my-server-v1 selects app=my-server-v1, which no pod has/,
    },
    plant: (c) => c.kubectl('-n', 'shop', 'delete', 'endpointslice', 'my-server-v1-1'),
    after: (c) => c.apply(slice('my-server-v1')),
  },
  {
    ...{ id: 'route-rules', fault: 'a rule without backends', says: /HTTPRoute shop\/empty/ },
    plant: (c) => c.apply(own('empty', { rules: [{ matches: [{ path: { type: 'PathPrefix', value: '/' } }] }] })),
    after: removeRoute('empty'),
  },
  {
    ...{
      id: 'route-shadowed',
      fault: 'an older route asks for the same',
      says: /HTTPRoute shop\/younger .*HTTPRoute shop\/route/,
    },
    plant: async (c) => {
      // By name where the two are of the same second.
      await c.apply(route('younger', 'shop', { rules: await rulesOf(c) }));
    },
    after: removeRoute('younger'),
  },
  {
    ...{
      id: 'route-clients',
      fault: 'a route for clients that have no sidecar',
      says: /HTTPRoute clients\/consumer .*clients in clients alone/,
    },
    plant: async (c) => {
      await c.apply(namespace('clients'), deployment('app', 'clients'));
      const at = { namespace: 'shop', name: 'my-server-v1', port: 80 };
      await c.apply(route('consumer', 'clients', { parents: [at], backends: [at] }));
      await c.makePod('app', 'clients');
    },
    after: async (c) => {
      await again(c, 'app', 'clients');
      await c.settled();
    },
    clean: (c) => c.kubectl('-n', 'clients', 'delete', 'httproute', 'consumer'),
  },
  {
    ...{ id: 'webhook-ca', fault: 'the webhook has no authority', says: /no caBundle/ },
    plant: (c) => plantWebhook(c),
    onlyLooks: true,
    after: (c) => c.kubectl('delete', 'mutatingwebhookconfiguration', 'sideroute-injection'),
  },
  {
    ...{
      id: 'webhook-service',
      fault: 'the webhook has no Service',
      says: /Service sideroute-system\/sideroute-webhook is not there/,
    },
    plant: (c) => plantWebhook(c),
    onlyLooks: true,
    after: (c) => c.kubectl('delete', 'mutatingwebhookconfiguration', 'sideroute-injection'),
  },
  {
    ...{ id: 'injection-installed', fault: 'a webhook as well as a policy', says: /injects as well as the policy/ },
    plant: (c) => plantWebhook(c),
  },
  {
    ...{ id: 'gateway-api-version', fault: 'definitions of two versions', says: /grpcroutes.* of v1\.6\.3/ },
    plant: (c) =>
      c.kubectl(
        'annotate',
        '--overwrite',
        'crd',
        'grpcroutes.gateway.networking.k8s.io',
        'gateway.networking.k8s.io/bundle-version=v1.6.3',
      ),
    instead: async (command) => command.replace(/-f https:\S+/, `-k ${await gatewayApiDefinitions()}`),
  },
  {
    ...{ id: 'gateway-api-v1', fault: 'v1 of HTTPRoute is not served', says: /httproutes.* v1 is not served/ },
    plant: async (c) => {
      await c.stopController();
      const name = 'httproutes.gateway.networking.k8s.io';
      const { spec } = JSON.parse(await c.kubectl('get', 'crd', name, '-o', 'json')) as {
        spec: { versions: { name: string }[] };
      };
      const index = spec.versions.findIndex((version) => version.name === 'v1');
      const patch = JSON.stringify([{ op: 'replace', path: `/spec/versions/${index}/served`, value: false }]);
      await c.kubectl('patch', 'crd', name, '--type=json', '-p', patch);
    },
    after: (c) => c.startController(),
  },
];

function failedInit(message: string): object {
  const state = { waiting: { reason: 'CrashLoopBackOff' } };
  const lastState = { terminated: { exitCode: 1, message } };
  return {
    initContainerStatuses: [
      { name: 'sideroute-init', ready: false, image: 'x', imageID: 'x', restartCount: 3, state, lastState },
    ],
  };
}

async function rulesOf(c: CheckedCluster): Promise<readonly object[]> {
  const found = JSON.parse(await c.kubectl('-n', 'shop', 'get', 'httproute', 'route', '-o', 'json')) as {
    spec: { rules: object[] };
  };
  return found.spec.rules;
}

async function setDefaults(c: CheckedCluster, defaults: object): Promise<void> {
  const expression = JSON.stringify({ image: 'sideroute:0.1.0', 'init-image': 'sideroute-init:0.1.0', ...defaults });
  const patch = JSON.stringify([{ op: 'replace', path: '/spec/variables/0/expression', value: expression }]);
  await c.kubectl('patch', 'mutatingadmissionpolicy', 'sideroute-injection', '--type=json', '-p', patch);
}

async function plantWebhook(c: CheckedCluster): Promise<void> {
  const webhook = readManifests('kustomize/controller/webhook/webhook.yaml').find(
    ({ kind }) => kind === 'MutatingWebhookConfiguration',
  ) as unknown as { webhooks: object[] };
  // Pods of other tests are to start.
  await c.apply({ ...webhook, webhooks: webhook.webhooks.map((each) => ({ ...each, failurePolicy: 'Ignore' })) });
}

t.setTimeout(TIMEOUT_MS);

t.test('check --cluster', { timeout: TIMEOUT_MS }, async (t) => {
  const api = await startApi();
  t.teardown(() => api.stop());
  const cluster = new CheckedCluster(t, api);

  await t.test(
    'before the install nothing is wrong, and after it what is missing is',
    { timeout: TIMEOUT_MS },
    async (t) => {
      const before = await check(cluster.kubeconfig, '--pre');
      t.same(found(before), []);
      t.equal(before.status, 0);
      const after = await check(cluster.kubeconfig);
      t.equal(after.status, 1);
      matches(t, findingsOf(after, 'controller-present'), [
        { mend: { command: 'kubectl apply -k deploy/kustomize/controller/policy' } },
      ]);
    },
  );

  await cluster.build();

  await t.test('a healthy cluster has no finding', async (t) => {
    const healthy = await check(cluster.kubeconfig);
    t.same(found(healthy), []);
    t.equal(healthy.status, 0);
    t.ok(healthy.checks.length >= 30, `${healthy.checks.length} checks`);
  });

  for (const planted of PLANTED) {
    await t.test(
      `${planted.id}: ${planted.fault}`,
      { timeout: TIMEOUT_MS },
      async (t) => await isFoundAndMended(t, cluster, planted),
    );
  }

  await t.test('at the end nothing is left', async (t) => {
    await cluster.renewNode();
    t.same(found(await check(cluster.kubeconfig)), []);
  });

  await t.test('the commands of the document', { timeout: TIMEOUT_MS }, async (t) => {
    const text = readFileSync(join(ROOT, 'docs/cluster-checks.md'), 'utf8');
    const commands = [...text.matchAll(/^\| `sideroute (check [^`]+)` \|/gm)].map(([, command]) => command!.split(' '));
    t.equal(commands.length, 3);
    for (const command of commands) {
      const { status, stdout } = await siderouteMeanwhile(...command, '--kubeconfig', cluster.kubeconfig);
      t.equal(status, 0, command.join(' '));
      t.match(stdout, /^\d+ checks: \d+ ok, 0 warning, 0 unknown, 0 error$/m);
    }
  });

  await t.test('who may not look is told so, and how that is mended', { timeout: TIMEOUT_MS }, async (t) => {
    await cluster.kubectl('-n', 'default', 'create', 'serviceaccount', 'reader');
    await cluster.kubectl('create', 'clusterrole', 'pods-only', '--verb=list', '--resource=pods');
    await cluster.kubectl(
      'create',
      'clusterrolebinding',
      'pods-only',
      '--clusterrole=pods-only',
      '--serviceaccount=default:reader',
    );
    const token = (await cluster.kubectl('-n', 'default', 'create', 'token', 'reader')).trim();
    const kubeconfig = accountConfig(t, api.url, token);
    const shown = await check(kubeconfig);
    t.equal(shown.status, 1, 'what was not looked at is no success');
    const ok = shown.checks.filter(({ result }) => result === 'ok').map(({ id }) => id);
    t.same(ok, ['api-reachable', 'api-version', 'clock', 'sidecars-ready']);
    const [finding] = findingsOf(shown, 'api-permissions');
    t.match(finding?.message, /^system:serviceaccount:default:reader may not list .*namespaces/);
    t.equal(cluster.run(finding!.mend.command!).status, 0);
    await eventually(
      'the role is in force',
      async () => findingsOf(await check(kubeconfig), 'api-permissions').length === 0,
      DEADLINE_MS,
    );
    const allowed = await check(kubeconfig);
    const unknown = allowed.checks.filter(({ result }) => result === 'unknown').map(({ id }) => id);
    t.same(unknown, ['controller-permissions'], 'that one asks for more than to read');
  });

  await t.test('a clock that is wrong', { timeout: TIMEOUT_MS }, async (t) => {
    const server = await behind(t, api.url, 300_000);
    const token = (JSON.parse(readFileSync(cluster.kubeconfig, 'utf8')) as { users: [{ user: { token: string } }] })
      .users[0].user.token;
    const shown = await check(accountConfig(t, server, token));
    matches(t, findingsOf(shown, 'clock'), [{ result: 'warning', message: /30\d s ahead of the API server/ }]);
    t.equal((await check(accountConfig(t, server, token), '--strict')).status, 1);
  });

  await t.test('nobody answers', { timeout: TIMEOUT_MS }, async (t) => {
    const shown = await check(accountConfig(t, 'http://127.0.0.1:1', 'x'));
    t.equal(shown.status, 1);
    t.same(found(shown), ['api-reachable']);
  });
});

function found({ checks }: { readonly checks: readonly { id: string; findings: readonly object[] }[] }): string[] {
  return checks.flatMap(({ id, findings }) => (findings.length > 0 ? [id] : []));
}

async function isFoundAndMended(t: Test, cluster: CheckedCluster, planted: Planted): Promise<void> {
  const { id, says, plant, after, onlyLooks = false, instead, clean } = planted;
  const meant = async () =>
    findingsOf(await look(cluster.kubeconfig), id).find(({ object, message }) =>
      says.test(`${object ?? ''} ${message}`),
    );
  await cluster.renewNode();
  await plant(cluster);
  await cluster.settled();
  // What the API server grants and admits follows its objects a moment later.
  const finding = await eventually('it is found', meant, DEADLINE_MS);
  const { command, sentence } = finding.mend;
  t.ok((command ?? sentence ?? '').length > 10, 'how to mend it is said');
  if (command !== undefined && !onlyLooks) {
    const { status, stderr } = cluster.run((await instead?.(command)) ?? command);
    t.equal(status, 0, `${command}: ${stderr}`);
  }
  await after?.(cluster);
  await cluster.settled();
  await eventually('it is gone', async () => (await meant()) === undefined, DEADLINE_MS);
  t.pass('it is found, and gone');
  await clean?.(cluster);
  await cluster.settled();
}

/** A server between, whose clock is so far behind. */
async function behind(t: Test, target: string, byMs: number): Promise<string> {
  const server = createServer((asked, answer) => {
    const { host: _, ...headers } = asked.headers;
    const options = { method: asked.method, headers, rejectUnauthorized: false };
    const send = target.startsWith('https:') ? request : httpRequest;
    const sent = send(`${target}${asked.url ?? ''}`, options, (got) => {
      const date = new Date(Date.now() - byMs).toUTCString();
      answer.writeHead(got.statusCode ?? 500, { ...got.headers, date });
      got.pipe(answer);
    });
    sent.on('error', () => answer.destroy());
    asked.pipe(sent);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
