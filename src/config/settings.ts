/**
 * The settings of `sideroute proxy`: one table gives each its flag, its environment variable, its default, its parser
 * and its description; `cli/proxy.ts` makes options of it and docs/configuration.md is generated from those.
 *
 * Durations are written as Gateway API durations (`10s`, `500ms`) and kept as integers of milliseconds.
 */
import { isIP } from 'node:net';
import { ACCESS_LOG_MODES, type AccessLogMode } from '../addon/access-log.ts';
import type { ListenAddress } from '../addon/binding.ts';
import { unexpected } from '../errors.ts';
import { parseDuration } from '../gateway-api/durations.ts';
import { LOG_LEVELS, type LogLevel } from '../log.ts';
import { ServiceNetworks } from './service-networks.ts';
import { collector, collectorUrl, domainName, memoryLimit, namespaceName, rate } from './setting-values.ts';
import { MAX_WORKERS } from './worker-count.ts';

export interface ProxySettings {
  readonly routes: string;
  readonly namespace: string | null;
  readonly engine: 'native' | 'uws';
  /** auto: as many as the processor time that the container may use. */
  readonly workers: number | 'auto';
  readonly capture: readonly ListenAddress[];
  readonly metrics: readonly ListenAddress[];
  /** Empty: there is no private endpoint. */
  readonly admin: readonly ListenAddress[];
  readonly clusterDomain: string | null;
  readonly resolvConf: string;
  /** Null: not told. */
  readonly serviceNetworks: ServiceNetworks | null;
  readonly detectTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly maxConnections: number;
  readonly maxUpstreamConnections: number;
  readonly maxQueuedRequests: number;
  readonly queueTimeoutMs: number;
  /** Bytes; 0: none; auto: that of the cgroup. */
  readonly memoryLimit: number | 'auto';
  readonly maxHeadBytes: number;
  readonly maxHeaderFields: number;
  readonly retryBudgetPercent: number;
  readonly retryBudgetReserve: number;
  readonly maxMirrors: number;
  readonly mirrorTimeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly drainQuietMs: number;
  readonly strict: boolean;
  readonly accessLog: AccessLogMode;
  /** Where a collector takes spans. Null or empty: no traces. */
  readonly tracesEndpoint: string | null;
  /** From 0 to 1. */
  readonly tracesSample: number;
  readonly logLevel: LogLevel;
}

export interface SettingDefinition {
  readonly key: keyof ProxySettings;
  /** Long flag with its argument, as commander reads it. */
  readonly flag: string;
  readonly env: string;
  /**
   * A variable that goes before `env`, with a meaning of its own; an empty one is not there. No error repeats the value
   * of a setting with one: `setting-sources.ts`.
   */
  readonly particular?: { readonly env: string; readonly parse: (text: string) => unknown };
  /** As a user would write it; null = none. */
  readonly fallback: string | null;
  readonly description: string;
  /** Throws a ProxyError that says what is wrong with the value. */
  readonly parse: (text: string) => unknown;
}

export function integer(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : NaN;
    if (!(value >= minimum && value <= maximum)) throw unexpected(text, `an integer from ${minimum} to ${maximum}`);
    return value;
  };
}

/** At most MAX_WORKERS. */
export const WORKERS = /^(?:auto|[1-9]|1[0-6])$/;
export const WORKERS_EXPECTED = `a number from 1 to ${MAX_WORKERS}, or auto`;

/** Never null, which commander takes for an empty text. */
function workers(text: string): number | 'auto' {
  if (!WORKERS.test(text)) throw unexpected(text, WORKERS_EXPECTED);
  return text === 'auto' ? text : Number(text);
}

export function durationText(text: string): number {
  const value = parseDuration(text);
  if (value === null) throw unexpected(text, 'a duration such as 10s, 500ms or 1m30s');
  return value;
}

/** `ADDRESS:PORT` or `[IPV6]:PORT`, several separated by commas. @throws ProxyError */
export function listenAddresses(text: string): ListenAddress[] {
  return text.split(',').map((part) => {
    const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(part.trim());
    const address = match?.[1] ?? match?.[2] ?? '';
    const port = Number(match?.[3] ?? NaN);
    if (isIP(address) === 0 || (match?.[1] !== undefined) !== (isIP(address) === 6) || !(port <= 65535)) {
      throw unexpected(part, 'ADDRESS:PORT or [IPV6]:PORT, several separated by commas');
    }
    return { address, port };
  });
}

/** What listens there is for whoever is in the pod already, and for nobody else. */
function loopbackAddresses(text: string): ListenAddress[] {
  if (text === 'none') return [];
  const addresses = listenAddresses(text);
  for (const { address } of addresses) {
    if (!isLoopback(address)) throw unexpected(address, 'a loopback address such as 127.0.0.1 or ::1, or none');
  }
  return addresses;
}

function isLoopback(address: string): boolean {
  return isIP(address) === 4 ? address.startsWith('127.') : /^(?:0{0,4}:){1,7}0{0,3}1$/.test(address);
}

