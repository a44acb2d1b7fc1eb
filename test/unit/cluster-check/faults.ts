/** A fault for each check: what is changed of a healthy cluster, and what is to be said of it. */
import { encodeRoot } from '../../../src/route-set/encode.ts';
import { newServingCertificate } from '../../../src/webhook/certificate.ts';
import { CONTROLLER_NEEDS } from '../../../src/cluster-check/controller-needs.ts';
import type { ShardThere } from '../../../src/cluster-check/snapshot.ts';
import * as has from '../../support/snapshots.ts';
import { LABEL, NOW_MS, type Changes, type Obj } from '../../support/snapshots.ts';

export interface Fault {
  readonly id: string;
  readonly fault: string;
  readonly changes: Changes;
  readonly says: RegExp;
  /** In the command or the sentence that mends it. */
  readonly mend: RegExp;
  readonly result: 'warning' | 'error' | 'unknown';
  /** Other checks that find the same. */
  readonly also?: readonly string[];
}

const DAY_MS = 86_400_000;

function pods(...list: Obj[]): Changes {
  return { objects: { pods: list } };
}

function routes(...list: Obj[]): Changes {
  return { objects: { httpRoutes: list } };
}

function namespaces(...list: Obj[]): Changes {
  return { objects: { namespaces: list } };
}

function withWebhook(change: (webhook: Obj) => void): Changes {
  const configuration = structuredClone(has.webhook()) as { webhooks: Obj[] };
  const { authority } = newServingCertificate(['x'], new Date(NOW_MS), 90 * DAY_MS);
  const [webhook] = configuration.webhooks;
  Object.assign(webhook!['clientConfig'] as Obj, { caBundle: base64(authority) });
  change(webhook!);
  const service = { ...has.serviceOf('sideroute-webhook', { ip: '10.96.0.50' }) };
  service['metadata'] = { name: 'sideroute-webhook', namespace: 'sideroute-system' };
  return {
    objects: {
      ...{ mutatingPolicies: [], mutatingPolicyBindings: [] },
      mutatingWebhooks: [configuration],
      services: [has.serviceOf('my-server'), has.serviceOf('my-server-v1', { ip: '10.96.0.11' }), service],
      endpointSlices: [has.sliceOf('my-server-v1'), has.sliceOf('sideroute-webhook', 1, 'sideroute-system')],
    },
  };
}

export const HEALTHY_WEBHOOK = withWebhook(() => undefined);

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

function shard(change: Partial<ShardThere>): ShardThere {
  const root = encodeRoot([], []);
  const header = { index: 0, textHash: root.textHash, root: { generation: 1, shards: new Map<number, string>() } };
  const name = 'sideroute-set-0';
  return { namespace: 'shop', name, previous: false, bytes: 100, textBytes: 200, header, ...change };
}

function policyWith(defaults: Obj, more: Obj = {}): Obj {
  const policy = structuredClone(has.policy()) as { spec: { variables: Obj[] } };
  policy.spec.variables[0]!['expression'] = JSON.stringify({ image: 'sideroute:0.1.0', ...defaults });
  Object.assign(policy.spec, more);
  return policy;
}

function services(...list: Obj[]): Changes {
  return { objects: { services: list, endpointSlices: [has.sliceOf('my-server'), has.sliceOf('my-server-v1')] } };
}

const SERVER = has.serviceOf('my-server');
const V1 = has.serviceOf('my-server-v1', { ip: '10.96.0.11' });

