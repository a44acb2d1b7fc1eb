/**
 * The shop that the task pages speak of (docs/tasks/shop.yaml) in pods of network namespaces: its servers run the program of the manifest, its
 * client has a sidecar. Pages are walked by test/e2e/docs-tasks.test.ts; test/cluster/first-hour.test.ts applies the same manifest.
 */
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Test } from 'tap';
import { apiStandIn, podObject } from '../api-stand-in.ts';
import type { CommandResult, Pod } from '../cluster.ts';
import { clusterOf } from '../cluster-of.ts';
import { ConfigMapMount } from '../config-map-mount.ts';
import { find, parseManifests, ROOT } from '../manifests.ts';
import { outcomeOf, waitForLine } from '../processes.ts';
import { Sidecar, SIDEROUTE } from '../sidecar.ts';

export const SHOP = 'docs/tasks/shop.yaml';
const SERVER_PORT = 8080;

/** Service -> ClusterIP and the pods behind it. */
const SERVICES: Readonly<Record<string, readonly [clusterIP: string, pods: readonly string[]]>> = {
  shop: ['10.96.0.10', ['shop-v1', 'shop-v2']],
  'shop-v1': ['10.96.0.11', ['shop-v1']],
  'shop-v2': ['10.96.0.12', ['shop-v2']],
};

/** Bytes of a connection to the private endpoint, from standard input and to standard output. */
const PIPE = `const s = require('node:net').connect(15000, '127.0.0.1'); process.stdin.pipe(s).pipe(process.stdout);`;

/** What runs somewhere, to its end, without holding up this process. */
function toEnd(command: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Promise<CommandResult> {
  const child = spawn(command[0]!, command.slice(1), { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  return outcomeOf(child);
}

export class Shop {
  readonly #client: Pod;
  readonly #sidecar: Sidecar;
  readonly #volume: ConfigMapMount;
  readonly #services: string;
  readonly #directory: string;
  readonly #env: NodeJS.ProcessEnv;
  #generation = 1;

  private constructor(
    client: Pod,
    sidecar: Sidecar,
    volume: ConfigMapMount,
    services: string,
    directory: string,
    env: NodeJS.ProcessEnv,
  ) {
    this.#client = client;
    this.#sidecar = sidecar;
    this.#volume = volume;
    this.#services = services;
    this.#directory = directory;
    this.#env = env;
  }

  static async start(t: Test): Promise<Shop> {
    const { cluster, directory } = clusterOf(t);
    const manifests = parseManifests(readFileSync(join(ROOT, SHOP), 'utf8'));
    const program = join(directory.path, 'server.js');
    writeFileSync(program, find(manifests, 'ConfigMap').data!['server.js']!);
    const pods = new Map<string, Pod>();
    const servers = ['v1', 'v2'].map(async (VERSION) => {
      const pod = cluster.addPod(`shop-${VERSION}`);
      pods.set(pod.name, pod);
      await waitForLine(pod.spawn([process.execPath, program], { env: { ...process.env, VERSION } }), /^listening/);
    });
    const client = cluster.addPod('client');
    await Promise.all(servers);
    for (const [clusterIP, behind] of Object.values(SERVICES))
      cluster.addService(
        clusterIP,
        80,
        behind.map((name) => ({ address: pods.get(name)!.v4, port: SERVER_PORT })),
      );
    const etc = join('/etc/netns', client.netns);
    mkdirSync(etc, { recursive: true });
    const hosts = Object.entries(SERVICES).map(([name, [address]]) => `${address} ${name}\n`);
    writeFileSync(join(etc, 'hosts'), `127.0.0.1 localhost\n${hosts.join('')}`);
    // The controller says in which addresses the Services of the manifest have got.
    const services = manifests
      .filter(({ kind }) => kind === 'Service')
      .map((service) => ({ ...service, spec: { ...service.spec, clusterIP: SERVICES[service.metadata.name]![0] } }))
      .map((service) => `---\n${JSON.stringify(service)}\n`)
      .join('');
    const volume = new ConfigMapMount(join(directory.path, 'routes'), { 'services.yaml': services });
    const sidecar = await Sidecar.start(client, volume.path, '--namespace', 'shop');

    // A workstation with a kubeconfig: what it reaches of the pod it reaches through the API server.
    const bridge = createServer((socket) => {
      const inner = client.spawn([process.execPath, '-e', PIPE], { stdio: ['pipe', 'pipe', 'ignore'] });
      socket.pipe(inner.stdin!);
      inner.stdout!.pipe(socket);
      socket.on('error', () => inner.kill());
    });
    await new Promise<void>((resolve) => bridge.listen(0, '127.0.0.1', resolve));
    t.teardown(() => void bridge.close());
    const forward = (bridge.address() as AddressInfo).port;
    const { kubeconfig } = await apiStandIn(
      t,
      (path) => {
        if (path.endsWith('/deployments/client'))
          return { body: { spec: { selector: { matchLabels: { app: 'client' } } } } };
        return path.includes('/pods?') ? { body: { items: [podObject('client-1')] } } : null;
      },
      () => forward,
    );
    const bin = join(directory.path, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'sideroute'), `#!/bin/sh\nexec ${SIDEROUTE.join(' ')} "$@"\n`);
    chmodSync(join(bin, 'sideroute'), 0o755);
    const workstation = join(directory.path, 'workstation');
    mkdirSync(workstation);
    const env = { ...process.env, KUBECONFIG: kubeconfig, PATH: `${bin}:${process.env['PATH']}` };
    return new Shop(client, sidecar, volume, services, workstation, env);
  }

  /** What `kubectl apply -f route.yaml` comes to, once it is live. The file stays on the workstation. */
  async apply(routes: string): Promise<void> {
    this.#generation += 1;
    writeFileSync(join(this.#directory, 'route.yaml'), routes);
    this.#volume.write({ 'services.yaml': this.#services, 'route.yaml': routes });
    await this.#sidecar.applied(this.#generation);
  }

  /** `host`: empty for the workstation, else `client`. */
  async run(host: string, command: string): Promise<CommandResult> {
    const shell = ['bash', '-c', command];
    if (host === '') return await toEnd(shell, this.#directory, this.#env);
    if (host !== 'client') throw new Error(`the shop has no pod ${host}`);
    return await toEnd(this.#client.commandLine(shell), '/', process.env);
  }
}
