/** A cluster in which nothing is wrong, as far as an API server without nodes can have one, and `sideroute check --cluster` against it. */
import { writeFileSync } from 'node:fs';
import type { Test } from 'tap';
import { gather } from '../../src/cluster-check/gather.ts';
import { reportData } from '../../src/cluster-check/report.ts';
import { runChecks } from '../../src/cluster-check/run.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { kubeconfigAccess } from '../../src/kube/kubeconfig.ts';
import { packageVersion } from '../../src/package-root.ts';
import { settled, startController, type StartedController } from '../support/controller/harness.ts';
import { INJECTED, namespace, route, service } from '../support/controller/objects.ts';
import { runCommand } from '../support/cluster.ts';
import { siderouteMeanwhile } from '../support/cli.ts';
import { eventually } from '../support/eventually.ts';
import { temporaryDirectory } from '../support/sidecar.ts';
import { ROOT } from '../support/manifests.ts';
import type { ApiCluster } from './api.ts';

export const DEADLINE_MS = 120_000;
export const SYSTEM = 'sideroute-system';

export interface ShownFinding {
  readonly result: string;
  readonly object: string | null;
  readonly namespace: string | null;
  readonly message: string;
  readonly mend: { readonly command?: string; readonly sentence?: string };
}

export interface ShownCheck {
  readonly id: string;
  readonly result: string;
  readonly findings: readonly ShownFinding[];
}

export interface Shown {
  readonly status: number;
  readonly checks: readonly ShownCheck[];
}

/** As it is typed, with `-o json`. */
export async function check(kubeconfig: string, ...args: readonly string[]): Promise<Shown> {
  const { status, stdout, stderr } = await siderouteMeanwhile(
    ...['check', '--cluster', '--kubeconfig', kubeconfig, '-o', 'json', ...args],
  );
  if (stdout === '') throw new Error(`no report: ${stderr}`);
  return { status, ...(JSON.parse(stdout) as { checks: ShownCheck[] }) };
}

/** The same without a process, for tests that look often. */
export async function look(kubeconfig: string): Promise<Shown> {
  const client = new KubeClient(kubeconfigAccess(kubeconfig), 'test');
  try {
    const snapshot = await gather({ client, namespace: null, clientVersion: packageVersion() });
    return { status: 0, ...(reportData(runChecks(snapshot, false), snapshot) as { checks: ShownCheck[] }) };
  } finally {
    client.close();
  }
}

export function findingsOf({ checks }: Shown, id: string): readonly ShownFinding[] {
  return checks.find((each) => each.id === id)?.findings ?? [];
}

/** Of a pod that a kubelet would have started. */
const RUNNING = {
  phase: 'Running',
  initContainerStatuses: [
    {
      name: 'sideroute-init',
      ready: true,
      image: 'x',
      imageID: 'x',
      restartCount: 0,
      state: { terminated: { exitCode: 0 } },
    },
  ],
};

export class CheckedCluster {
  readonly api: ApiCluster;
  #controller: StartedController | null = null;

  constructor(test: Test, api: ApiCluster) {
    this.api = api;
    test.teardown(() => this.stopController());
  }

  get kubeconfig(): string {
    return this.api.kubeconfig;
  }

  async kubectl(...args: readonly string[]): Promise<string> {
    return await this.api.mustKubectl(args);
  }