export function oneOf<T extends string>(allowed: readonly T[]): (text: string) => T {
  return (text) => {
    const found = allowed.find((value) => value === text);
    if (found === undefined) throw unexpected(text, `one of ${allowed.join(', ')}`);
    return found;
  };
}

function path(text: string): string {
  if (text === '' || text.includes('\0')) throw unexpected(text, 'a path');
  return text;
}

function boolean(text: string): boolean {
  if (text === 'true' || text === '1') return true;
  if (text === 'false' || text === '0') return false;
  throw unexpected(text, 'true or false');
}

export const PROXY_SETTINGS: readonly SettingDefinition[] = [
  {
    key: 'routes',
    flag: '--routes <dir>',
    env: 'SIDEROUTE_ROUTES',
    fallback: '/etc/sideroute/routes',
    description: 'directory of route files, usually a mounted ConfigMap',
    parse: path,
  },
  {
    key: 'namespace',
    flag: '--namespace <name>',
    env: 'POD_NAMESPACE',
    fallback: null,
    description:
      'namespace of this pod: whose consumer routes apply, and of documents that name none (default: that of the service account)',
    parse: namespaceName,
  },
  {
    key: 'engine',
    flag: '--engine <name>',
    env: 'SIDEROUTE_ENGINE',
    fallback: 'native',
    description: 'engine that carries HTTP requests: native, or uws for those it can carry',
    parse: oneOf(['native', 'uws']),
  },
  {
    key: 'workers',
    flag: '--workers <n>',
    env: 'SIDEROUTE_WORKERS',
    fallback: '1',
    description:
      'threads that carry connections; auto: as many as the container may use processors, by its limit, and 1 without one',
    parse: workers,
  },
  {
    key: 'capture',
    flag: '--capture <addresses>',
    env: 'SIDEROUTE_CAPTURE',
    fallback: '127.0.0.1:15001,[::1]:15001',
    description: 'addresses that iptables redirects to; an address family the pod does not have is skipped',
    parse: listenAddresses,
  },
  {
    key: 'metrics',
    flag: '--metrics <addresses>',
    env: 'SIDEROUTE_METRICS',
    fallback: '0.0.0.0:15020',
    description: 'addresses of the read-only endpoint: /metrics, /livez, /readyz, /startupz, /served',
    parse: listenAddresses,
  },
  {
    key: 'admin',
    flag: '--admin <addresses>',
    env: 'SIDEROUTE_ADMIN',
    fallback: '127.0.0.1:15000',
    description:
      'loopback addresses of the private endpoint: what it serves, connections, log level; none turns it off',
    parse: loopbackAddresses,
  },
  {
    key: 'clusterDomain',
    flag: '--cluster-domain <name>',
    env: 'SIDEROUTE_CLUSTER_DOMAIN',
    fallback: null,
    description: 'DNS domain of the cluster; default: taken from the search list of resolv.conf, else cluster.local',
    parse: domainName,
  },
  {
    key: 'resolvConf',
    flag: '--resolv-conf <file>',
    env: 'SIDEROUTE_RESOLV_CONF',
    fallback: '/etc/resolv.conf',
    description: 'where the DNS servers are listed',
    parse: path,
  },
  {
    key: 'serviceNetworks',
    flag: '--service-cidrs <cidrs>',
    env: 'SIDEROUTE_SERVICE_CIDRS',
    fallback: null,
    description: 'Service networks, as the init container is told them; addresses outside are not taken for ClusterIPs',
    parse: (text) => new ServiceNetworks(text),
  },
  {
    key: 'detectTimeoutMs',
    flag: '--detect-timeout <duration>',
    env: 'SIDEROUTE_DETECT_TIMEOUT',
    fallback: '10s',
    description:
      'how long a downstream of a routed Service may stay silent before the upstream is given a chance to speak first',
    parse: durationText,
  },
  {
    key: 'connectTimeoutMs',
    flag: '--connect-timeout <duration>',
    env: 'SIDEROUTE_CONNECT_TIMEOUT',
    fallback: '3s',
    description: 'how long connecting to a backend may take, repeated dials included',
    parse: durationText,
  },
  {
    key: 'maxConnections',
    flag: '--max-connections <n>',
    env: 'SIDEROUTE_MAX_CONNECTIONS',
    fallback: '10000',
    description: 'downstream connections at a time, HTTP and tunnelled; beyond it others wait to be accepted',
    parse: integer(1, 1_000_000),
  },
  {
    key: 'maxUpstreamConnections',
    flag: '--max-upstream-connections <n>',
    env: 'SIDEROUTE_MAX_UPSTREAM_CONNECTIONS',
    fallback: '1024',
    description: 'connections to one backend at a time; requests beyond it wait for one',
    parse: integer(1, 1_000_000),
  },
  {
    key: 'maxQueuedRequests',
    flag: '--max-queued-requests <n>',
    env: 'SIDEROUTE_MAX_QUEUED_REQUESTS',
    fallback: '1024',
    description: 'requests that may wait for a connection to one backend; more are answered 503',
    parse: integer(0, 1_000_000),
  },
  {
    key: 'queueTimeoutMs',
    flag: '--queue-timeout <duration>',
    env: 'SIDEROUTE_QUEUE_TIMEOUT',
    fallback: '1s',
    description: 'how long a request may wait for a connection to its backend before it is answered 503',
    parse: durationText,
  },
  {
    key: 'memoryLimit',
    flag: '--memory-limit <amount>',
    env: 'SIDEROUTE_MEMORY_LIMIT',
    fallback: 'auto',
    description:
      'memory not to exceed, such as 256Mi: requests are refused and connections closed before; auto: the limit of the ' +
      'container, if it has one; none: do not watch',
    parse: memoryLimit,
  },
  {
    key: 'maxHeadBytes',
    flag: '--max-head-bytes <n>',
    env: 'SIDEROUTE_MAX_HEAD_BYTES',
    fallback: '65536',
    description: 'size limit of a request head; larger ones are answered 431',
    parse: integer(1024, 1_048_576),
  },
  {
    key: 'maxHeaderFields',
    flag: '--max-header-fields <n>',
    env: 'SIDEROUTE_MAX_HEADER_FIELDS',
    fallback: '200',
    description: 'number of fields a request head may have; more are answered 431',
    parse: integer(8, 200),
  },
  {
    key: 'retryBudgetPercent',
    flag: '--retry-budget <percent>',
    env: 'SIDEROUTE_RETRY_BUDGET',
    fallback: '10',
    description: 'retries of routes to a backend may be this part of its requests, beyond the reserve',
    parse: integer(0, 1000),
  },
  {
    key: 'retryBudgetReserve',
    flag: '--retry-reserve <n>',
    env: 'SIDEROUTE_RETRY_RESERVE',
    fallback: '50',
    description: 'retries that a backend may get however few its requests are; used ones come back at one a second',
    parse: integer(0, 1_000_000),
  },
  {
    key: 'maxMirrors',
    flag: '--max-mirrors <n>',
    env: 'SIDEROUTE_MAX_MIRRORS',
    fallback: '64',
    description: 'mirrored requests that may wait for one mirror; copies beyond it are dropped and counted',
    parse: integer(0, 1_000_000),
  },
  {
    key: 'mirrorTimeoutMs',
    flag: '--mirror-timeout <duration>',
    env: 'SIDEROUTE_MIRROR_TIMEOUT',
    fallback: '15s',
    description: 'how long a mirror may take to answer; what it answers is thrown away',
    parse: durationText,
  },
  {
    key: 'drainTimeoutMs',
    flag: '--drain-timeout <duration>',
    env: 'SIDEROUTE_DRAIN_TIMEOUT',
    fallback: '25s',
    description: 'after SIGTERM: exit at the latest after this time',
    parse: durationText,
  },
  {
    key: 'drainQuietMs',
    flag: '--drain-quiet <duration>',
    env: 'SIDEROUTE_DRAIN_QUIET',
    fallback: '5s',
    description:
      'after SIGTERM: exit once no downstream connection has been open for this time (0s for a native sidecar)',
    parse: durationText,
  },
  {
    key: 'strict',
    flag: '--strict [true|false]',
    env: 'SIDEROUTE_STRICT',
    fallback: 'false',
    description:
      'not ready while the route files have errors, and no earlier version of a refused route is served; default: ready, the errors are reported',
    parse: boolean,
  },
  {
    key: 'accessLog',
    flag: '--access-log <mode>',
    env: 'SIDEROUTE_ACCESS_LOG',
    fallback: 'errors',
    description:
      'lines on standard output: off; errors, for requests that fail and connections that are dropped; or all',
    parse: oneOf(ACCESS_LOG_MODES),
  },
  {
    key: 'tracesEndpoint',
    flag: '--traces-endpoint <url>',
    env: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    particular: { env: 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', parse: collectorUrl },
    fallback: null,
    description:
      'collector that gets spans by OTLP/HTTP, such as http://collector.observability:4318; /v1/traces is appended, but not to ' +
      'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, which goes before the other variable; default: no traces',
    parse: collector,
  },
  {
    key: 'tracesSample',
    flag: '--traces-sample <rate>',
    env: 'OTEL_TRACES_SAMPLER_ARG',
    fallback: '0.01',
    description:
      'part of the requests without a valid traceparent that is traced, from 0 to 1; of the others those whose caller says so',
    parse: rate,
  },
  {
    key: 'logLevel',
    flag: '--log-level <level>',
    env: 'SIDEROUTE_LOG_LEVEL',
    fallback: 'info',
    description: `one of ${LOG_LEVELS.join(', ')}`,
    parse: oneOf(LOG_LEVELS),
  },
];
