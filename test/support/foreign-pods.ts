/**
 * Pods of all sorts that have nothing to do with sideroute: as users write them, and as the injectors of other meshes
 * leave them.
 */

const LIMITS = { requests: { cpu: '10m', memory: '16Mi' }, limits: { memory: '32Mi' } };
const APP = { name: 'app', image: 'app:1', ports: [{ name: 'http', containerPort: 8080 }] };

interface ForeignPod {
  readonly metadata: { readonly labels?: object; readonly annotations?: object };
  readonly spec: object;
}

export const FOREIGN_PODS: Readonly<Record<string, ForeignPod>> = {
  plain: { metadata: {}, spec: { containers: [APP] } },
  everything: {
    metadata: {
      labels: { app: 'everything' },
      annotations: { 'example.com/note': 'x', 'prometheus.io/scrape': 'true' },
    },
    spec: {
      initContainers: [
        { name: 'migrate', image: 'migrate:1' },
        { name: 'logs', image: 'logs:1', restartPolicy: 'Always', resources: LIMITS },
      ],
      containers: [
        { ...APP, resources: LIMITS, env: [{ name: 'A', value: 'b' }] },
        { name: 'second', image: 'second:1' },
      ],
      volumes: [{ name: 'data', emptyDir: {} }],
      securityContext: { runAsUser: 1337, runAsNonRoot: true },
      terminationGracePeriodSeconds: 5,
    },
  },
  'host-network': { metadata: {}, spec: { hostNetwork: true, containers: [{ name: 'app', image: 'app:1' }] } },
  windows: { metadata: {}, spec: { os: { name: 'windows' }, containers: [{ name: 'app', image: 'app:1' }] } },
  istio: {
    metadata: {
      labels: { app: 'shop', 'security.istio.io/tlsMode': 'istio', 'service.istio.io/canonical-name': 'shop' },
      annotations: {
        'istio.io/rev': 'default',
        'kubectl.kubernetes.io/default-container': 'app',
        'prometheus.io/path': '/stats/prometheus',
        'sidecar.istio.io/status':
          '{"initContainers":["istio-init"],"containers":["istio-proxy"],"volumes":["istio-envoy"],"revision":"default"}',
      },
    },
    spec: {
      initContainers: [
        {
          ...{
            name: 'istio-init',
            image: 'docker.io/istio/proxyv2:1.31.0',
            args: ['istio-iptables', '-p', '15001', '-u', '1337'],
          },
          securityContext: { runAsUser: 0, capabilities: { add: ['NET_ADMIN', 'NET_RAW'], drop: ['ALL'] } },
        },
      ],
      containers: [
        APP,
        {
          ...{ name: 'istio-proxy', image: 'docker.io/istio/proxyv2:1.31.0', args: ['proxy', 'sidecar'] },
          ports: [{ name: 'http-envoy-prom', containerPort: 15090 }],
          securityContext: { runAsUser: 1337, runAsGroup: 1337, readOnlyRootFilesystem: true },
          volumeMounts: [{ name: 'istio-envoy', mountPath: '/etc/istio/proxy' }],
        },
      ],
      volumes: [{ name: 'istio-envoy', emptyDir: { medium: 'Memory' } }],
    },
  },
  linkerd: {
    metadata: {
      labels: { app: 'shop', 'linkerd.io/control-plane-ns': 'linkerd', 'linkerd.io/workload-ns': 'shop' },
      annotations: { 'linkerd.io/created-by': 'linkerd/proxy-injector edge', 'linkerd.io/inject': 'enabled' },
    },
    spec: {
      initContainers: [
        {
          ...{
            name: 'linkerd-init',
            image: 'cr.l5d.io/linkerd/proxy-init:v2.4',
            args: ['--incoming-proxy-port', '4143'],
          },
          securityContext: { runAsUser: 65534, capabilities: { add: ['NET_ADMIN', 'NET_RAW'] } },
        },
        {
          ...{ name: 'linkerd-proxy', image: 'cr.l5d.io/linkerd/proxy:edge', restartPolicy: 'Always' },
          ports: [{ name: 'linkerd-proxy', containerPort: 4143 }],
          securityContext: { runAsUser: 2102, readOnlyRootFilesystem: true },
        },
      ],
      containers: [APP],
      volumes: [{ name: 'linkerd-identity', emptyDir: { medium: 'Memory' } }],
    },
  },
};
