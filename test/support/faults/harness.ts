/**
 * A client, a sidecar and backends in network namespaces, with a ledger: a test sends requests of some kinds, causes
 * faults meanwhile, and checks at the end that client, backends, access log and metrics agree.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Test } from 'tap';
import { Cluster, type Pod } from '../cluster.ts';
import { ConfigMapMount } from '../config-map-mount.ts';
import { eventually } from '../eventually.ts';
import { stopProcess, waitForLine } from '../processes.ts';
import { serviceFile } from '../services.ts';
import { PROXY_UID, SIDEROUTE } from '../sidecar.ts';
import { BackendProcess } from './backend-process.ts';
import { ClientProcess } from './client-process.ts';
import type { Ingredient } from './ingredient.ts';
import type { ClientRecord } from './kinds.ts';
import { Ledger } from './ledger.ts';
import { LogReader } from './log-reader.ts';
import { countedRequests, metricsAgainstAnswers, metricValue } from './witnesses.ts';
import { clusterOf } from '../cluster-of.ts';

/** SIDEROUTE_FULL=1: the counts of docs/faults.md; otherwise fewer, so that the suite stays short. */
export const FULL = process.env['SIDEROUTE_FULL'] === '1';

export const ONE = ['b1'];
export const THREE = ['b1', 'b2', 'b3'];
/** Timeout of the rule for /timed. */
export const TIMEOUT_MS = 500;

export const SERVICES = serviceFile('web', 'one', 'three', 'named');
/** ClusterIP of the Service `named`, whose only endpoint is b1. */
export const NAMED = '10.96.0.13';
/** `path` -> backend Service; `named` has no document if a test leaves it to DNS. */
export const ROUTES = `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: web, port: 80}]
  rules:
    - matches: [{path: {value: /one}}]
      backendRefs: [{name: one, port: 80}]
    - matches: [{path: {value: /three}}]
      backendRefs: [{name: three, port: 80}]
    - matches: [{path: {value: /retried}}]
      retry: {attempts: 3, backoff: 5ms}
      backendRefs: [{name: three, port: 80}]
    - matches: [{path: {value: /timed}}]
      timeouts: {request: ${TIMEOUT_MS}ms}
      backendRefs: [{name: one, port: 80}]
    - matches: [{path: {value: /patient}}]
      timeouts: {request: 60s}
      backendRefs: [{name: one, port: 80}]
    - matches: [{path: {value: /named}}]
      backendRefs: [{name: named, port: 80}]
`;
export const FILES = { 'services.yaml': SERVICES, 'route.yaml': ROUTES };

interface Options {
  readonly files?: Readonly<Record<string, string>>;
  readonly flags?: readonly string[];
  /** Of the sidecar's process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Limit of its descriptors. */
  readonly descriptors?: number;
  /** Called before the sidecar starts, for what has to be there. */
  readonly prepare?: (cluster: Cluster, client: Pod, directory: string) => void | Promise<void>;
}

export class FaultHarness {
  readonly cluster: Cluster;
  readonly pod: Pod;
  /** b1, b2 and b3 in pods of their own. */
  readonly backends: readonly BackendProcess[];
  readonly backendPods: readonly Pod[];
  readonly ledger: Ledger;
  readonly routes: ConfigMapMount;
  readonly directory: string;
  readonly #options: Options;
  readonly #log: LogReader;
  client!: ClientProcess;
  sidecar!: ChildProcess;
  /** What it wrote to standard error. */
  readonly lines: string[] = [];
  /** Records as they come. */
  onRecord: (record: ClientRecord) => void = () => undefined;

  private constructor(cluster: Cluster, directory: string, ledger: Ledger, options: Options) {
    this.cluster = cluster;
    this.directory = directory;
    this.ledger = ledger;
    this.#options = options;
    this.pod = cluster.addPod('client');
    this.backendPods = THREE.map((name) => cluster.addPod(name));
    this.backends = THREE.map((name, i) => {
      const names: Record<string, number> = i === 0 ? { [name]: 8080, unrouted: 8081 } : { [name]: 8080 };
      return new BackendProcess(this.backendPods[i]!, names, ledger);
    });
    this.routes = new ConfigMapMount(join(directory, 'routes'), options.files ?? FILES);
    this.#log = new LogReader(join(directory, 'access.log'), ledger);
  }

