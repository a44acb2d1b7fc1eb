/** etcd and kube-apiserver with their keys, the kubeconfig of an administrator, and kubectl: what both sizes of cluster begin with. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { mustRun, runToEnd, Daemon, type CommandResult } from './processes.ts';
import { gatewayApiDefinitions, program } from './programs.ts';
import type { Workspace } from './workspace.ts';

export interface ControlPlaneOptions {
  readonly workspace: Workspace;
  /** Where clients and nodes find the API server; its certificate names this address. */
  readonly address: string;
  readonly ports: { readonly api: number; readonly etcd: number; readonly peer: number };
  /** Put before each command line: what enters the namespaces of the node. */
  readonly enter: readonly string[];
  /** Beside those that both sizes have. */
  readonly apiServerFlags: readonly string[];
}

/** Of the administrator; the cluster lives for a test, on addresses of this machine only. */
const TOKEN = 'sideroute-test-administrator';

/** How long a part may take to be ready on a machine that does other things as well. */
export const READY_WITHIN_MS = 180_000;

export class ControlPlane {
  readonly etcd: Daemon;
  readonly apiServer: Daemon;
  readonly kubeconfig: string;
  readonly url: string;
  /** A file with the certificate that the API server shows. */
  readonly authority: string;
  /** Private and public key of service account tokens. */
  readonly serviceAccountKey: string;
  readonly #kubectl: readonly string[];
  readonly #options: ControlPlaneOptions;

  static async create(options: ControlPlaneOptions): Promise<ControlPlane> {
    return new ControlPlane(options, await program('components'));
  }