const API_FAULTS: readonly Fault[] = [
  {
    ...{ id: 'api-reachable', result: 'error', fault: 'nobody answers' },
    changes: { snapshot: { serverError: 'connect ECONNREFUSED', serverVersion: null, listings: {} } },
    ...{ says: /ECONNREFUSED/, mend: /kubectl version/ },
  },
  {
    ...{ id: 'api-version', result: 'error', fault: 'Kubernetes 1.28' },
    changes: { snapshot: { serverVersion: 'v1.28.15+k3s1' } },
    ...{ says: /v1\.28\.15\+k3s1/, mend: /upgrade/ },
  },
  {
    ...{ id: 'api-permissions', result: 'unknown', fault: 'the user may not list nodes' },
    changes: { listings: { nodes: { state: 'forbidden', message: 'nodes is forbidden' } }, snapshot: { user: 'dev' } },
    ...{ says: /dev may not list nodes/, mend: /create clusterrole .*--resource=nodes && .*--user=dev$/ },
    also: ['node-clocks', 'native-sidecars'],
  },
  {
    ...{ id: 'clock', result: 'warning', fault: 'this machine is two minutes ahead' },
    changes: { snapshot: { clockAheadMs: 120_000 } },
    ...{ says: /120 s ahead of/, mend: /timedatectl/ },
  },
  {
    ...{ id: 'node-clocks', result: 'warning', fault: 'a node is an hour ahead' },
    changes: { objects: { nodeLeases: [has.leaseOf('node-1', 'kube-node-lease', -3_600)] } },
    ...{ says: /3600 s ahead/, mend: /node-1/ },
  },
  {
    ...{ id: 'node-clocks', result: 'warning', fault: 'a node that is Ready is ten minutes behind' },
    changes: { objects: { nodeLeases: [has.leaseOf('node-1', 'kube-node-lease', 600)] } },
    ...{ says: /600 s ago: its clock is behind/, mend: /node-1/ },
  },
  {
    ...{ id: 'gateway-api-httproutes', result: 'error', fault: 'no HTTPRoute' },
    changes: { objects: { customResourceDefinitions: [has.definition('grpcroutes')] } },
    ...{ says: /not installed/, mend: /kubectl apply --server-side --force-conflicts -f https.*standard-install/ },
  },
  {
    ...{ id: 'gateway-api-grpcroutes', result: 'warning', fault: 'no GRPCRoute' },
    changes: { objects: { customResourceDefinitions: [has.definition('httproutes')] } },
    ...{ says: /grpcroutes.* not installed|not installed/, mend: /kubectl apply/ },
  },
  {
    ...{ id: 'gateway-api-v1', result: 'error', fault: 'v1 is not served' },
    changes: {
      objects: {
        customResourceDefinitions: [has.definition('httproutes', { served: false }), has.definition('grpcroutes')],
      },
    },
    ...{ says: /v1 is not served; v1beta1 are/, mend: /kubectl patch crd httproutes.*versions\/0\/served/ },
  },
  {
    ...{ id: 'gateway-api-version', result: 'warning', fault: 'two channels' },
    changes: {
      objects: {
        customResourceDefinitions: [
          has.definition('httproutes'),
          has.definition('grpcroutes', { channel: 'experimental' }),
        ],
      },
    },
    ...{ says: /experimental, and httproutes/, mend: /kubectl apply/ },
  },
  {
    ...{ id: 'gateway-api-version', result: 'warning', fault: 'definitions of 0.8' },
    changes: {
      objects: {
        customResourceDefinitions: ['httproutes', 'grpcroutes'].map((p) => has.definition(p, { version: 'v0.8.1' })),
      },
    },
    ...{ says: /v0\.8\.1, and v1\.1 is the oldest/, mend: /kubectl apply/ },
  },
];

function configMap(name: string, data: object): Obj {
  return { metadata: { name, namespace: 'kube-system' }, data };
}

