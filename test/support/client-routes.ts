/** Routes of the client tests: one Service without endpoints of its own, three behind it chosen by path or header. */
import { stringify } from 'yaml';

/** ClusterIPs by Service name. */
export const CLIENT_SERVICES = {
  web: '10.96.0.10',
  nginx: '10.96.0.11',
  node: '10.96.0.12',
  python: '10.96.0.13',
} as const;

/** YAML of the four Services in namespace `shop` and of the HTTPRoute. */
export function clientRoutes(): string {
  const services = Object.entries(CLIENT_SERVICES).map(([name, clusterIP]) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'shop' },
    spec: { clusterIP, ports: [{ port: 80, targetPort: 8080 }] },
  }));
  const to = (name: string, match: object) => ({ matches: [match], backendRefs: [{ name, port: 80 }] });
  const route = {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: 'web', namespace: 'shop' },
    spec: {
      parentRefs: [{ group: '', kind: 'Service', name: 'web', port: 80 }],
      rules: [
        to('nginx', { path: { type: 'PathPrefix', value: '/nginx' } }),
        to('node', { path: { type: 'PathPrefix', value: '/node' } }),
        to('python', { headers: [{ name: 'X-Backend', value: 'python' }] }),
      ],
    },
  };
  return [...services, route].map((document) => stringify(document)).join('---\n');
}
