/** The servers behind the proxies. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryPaths } from './nginx.ts';
import { SERVICE, TCP_PORT, V1, V2 } from './peer.ts';

/** Path of a file with this many bytes. */
export function sizePath(bytes: number): string {
  return `/bytes-${bytes}`;
}

function files(directory: string, names: ReadonlyMap<string, number>): string {
  const root = join(directory, 'www');
  mkdirSync(root, { recursive: true });
  for (const [name, bytes] of names) writeFileSync(join(root, name), Buffer.alloc(bytes, 'x'));
  return root;
}

/**
 * The command line of nginx, which answers any path with one line, or the path of `sizePath` with a file of that size.
 */
export function backendCommand(directory: string, sizes: readonly number[] = []): string[] {
  const prefix = join(directory, 'backend');
  const root = files(prefix, new Map(sizes.map((bytes) => [sizePath(bytes), bytes])));
  const server = (version: number, addresses: readonly string[]): string => `  server {
    ${addresses.map((address) => `listen ${address} backlog=4096;`).join(' ')}
    location / { return 200 "Hello from Version ${version}\\n"; }
    location /bytes- { root ${root}; }
  }
`;
  writeFileSync(
    join(prefix, 'nginx.conf'),
    `daemon off; worker_processes 1; user root; pid ${prefix}/pid; error_log ${prefix}/log;
events { worker_connections 8192; }
http {
  access_log off; keepalive_requests 100000000; keepalive_timeout 1h; client_max_body_size 0;
  sendfile on; sendfile_max_chunk 1m; open_file_cache max=100;
${temporaryPaths(prefix)}${server(1, [`${V1}:80`, `${SERVICE}:${TCP_PORT}`])}${server(2, [`${V2}:80`])}}
`,
  );
  return ['nginx', '-p', prefix, '-c', join(prefix, 'nginx.conf')];
}

/** The command line of an HTTP/2 server, which answers a size as path with a file of that many bytes. */
export function http2BackendCommand(directory: string, sizes: readonly number[]): string[] {
  const root = files(directory, new Map(sizes.map((bytes) => [String(bytes), bytes])));
  return ['nghttpd', '--no-tls', '-n', '1', '-m', '250', '-a', V1, '-d', root, '80'];
}
