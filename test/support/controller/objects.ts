/** Objects of a cluster, as users and other controllers make them. */
export function namespace(name: string, more: { labels?: object; annotations?: object } = {}): object {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, ...more } };
}

export const INJECTED = { 'sideroute.dev/injection': 'enabled' };

export function service(
  name: string,
  inNamespace: string,
  clusterIP = '10.96.0.1',
  ports: readonly number[] = [80],
): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: inNamespace },
    spec: {
      type: 'ClusterIP',
      clusterIP,
      clusterIPs: [clusterIP],
      selector: { app: name },
      ports: ports.map((port) => ({ name: `p${port}`, port, protocol: 'TCP', targetPort: 8080 })),
    },
  };
}

export interface RouteOptions {
  readonly parents?: readonly object[];
  readonly backends?: readonly object[];
  readonly kind?: string;
  readonly rules?: readonly object[];
}

/** By default a producer route of `my-server`, port 80, to `my-server-v1`. */
export function route(name: string, inNamespace: string, options: RouteOptions = {}): object {
  const { parents = [{ name: 'my-server', port: 80 }], backends = [{ name: 'my-server-v1', port: 80 }] } = options;
  const kind = options.kind ?? 'HTTPRoute';
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind,
    metadata: { name, namespace: inNamespace },
    spec: {
      parentRefs: parents.map((parent) => ({ group: '', kind: 'Service', ...parent })),
      rules: options.rules ?? [
        {
          matches: kind === 'GRPCRoute' ? [] : [{ path: { type: 'PathPrefix', value: '/' } }],
          backendRefs: backends.map((backend) => ({ group: '', kind: 'Service', weight: 1, ...backend })),
        },
      ],
    },
  };
}

export function pod(
  name: string,
  inNamespace: string,
  options: { ip?: string; injected?: boolean; annotations?: object } = {},
): object {
  const injected = options.injected ?? true;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...{ name, namespace: inNamespace },
      annotations: { ...(injected ? { 'sideroute.dev/injected': '{}' } : {}), ...options.annotations },
    },
    spec: { containers: [{ name: 'app', image: 'app' }] },
    status: { phase: 'Running', ...(options.ip === undefined ? {} : { podIP: options.ip }) },
  };
}
