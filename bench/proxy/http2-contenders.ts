/** What the benchmark of HTTP/2 compares: sideroute, HAProxy, nghttpx and Envoy, one thread each, as who knows them sets them up for that. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigMapMount } from '../../test/support/config-map-mount.ts';
import { SIDEROUTE } from '../../test/support/sidecar.ts';
import { programOf } from '../program.ts';
import type { Contender } from './contenders.ts';

/** What is dialled, and where requests are to go. */
export const SERVICE = '10.96.0.10';
export const BACKEND = '10.96.0.11';

export interface Http2ContenderOptions {
  /** Where configurations go. */
  readonly directory: string;
  /** Keys of `MAKERS`. */
  readonly keys: readonly string[];
  /** The checkout of `before`. */
  readonly before: string | undefined;
  /** The program of Envoy. */
  readonly envoy: string;
  readonly firstPort: number;
}

type Maker = (port: number, options: Http2ContenderOptions) => Pick<Contender, 'name' | 'command'>;

/** HTTP/2 alone on both sides; connections to the server are shared by all, and may carry as many requests as ours do. */
const haproxy: Maker = (port, { directory }) => {
  const file = join(directory, 'haproxy.cfg');
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn 4096
  tune.h2.max-concurrent-streams 250
defaults
  mode http
  timeout connect 3s
  timeout client 1h
  timeout server 1h
  http-reuse always
frontend in
  bind 127.0.0.1:${port} proto h2
  default_backend out
backend out
  server s ${BACKEND}:80 proto h2
`,
  );
  return { name: 'HAProxy', command: ['haproxy', '-db', '-f', file] };
};

/** Its own defaults beyond that: windows of 64 KiB for a stream, as large as it takes for a connection. */
const nghttpx: Maker = (port) => ({
  name: 'nghttpx',
  command: [
    ...['nghttpx', '--conf=/dev/null', '--workers=1', '--single-process', '--log-level=ERROR'],
    ...[`--frontend=127.0.0.1,${port};no-tls`, `--backend=${BACKEND},80;;proto=h2`],
    ...['--frontend-http2-max-concurrent-streams=250', '--backend-http2-max-concurrent-streams=250'],
  ],
});

/** No access log, no request ids, no circuit breaker in the way, one worker. */
const envoy: Maker = (port, { directory, envoy: program }) => {
  const file = join(directory, 'envoy.json');
  const any = (type: string, fields: object) => ({ '@type': `type.googleapis.com/envoy.${type}`, ...fields });
  const http = 'extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
  const http2 = { max_concurrent_streams: 250 };
  const limits = { max_connections: 4096, max_pending_requests: 4096, max_requests: 4096 };
  const socket = (address: string, number: number) => ({ socket_address: { address, port_value: number } });
  const manager = any(http, {
    stat_prefix: 'in',
    codec_type: 'HTTP2',
    generate_request_id: false,
    http2_protocol_options: http2,
    route_config: {
      virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'out' } }] }],
    },
    http_filters: [{ name: 'router', typed_config: any('extensions.filters.http.router.v3.Router', {}) }],
  });
  const configuration = {
    static_resources: {
      listeners: [
        {
          name: 'in',
          address: socket('127.0.0.1', port),
          filter_chains: [{ filters: [{ name: 'http', typed_config: manager }] }],
        },
      ],
      clusters: [
        {
          name: 'out',
          type: 'STATIC',
          circuit_breakers: { thresholds: [limits] },
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': any(
              'extensions.upstreams.http.v3.HttpProtocolOptions',
              { explicit_http_config: { http2_protocol_options: http2 } },
            ),
          },
          load_assignment: {
            cluster_name: 'out',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: socket(BACKEND, 80) } }] }],
          },
        },
      ],
    },
  };
  writeFileSync(file, JSON.stringify(configuration));
  return {
    name: 'Envoy',
    command: [program, '--concurrency', '1', '--disable-hot-restart', '--log-level', 'off', '-c', file],
  };
};

const ROUTES = `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: web, namespace: bench }
spec:
  parentRefs: [{ group: "", kind: Service, name: web, port: 80 }]
  rules: [{ backendRefs: [{ name: v1, port: 80 }] }]
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: bench }
spec: { clusterIP: ${SERVICE}, ports: [{ port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: v1, namespace: bench }
spec: { clusterIP: ${BACKEND}, ports: [{ port: 80, appProtocol: kubernetes.io/h2c }] }
`;

/** Its whole path, with its defaults: redirected connections, routes, limits, metrics, access log of what fails. */
const sideroute: Maker = (port, { directory }) => {
  const routes = new ConfigMapMount(join(directory, `routes-${port}`), { 'routes.yaml': ROUTES });
  return {
    name: 'sideroute',
    command: [
      ...[...SIDEROUTE, 'proxy', '--routes', routes.path, '--namespace', 'bench', '--drain-quiet', '0s'],
      ...['--capture', `127.0.0.1:${port}`, '--metrics', `127.0.0.1:${port + 100}`],
      ...['--admin', `127.0.0.1:${port + 200}`, '--log-level', 'error'],
    ],
  };
};

const MAKERS: Readonly<Record<string, Maker>> = {
  native: sideroute,
  before: (port, options) => {
    const [node, sourceMaps, , ...args] = sideroute(port, options).command;
    return { name: 'sideroute before', command: [node!, sourceMaps!, programOf(options.before ?? '.'), ...args] };
  },
  haproxy,
  nghttpx,
  envoy,
};

export function makeHttp2Contenders(options: Http2ContenderOptions): Contender[] {
  return options.keys.map((key, index) => {
    const maker = MAKERS[key];
    if (maker === undefined) throw new Error(`no contender ${key}: there are ${Object.keys(MAKERS).join(', ')}`);
    const port = options.firstPort + index;
    return { port, ...maker(port, options) };
  });
}

/** A server that answers with a file of that many bytes, by its name; its command line. */
export function http2BackendCommand(directory: string, sizes: readonly number[]): string[] {
  const root = join(directory, 'www');
  mkdirSync(root);
  for (const size of sizes) writeFileSync(join(root, String(size)), Buffer.alloc(size, 'x'));
  return ['nghttpd', '--no-tls', '-n', '1', '-m', '250', '-a', BACKEND, '-d', root, '80'];
}