const NETWORK_FAULTS: readonly Fault[] = [
  {
    ...{ id: 'cni-hides-cluster-ips', result: 'error', fault: 'Cilium in place of kube-proxy' },
    changes: { objects: { ciliumConfig: [configMap('cilium-config', { 'kube-proxy-replacement': 'true' })] } },
    ...{ says: /Cilium/, mend: /bpf-lb-sock-hostns-only.*rollout restart daemonset\/cilium/ },
  },
  {
    ...{ id: 'cni-hides-cluster-ips', result: 'error', fault: 'Calico with eBPF' },
    changes: { objects: { felixConfigurations: [{ metadata: { name: 'default' }, spec: { bpfEnabled: true } }] } },
    ...{ says: /Calico/, mend: /felixconfigurations.* default .*Disabled/ },
  },
  {
    ...{ id: 'kube-proxy', result: 'error', fault: 'a mode that is gone' },
    changes: {
      objects: { kubeProxyConfig: [configMap('kube-proxy', { 'config.conf': 'a: b\nmode: "userspace"\n' })] },
    },
    ...{ says: /userspace/, mend: /mode: iptables/ },
  },
  {
    ...{ id: 'service-cidrs', result: 'error', fault: 'a second ServiceCIDR' },
    changes: {
      objects: {
        mutatingPolicies: [policyWith({ 'service-cidrs': '10.96.0.0/12' })],
        serviceCidrs: [
          { metadata: { name: 'kubernetes' }, spec: { cidrs: ['10.96.0.0/12'] } },
          { metadata: { name: 'more' }, spec: { cidrs: ['10.200.0.0/16'] } },
        ],
      },
    },
    ...{ says: /10\.200\.0\.0\/16/, mend: /--service-cidrs 10\.96\.0\.0\/12,10\.200\.0\.0\/16/ },
  },
  {
    ...{ id: 'service-cidrs', result: 'error', fault: 'IPv6 was not said' },
    changes: {
      objects: {
        mutatingPolicies: [policyWith({ 'service-cidrs': '10.96.0.0/12' })],
        serviceCidrs: [{ metadata: { name: 'kubernetes' }, spec: { cidrs: ['10.96.0.0/12', 'fd00:10:96::/112'] } }],
      },
    },
    ...{ says: /fd00:10:96::\/112/, mend: /fd00:10:96::\/112/ },
  },
  {
    ...{ id: 'cluster-ips-captured', result: 'error', fault: 'a pod from before the network of a Service' },
    changes: pods(has.podOf('client', { env: [{ name: 'SIDEROUTE_SERVICE_CIDRS', value: '10.97.0.0/16' }] })),
    ...{ says: /shop\/my-server \(10\.96\.0\.10\)/, mend: /rollout restart deployment\/client/ },
  },
];

const CONTROLLER_FAULTS: readonly Fault[] = [
  {
    ...{ id: 'controller-present', result: 'error', fault: 'no controller' },
    changes: { objects: { deployments: [] } },
    ...{ says: /no Deployment/, mend: /kubectl apply -k deploy\/kustomize\/controller\/policy/ },
  },
  {
    ...{ id: 'controller-present', result: 'error', fault: 'two controllers' },
    changes: { objects: { deployments: [has.controllerOf(), has.controllerOf({ namespace: 'other' })] } },
    ...{ says: /second controller/, mend: /kubectl -n other delete deployment sideroute-controller/ },
  },
  {
    ...{ id: 'controller-ready', result: 'error', fault: 'scaled to 0' },
    changes: { objects: { deployments: [has.controllerOf({ replicas: 0, available: 0 })] } },
    ...{ says: /scaled to 0/, mend: /--replicas=2/ },
  },
  {
    ...{ id: 'controller-ready', result: 'warning', fault: 'one of two replicas' },
    changes: { objects: { deployments: [has.controllerOf({ available: 1 })] } },
    ...{ says: /1 of 2 replicas/, mend: /describe pods/ },
  },
  {
    ...{ id: 'controller-version', result: 'warning', fault: 'another version' },
    changes: { objects: { deployments: [has.controllerOf({ image: 'registry.example:5000/sideroute:0.0.9' })] } },
    ...{ says: /0\.0\.9/, mend: /sideroute 0\.0\.9/ },
  },
  {
    ...{ id: 'controller-lease', result: 'error', fault: 'nobody renews the Lease' },
    changes: { objects: { leases: [has.leaseOf('sideroute-controller', 'sideroute-system', 300)] } },
    ...{ says: /has not renewed it for 300 s/, mend: /rollout restart deployment sideroute-controller/ },
  },
  {
    ...{ id: 'controller-lease', result: 'error', fault: 'nobody holds the Lease' },
    changes: { objects: { leases: [has.leaseOf('sideroute-controller', 'sideroute-system', 1, '')] } },
    ...{ says: /nobody holds it/, mend: /rollout restart/ },
  },
  {
    ...{ id: 'controller-permissions', result: 'error', fault: 'it may not patch pods' },
    changes: {
      snapshot: {
        controllerPermissions: CONTROLLER_NEEDS.map((need) => ({
          ...{ ...need, namespace: null },
          allowed: !(need.resource === 'pods' && need.verb === 'patch'),
        })),
      },
    },
    ...{ says: /may not patch pods$/, mend: /kubectl apply -k/ },
  },
  {
    ...{ id: 'controller-pod-writes', result: 'warning', fault: 'the policy is not bound' },
    changes: { objects: { validatingPolicyBindings: [] } },
    ...{ says: /no binding/, mend: /kubectl apply -k/ },
  },
];

