/**
 * Envoy: one worker, without request ids, timeouts or circuit breaker limits; thousands of prefixes are a matcher tree.
 */
import { join } from 'node:path';
import {
  backendOf,
  prefixOf,
  rulesOf,
  SERVICE,
  TCP_PORT,
  V1,
  V2,
  type Peer,
  type Place,
  type Setting,
} from './peer.ts';

const HTTP2 = { max_concurrent_streams: 250 };
const LIMITS = { max_connections: 4096, max_pending_requests: 4096, max_requests: 4096 };
const LOG = {
  time: '%START_TIME%',
  method: '%REQ(:METHOD)%',
  path: '%REQ(:PATH)%',
  host: '%REQ(:AUTHORITY)%',
  protocol: '%PROTOCOL%',
  code: '%RESPONSE_CODE%',
  duration_ms: '%DURATION%',
  frontend: '%DOWNSTREAM_LOCAL_ADDRESS%',
  backend: '%UPSTREAM_CLUSTER%',
  downstream: '%DOWNSTREAM_REMOTE_ADDRESS%',
  upstream: '%UPSTREAM_HOST%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  request_id: '%REQ(X-REQUEST-ID)%',
  user_agent: '%REQ(USER-AGENT)%',
};

const any = (type: string, fields: object) => ({ '@type': `type.googleapis.com/${type}`, ...fields });
const extension = (type: string, fields: object) => any(`envoy.extensions.${type}`, fields);
const socket = (address: string, port: number) => ({ socket_address: { address, port_value: port } });
const to = (cluster: string) => ({ cluster, timeout: '0s' });

function virtualHost(setting: Setting): object {
  const host = { name: 'all', domains: ['*'] };
  const rest = { match: { prefix: '/' }, route: to('v1') };
  if (setting.protocol === 'h2c') return { ...host, routes: [rest] };
  if (setting.rules === 1) {
    const headers = [{ name: 'version', string_match: { exact: 'new' } }];
    return { ...host, routes: [{ match: { prefix: '/', headers }, route: to('v2') }, rest] };
  }
  const action = (rule: number) => ({
    action: {
      name: 'route',
      typed_config: any('envoy.config.route.v3.Route', { match: { prefix: '/' }, route: to(backendOf(rule)) }),
    },
  });
  const map = Object.fromEntries(rulesOf(setting).map((rule) => [`${prefixOf(rule)}/`, action(rule)]));
  const input = {
    name: 'path',
    typed_config: any('envoy.type.matcher.v3.HttpRequestHeaderMatchInput', { header_name: ':path' }),
  };
  return { ...host, matcher: { matcher_tree: { input, prefix_match_map: { map } } } };
}

function listener(name: string, port: number, filter: object): object {
  return {
    ...{ name, address: socket('127.0.0.1', port), tcp_backlog_size: 4096 },
    filter_chains: [{ filters: [{ name, typed_config: filter }] }],
  };
}

function cluster(name: string, address: string, port: number, protocol: Setting['protocol'] | 'tcp'): object {
  const explicit = protocol === 'h2c' ? { http2_protocol_options: HTTP2 } : { http_protocol_options: {} };
  const options = extension('upstreams.http.v3.HttpProtocolOptions', { explicit_http_config: explicit });
  return {
    name,
    type: 'STATIC',
    circuit_breakers: { thresholds: [LIMITS] },
    ...(protocol === 'tcp'
      ? {}
      : {
          typed_extension_protocol_options: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': options },
        }),
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socket(address, port) } }] }],
    },
  };
}

/** `program`: its path. */
export function envoy({ directory, port, tcpPort, setting }: Place, program: string): Peer {
  const { protocol } = setting;
  const manager = extension('filters.network.http_connection_manager.v3.HttpConnectionManager', {
    stat_prefix: 'in',
    codec_type: protocol === 'h2c' ? 'HTTP2' : 'HTTP1',
    generate_request_id: false,
    ...(protocol === 'h2c' ? { http2_protocol_options: HTTP2 } : {}),
    ...(setting.accessLog
      ? {
          access_log: [
            {
              name: 'file',
              typed_config: extension('access_loggers.file.v3.FileAccessLog', {
                path: '/dev/stdout',
                log_format: { json_format: LOG },
              }),
            },
          ],
        }
      : {}),
    route_config: { virtual_hosts: [virtualHost(setting)] },
    http_filters: [
      { name: 'router', typed_config: extension('filters.http.router.v3.Router', { suppress_envoy_headers: true }) },
    ],
  });
  const tcp = extension('filters.network.tcp_proxy.v3.TcpProxy', { stat_prefix: 'tcp', cluster: 'tcp' });
  const configuration = {
    static_resources: {
      listeners: [listener('in', port, manager), ...(tcpPort === null ? [] : [listener('tcp', tcpPort, tcp)])],
      clusters: [
        cluster('v1', V1, 80, protocol),
        ...(protocol === 'h2c' ? [] : [cluster('v2', V2, 80, protocol)]),
        ...(tcpPort === null ? [] : [cluster('tcp', SERVICE, TCP_PORT, 'tcp')]),
      ],
    },
  };
  return {
    name: 'Envoy',
    files: { 'envoy.json': `${JSON.stringify(configuration, null, 1)}\n` },
    command: [
      ...[program, '--concurrency', '1', '--disable-hot-restart', '--log-level', 'off'],
      ...['-c', join(directory, 'envoy.json')],
    ],
  };
}