  async apply(...objects: readonly object[]): Promise<void> {
    const list = { apiVersion: 'v1', kind: 'List', items: objects };
    await this.api.mustKubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], JSON.stringify(list));
  }

  /** As a status: the part of an object that its own controller writes. */
  async status(kind: string, name: string, status: object, inNamespace: string | null = null): Promise<void> {
    const where = inNamespace === null ? [] : ['-n', inNamespace];
    const patch = JSON.stringify({ status });
    await this.kubectl('patch', kind, name, ...where, '--subresource=status', '--type=merge', '-p', patch);
  }

  async startController(): Promise<void> {
    this.#controller ??= await startController(this.kubeconfig, {
      ...{ leaderElection: true, leaseNamespace: SYSTEM, leaseName: 'sideroute-controller' },
      // Nothing of a pod runs, so nothing can be looked at.
      nudge: false,
      // Of the real one, for the Lease is judged by it.
      ...{ leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 500 },
    });
    await settled(this.#controller);
  }

  async stopController(): Promise<void> {
    await this.#controller?.close();
    this.#controller = null;
  }

  async settled(): Promise<void> {
    if (this.#controller !== null) await settled(this.#controller);
  }

  /** What kubectl prints for `command`, run as it was printed, at the root of a clone. */
  run(command: string): { status: number; stdout: string; stderr: string } {
    const script = `cd '${ROOT}' && PATH='${this.api.bin}':"$PATH" && ${command}`;
    return runCommand('sh', ['-c', script]);
  }

  /** A pod that runs, with whatever the policy has added to it. */
  async makePod(name: string, inNamespace: string, change: { metadata?: object; spec?: object } = {}): Promise<void> {
    const metadata = {
      ...{ name, namespace: inNamespace, labels: { app: name, 'pod-template-hash': 'abc' } },
      // Nobody looks whether it is there.
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `${name}-abc`, uid: '0'.repeat(8), controller: true },
      ],
      ...change.metadata,
    };
    const spec = { containers: [{ name: 'app', image: 'app:1' }], ...change.spec };
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata, spec };
    await this.api.mustKubectl(['create', '-f', '-'], JSON.stringify(pod));
    await this.status('pod', name, RUNNING, inNamespace);
  }

  async removePod(name: string, inNamespace: string): Promise<void> {
    await this.kubectl('-n', inNamespace, 'delete', 'pod', name, '--force', '--grace-period=0');
  }

  async build(): Promise<void> {
    await this.kubectl('apply', '-k', `${ROOT}/deploy/kustomize/controller/policy`);
    await this.status(
      'deployment',
      'sideroute-controller',
      { replicas: 2, availableReplicas: 2, readyReplicas: 2 },
      SYSTEM,
    );
    await this.apply(
      ...[namespace('shop', { labels: INJECTED }), service('my-server', 'shop', '10.96.0.10')],
      ...[service('my-server-v1', 'shop', '10.96.0.11'), slice('my-server-v1'), deployment('client', 'shop')],
      { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1' } },
    );
    await this.status('node', 'node-1', {
      nodeInfo: nodeInfo('v1.36.1'),
      conditions: [{ type: 'Ready', status: 'True', reason: 'x', message: 'x' }],
    });
    await this.renewNode();
    const probe = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'probe', namespace: 'shop' } };
    const text = JSON.stringify({ ...probe, spec: { containers: [{ name: 'a', image: 'a' }] } });
    await eventually(
      'the policy is in force',
      async () =>
        (await this.api.mustKubectl(['create', '--dry-run=server', '-o', 'yaml', '-f', '-'], text)).includes(
          'sideroute.dev/injected',
        ),
      DEADLINE_MS,
    );
    await this.makePod('client', 'shop');
    await this.startController();
    await this.apply(route('route', 'shop'));
    await this.settled();
  }

  /** As its kubelet does it. */
  async renewNode(date = new Date()): Promise<void> {
    const renewTime = date.toISOString().replace('Z', '000Z');
    await this.apply({
      ...{
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { name: 'node-1', namespace: 'kube-node-lease' },
      },
      spec: { holderIdentity: 'node-1', leaseDurationSeconds: 40, renewTime },
    });
  }
}

export function nodeInfo(kubeletVersion: string): object {
  const names = ['machineID', 'systemUUID', 'bootID', 'kernelVersion', 'osImage', 'containerRuntimeVersion'];
  const more = Object.fromEntries(
    [...names, 'kubeProxyVersion', 'operatingSystem', 'architecture'].map((name) => [name, 'x']),
  );
  return { ...more, kubeletVersion };
}

export function slice(of: string, inNamespace = 'shop'): object {
  return {
    ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4' },
    metadata: { name: `${of}-1`, namespace: inNamespace, labels: { 'kubernetes.io/service-name': of } },
    endpoints: [{ addresses: ['10.244.0.5'], conditions: { ready: true } }],
    ports: [{ name: 'p80', port: 8080, protocol: 'TCP' }],
  };
}

export function deployment(name: string, inNamespace: string): object {
  const labels = { app: name };
  return {
    ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name, namespace: inNamespace } },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'app', image: 'app:1' }] } },
    },
  };
}

/** Of a service account, in the place of the administrator. */
export function accountConfig(test: Test, server: string, token: string): string {
  const { path, remove } = temporaryDirectory();
  test.teardown(remove);
  const file = `${path}/kubeconfig`;
  const config = {
    'current-context': 'test',
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    clusters: [{ name: 'test', cluster: { server, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'test', user: { token } }],
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}
