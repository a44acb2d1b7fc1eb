/**
 * The additions to a pod: the init container that installs the rules, the sidecar, their volumes and annotations.
 *
 * Stage before: `annotations.ts` gives the settings. Stage after: `inject.ts` writes these objects into the manifest.
 * The types are those of the Kubernetes API, so a misplaced field does not compile.
 */
import type { IContainer, IEnvVar, IVolume, IVolumeMount } from 'kubernetes-models/v1';
import { partNames } from '../config/route-volume.ts';
import { shardNames } from '../route-set/format.ts';
import { SETTING_NAMES } from '../iptables/settings.ts';
import type { InjectSettings, Mode } from './annotations.ts';
import { memoryBytes } from './quantities.ts';
import { splitNames } from './setting-checks.ts';

export const INIT_NAME = 'sideroute-init';
export const SIDECAR_NAME = 'sideroute';
export const ROUTES_VOLUME = 'sideroute-routes';
export const NO_TOKEN_VOLUME = 'sideroute-no-token';
/** A port name has at most 15 characters. */
export const METRICS_PORT_NAME = 'sideroute-prom';
export const METRICS_PORT = 15020;
/** Ports in the network namespace of the pod on which sideroute listens: capture, private admin, metrics. */
export const PROXY_PORTS: readonly number[] = [15001, 15000, METRICS_PORT];

const ROUTES_DIRECTORY = '/etc/sideroute/routes';
/** File with the authorities of the collector's certificate. It is in the volume of the routes, where a file with this name is not read as routes. */
const COLLECTOR_CA_FILE = 'collector-ca.crt';
export const COLLECTOR_CA_PATH = `${ROUTES_DIRECTORY}/${COLLECTOR_CA_FILE}`;
const TOKEN_DIRECTORY = '/var/run/secrets/kubernetes.io/serviceaccount';
/** Time between the latest end of the sidecar and the end of the grace period. */
const GRACE_MARGIN_SECONDS = 5;

type PullPolicy = NonNullable<IContainer['imagePullPolicy']>;

export interface Additions {
  readonly initContainer: IContainer;
  readonly sidecar: IContainer;
  readonly volumes: readonly IVolume[];
}

/** The values in which containers and volumes differ between pods. Null: left out. */
export interface ContainerValues {
  readonly native: boolean;
  readonly image: string;
  readonly initImage: string;
  readonly imagePullPolicy: PullPolicy | null;
  readonly configMaps: readonly string[];
  readonly serviceCidrs: string | null;
  readonly excludeOutboundCidrs: string | null;
  readonly excludeOutboundPorts: string | null;
  readonly metadataAddresses: string | null;
  readonly proxyUid: string | null;
  /** The same as a number. */
  readonly uid: number;
  readonly drainTimeout: string | null;
  readonly logLevel: string | null;
  readonly accessLog: string | null;
  readonly tracesEndpoint: string | null;
  readonly tracesSample: string | null;
  readonly tracesHeadersSecret: string | null;
  /** Null without an endpoint. */
  readonly tracesCaConfigMap: string | null;
  /** Path of the mounted file. */
  readonly tracesCaPath: string | null;
  readonly workers: string | null;
  readonly strict: string | null;
  readonly cpuRequest: string | null;
  readonly cpuLimit: string | null;
  readonly memoryRequest: string | null;
  readonly memoryLimit: string | null;
  readonly nodeOptions: string | null;
}

/** `graceSeconds`: terminationGracePeriodSeconds of the pod; null when not given. */
export function additionsFor(settings: InjectSettings, graceSeconds: number | null): Additions {
  const native = (settings.mode as Mode) === 'native';
  const tracesCaConfigMap = (settings.tracesEndpoint ?? '') === '' ? null : settings.tracesCaConfigMap;
  return additionsOf({
    ...settings,
    native,
    image: settings.image ?? '',
    initImage: settings.initImage ?? '',
    imagePullPolicy: settings.imagePullPolicy as PullPolicy | null,
    configMaps: configMapsOf(settings),
    uid: Number(settings.proxyUid),
    drainTimeout: drainTimeout(settings, native, graceSeconds),
    nodeOptions: nodeOptions(settings.memoryLimit),
    tracesCaConfigMap,
    tracesCaPath: tracesCaConfigMap === null ? null : COLLECTOR_CA_PATH,
  });
}

