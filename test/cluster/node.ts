/**
 * The large size of test cluster: a control plane and a node with kubelet, containerd, kube-proxy and CoreDNS, on which pods run, in namespaces
 * of its own (namespaces.ts). Ready in half a minute, and gone with the process that started it.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ControlPlane, until } from './control-plane.ts';
import { endWith } from './ending.ts';
import { nodeImages } from './images.ts';
import { NodeNamespaces } from './namespaces.ts';
import { archiveCommand, type Image } from './oci.ts';
import { PodRecord } from './pod-record.ts';
import { Daemon, mustRun, runToEnd, type CommandResult } from './processes.ts';
import { program, ROOT } from './programs.ts';
import { removeStale, Workspace } from './workspace.ts';

export const NODE_NAME = 'node';
export const SERVICE_NETWORK = '10.96.0.0/16';
const POD_NETWORK = '10.244.0.0/16';
const CONTAINERD = '/run/containerd/containerd.sock';

type DaemonName = 'etcd' | 'apiServer' | 'controllerManager' | 'scheduler' | 'containerd' | 'kubelet' | 'kubeProxy';

export interface NodeCluster {
  /** A file: an administrator's. Its address is reachable from the machine and from pods. */
  readonly kubeconfig: string;
  readonly url: string;
  /** A directory for the PATH, with a `kubectl` that talks to this cluster. */
  readonly bin: string;
  /** Of the node; NodePorts are there. */
  readonly address: string;
  readonly daemons: Readonly<Record<DaemonName, Daemon>>;
  /** Where the daemons and the pods log. */
  readonly logs: string;
  kubectl(args: readonly string[], input?: string): Promise<CommandResult>;
  /** A non-zero status throws with what kubectl said. */
  mustKubectl(args: readonly string[], input?: string): Promise<string>;
  /** One request to the API server: what kubectl does, without starting a program. */
  request: ControlPlane['request'];
  /** Makes images known to the node, as pulling them would. */
  load(images: readonly Image[]): Promise<void>;
  /** Runs a command on the node, from where pods and Services can be reached. */
  onNode(command: readonly string[], input?: string): Promise<CommandResult>;
  /** The command line of that, for what goes on longer. */
  enter(command: readonly string[]): string[];
  /** After `daemons.apiServer.start()`. */
  ready(): Promise<void>;
  stop(): Promise<void>;
}

const CONTAINERD_CONFIGURATION = (cni: string) => `version = 2
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "${CONTAINERD}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:test"
  disable_apparmor = true
  # The machine may not let its root lower a score.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${cni}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
`;

const POD_NETWORK_CONFIGURATION = {
  cniVersion: '0.4.0',
  name: 'pods',
  plugins: [
    {
      type: 'bridge',
      bridge: 'cni0',
      isDefaultGateway: true,
      ipMasq: false,
      // A pod may reach itself through its Service.
      hairpinMode: true,
      ipam: { type: 'host-local', ranges: [[{ subnet: '10.244.0.0/24' }]] },
    },
  ],
};

function kubeletConfiguration(workspace: Workspace): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
    authorization: { mode: 'AlwaysAllow' },
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${workspace.name}`,
    failCgroupV1: false,
    failSwapOn: false,
    containerRuntimeEndpoint: `unix://${CONTAINERD}`,
    clusterDNS: ['10.96.0.10'],
    clusterDomain: 'cluster.local',
    resolvConf: join(workspace.directory, 'resolv.conf'),
    // Nothing is measured against the disks of the machine, which are nobody's but its own.
    localStorageCapacityIsolation: false,
    evictionHard: {
      'memory.available': '0%',
      'nodefs.available': '0%',
      'imagefs.available': '0%',
      'nodefs.inodesFree': '0%',
    },
    imageGCHighThresholdPercent: 100,
    enforceNodeAllocatable: ['none'],
    podLogsDir: join(workspace.logs, 'pods'),
    // Tests read what a load has logged.
    containerLogMaxSize: '200Mi',
    maxPods: 110,
  };
}

function proxyConfiguration(kubeconfig: string, address: string): object {
  return {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'iptables',
    clusterCIDR: POD_NETWORK,
    clientConnection: { kubeconfig },
    // Settings of connection tracking are the machine's.
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
    iptables: { syncPeriod: '30s', minSyncPeriod: '100ms' },
    hostnameOverride: NODE_NAME,
    nodePortAddresses: [`${address}/32`],
  };
}

