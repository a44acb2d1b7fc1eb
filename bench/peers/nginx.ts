/**
 * nginx: one worker, keep-alive to backends, bodies not buffered; thousands of prefixes are locations, which are a
 * tree.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { backendOf, prefixOf, rulesOf, SERVICE, TCP_PORT, V1, V2, type Peer, type Place } from './peer.ts';

const LOG_FORMAT =
  '{"time":"$time_iso8601","method":"$request_method","path":"$uri","host":"$http_host","protocol":"$server_protocol",' +
  '"code":$status,"duration_s":$request_time,"frontend":"$server_addr:$server_port","backend":"$proxy_host",' +
  '"downstream":"$remote_addr:$remote_port","upstream":"$upstream_addr","bytes_received":$request_length,' +
  '"bytes_sent":$bytes_sent,"request_id":"$http_x_request_id","user_agent":"$http_user_agent"}';

/** Paths for its temporary files. */
export function temporaryPaths(directory: string): string {
  return ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `  ${name}_temp_path ${join(directory, name)};\n`)
    .join('');
}

/** The module for TCP passthrough: compiled in (null), a module file, or absent. */
export function streamModule(): { readonly path: string | null } | 'absent' {
  const { stderr } = spawnSync('nginx', ['-V'], { encoding: 'utf8' });
  if (/--with-stream(?!\S)/.test(stderr)) return { path: null };
  const path = join(/--modules-path=(\S+)/.exec(stderr)?.[1] ?? '/', 'ngx_stream_module.so');
  return existsSync(path) ? { path } : 'absent';
}

export function nginx({ directory, port, tcpPort, setting }: Place): Peer {
  const stream = tcpPort === null ? 'absent' : streamModule();
  const module = stream === 'absent' || stream.path === null ? '' : `load_module ${stream.path};\n`;
  const tcp =
    stream === 'absent'
      ? ''
      : `stream {
  server { listen 127.0.0.1:${tcpPort} backlog=4096; proxy_pass ${SERVICE}:${TCP_PORT}; proxy_timeout 1h; proxy_buffer_size 64k; }
}
`;
  const locations =
    setting.rules === 1
      ? '    location / { proxy_pass http://$choice; }\n'
      : rulesOf(setting)
          .map((rule) => `    location ${prefixOf(rule)}/ { proxy_pass http://${backendOf(rule)}; }\n`)
          .join('');
  const log = setting.accessLog
    ? `  log_format facts escape=json '${LOG_FORMAT}';\n  access_log /dev/stdout facts buffer=64k flush=1s;\n`
    : '  access_log off;\n';
  const configuration = `${module}daemon off; worker_processes 1; pid ${directory}/nginx.pid; error_log ${directory}/nginx.log;
events { worker_connections 4096; }
http {
${log}  keepalive_requests 100000000; keepalive_timeout 1h;
  client_max_body_size 0; proxy_request_buffering off; proxy_max_temp_file_size 0; proxy_buffers 16 32k; proxy_busy_buffers_size 64k;
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
${temporaryPaths(directory)}  upstream v1 { server ${V1}:80; keepalive 256; keepalive_requests 100000000; keepalive_timeout 1h; }
  upstream v2 { server ${V2}:80; keepalive 256; keepalive_requests 100000000; keepalive_timeout 1h; }
${setting.rules === 1 ? '  map $http_version $choice { default v1; new v2; }\n' : ''}  server {
    listen 127.0.0.1:${port} backlog=4096;
${locations}  }
}
${tcp}`;
  return {
    name: 'nginx',
    files: { 'nginx.conf': configuration },
    command: ['nginx', '-p', directory, '-c', join(directory, 'nginx.conf')],
  };
}