/** Only places the values: `policy/` calls it with expressions instead. */
export function additionsOf(values: ContainerValues): Additions {
  return {
    initContainer: initContainer(values),
    sidecar: sidecar(values),
    volumes: [
      {
        name: ROUTES_VOLUME,
        projected: {
          sources: [
            ...[...values.configMaps, ...shardNames()].map((name) => ({ configMap: { name, optional: true } })),
            ...collectorCa(values),
          ],
        },
      },
      { name: NO_TOKEN_VOLUME, emptyDir: {} },
    ],
  };
}

/** A single name includes its parts. With several names, each means only itself. */
function configMapsOf({ configMaps }: InjectSettings): string[] {
  const [name = '', ...others] = splitNames(configMaps ?? '');
  return others.length > 0 ? [name, ...others] : partNames(name);
}

/** Annotations that direct Prometheus to the sidecar, for pods without any of these. */
export const PROMETHEUS_ANNOTATIONS: Readonly<Record<string, string>> = {
  'prometheus.io/scrape': 'true',
  'prometheus.io/port': String(METRICS_PORT),
  'prometheus.io/path': '/metrics',
};

/** The default container of `kubectl logs` and `exec`. Otherwise it would be the first one, the sidecar. */
export const DEFAULT_CONTAINER_ANNOTATION = 'kubectl.kubernetes.io/default-container';

/** An empty directory at the mount point of the service account token, because neither container uses the API. */
const NO_TOKEN: IVolumeMount = { name: NO_TOKEN_VOLUME, mountPath: TOKEN_DIRECTORY, readOnly: true };