export async function startNode(): Promise<NodeCluster> {
  removeStale();
  const workspace = new Workspace();
  const { directory, logs } = workspace;
  let namespaces: NodeNamespaces | undefined;
  let record: PodRecord | undefined;
  const ending = endWith(() => {
    record?.close();
    namespaces?.kill();
    workspace.remove();
  });
  try {
    namespaces = await NodeNamespaces.create(workspace);
    workspace.makeCgroups();
    const { enter, address } = namespaces;
    const components = await program('components');
    const control = await ControlPlane.create({
      workspace,
      address,
      ports: { api: 6443, etcd: 2379, peer: 2380 },
      enter,
      apiServerFlags: ['--endpoint-reconciler-type=master-count', '--kubelet-preferred-address-types=InternalIP'],
    });
    const { kubeconfig } = control;
    const daemon = (name: string, ...command: string[]) =>
      new Daemon(name, join(logs, `${name}.log`), [...enter, ...command], true);
    const file = (name: string, content: string | object) => {
      const path = join(directory, name);
      writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content, null, 2));
      return path;
    };
    mkdirSync(join(logs, 'pods'));
    mkdirSync(join(directory, 'cni'));
    file('cni/pods.conflist', POD_NETWORK_CONFIGURATION);
    file('resolv.conf', '');

    const containerd = daemon(
      ...(['containerd', 'containerd', '--config'] as const),
      file('containerd.toml', CONTAINERD_CONFIGURATION(join(directory, 'cni'))),
    );
    const controllerManager = daemon(
      ...(['kube-controller-manager', components, 'kube-controller-manager'] as const),
      ...[`--kubeconfig=${kubeconfig}`, '--leader-elect=false', '--bind-address=127.0.0.1'],
      `--service-account-private-key-file=${control.serviceAccountKey}`,
      `--root-ca-file=${control.authority}`,
      // After an outage of the API server it would take the only node for dead before it has heard of it, and its pods out of Services.
      '--node-monitor-grace-period=10m',
    );
    const scheduler = daemon(
      ...(['kube-scheduler', components, 'kube-scheduler'] as const),
      ...[`--kubeconfig=${kubeconfig}`, '--leader-elect=false', '--bind-address=127.0.0.1'],
    );
    const kubelet = daemon(
      ...(['kubelet', components, 'kubelet'] as const),
      ...['--config', file('kubelet.json', kubeletConfiguration(workspace)), '--kubeconfig', kubeconfig],
      ...['--hostname-override', NODE_NAME, '--node-ip', address, '-v=2'],
    );
    const kubeProxy = daemon(
      ...(['kube-proxy', components, 'kube-proxy', '--config'] as const),
      file('kube-proxy.json', proxyConfiguration(kubeconfig, address)),
    );

    containerd.start();
    const loading = until('containerd answers', [containerd], async () => {
      const answered = await runToEnd([...enter, 'ctr', '--address', CONTAINERD, 'version']);
      return answered.status === 0;
    }).then(async () => load(enter, await nodeImages()));
    await Promise.all([loading, control.start()]);
    for (const started of [controllerManager, scheduler, kubelet, kubeProxy]) started.start();
    record = new PodRecord(control);

    const daemons = {
      etcd: control.etcd,
      apiServer: control.apiServer,
      controllerManager,
      scheduler,
      containerd,
      kubelet,
      kubeProxy,
    };
    await control.installGatewayApi();
    await control.mustKubectl(['apply', '-f', join(ROOT, 'test', 'cluster', 'manifests', 'coredns.yaml')]);
    await until('the node is ready and names are resolved', Object.values(daemons), async () => {
      const waited = await control.kubectl([
        ...['-n', 'kube-system', 'wait', '--for=condition=Available', '--timeout=5s', 'deployment/coredns'],
      ]);
      return waited.status === 0;
    });
    const held = namespaces;
    const recorded = record;
    return {
      kubeconfig,
      url: control.url,
      bin: control.bin,
      address,
      daemons,
      logs,
      kubectl: (args, input) => control.kubectl(args, input),
      mustKubectl: (args, input) => control.mustKubectl(args, input),
      request: (...args) => control.request(...args),
      load: (images) => load(enter, images),
      onNode: (command, input) => runToEnd([...enter, ...command], input === undefined ? {} : { input }),
      enter: (command) => [...enter, ...command],
      ready: () => control.ready(),
      stop: async () => {
        recorded.close();
        held.kill();
        await held.ended();
        ending.end();
      },
    };
  } catch (error) {
    ending.end();
    throw error;
  }
}

async function load(enter: readonly string[], images: readonly Image[]): Promise<void> {
  const { command, directory } = archiveCommand(images);
  try {
    const ctr = [...enter, 'ctr', '--address', CONTAINERD, '--namespace', 'k8s.io', 'images', 'import', '-'];
    await mustRun(['sh', '-c', `${command} | ${ctr.join(' ')}`]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