  private constructor(options: ControlPlaneOptions, components: string) {
    this.#options = options;
    const { workspace, address, ports, enter } = options;
    const { directory, logs } = workspace;
    const keys = join(directory, 'keys');
    mkdirSync(keys);
    this.url = `https://${address}:${ports.api}`;
    this.authority = join(keys, 'apiserver.crt');
    this.serviceAccountKey = join(keys, 'service-accounts.key');
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    writeFileSync(this.serviceAccountKey, privateKey.export({ format: 'pem', type: 'sec1' }));
    const tokens = join(keys, 'tokens.csv');
    writeFileSync(tokens, `${TOKEN},administrator,administrator,system:masters\n`);

    const isWrapped = enter.length > 0;
    this.etcd = new Daemon(
      'etcd',
      join(logs, 'etcd.log'),
      [
        ...[...enter, components, 'etcd', `--data-dir=${join(directory, 'etcd')}`],
        `--listen-client=http://127.0.0.1:${ports.etcd}`,
        `--listen-peer=http://127.0.0.1:${ports.peer}`,
      ],
      isWrapped,
    );
    this.apiServer = new Daemon(
      'kube-apiserver',
      join(logs, 'kube-apiserver.log'),
      [
        ...[...enter, components, 'kube-apiserver', `--etcd-servers=http://127.0.0.1:${ports.etcd}`],
        ...[`--bind-address=${address}`, `--advertise-address=${address}`, `--secure-port=${ports.api}`],
        // It makes itself a certificate for its address, the first address of the Service network and the names of it.
        `--cert-dir=${keys}`,
        ...[`--token-auth-file=${tokens}`, '--authorization-mode=RBAC', '--allow-privileged=true'],
        ...['--service-cluster-ip-range=10.96.0.0/16', '--service-account-issuer=https://kubernetes.default.svc'],
        `--service-account-key-file=${this.serviceAccountKey}`,
        `--service-account-signing-key-file=${this.serviceAccountKey}`,
        ...['--event-ttl=10m', ...options.apiServerFlags],
      ],
      isWrapped,
    );
    this.kubeconfig = join(directory, 'kubeconfig');
    this.#kubectl = [
      ...[components, 'kubectl', `--kubeconfig=${this.kubeconfig}`],
      `--cache-dir=${join(directory, 'kubectl-cache')}`,
    ];
    // For people, and for scripts that want a program of this name.
    const script = `#!/bin/sh\nexec ${this.#kubectl.join(' ')} "$@"\n`;
    mkdirSync(join(directory, 'bin'));
    writeFileSync(join(directory, 'bin', 'kubectl'), script, { mode: 0o755 });
  }

  get daemons(): Daemon[] {
    return [this.etcd, this.apiServer];
  }

  /** A directory for the PATH, with a `kubectl` that talks to this cluster. */
  get bin(): string {
    return join(this.#options.workspace.directory, 'bin');
  }

  async start(): Promise<void> {
    this.etcd.start();
    this.apiServer.start();
    await this.ready();
  }

  /** Resolves once the API server says that it is ready; rejects when it or etcd has ended. */
  async ready(): Promise<void> {
    await until('the API server is ready', this.daemons, async () => {
      if ((await this.#status('/readyz')) !== 200) return false;
      this.#writeKubeconfig();
      return true;
    });
  }

  async #status(path: string): Promise<number> {
    return await this.request('GET', path).then(
      ({ status }) => status,
      () => 0,
    );
  }

  /** One request of the administrator to the API server: what kubectl does, without starting a program. */
  async request(
    method: string,
    path: string,
    body?: object,
    contentType = 'application/json',
  ): Promise<{ readonly status: number; readonly body: string }> {
    return await new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': contentType };
      const asked = request(`${this.url}${path}`, { method, agent: LOCAL, headers, timeout: 10_000 }, (answer) => {
        let text = '';
        answer
          .setEncoding('utf8')
          .on('data', (chunk: string) => (text += chunk))
          .on('end', () => resolve({ status: answer.statusCode ?? 0, body: text }))
          .on('error', reject);
      });
      asked.on('error', reject).on('timeout', () => asked.destroy(new Error(`${path}: no answer`)));
      asked.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  #writeKubeconfig(): void {
    const authority = readFileSync(this.authority).toString('base64');
    writeFileSync(
      this.kubeconfig,
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        clusters: [{ name: 'test', cluster: { server: this.url, 'certificate-authority-data': authority } }],
        users: [{ name: 'administrator', user: { token: TOKEN } }],
        contexts: [{ name: 'test', context: { cluster: 'test', user: 'administrator' } }],
        'current-context': 'test',
      }),
    );
  }

  async kubectl(args: readonly string[], input?: string): Promise<CommandResult> {
    return await runToEnd([...this.#kubectl, ...args], input === undefined ? {} : { input });
  }

  async mustKubectl(args: readonly string[], input?: string): Promise<string> {
    return await mustRun([...this.#kubectl, ...args], input === undefined ? {} : { input });
  }

  /** The command line, for what goes on longer than a command. */
  kubectlCommand(args: readonly string[]): string[] {
    return [...this.#kubectl, ...args];
  }

  /** The Gateway API's resources, as its experimental channel has them. */
  async installGatewayApi(): Promise<void> {
    // The directory's own list leaves out what is only for Gateways of the future; it is what people apply.
    await this.mustKubectl(['apply', '--server-side', '-k', await gatewayApiDefinitions()]);
    await this.mustKubectl([
      ...['wait', '--for=condition=Established', '--timeout=120s', 'crd'],
      ...['httproutes.gateway.networking.k8s.io', 'grpcroutes.gateway.networking.k8s.io'],
    ]);
  }
}

/** Its certificate is not known before it answers, and it is this machine that is asked. */
const LOCAL = new Agent({ rejectUnauthorized: false });

/** Polls `condition`; says what the daemons said last when one of them ends or it takes too long. */
export async function until(
  what: string,
  daemons: readonly Daemon[],
  condition: () => Promise<boolean>,
  deadlineMs = READY_WITHIN_MS,
): Promise<void> {
  const started = performance.now();
  const told = () => daemons.map((daemon) => `${daemon.name} said last:\n${daemon.tail()}`).join('\n');
  while (!(await condition())) {
    const ended = daemons.find((daemon) => !daemon.isRunning);
    if (ended !== undefined) throw new Error(`${ended.name} has ended before this: ${what}\n${told()}`);
    if (performance.now() - started > deadlineMs)
      throw new Error(`not within ${deadlineMs / 1000} s: ${what}\n${told()}`);
    await delay(100);
  }
}