const INJECTION_FAULTS: readonly Fault[] = [
  {
    ...{ id: 'injection-installed', result: 'error', fault: 'nothing injects' },
    changes: { objects: { mutatingPolicies: [] } },
    ...{ says: /nothing injects, and 1 namespace/, mend: /kubectl apply -k/ },
  },
  {
    ...{ id: 'injection-policy-bound', result: 'error', fault: 'the policy is not bound' },
    changes: { objects: { mutatingPolicyBindings: [] } },
    ...{ says: /injects nothing/, mend: /kubectl apply -k/ },
  },
  {
    ...{ id: 'injection-failure-policy', result: 'warning', fault: 'failurePolicy Ignore' },
    changes: { objects: { mutatingPolicies: [policyWith({}, { failurePolicy: 'Ignore' })] } },
    ...{ says: /Ignore/, mend: /patch mutatingadmissionpolicy .*"failurePolicy":"Fail"/ },
  },
  {
    ...{ id: 'webhook-ca', result: 'error', fault: 'no caBundle' },
    changes: withWebhook((webhook) => delete (webhook['clientConfig'] as Obj)['caBundle']),
    ...{ says: /no caBundle/, mend: /rollout restart deployment sideroute-controller/ },
  },
  {
    ...{ id: 'webhook-ca', result: 'error', fault: 'the authority has ended' },
    changes: withWebhook((webhook) => {
      const { authority } = newServingCertificate(['x'], new Date(NOW_MS - 30 * DAY_MS), 10 * DAY_MS);
      (webhook['clientConfig'] as Obj)['caBundle'] = base64(authority);
    }),
    ...{ says: /ended at 2025-12-12/, mend: /rollout restart/ },
  },
  {
    ...{ id: 'webhook-service', result: 'error', fault: 'nobody behind the Service' },
    changes: {
      objects: { ...withWebhook(() => undefined).objects, endpointSlices: [has.sliceOf('my-server-v1')] },
    },
    ...{ says: /no ready endpoint/, mend: /kubectl -n sideroute-system describe pods/ },
  },
  {
    ...{ id: 'webhook-timeout', result: 'warning', fault: 'half a minute for each pod' },
    changes: withWebhook((webhook) => (webhook['timeoutSeconds'] = 30)),
    ...{ says: /up to 30 s/, mend: /timeoutSeconds/ },
  },
  {
    ...{ id: 'native-sidecars', result: 'error', fault: 'a kubelet of 1.28' },
    changes: { objects: { nodes: [has.nodeOf('node-1'), has.nodeOf('old', 'v1.28.3')] } },
    ...{ says: /v1\.28\.3/, mend: /classic/ },
  },
];

