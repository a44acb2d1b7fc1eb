/**
 * A sidecar in a memory cgroup between clients that hold memory and a backend, with the settings that the manifests give a
 * container of that size.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Test } from 'tap';

import type { Pod } from './cluster.ts';
import { ConfigMapMount } from './config-map-mount.ts';
import { eventually } from './eventually.ts';
import type { StressOptions, StressReport } from './fixtures/stress-client.ts';
import { ConfinedPod, MemoryCgroup } from './memory-cgroup.ts';
import { fixture, Sidecar, SIDEROUTE, startFixture } from './sidecar.ts';
import { clusterOf } from './cluster-of.ts';

export const MIB = 1024 * 1024;
/**
 * All are routed to `backend`, except `web`, which is routed to the address that was dialled. `mirrored` sends copies
 * to an address without listener; `retried` keeps bodies for a retry.
 */
export const SERVICES = {
  web: '10.96.0.10',
  mirrored: '10.96.0.11',
  retried: '10.96.0.12',
  backend: '10.96.0.13',
  dead: '10.96.66.66',
} as const;
const BACKEND_PORT = 8080;

function service(name: string, clusterIP: string): string {
  return `---\napiVersion: v1\nkind: Service\nmetadata: {name: ${name}, namespace: shop}\nspec: {clusterIP: ${clusterIP}, ports: [{port: 80}]}\n`;
}

function route(name: string, rule: string, backend = 'backend'): string {
  return `---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: ${name}, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: ${name}, port: 80}]
  rules: [{backendRefs: [{name: ${backend}, port: 80}]${rule}}]
`;
}

const ROUTES = [
  ...Object.entries(SERVICES).map(([name, clusterIP]) => service(name, clusterIP)),
  route('web', '', 'web'),
  route('mirrored', ', filters: [{type: RequestMirror, requestMirror: {backendRef: {name: dead, port: 80}}}]'),
  route('retried', ', retry: {attempts: 2, codes: [503]}'),
].join('');

export interface Load {
  /** What became of its connections. */
  readonly report: StressReport;
  giveUp(): Promise<void>;
}

export interface MemoryStage {
  readonly client: Pod;
  readonly cgroup: MemoryCgroup;
  readonly sidecar: Sidecar;
  load(options: Omit<StressOptions, 'host' | 'port'> & { host?: string }): Load;
}

const NOTHING: StressReport = { opening: 0, open: 0, ended: 0, reset: 0, refused: 0, answers: {} };

export async function memoryStage(
  t: Test,
  limitMiB: number,
  options: { readonly heapMiB: number; readonly flags?: readonly string[] },
): Promise<MemoryStage> {
  const { cluster, directory } = clusterOf(t);
  const client = cluster.addPod('client');
  const server = cluster.addPod('server');
  for (const clusterIP of [SERVICES.backend, SERVICES.web]) {
    cluster.addService(clusterIP, 80, [{ address: server.v4, port: BACKEND_PORT }]);
  }
  cluster.node.must(['iptables', '-w', '-A', 'FORWARD', '-d', SERVICES.dead, '-j', 'DROP']);
  for (const pod of [client, server, cluster.node]) {
    pod.must(['sysctl', '-qw', 'net.ipv4.ip_local_port_range=10000 65000']);
    // Small kernel buffers fill at once, so that the memory of the process is what is measured.
    for (const name of ['tcp_rmem', 'tcp_wmem']) pod.must(['sysctl', '-qw', `net.ipv4.${name}=4096 16384 65536`]);
  }
  await startFixture(server, 'stress-server', String(BACKEND_PORT));
  const volume = new ConfigMapMount(join(directory.path, 'routes'), { 'routes.yaml': ROUTES });
  const cgroup = MemoryCgroup.create(t, limitMiB * MIB);
  const before = process.env['NODE_OPTIONS'];
  process.env['NODE_OPTIONS'] = `--max-old-space-size=${options.heapMiB}`;
  client.must([...SIDEROUTE, 'iptables', 'apply', '--service-cidrs', '10.96.0.0/16']);
  const sidecar = await Sidecar.startProxy(
    new ConfinedPod(client, cgroup),
    volume.path,
    ...['--max-upstream-connections', '8192', ...(options.flags ?? [])],
  );
  if (before === undefined) delete process.env['NODE_OPTIONS'];
  else process.env['NODE_OPTIONS'] = before;
  t.teardown(() => sidecar.process.kill('SIGKILL'));
  const stage: MemoryStage = {
    client,
    cgroup,
    sidecar,
    load: (kind) => startLoad(t, client, { host: SERVICES.web, port: 80, ...kind }),
  };
  return stage;
}

function startLoad(t: Test, pod: Pod, options: StressOptions): Load {
  const [program, ...args] = pod.commandLine(fixture('stress-client', JSON.stringify(options)));
  const child: ChildProcess = spawn(program!, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  const load = { report: NOTHING };
  createInterface({ input: child.stdout! }).on('line', (line) => (load.report = JSON.parse(line) as StressReport));
  return Object.assign(load, {
    giveUp: async () => {
      child.stdin!.write('\n');
      await eventually('the end of the clients', () => child.exitCode !== null, 30_000);
    },
  });
}
