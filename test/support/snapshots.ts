/** Snapshots of clusters for tests of checks: a healthy one, with the changes of a test. */
import { KINDS, type KindName } from '../../src/cluster-check/kinds.ts';
import type { Listing, Snapshot } from '../../src/cluster-check/snapshot.ts';
import type { CheckReport } from '../../src/cluster-check/run.ts';
import { runChecks } from '../../src/cluster-check/run.ts';
import { CONTROLLER_NEEDS } from '../../src/cluster-check/controller-needs.ts';
import { readManifests } from './manifests.ts';

export type Obj = Record<string, unknown>;

export const NOW_MS = Date.parse('2026-01-01T12:00:00Z');
const GATEWAY = 'gateway.networking.k8s.io';

function meta(name: string, namespace: string | null = null, more: object = {}): Obj {
  return { name, ...(namespace === null ? {} : { namespace }), ...more };
}

export function definition(plural: string, change: { version?: string; channel?: string; served?: boolean } = {}): Obj {
  const { version = 'v1.7.0', channel = 'standard', served = true } = change;
  return {
    metadata: meta(`${plural}.${GATEWAY}`, null, {
      annotations: { [`${GATEWAY}/bundle-version`]: version, [`${GATEWAY}/channel`]: channel },
    }),
    spec: {
      versions: [
        { name: 'v1', served, storage: true },
        { name: 'v1beta1', served: true },
      ],
    },
    status: { conditions: [{ type: 'Established', status: 'True' }] },
  };
}

export function namespaceOf(name: string, labels: object = {}, annotations: object = {}): Obj {
  return { metadata: meta(name, null, { labels, annotations }) };
}

export function serviceOf(name: string, change: { ip?: string; ports?: object[]; spec?: object } = {}): Obj {
  const { ip = '10.96.0.10', ports = [{ name: 'http', port: 80, protocol: 'TCP' }], spec = {} } = change;
  return {
    ...{ apiVersion: 'v1', kind: 'Service', metadata: meta(name, 'shop') },
    spec: { type: 'ClusterIP', clusterIP: ip, clusterIPs: [ip], selector: { app: name }, ports, ...spec },
  };
}

export function sliceOf(service: string, ready = 1, namespace = 'shop'): Obj {
  return {
    metadata: meta(`${service}-1`, namespace, { labels: { 'kubernetes.io/service-name': service } }),
    endpoints: Array.from({ length: ready }, () => ({ conditions: { ready: true } })),
  };
}

const RECORD = JSON.stringify({
  ...{ version: '0.1.0', mode: 'native', initContainers: ['sideroute-init', 'sideroute'], containers: [] },
  ...{ volumes: [], annotations: [], created: [], nulls: {} },
});

export function podOf(
  name: string,
  change: {
    namespace?: string;
    bare?: boolean;
    spec?: object;
    metadata?: Obj;
    status?: object;
    env?: object[];
    image?: string;
  } = {},
): Obj {
  const {
    namespace = 'shop',
    bare = false,
    spec = {},
    metadata = {},
    status = {},
    env = [],
    image = 'sideroute:0.1.0',
  } = change;
  const { annotations = {}, ...others } = metadata as { annotations?: object };
  const own = bare
    ? []
    : [
        { name: 'sideroute-init', env },
        { name: 'sideroute', image, restartPolicy: 'Always' },
      ];
  return {
    metadata: meta(name, namespace, {
      labels: { app: name, 'pod-template-hash': 'abc' },
      ownerReferences: [{ kind: 'ReplicaSet', name: `${name}-abc`, controller: true }],
      annotations: { ...(bare ? {} : { 'sideroute.dev/injected': RECORD }), ...annotations },
      ...others,
    }),
    spec: { initContainers: own, containers: [{ name: 'app' }], ...spec },
    status: { phase: 'Running', ...status },
  };
}

export function routeOf(
  name: string,
  change: {
    kind?: string;
    parent?: object;
    backend?: object;
    spec?: object;
    created?: string;
    generation?: number;
    namespace?: string;
    status?: object;
  } = {},
): Obj {
  const {
    kind = 'HTTPRoute',
    parent = {},
    backend = {},
    spec = {},
    created = '2025-01-01T00:00:00Z',
    generation = 1,
    namespace = 'shop',
  } = change;
  const parentRef = { group: '', kind: 'Service', name: 'my-server', port: 80, ...parent };
  const condition = (type: string) => ({ type, status: 'True', reason: type, message: '', observedGeneration: 1 });
  const ours = {
    controllerName: 'sideroute.dev/controller',
    parentRef,
    conditions: ['Accepted', 'ResolvedRefs'].map(condition),
  };
  return {
    ...{ apiVersion: `${GATEWAY}/v1`, kind },
    metadata: meta(name, namespace, { creationTimestamp: created, generation }),
    spec: {
      parentRefs: [parentRef],
      rules: [{ backendRefs: [{ group: '', kind: 'Service', name: 'my-server-v1', port: 80, weight: 1, ...backend }] }],
      ...spec,
    },
    status: change.status ?? { parents: [ours] },
  };
}

