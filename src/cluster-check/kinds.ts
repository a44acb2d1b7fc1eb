/**
 * The kinds of objects that the checks read, and their API paths.
 *
 * Used by `gather.ts`, which reads them, and by `checks/`, which name what they need. Secrets are not read, and only
 * those ConfigMaps that are named or selected here.
 */
import { FIELD_MANAGER, MANAGED_BY_LABEL } from '../controller/objects.ts';

export interface KindPlace {
  /** API groups with version; the first one that the server has is used. */
  readonly groups: readonly string[];
  readonly plural: string;
  readonly namespaced: boolean;
  /** Restriction to one namespace or to some labels, where that is enough. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** For large objects. */
  readonly pageSize?: number;
}

const ADMISSION = '/apis/admissionregistration.k8s.io';
const GATEWAY = ['/apis/gateway.networking.k8s.io/v1', '/apis/gateway.networking.k8s.io/v1beta1'];
const GATEWAY_ALPHA = [
  ...GATEWAY,
  '/apis/gateway.networking.k8s.io/v1alpha3',
  '/apis/gateway.networking.k8s.io/v1alpha2',
];

function systemConfigMap(name: string): KindPlace {
  return {
    ...{ groups: ['/api/v1'], plural: 'configmaps', namespaced: true, namespace: 'kube-system' },
    fieldSelector: `metadata.name=${name}`,
  };
}

export const KINDS = {
  customResourceDefinitions: {
    groups: ['/apis/apiextensions.k8s.io/v1'],
    plural: 'customresourcedefinitions',
    namespaced: false,
  },
  namespaces: { groups: ['/api/v1'], plural: 'namespaces', namespaced: false },
  nodes: { groups: ['/api/v1'], plural: 'nodes', namespaced: false },
  nodeLeases: {
    groups: ['/apis/coordination.k8s.io/v1'],
    plural: 'leases',
    namespaced: true,
    namespace: 'kube-node-lease',
  },
  serviceCidrs: {
    groups: ['/apis/networking.k8s.io/v1', '/apis/networking.k8s.io/v1beta1'],
    plural: 'servicecidrs',
    namespaced: false,
  },
  ciliumConfig: systemConfigMap('cilium-config'),
  kubeProxyConfig: systemConfigMap('kube-proxy'),
  felixConfigurations: { groups: ['/apis/crd.projectcalico.org/v1'], plural: 'felixconfigurations', namespaced: false },
  services: { groups: ['/api/v1'], plural: 'services', namespaced: true },
  endpointSlices: { groups: ['/apis/discovery.k8s.io/v1'], plural: 'endpointslices', namespaced: true },
  pods: { groups: ['/api/v1'], plural: 'pods', namespaced: true },
  deployments: { groups: ['/apis/apps/v1'], plural: 'deployments', namespaced: true },
  replicaSets: { groups: ['/apis/apps/v1'], plural: 'replicasets', namespaced: true },
  leases: { groups: ['/apis/coordination.k8s.io/v1'], plural: 'leases', namespaced: true },
  mutatingPolicies: {
    groups: [`${ADMISSION}/v1`, `${ADMISSION}/v1beta1`],
    plural: 'mutatingadmissionpolicies',
    namespaced: false,
  },
  mutatingPolicyBindings: {
    groups: [`${ADMISSION}/v1`, `${ADMISSION}/v1beta1`],
    plural: 'mutatingadmissionpolicybindings',
    namespaced: false,
  },
  mutatingWebhooks: { groups: [`${ADMISSION}/v1`], plural: 'mutatingwebhookconfigurations', namespaced: false },
  validatingPolicies: { groups: [`${ADMISSION}/v1`], plural: 'validatingadmissionpolicies', namespaced: false },
  validatingPolicyBindings: {
    groups: [`${ADMISSION}/v1`],
    plural: 'validatingadmissionpolicybindings',
    namespaced: false,
  },
  routeSets: {
    groups: ['/api/v1'],
    plural: 'configmaps',
    namespaced: true,
    labelSelector: `${MANAGED_BY_LABEL}=${FIELD_MANAGER}`,
    // Up to 1 MiB each, and an answer is limited to 64 MiB.
    pageSize: 40,
  },
  httpRoutes: { groups: GATEWAY, plural: 'httproutes', namespaced: true },
  grpcRoutes: { groups: GATEWAY, plural: 'grpcroutes', namespaced: true },
  tlsRoutes: { groups: GATEWAY_ALPHA, plural: 'tlsroutes', namespaced: true },
  tcpRoutes: { groups: GATEWAY_ALPHA, plural: 'tcproutes', namespaced: true },
} satisfies Readonly<Record<string, KindPlace>>;

export type KindName = keyof typeof KINDS;

/** The name in RBAC: `httproutes.gateway.networking.k8s.io`. */
export function resourceName(kind: KindName): string {
  const { groups, plural }: KindPlace = KINDS[kind];
  const group = /^\/apis\/([^/]+)\//.exec(groups[0] ?? '')?.[1];
  return group === undefined ? plural : `${plural}.${group}`;
}