  static async start(t: Test, kinds: readonly Ingredient[], options: Options = {}): Promise<FaultHarness> {
    const { cluster, directory } = clusterOf(t);
    const ledger = new Ledger(kinds.map(({ rule }) => rule));
    const harness = new FaultHarness(cluster, directory.path, ledger, options);
    t.teardown(() => harness.#log.close());
    const [first] = harness.backendPods;
    const at = (pod: Pod | undefined, port = 8080) => ({ address: pod!.v4, port });
    cluster.addService('10.96.0.10', 80, [at(first, 8081)]);
    cluster.addService('10.96.0.11', 80, [at(first)]);
    cluster.addService(
      '10.96.0.12',
      80,
      harness.backendPods.map((pod) => at(pod)),
    );
    cluster.addService(NAMED, 80, [at(first)]);
    await Promise.all(harness.backends.map((backend) => backend.start()));
    await options.prepare?.(cluster, harness.pod, directory.path);
    harness.pod.must([...SIDEROUTE, 'iptables', 'apply', '--service-cidrs', '10.96.0.0/16']);
    await harness.startSidecar();
    harness.client = await ClientProcess.start(harness.pod, (record) => {
      ledger.answered(record);
      harness.onRecord(record);
    });
    return harness;
  }

  /** Also again, after the one before has ended. */
  async startSidecar(): Promise<void> {
    const { flags = [], env = {}, descriptors } = this.#options;
    const limited = descriptors === undefined ? [] : ['prlimit', `--nofile=${descriptors}:${descriptors}`];
    const writer = this.#log.openWriter();
    const command = [
      ...limited,
      ...SIDEROUTE,
      'proxy',
      '--routes',
      this.routes.path,
      '--access-log',
      'all',
      '--namespace',
      'shop',
    ];
    const child = this.pod.spawn([...command, '--drain-timeout', '120s', '--drain-quiet', '0s', ...flags], {
      asUid: PROXY_UID,
      stdio: ['ignore', writer.fd, 'pipe'],
      env: { ...process.env, ...env },
    });
    writer.close();
    this.sidecar = child;
    child.stderr!.setEncoding('utf8').on('data', (text: string) => this.lines.push(...text.trimEnd().split('\n')));
    await waitForLine(child, /"message":"ready"/);
  }

  get pid(): number {
    return this.sidecar.pid!;
  }

  metrics(): string {
    return this.pod.must(['curl', '-sS', '--max-time', '10', 'http://127.0.0.1:15020/metrics']);
  }

  /** So many requests of the kind, all of them ended. */
  async send({ kind }: Ingredient, count: number, connections = 16): Promise<void> {
    await this.client.batch(kind, count, connections);
  }

  /** Ends the sidecar in order and compares all witnesses; what does not agree fails the test. */
  async reconcile(t: Test): Promise<void> {
    const { ledger } = this;
    this.client.end();
    await eventually('no request is open', () => metricValue(this.metrics(), 'sideroute_open_requests') === 0, 15_000);
    const counted = countedRequests(this.metrics());
    t.equal(await stopProcess(this.sidecar), 0, 'the sidecar ends in order');
    await this.settle(t);
    // A sidecar that was killed has lost its counters and last lines.
    if (ledger.mayLackLines.size > 0) return;
    const { good, figure } = metricsAgainstAnswers(counted, ledger);
    t.ok(good, `metrics against answers: ${figure}`);
    t.equal(ledger.unlogged, 0, 'answers without a line in the access log');
  }

  /** Judges all requests so far; their lines in the access log are waited for. */
  async settle(t: Test): Promise<void> {
    const { ledger } = this;
    await eventually('all witnesses', () => ledger.complete, 5_000).catch(() => undefined);
    ledger.settle(true);
    t.same([...ledger.violations], [], 'nothing lost, misrouted, mixed or executed twice');
    for (const example of ledger.examples.splice(0)) t.comment(example);
    ledger.violations.clear();
  }

  executions({ kind }: Ingredient): number {
    return this.ledger.executionsOf.get(kind.name) ?? 0;
  }

  /** How many requests of a kind came to an outcome, such as `answered 200`. */
  count(kind: Ingredient, outcome: string): number {
    return this.ledger.outcomes.get(`${kind.kind.name} ${outcome}`) ?? 0;
  }

  /** How it ended, without a signal of ours. */
  async sidecarEnded(): Promise<number | string | null> {
    if (this.sidecar.exitCode === null && this.sidecar.signalCode === null) await once(this.sidecar, 'exit');
    return this.sidecar.exitCode ?? this.sidecar.signalCode;
  }
}