const POD_FAULTS: readonly Fault[] = [
  {
    ...{ id: 'injection-label', result: 'warning', fault: 'a label with another value' },
    changes: namespaces(
      has.namespaceOf('shop', LABEL),
      has.namespaceOf('other', { 'sideroute.dev/injection': 'true' }),
    ),
    ...{ says: /asks for nothing/, mend: /kubectl label namespace other sideroute.dev\/injection=enabled --overwrite/ },
  },
  {
    ...{ id: 'injection-label', result: 'warning', fault: 'kube-system is labelled' },
    changes: namespaces(has.namespaceOf('shop', LABEL), has.namespaceOf('kube-system', LABEL)),
    ...{ says: /never injected/, mend: /kubectl label namespace kube-system sideroute.dev\/injection-$/ },
  },
  {
    ...{ id: 'pod-security', result: 'error', fault: 'baseline' },
    changes: namespaces(has.namespaceOf('shop', { ...LABEL, 'pod-security.kubernetes.io/enforce': 'baseline' })),
    ...{ says: /enforces baseline/, mend: /kubectl label namespace shop .*=privileged --overwrite/ },
  },
  {
    ...{ id: 'other-meshes', result: 'error', fault: 'a label of Istio' },
    changes: namespaces(has.namespaceOf('shop', { ...LABEL, 'istio-injection': 'enabled' })),
    ...{ says: /Istio/, mend: /kubectl label namespace shop istio-injection-$/ },
  },
  {
    ...{ id: 'other-meshes', result: 'error', fault: 'an annotation of Linkerd' },
    changes: namespaces(has.namespaceOf('shop', LABEL, { 'linkerd.io/inject': 'enabled' })),
    ...{ says: /Linkerd/, mend: /kubectl annotate namespace shop linkerd.io\/inject-$/ },
  },
  {
    ...{ id: 'other-meshes', result: 'error', fault: 'a pod with two sidecars' },
    changes: pods(
      has.podOf('client', {
        spec: { containers: [{ name: 'app' }, { name: 'istio-proxy' }], initContainers: [{ name: 'sideroute' }] },
      }),
    ),
    ...{ says: /sidecar of Istio as well/, mend: /pod template/ },
    also: ['sidecars-current'],
  },
  {
    ...{ id: 'host-network', result: 'warning', fault: 'a pod in the network of its node' },
    changes: pods(has.podOf('client'), has.podOf('agent', { bare: true, spec: { hostNetwork: true } })),
    ...{ says: /hostNetwork/, mend: /patch deployment\/agent .*sideroute.dev\/inject/ },
  },
  {
    ...{ id: 'workloads-refused', result: 'error', fault: 'admission refuses the pods' },
    changes: {
      objects: {
        deployments: [
          has.controllerOf(),
          {
            metadata: { name: 'shy', namespace: 'shop' },
            spec: { replicas: 1 },
            status: { conditions: [{ type: 'ReplicaFailure', status: 'True', message: 'violates PodSecurity "x"' }] },
          },
        ],
      },
    },
    ...{ says: /violates PodSecurity/, mend: /pod-security/ },
  },
  {
    ...{ id: 'pods-without-sidecar', result: 'warning', fault: 'pods from before the label' },
    changes: pods(has.podOf('client'), has.podOf('old', { bare: true }), has.podOf('old', { bare: true })),
    ...{ says: /no sidecar.*\(and 1 more of its workload\)/, mend: /kubectl -n shop rollout restart deployment\/old/ },
  },
  {
    ...{ id: 'sidecars-ready', result: 'error', fault: 'the init container fails' },
    changes: pods(
      has.podOf('client', {
        status: {
          initContainerStatuses: [
            {
              name: 'sideroute-init',
              ready: false,
              lastState: { terminated: { exitCode: 1, message: 'no\nwas not captured' } },
            },
          ],
        },
      }),
    ),
    ...{ says: /init container fails: was not captured/, mend: /logs client -c sideroute-init/ },
  },
  {
    ...{ id: 'sidecars-current', result: 'warning', fault: 'an old image' },
    changes: pods(has.podOf('client', { image: 'sideroute:0.0.9' })),
    ...{ says: /sideroute:0\.0\.9, and pods get sideroute:0\.1\.0/, mend: /rollout restart deployment\/client/ },
  },
  {
    ...{ id: 'sidecars-told', result: 'warning', fault: 'a pod was told of another set' },
    changes: {
      objects: {
        pods: [has.podOf('client', { metadata: { annotations: { 'sideroute.dev/routes': 'bbbbbbbbbbbb.2' } } })],
        routeSets: [
          {
            metadata: {
              name: 'sideroute-set-0',
              namespace: 'shop',
              annotations: { 'sideroute.dev/text-hash': 'a'.repeat(64) },
            },
          },
        ],
      },
    },
    ...{
      says: /bbbbbbbbbbbb\.2, and the set is aaaaaaaaaaaa/,
      mend: /annotate pod client sideroute.dev\/routes=aaaaaaaaaaaa/,
    },
  },
  {
    ...{ id: 'route-set-present', result: 'error', fault: 'no set' },
    changes: { objects: { routeSets: [] } },
    ...{ says: /no ConfigMap sideroute-set-0/, mend: /controller-ready/ },
  },
  {
    ...{ id: 'route-set-whole', result: 'error', fault: 'a shard is missing' },
    changes: {
      snapshot: {
        shards: [
          shard({
            header: { index: 0, textHash: 'x', root: { generation: 1, shards: new Map([[3, 'b'.repeat(64)]]) } },
          }),
        ],
      },
    },
    ...{ says: /torn: sideroute-set-3 is missing/, mend: /delete configmap sideroute-set-0/ },
  },
  {
    ...{ id: 'route-set-whole', result: 'error', fault: 'a shard is damaged' },
    changes: { snapshot: { shards: [shard({ header: { index: 0, damage: 'cannot be decompressed: x' } })] } },
    ...{ says: /damaged: sideroute-set-0 cannot be decompressed/, mend: /delete configmap sideroute-set-0/ },
  },
  {
    ...{ id: 'route-set-size', result: 'warning', fault: 'nearly full' },
    changes: { snapshot: { shards: [shard({ bytes: 650 * 1_024 })] } },
    ...{ says: /93 %/, mend: /routes-from=shop/ },
  },
];