const CONTROLLER_LABELS = { 'app.kubernetes.io/name': 'sideroute', 'app.kubernetes.io/component': 'controller' };

export function controllerOf(
  change: { namespace?: string; replicas?: number; available?: number; image?: string } = {},
): Obj {
  const { namespace = 'sideroute-system', replicas = 2, available = 2, image = 'sideroute:0.1.0' } = change;
  return {
    metadata: meta('sideroute-controller', namespace, { labels: CONTROLLER_LABELS }),
    spec: { replicas, template: { spec: { serviceAccountName: 'sideroute-controller', containers: [{ image }] } } },
    status: { availableReplicas: available },
  };
}

export function leaseOf(name: string, namespace: string, secondsAgo: number, holder = 'sideroute-controller-1'): Obj {
  const renewTime = new Date(NOW_MS - secondsAgo * 1_000).toISOString();
  return { metadata: meta(name, namespace), spec: { holderIdentity: holder, renewTime, leaseDurationSeconds: 15 } };
}

export function nodeOf(name: string, kubeletVersion = 'v1.36.1'): Obj {
  return {
    metadata: meta(name),
    status: { nodeInfo: { kubeletVersion }, conditions: [{ type: 'Ready', status: 'True' }] },
  };
}

function manifest(file: string, kind: string): Obj {
  return readManifests(file).find((each) => each.kind === kind) as unknown as Obj;
}

const POLICY = 'kustomize/controller/policy/policy.yaml';
const POD_WRITES = 'kustomize/controller/base/pod-writes.yaml';
const WEBHOOK = 'kustomize/controller/webhook/webhook.yaml';

export const policy = (): Obj => manifest(POLICY, 'MutatingAdmissionPolicy');
export const webhook = (): Obj => manifest(WEBHOOK, 'MutatingWebhookConfiguration');

/** Labels of a namespace whose pods get sidecars. */
export const LABEL = { 'sideroute.dev/injection': 'enabled' };

function healthyObjects(): Partial<Record<KindName, Obj[]>> {
  return {
    customResourceDefinitions: [definition('httproutes'), definition('grpcroutes')],
    namespaces: [namespaceOf('shop', LABEL), namespaceOf('sideroute-system')],
    nodes: [nodeOf('node-1')],
    nodeLeases: [leaseOf('node-1', 'kube-node-lease', 5)],
    serviceCidrs: [{ metadata: meta('kubernetes'), spec: { cidrs: ['10.96.0.0/12'] } }],
    services: [serviceOf('my-server'), serviceOf('my-server-v1', { ip: '10.96.0.11' })],
    endpointSlices: [sliceOf('my-server'), sliceOf('my-server-v1')],
    pods: [podOf('client')],
    deployments: [controllerOf()],
    leases: [leaseOf('sideroute-controller', 'sideroute-system', 2)],
    mutatingPolicies: [policy()],
    mutatingPolicyBindings: [manifest(POLICY, 'MutatingAdmissionPolicyBinding')],
    validatingPolicies: [manifest(POD_WRITES, 'ValidatingAdmissionPolicy')],
    validatingPolicyBindings: [manifest(POD_WRITES, 'ValidatingAdmissionPolicyBinding')],
    routeSets: [{ metadata: meta('sideroute-set-0', 'shop') }],
    httpRoutes: [routeOf('route')],
  };
}

function read(items: readonly Obj[]): Listing {
  return { state: 'read', items, only: null, cut: false };
}

export interface Changes {
  /** Instead of the objects of a healthy cluster. */
  readonly objects?: Partial<Record<KindName, Obj[]>>;
  readonly listings?: Partial<Record<KindName, Listing>>;
  readonly snapshot?: Partial<Snapshot>;
}

export function snapshotOf({ objects = {}, listings = {}, snapshot = {} }: Changes = {}): Snapshot {
  const all = { ...healthyObjects(), ...objects };
  const names = Object.keys(KINDS) as KindName[];
  return {
    ...{ namespace: null, clientVersion: '0.1.0', nowMs: NOW_MS, clockAheadMs: 400, serverVersion: 'v1.36.1' },
    ...{ serverError: null, user: 'administrator' },
    listings: { ...Object.fromEntries(names.map((name) => [name, read(all[name] ?? [])])), ...listings },
    controllerPermissions: CONTROLLER_NEEDS.map((need) => ({ ...need, namespace: null, allowed: true })),
    shards: [],
    ...snapshot,
  };
}

export function reportsOf(changes: Changes = {}, before = false): CheckReport[] {
  return runChecks(snapshotOf(changes), before);
}

/** The checks with findings, by id. */
export function found(changes: Changes = {}, before = false): Map<string, CheckReport> {
  return new Map(
    reportsOf(changes, before)
      .filter(({ findings }) => findings.length > 0)
      .map((report) => [report.check.id, report]),
  );
}