function initContainer(values: ContainerValues): IContainer {
  return {
    name: INIT_NAME,
    image: values.initImage,
    ...pullPolicy(values),
    env: [
      fieldEnv('POD_IP', 'status.podIP'),
      fieldEnv('POD_IPS', 'status.podIPs'),
      fieldEnv('HOST_IP', 'status.hostIP'),
      ...givenEnv(SETTING_NAMES.serviceCidrs.env, values.serviceCidrs),
      ...givenEnv(SETTING_NAMES.excludeOutboundCidrs.env, values.excludeOutboundCidrs),
      ...givenEnv(SETTING_NAMES.excludeOutboundPorts.env, values.excludeOutboundPorts),
      ...givenEnv(SETTING_NAMES.metadataAddresses.env, values.metadataAddresses),
      ...givenEnv(SETTING_NAMES.proxyUid.env, values.proxyUid),
    ],
    resources: { requests: { cpu: '10m', memory: '64Mi' }, limits: { memory: '128Mi' } },
    // The entry point of the image keeps this one capability for the programs it starts: init-container/Dockerfile.
    securityContext: {
      runAsUser: 65534,
      runAsGroup: 65534,
      runAsNonRoot: true,
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
    terminationMessagePolicy: 'FallbackToLogsOnError',
    volumeMounts: [NO_TOKEN],
  };
}

function sidecar(values: ContainerValues): IContainer {
  const { native, uid, cpuRequest, cpuLimit, memoryRequest, memoryLimit } = values;
  return {
    name: SIDECAR_NAME,
    image: values.image,
    ...pullPolicy(values),
    command: ['sideroute', 'proxy'],
    ...(native ? { restartPolicy: 'Always' } : {}),
    env: [
      fieldEnv('POD_NAMESPACE', 'metadata.namespace'),
      // An address outside of these networks is not a ClusterIP, so it is not a frontend.
      ...givenEnv(SETTING_NAMES.serviceCidrs.env, values.serviceCidrs),
      // A native sidecar is stopped after the application has ended, so it need not wait.
      ...(native ? [{ name: 'SIDEROUTE_DRAIN_QUIET', value: '0s' }] : []),
      ...givenEnv('SIDEROUTE_DRAIN_TIMEOUT', values.drainTimeout),
      ...givenEnv('SIDEROUTE_LOG_LEVEL', values.logLevel),
      ...givenEnv('SIDEROUTE_ACCESS_LOG', values.accessLog),
      ...givenEnv('OTEL_EXPORTER_OTLP_ENDPOINT', values.tracesEndpoint),
      ...givenEnv('OTEL_TRACES_SAMPLER_ARG', values.tracesSample),
      ...secretEnv('OTEL_EXPORTER_OTLP_HEADERS', values.tracesHeadersSecret, 'headers'),
      ...givenEnv('OTEL_EXPORTER_OTLP_CERTIFICATE', values.tracesCaPath),
      ...givenEnv('SIDEROUTE_WORKERS', values.workers),
      ...givenEnv('SIDEROUTE_STRICT', values.strict),
      ...givenEnv('NODE_OPTIONS', values.nodeOptions),
    ],
    ports: [{ name: METRICS_PORT_NAME, containerPort: METRICS_PORT, protocol: 'TCP' }],
    startupProbe: { httpGet: { path: '/startupz', port: METRICS_PORT }, periodSeconds: 1, failureThreshold: 60 },
    readinessProbe: { httpGet: { path: '/readyz', port: METRICS_PORT }, periodSeconds: 5, failureThreshold: 3 },
    livenessProbe: { httpGet: { path: '/livez', port: METRICS_PORT }, periodSeconds: 10, failureThreshold: 6 },
    // The kubelet starts the next container only when this command has returned.
    ...(native ? {} : { lifecycle: { postStart: { exec: { command: ['sideroute', 'wait', '--timeout', '60s'] } } } }),
    resources: {
      requests: {
        ...(cpuRequest === null ? {} : { cpu: cpuRequest }),
        ...(memoryRequest === null ? {} : { memory: memoryRequest }),
      },
      limits: {
        ...(cpuLimit === null ? {} : { cpu: cpuLimit }),
        ...(memoryLimit === null ? {} : { memory: memoryLimit }),
      },
    },
    securityContext: {
      runAsUser: uid,
      runAsGroup: uid,
      runAsNonRoot: true,
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
    volumeMounts: [{ name: ROUTES_VOLUME, mountPath: ROUTES_DIRECTORY, readOnly: true }, NO_TOKEN],
  };
}

/**
 * A classic sidecar receives SIGTERM together with the application, and continues to serve it until shortly before the
 * end.
 */
function drainTimeout(settings: InjectSettings, native: boolean, graceSeconds: number | null): string | null {
  if (settings.drainTimeout !== null || native || graceSeconds === null) return settings.drainTimeout;
  return `${Math.max(1, graceSeconds - GRACE_MARGIN_SECONDS)}s`;
}

/**
 * Half of the limit for the JavaScript heap; buffers and the addon are outside of the heap. Few new objects live longer
 * than a reload, so V8 needs little space for them. By default it fills 32 MiB before it collects
 * (test/e2e/reload-plans.test.ts).
 */
function nodeOptions(memoryLimit: string | null): string | null {
  if (memoryLimit === null) return null;
  return nodeOptionsOf(String(Math.floor(memoryBytes(memoryLimit) / BYTES_PER_HEAP_MIB)));
}

/** Bytes of the memory limit for each MiB of heap. */
export const BYTES_PER_HEAP_MIB = 2 * 2 ** 20;

export function nodeOptionsOf(heapMiB: string): string {
  return `--max-old-space-size=${heapMiB} --max-semi-space-size=2`;
}

function pullPolicy({ imagePullPolicy }: ContainerValues): Pick<IContainer, 'imagePullPolicy'> {
  return imagePullPolicy === null ? {} : { imagePullPolicy };
}

function fieldEnv(name: string, fieldPath: string): IEnvVar {
  return { name, valueFrom: { fieldRef: { fieldPath } } };
}

function secretEnv(name: string, secret: string | null, key: string): IEnvVar[] {
  return secret === null ? [] : [{ name, valueFrom: { secretKeyRef: { name: secret, key } } }];
}

/**
 * Optional: otherwise the kubelet would stop updating the routes in the same volume when this ConfigMap or its key is
 * deleted. A sidecar whose file is missing does not start, and names it.
 */
function collectorCa({ tracesCaConfigMap: name }: ContainerValues) {
  if (name === null) return [];
  return [{ configMap: { name, items: [{ key: 'ca.crt', path: COLLECTOR_CA_FILE }], optional: true } }];
}

function givenEnv(name: string, value: string | null): IEnvVar[] {
  return value === null ? [] : [{ name, value }];
}