const ROUTE_FAULTS: readonly Fault[] = [
  {
    ...{ id: 'route-parent-missing', result: 'error', fault: 'a parent with a slip in its name' },
    changes: routes(has.routeOf('route', { parent: { name: 'my-servr' } })),
    ...{ says: /no such Service/, mend: /patch httproute route .*parentRefs\/0\/name.*"my-server"/ },
  },
  {
    ...{ id: 'route-parent-port', result: 'error', fault: 'a port that the parent has not' },
    changes: routes(has.routeOf('route', { parent: { port: 8080 } })),
    ...{ says: /no TCP port with number 8080/, mend: /parentRefs\/0\/port.*80/ },
  },
  {
    ...{ id: 'route-parent-address', result: 'error', fault: 'a headless parent' },
    changes: services(has.serviceOf('my-server', { spec: { clusterIP: 'None', clusterIPs: ['None'] } }), V1),
    ...{ says: /headless/, mend: /edit httproute route/ },
  },
  {
    ...{ id: 'route-conflict', result: 'error', fault: 'a GRPCRoute on the same port' },
    changes: { objects: { grpcRoutes: [has.routeOf('calls', { kind: 'GRPCRoute' })] } },
    ...{ says: /GRPCRoute shop\/calls takes precedence/, mend: /another port/ },
  },
  {
    ...{ id: 'route-refused', result: 'error', fault: 'an expression that is none' },
    changes: routes(
      has.routeOf('route', {
        spec: { rules: [{ matches: [{ path: { type: 'RegularExpression', value: '/(' } }], backendRefs: [] }] },
      }),
    ),
    ...{ says: /does nothing for shop\/my-server/, mend: /edit httproute route/ },
  },
  {
    ...{ id: 'route-backend-missing', result: 'error', fault: 'a backend with a slip in its name' },
    changes: routes(has.routeOf('route', { backend: { name: 'my-server-v11' } })),
    ...{ says: /no Service shop\/my-server-v11; .*500/, mend: /rules\/0\/backendRefs\/0\/name.*"my-server-v1"/ },
  },
  {
    ...{ id: 'route-backend-port', result: 'error', fault: 'a port that the backend has not' },
    changes: routes(has.routeOf('route', { backend: { port: 8080 } })),
    ...{ says: /no TCP port 8080/, mend: /rules\/0\/backendRefs\/0\/port.*80/ },
  },
  {
    ...{ id: 'route-backend-address', result: 'error', fault: 'a headless backend' },
    changes: services(SERVER, has.serviceOf('my-server-v1', { spec: { clusterIP: 'None', clusterIPs: ['None'] } })),
    ...{ says: /headless/, mend: /edit httproute route/ },
  },
  {
    ...{ id: 'route-backend-kind', result: 'error', fault: 'a backend that speaks no HTTP' },
    changes: services(
      SERVER,
      has.serviceOf('my-server-v1', { ports: [{ port: 80, protocol: 'TCP', appProtocol: 'mysql' }] }),
    ),
    ...{ says: /mysql/, mend: /edit httproute route/ },
  },
  {
    ...{ id: 'backend-endpoints', result: 'warning', fault: 'a selector that no pod has' },
    changes: { objects: { endpointSlices: [has.sliceOf('my-server')] } },
    ...{ says: /selects app=my-server-v1, which no pod has/, mend: /edit service my-server-v1/ },
  },
  {
    ...{ id: 'backend-endpoints', result: 'warning', fault: 'neither a selector nor endpoints' },
    changes: {
      objects: { endpointSlices: [], services: [SERVER, has.serviceOf('my-server-v1', { spec: { selector: null } })] },
    },
    ...{ says: /neither a selector nor endpoints/, mend: /selector/ },
  },
  {
    ...{ id: 'route-rules', result: 'warning', fault: 'a rule without backends' },
    changes: routes(has.routeOf('route', { spec: { rules: [{ matches: [] }] } })),
    ...{ says: /no backendRefs/, mend: /edit httproute route/ },
  },
  {
    ...{ id: 'route-filters', result: 'warning', fault: 'a filter that is not carried' },
    changes: routes(
      has.routeOf('route', {
        spec: {
          rules: [
            { backendRefs: [{ name: 'my-server-v1', port: 80 }] },
            {
              matches: [{ path: { type: 'PathPrefix', value: '/x' } }],
              filters: [{ type: 'ExtensionRef', extensionRef: { group: 'example.com', kind: 'Y', name: 'z' } }],
              backendRefs: [{ name: 'my-server-v1', port: 80 }],
            },
          ],
        },
      }),
    ),
    ...{ says: /ExtensionRef is not carried/, mend: /take the filter out/ },
  },
  {
    ...{ id: 'route-ignored-fields', result: 'warning', fault: 'hostnames' },
    changes: routes(has.routeOf('route', { spec: { hostnames: ['shop.example.com'] } })),
    ...{ says: /hostnames have no meaning/, mend: /edit httproute route/ },
  },
  {
    ...{ id: 'route-shadowed', result: 'warning', fault: 'an older route asks for the same' },
    changes: routes(has.routeOf('old'), has.routeOf('new', { created: '2025-06-01T00:00:00Z' })),
    ...{ says: /no request to shop\/my-server:80: HTTPRoute shop\/old spec/, mend: /edit httproute new/ },
  },
  {
    ...{ id: 'route-clients', result: 'warning', fault: 'a route for clients that have no sidecar' },
    changes: {
      objects: {
        namespaces: [has.namespaceOf('shop', LABEL), has.namespaceOf('clients')],
        httpRoutes: [
          has.routeOf('route', { namespace: 'clients', parent: { namespace: 'shop' }, backend: { namespace: 'shop' } }),
        ],
      },
    },
    ...{ says: /clients in clients alone/, mend: /label namespace clients .* && kubectl -n clients rollout restart/ },
  },
  {
    ...{ id: 'route-status', result: 'warning', fault: 'a status of an earlier version' },
    changes: routes(has.routeOf('route', { generation: 2 })),
    ...{ says: /generation 1, and is of generation 2/, mend: /logs deployment\/sideroute-controller/ },
  },
];

export const FAULTS: readonly Fault[] = [
  ...[...API_FAULTS, ...NETWORK_FAULTS, ...CONTROLLER_FAULTS],
  ...[...INJECTION_FAULTS, ...POD_FAULTS, ...ROUTE_FAULTS],
];
