/** Service documents, as objects and as text, and attachments, with everything filled in that a test does not set. */
import type { AttachedFrontend, Attachment } from '../../src/config/attachment.ts';
import type { Service } from '../../src/gateway-api/types.ts';

/** A ClusterIP Service in namespace `devopssong` with TCP port 80. */
export function serviceDocument(name: string, fields: Partial<Service> = {}): Service {
  return {
    kind: 'Service',
    namespace: 'devopssong',
    name,
    type: 'ClusterIP',
    headless: false,
    clusterIPs: [],
    managed: false,
    ports: [{ name: null, port: 80, protocol: 'TCP', appProtocol: null }],
    source: { file: 'services.yaml', document: 1, line: 1 },
    ...fields,
  };
}

export function serviceMap(...services: readonly Service[]): ReadonlyMap<string, Service> {
  return new Map(services.map((service) => [`${service.namespace}/${service.name}`, service]));
}

/** A frontend without rules: `devopssong/name:port`, port 0 for `devopssong/name:*`. */
export function frontend(name: string, port: number, mode: 'http' | 'opaque' = 'http'): AttachedFrontend {
  const key = `devopssong/${name}:${port === 0 ? '*' : port}`;
  return {
    key,
    namespace: 'devopssong',
    name,
    port,
    mode,
    routeKind: 'HTTPRoute',
    consumer: false,
    rules: [],
    service: null,
  };
}

export function attachment(
  frontends: readonly AttachedFrontend[],
  services: ReadonlyMap<string, Service> = new Map(),
): Attachment {
  return { frontends, services, conditions: [], subjects: [], problems: [] };
}

/** YAML of Services in namespace `shop` with TCP port 80: the first has ClusterIP 10.96.0.10, the next 10.96.0.11. */
export function serviceFile(...names: readonly string[]): string {
  return names
    .map(
      (name, index) => `apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: shop}
spec: {clusterIP: 10.96.0.${10 + index}, ports: [{port: 80}]}
`,
    )
    .join('---\n');
}
