/**
 * The shop that the task pages speak of (docs/tasks/shop.yaml) in pods of network namespaces: its servers run the program of the manifest, its
 * client has a sidecar, and so has that of another namespace (docs/tasks/checkout.yaml). Pages are walked by test/e2e/docs-tasks.test.ts;
 * test/cluster/first-hour.test.ts applies the same manifest of the shop.
 */
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Test } from 'tap';
import { apiStandIn, podObject } from '../api-stand-in.ts';
import type { Cluster, CommandResult, Pod } from '../cluster.ts';
import { clusterOf } from '../cluster-of.ts';
import { ConfigMapMount } from '../config-map-mount.ts';
import { find, parseManifests, ROOT } from '../manifests.ts';
import { outcomeOf, waitForLine } from '../processes.ts';
import { Sidecar, SIDEROUTE } from '../sidecar.ts';

export const SHOP = 'docs/tasks/shop.yaml';
export const CHECKOUT = 'docs/tasks/checkout.yaml';
const SERVER_PORT = 8080;

/** Service -> ClusterIP and the pods behind it. */
const SERVICES: Readonly<Record<string, readonly [clusterIP: string, pods: readonly string[]]>> = {
  shop: ['10.96.0.10', ['shop-v1', 'shop-v2']],
  'shop-v1': ['10.96.0.11', ['shop-v1']],
  'shop-v2': ['10.96.0.12', ['shop-v2']],
};

/** Connects the private endpoint with standard input and output. */
const PIPE = `const s = require('node:net').connect(15000, '127.0.0.1'); process.stdin.pipe(s).pipe(process.stdout);`;

/** Runs a command to its end without blocking this process. */
function toEnd(command: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Promise<CommandResult> {
  const child = spawn(command[0]!, command.slice(1), { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  return outcomeOf(child);
}

/** By what stands before `$ ` in a page: the namespace of the Deployment `client`, and what its cluster's DNS adds to names of Services. */
const CLIENTS: Readonly<Record<string, { readonly namespace: string; readonly suffix: string }>> = {
  client: { namespace: 'shop', suffix: '' },
  checkout: { namespace: 'checkout', suffix: '.shop' },
};

interface Client {
  readonly pod: Pod;
  readonly sidecar: Sidecar;
  readonly volume: ConfigMapMount;
}

async function startClient(cluster: Cluster, directory: string, name: string, services: string): Promise<Client> {
  const { namespace, suffix } = CLIENTS[name]!;
  const pod = cluster.addPod(name);
  const etc = join('/etc/netns', pod.netns);
  mkdirSync(etc, { recursive: true });
  const hosts = Object.entries(SERVICES).map(([service, [address]]) => `${address} ${service}${suffix}\n`);
  writeFileSync(join(etc, 'hosts'), `127.0.0.1 localhost\n${hosts.join('')}`);
  const volume = new ConfigMapMount(join(directory, `routes-${name}`), { 'services.yaml': services });
  return { pod, volume, sidecar: await Sidecar.start(pod, volume.path, '--namespace', namespace) };
}

/** What the private endpoint of a pod is reached by from this machine. */
async function bridgeTo(t: Test, pod: Pod): Promise<number> {
  const bridge = createServer((socket) => {
    const inner = pod.spawn([process.execPath, '-e', PIPE], { stdio: ['pipe', 'pipe', 'ignore'] });
    socket.pipe(inner.stdin!);
    inner.stdout!.pipe(socket);
    socket.on('error', () => inner.kill());
  });
  await new Promise<void>((resolve) => bridge.listen(0, '127.0.0.1', resolve));
  t.teardown(() => void bridge.close());
  return (bridge.address() as AddressInfo).port;
}

export class Shop {
  readonly #clients: ReadonlyMap<string, Client>;
  readonly #services: string;
  readonly #directory: string;
  readonly #env: NodeJS.ProcessEnv;
  #generation = 1;

  private constructor(
    clients: ReadonlyMap<string, Client>,
    services: string,
    directory: string,
    env: NodeJS.ProcessEnv,
  ) {
    this.#clients = clients;
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
    await Promise.all(servers);
    for (const [clusterIP, behind] of Object.values(SERVICES))
      cluster.addService(
        clusterIP,
        80,
        behind.map((name) => ({ address: pods.get(name)!.v4, port: SERVER_PORT })),
      );
    // The controller says in which addresses the Services of the manifest have got.
    const services = manifests
      .filter(({ kind }) => kind === 'Service')
      .map((service) => ({ ...service, spec: { ...service.spec, clusterIP: SERVICES[service.metadata.name]![0] } }))
      .map((service) => `---\n${JSON.stringify(service)}\n`)
      .join('');
    const clients = new Map<string, Client>();
    const forwards = new Map<string, number>();
    for (const name of Object.keys(CLIENTS)) {
      const client = await startClient(cluster, directory.path, name, services);
      clients.set(name, client);
      forwards.set(`${name}-1`, await bridgeTo(t, client.pod));
    }

    // A workstation with a kubeconfig: what it reaches of a pod it reaches through the API server.
    const { kubeconfig } = await apiStandIn(
      t,
      (path) => {
        const [, namespace] = /\/namespaces\/([^/]+)\//.exec(path) ?? [];
        const [name] = Object.entries(CLIENTS).find(([, client]) => client.namespace === namespace) ?? [];
        if (name === undefined) return null;
        if (path.endsWith('/deployments/client'))
          return { body: { spec: { selector: { matchLabels: { app: 'client' } } } } };
        const pod = { ...podObject(`${name}-1`), metadata: { name: `${name}-1`, namespace } };
        return path.includes('/pods?') ? { body: { items: [pod] } } : null;
      },
      (pod) => forwards.get(pod)!,
    );
    const bin = join(directory.path, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'sideroute'), `#!/bin/sh\nexec ${SIDEROUTE.join(' ')} "$@"\n`);
    chmodSync(join(bin, 'sideroute'), 0o755);
    const workstation = join(directory.path, 'workstation');
    mkdirSync(workstation);
    const env = { ...process.env, KUBECONFIG: kubeconfig, PATH: `${bin}:${process.env['PATH']}` };
    return new Shop(clients, services, workstation, env);
  }

  /** What `kubectl apply -f route.yaml` comes to, once it is live. The file stays on the workstation. */
  async apply(routes: string): Promise<void> {
    this.#generation += 1;
    writeFileSync(join(this.#directory, 'route.yaml'), routes);
    for (const { volume } of this.#clients.values())
      volume.write({ 'services.yaml': this.#services, 'route.yaml': routes });
    for (const { sidecar } of this.#clients.values()) await sidecar.applied(this.#generation);
  }

  /** `host`: empty for the workstation, else one of the clients. */
  async run(host: string, command: string): Promise<CommandResult> {
    const shell = ['bash', '-c', command];
    if (host === '') return await toEnd(shell, this.#directory, this.#env);
    const client = this.#clients.get(host);
    if (client === undefined) throw new Error(`the shop has no pod ${host}`);
    return await toEnd(client.pod.commandLine(shell), '/', process.env);
  }
}
