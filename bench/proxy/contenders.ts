/** What `compare` compares: sideroute in several settings, HAProxy and nginx, each as its users would set it up. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigMapMount } from '../../test/support/config-map-mount.ts';
import { SIDEROUTE } from '../../test/support/sidecar.ts';
import { programOf } from '../program.ts';

const SCENARIO = new URL('../../../test/fixtures/scenario/', import.meta.url);

export interface Contender {
  readonly name: string;
  readonly port: number;
  readonly command: readonly string[];
}

export interface ContenderOptions {
  /** Where configurations go. */
  readonly directory: string;
  /** Keys of `MAKERS`, `native:MODE` for one with that access log, or `native@PATH` for one on that Node. */
  readonly keys: readonly string[];
  /** The checkout of `before`. */
  readonly before: string | undefined;
  readonly firstPort: number;
}

type Maker = (port: number, options: ContenderOptions) => Pick<Contender, 'name' | 'command'>;

function haproxy(port: number, { directory }: ContenderOptions) {
  const file = join(directory, 'haproxy.cfg');
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 3s
  timeout client 1h
  timeout server 1h
  option http-keep-alive
  http-reuse always
frontend in
  bind 127.0.0.1:${port}
  use_backend v2 if { req.hdr(version) -m str new }
  default_backend v1
backend v1
  server s 10.96.0.11:80
backend v2
  server s 10.96.0.12:80
`,
  );
  return { name: 'HAProxy', command: ['haproxy', '-db', '-f', file] };
}

function nginx(port: number, { directory }: ContenderOptions) {
  const file = join(directory, 'nginx.conf');
  writeFileSync(
    file,
    `daemon off; worker_processes 1; pid ${directory}/nginx.pid; error_log ${directory}/nginx.log;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 100000000; keepalive_timeout 1h;
  client_body_temp_path ${directory}/nginx-body; proxy_temp_path ${directory}/nginx-proxy;
  fastcgi_temp_path ${directory}/nginx-f; uwsgi_temp_path ${directory}/nginx-u; scgi_temp_path ${directory}/nginx-s;
  upstream v1 { server 10.96.0.11:80; keepalive 64; keepalive_requests 100000000; }
  upstream v2 { server 10.96.0.12:80; keepalive 64; keepalive_requests 100000000; }
  map $http_version $choice { default v1; new v2; }
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://$choice; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host; }
  }
}
`,
  );
  return { name: 'nginx', command: ['nginx', '-p', directory, '-c', file] };
}

/** Without `accessLog` with the one that is the default. */
function sideroute(engine: string, accessLog?: string): Maker {
  return (port, { directory }) => {
    const routes = new ConfigMapMount(join(directory, `routes-${port}`), {
      'services.yaml': readFileSync(new URL('services.yaml', SCENARIO), 'utf8'),
      'route.yaml': readFileSync(new URL('my-server-route.yaml', SCENARIO), 'utf8'),
    });
    return {
      name: accessLog === undefined ? `sideroute ${engine}` : `sideroute ${engine}, access log ${accessLog}`,
      command: [
        ...[...SIDEROUTE, 'proxy', '--routes', routes.path, '--engine', engine, '--drain-quiet', '0s'],
        ...['--capture', `127.0.0.1:${port}`, '--metrics', `127.0.0.1:${port + 100}`],
        ...['--admin', `127.0.0.1:${port + 200}`, '--log-level', 'error'],
        ...(accessLog === undefined ? [] : ['--access-log', accessLog]),
      ],
    };
  };
}

/** On another Node than this one. */
function on(node: string): Maker {
  return (port, options) => {
    const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
    return { name: `Node ${version}`, command: [node, ...sideroute('native')(port, options).command.slice(1)] };
  };
}

const MAKERS: Readonly<Record<string, Maker>> = {
  native: sideroute('native'),
  uws: sideroute('uws'),
  before: (port, options) => {
    const [node, sourceMaps, , ...args] = sideroute('native')(port, options).command;
    const main = programOf(options.before ?? '.');
    return { name: 'sideroute native before', command: [node!, sourceMaps!, main, ...args] };
  },
  haproxy,
  nginx,
};

export function makeContenders(options: ContenderOptions): Contender[] {
  return options.keys.map((key, index) => {
    const [name = '', accessLog] = key.split(':');
    const [, node] = key.split('@');
    const maker = node !== undefined ? on(node) : accessLog === undefined ? MAKERS[name] : sideroute(name, accessLog);
    if (maker === undefined) throw new Error(`no contender ${key}: there are ${Object.keys(MAKERS).join(', ')}`);
    const port = options.firstPort + index;
    return { port, ...maker(port, options) };
  });
}

/** A server for both versions; its command line. */
export function backendCommand(directory: string): string[] {
  const prefix = join(directory, 'backend');
  mkdirSync(prefix);
  writeFileSync(
    join(prefix, 'nginx.conf'),
    `daemon off; worker_processes 1; user root; pid ${prefix}/pid; error_log ${prefix}/log;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 100000000; keepalive_timeout 1h;
  client_body_temp_path ${prefix}/b; proxy_temp_path ${prefix}/p; fastcgi_temp_path ${prefix}/f; uwsgi_temp_path ${prefix}/u; scgi_temp_path ${prefix}/s;
  server { listen 10.96.0.11:80; location / { return 200 "Hello from Version 1\\n"; } }
  server { listen 10.96.0.12:80; location / { return 200 "Hello from Version 2\\n"; } }
}
`,
  );
  return ['nginx', '-p', prefix, '-c', join(prefix, 'nginx.conf')];
}
