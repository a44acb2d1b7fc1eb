/**
 * Reads the parts of `spec` of a core/v1 Service that routing needs: addresses and ports.
 *
 * Stage before: `documents.ts` has read apiVersion, kind and metadata. Such documents are often copied from a cluster,
 * so all fields of the API are allowed, and those without a meaning here are ignored.
 */
import { isIPv4 } from 'node:net';
import { canonicalAddress } from './addresses.ts';
import type { Fields } from './fields.ts';
import { dnsLabel, MAX_PORT, quote } from './limits.ts';
import type { Service, ServicePort } from './types.ts';

const SPEC_FIELDS = [
  'ports',
  'selector',
  'type',
  'clusterIP',
  'clusterIPs',
  'allocateLoadBalancerNodePorts',
  'externalIPs',
  'externalName',
  'externalTrafficPolicy',
  'healthCheckNodePort',
  'internalTrafficPolicy',
  'ipFamilies',
  'ipFamilyPolicy',
  'loadBalancerClass',
  'loadBalancerIP',
  'loadBalancerSourceRanges',
  'publishNotReadyAddresses',
  'sessionAffinity',
  'sessionAffinityConfig',
  'trafficDistribution',
];

const PORT_FIELDS = ['name', 'protocol', 'appProtocol', 'port', 'targetPort', 'nodePort'];
const TYPES = ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'] as const;

/** Marks a document that is rewritten whenever the Service changes, for instance by the controller. */
export const MANAGED_ANNOTATION = 'sideroute.dev/managed';

/** Not a limit of Kubernetes. It bounds the work for one document. */
const MAX_SERVICE_PORTS = 4096;

type ServiceSpec = Pick<Service, 'type' | 'headless' | 'clusterIPs' | 'ports'>;

export function readServiceSpec(spec: Fields): ServiceSpec {
  spec.only(
    SPEC_FIELDS,
    PORT_FIELDS.map((field) => `spec.ports[].${field}`),
  );
  const type = spec.oneOf('type', TYPES) ?? 'ClusterIP';
  const { headless, clusterIPs } = readAddresses(spec);
  // Only an ExternalName or headless Service may have no ports.
  const needsPorts = type !== 'ExternalName' && !headless;
  if (needsPorts) spec.require('ports');
  if (type === 'ExternalName') {
    spec.require('externalName', ' when type is ExternalName');
    if (headless || clusterIPs.length > 0) {
      const field = spec.has('clusterIPs') ? 'clusterIPs' : 'clusterIP';
      spec.error(field, 'conflicting-fields', 'must not be set when type is ExternalName');
    }
  }
  return { type, headless, clusterIPs, ports: readPorts(spec, needsPorts ? 1 : 0) };
}

/**
 * `clusterIP` equals the first of `clusterIPs`. Either may be given alone. `''` asks the API server to assign an
 * address.
 */
function readAddresses(spec: Fields): { headless: boolean; clusterIPs: readonly string[] } {
  const single = spec.string('clusterIP');
  const given = spec.textList('clusterIPs', 2);
  if (single !== null && single !== '' && given.length > 0 && given[0]!.value !== single) {
    const message = `must be the first of clusterIPs, ${quote(given[0]!.value)}; got ${quote(single)}`;
    spec.error('clusterIP', 'conflicting-fields', message);
  }
  if (single === 'None' || given[0]?.value === 'None') {
    if (given.length > 1) spec.error('clusterIPs', 'conflicting-fields', 'must have no address beside None');
    return { headless: true, clusterIPs: [] };
  }
  const addresses: string[] = [];
  const take = (text: string, report: (code: 'bad-address' | 'conflicting-fields', message: string) => void): void => {
    const address = canonicalAddress(text);
    if (address === null) {
      report('bad-address', `must be None or an IPv4 or IPv6 address of a Service, got ${quote(text)}`);
    } else if (addresses.some((other) => isIPv4(other) === isIPv4(address))) {
      report('conflicting-fields', `must be of the other IP family than ${addresses[0]!}, got ${quote(text)}`);
    } else {
      addresses.push(address);
    }
  };
  if (given.length > 0) {
    for (const { value, path, offset } of given) {
      take(value, (code, message) => spec.report.error(code, path, offset, message));
    }
  } else if (single !== null && single !== '') {
    take(single, (code, message) => spec.error('clusterIP', code, message));
  }
  return { headless: false, clusterIPs: addresses };
}

function readPorts(spec: Fields, minPorts: number): ServicePort[] {
  const items = spec.list('ports', MAX_SERVICE_PORTS, minPorts);
  const names = new Map<string, string>();
  const numbers = new Map<string, string>();
  return items.map((item) => {
    item.only(PORT_FIELDS);
    item.require('port');
    const port = item.port('port') ?? 0;
    const protocol = item.oneOf('protocol', ['TCP', 'UDP', 'SCTP']) ?? 'TCP';
    const name = item.string('name', (value) => (value === '' ? null : dnsLabel(value))) || null;
    checkTargetPort(item);
    if (name === null && items.length > 1)
      item.error('name', 'missing-field', 'is required when a Service has several ports');
    reportRepeated(item, 'name', name, names);
    reportRepeated(item, 'port', port === 0 ? null : `${port}/${protocol}`, numbers);
    return { name, port, protocol, appProtocol: item.string('appProtocol') || null };
  });
}

function reportRepeated(item: Fields, field: string, value: string | null, seen: Map<string, string>): void {
  if (value === null) return;
  const first = seen.get(value);
  if (first === undefined) seen.set(value, item.path);
  else item.error(field, 'duplicate-name', `must be unique in the Service, but ${first} has ${value} too`);
}

/** A number or the name of a container port. It has no effect here, but a mistake in it suggests one in `port` too. */
function checkTargetPort(item: Fields): void {
  const tree = item.tree('targetPort');
  if (tree?.type === 'scalar' && typeof tree.value === 'string') return;
  item.integer('targetPort', 1, MAX_PORT);
}
