/**
 * The small size of test cluster: etcd and kube-apiserver with the Gateway API's resources, on ports of loopback, ready in seconds. Objects
 * can be written and watched; nothing happens by itself: no pod starts, no Endpoints come, deleted namespaces stay "Terminating".
 */
import { createServer } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { ControlPlane } from './control-plane.ts';
import { endWith } from './ending.ts';
import type { CommandResult, Daemon } from './processes.ts';
import { removeStale, Workspace } from './workspace.ts';

export interface ApiCluster {
  /** A file: an administrator's. */
  readonly kubeconfig: string;
  readonly url: string;
  /** A directory for the PATH, with a `kubectl` that talks to this cluster. */
  readonly bin: string;
  readonly etcd: Daemon;
  readonly apiServer: Daemon;
  kubectl(args: readonly string[], input?: string): Promise<CommandResult>;
  /** A non-zero status throws with what kubectl said. */
  mustKubectl(args: readonly string[], input?: string): Promise<string>;
  /** After `apiServer.start()`. */
  ready(): Promise<void>;
  stop(): Promise<void>;
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}

/** `flags`: more of kube-apiserver. */
export async function startApi(flags: readonly string[] = []): Promise<ApiCluster> {
  removeStale();
  // Another process may take a port between the look and the start.
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start(flags);
    } catch (error) {
      if (attempt === 3 || !String(error).includes('address already in use')) throw error;
    }
  }
}

async function start(flags: readonly string[]): Promise<ApiCluster> {
  const workspace = new Workspace();
  const [api, etcd, peer] = (await freePorts(3)) as [number, number, number];
  const control = await ControlPlane.create({
    workspace,
    address: '127.0.0.1',
    ports: { api, etcd, peer },
    enter: [],
    apiServerFlags: [
      // Loopback is no address for the Service "kubernetes".
      '--endpoint-reconciler-type=none',
      // There is no controller-manager that would make the accounts that pods are refused without.
      '--disable-admission-plugins=ServiceAccount',
      ...flags,
    ],
  });
  const ending = endWith(() => {
    for (const daemon of [control.apiServer, control.etcd]) daemon.kill();
    workspace.remove();
  });
  try {
    await control.start();
    await control.installGatewayApi();
  } catch (error) {
    ending.end();
    throw error;
  }
  return {
    kubeconfig: control.kubeconfig,
    url: control.url,
    bin: control.bin,
    etcd: control.etcd,
    apiServer: control.apiServer,
    kubectl: (args, input) => control.kubectl(args, input),
    mustKubectl: (args, input) => control.mustKubectl(args, input),
    ready: () => control.ready(),
    stop: async () => {
      await Promise.all(control.daemons.map((daemon) => daemon.stop('SIGKILL')));
      ending.end();
    },
  };
}
