/**
 * The cluster of the client tests: three backends, a pod with sideroute and one without. Both pods send the same request
 * to the same host name; with sideroute it is the routed Service, without it the backend's own.
 */
// Needs: nginx.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CLIENT_SERVICES, clientRoutes } from './client-routes.ts';
import { Cluster, type Pod } from './cluster.ts';
import { ConfigMapMount } from './config-map-mount.ts';
import { eventually } from './eventually.ts';
import { waitForLine } from './processes.ts';
import { Sidecar, startFixture } from './sidecar.ts';

export const BACKENDS = ['nginx', 'node', 'python'] as const;
export type Backend = (typeof BACKENDS)[number];
/** Programs and configuration that are not TypeScript. */
export const CLIENT_FILES = fileURLToPath(new URL('../../../test/fixtures/clients/', import.meta.url));

/** One nginx process in the foreground with everything it writes below `prefix`; resolves once `port` answers. */
export async function startNginx(pod: Pod, prefix: string, port: number, server: string): Promise<void> {
  mkdirSync(prefix, { recursive: true });
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${name};`);
  writeFileSync(
    join(prefix, 'nginx.conf'),
    `daemon off; master_process off; pid nginx.pid; error_log stderr;
     events { worker_connections 256; }
     http { access_log off; types { text/plain txt; } default_type application/octet-stream; ${temporary.join(' ')}
            server { listen ${port}; root ${prefix}; ${server} } }\n`,
  );
  pod.spawn(['nginx', '-p', prefix, '-c', join(prefix, 'nginx.conf'), '-e', 'stderr'], { stdio: 'ignore' });
  const answers = ['curl', '-s', '-o', '/dev/null', '--max-time', '2', `http://127.0.0.1:${port}/`];
  await eventually(`nginx in pod ${pod.name}`, () => pod.run(answers).status === 0);
}

function addBackends(cluster: Cluster): Record<Backend, Pod> {
  cluster.addService(CLIENT_SERVICES.web, 80, []);
  const add = (name: Backend): Pod => {
    const pod = cluster.addPod(`${name}-server`);
    cluster.addService(CLIENT_SERVICES[name], 80, [{ address: pod.v4, port: 8080 }]);
    return pod;
  };
  return { nginx: add('nginx'), node: add('node'), python: add('python') };
}

async function serveFiles(pod: Pod, prefix: string): Promise<void> {
  const files = join(prefix, 'nginx');
  mkdirSync(files, { recursive: true });
  for (const size of [0, 1, 4096, 100_000, 3_000_000]) {
    writeFileSync(join(files, `${size}.bin`), Buffer.alloc(size, 'nginx bytes '));
  }
  writeFileSync(join(files, 'page.txt'), 'a page worth compressing\n'.repeat(2000));
  await startNginx(
    pod,
    prefix,
    8080,
    `if_modified_since before;
     location = /nginx/page.txt { gzip on; gzip_types text/plain; gzip_min_length 1; }
     location = /nginx/moved { return 301 /nginx/page.txt; }
     location = /nginx/gone { return 410 "gone\\n"; }
     location = /nginx/empty { return 204; }
     location = /nginx/echo { return 200 "$request_method $request_uri $http_host $http_x_empty $content_length\\n"; }`,
  );
}

export interface ClientPods {
  readonly routed: Pod;
  readonly plain: Pod;
  readonly sidecar: Sidecar;
}

/** Starts everything; `directory` holds what the programs read and write. */
export async function startClientPods(cluster: Cluster, directory: string): Promise<ClientPods> {
  const routed = cluster.addPod('routed');
  const plain = cluster.addPod('plain');
  const servers = addBackends(cluster);
  for (const pod of [routed, plain]) {
    const address = (name: Backend) => CLIENT_SERVICES[pod === routed ? 'web' : name];
    mkdirSync(`/etc/netns/${pod.netns}`, { recursive: true });
    writeFileSync(
      `/etc/netns/${pod.netns}/hosts`,
      ['127.0.0.1 localhost', ...BACKENDS.map((name) => `${address(name)} web-${name}`), ''].join('\n'),
    );
  }
  const python = servers.python.spawn(['python3', join(CLIENT_FILES, 'backend.py'), '8080']);
  await Promise.all([
    waitForLine(python, /^listening/),
    startFixture(servers.node, 'client-backend', '8080'),
    serveFiles(servers.nginx, join(directory, 'server')),
  ]);
  const volume = new ConfigMapMount(join(directory, 'routes'), { 'routes.yaml': clientRoutes() });
  const sidecar = await Sidecar.start(routed, volume.path, '--namespace', 'shop');
  return { routed, plain, sidecar };
}
