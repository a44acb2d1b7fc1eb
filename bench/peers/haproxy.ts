/**
 * HAProxy: one thread, connections to backends shared by all requests; thousands of prefixes are a map, which is a
 * tree.
 */
import { join } from 'node:path';
import { backendOf, prefixOf, rulesOf, SERVICE, TCP_PORT, V1, V2, type Peer, type Place } from './peer.ts';

const DEFAULTS = `defaults
  mode http
  timeout connect 3s
  timeout client 1h
  timeout server 1h
  option http-keep-alive
  http-reuse always
`;

const LOG_FORMAT =
  '{"time":%Ts.%ms,"method":"%HM","path":"%[capture.req.hdr(0),json(utf8s)]","host":"%[capture.req.hdr(1),json(utf8s)]","protocol":"%HV",' +
  '"code":%ST,"duration_ms":%Ta,"frontend":"%f","backend":"%b","downstream":"%ci:%cp","upstream":"%si:%sp",' +
  '"bytes_received":%U,"bytes_sent":%B,"request_id":"%[capture.req.hdr(2),json(utf8s)]","user_agent":"%[capture.req.hdr(3),json(utf8s)]"}';

const LOG = `  log global
  http-request capture path len 256
  http-request capture req.hdr(host) len 64
  http-request capture req.hdr(x-request-id) len 64
  http-request capture req.hdr(user-agent) len 128
  log-format '${LOG_FORMAT}'
`;

function http1({ directory, port, tcpPort, setting }: Place): string {
  const choice =
    setting.rules === 1
      ? '  use_backend v2 if { req.hdr(version) -m str new }\n  default_backend v1\n'
      : `  use_backend %[path,map_beg(${join(directory, 'prefixes.map')},v1)]\n`;
  const tcp =
    tcpPort === null
      ? ''
      : `listen tcp
  mode tcp
  bind 127.0.0.1:${tcpPort}
  server s ${SERVICE}:${TCP_PORT}
`;
  return `global
  nbthread 1
  maxconn 4096
${setting.accessLog ? '  log stdout format raw local0\n' : ''}${DEFAULTS}frontend in
  bind 127.0.0.1:${port}
${setting.accessLog ? LOG : ''}${choice}backend v1
  server s ${V1}:80
backend v2
  server s ${V2}:80
${tcp}`;
}

/** Only HTTP/2, on both sides; server connections may carry as many requests as those of the others. */
function h2c({ port }: Place): string {
  return `global
  nbthread 1
  maxconn 4096
  tune.h2.max-concurrent-streams 250
${DEFAULTS}frontend in
  bind 127.0.0.1:${port} proto h2
  default_backend out
backend out
  server s ${V1}:80 proto h2
`;
}

export function haproxy(place: Place): Peer {
  const { directory, setting } = place;
  const map = rulesOf(setting).map((rule) => `${prefixOf(rule)}/ ${backendOf(rule)}\n`);
  return {
    name: 'HAProxy',
    files: {
      'haproxy.cfg': setting.protocol === 'h2c' ? h2c(place) : http1(place),
      ...(setting.rules === 1 ? {} : { 'prefixes.map': map.join('') }),
    },
    command: ['haproxy', '-db', '-f', join(directory, 'haproxy.cfg')],
  };
}
