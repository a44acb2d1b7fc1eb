/**
 * The composition root of `sideroute controller`.
 *
 *     watches ──▶ cluster state ──▶ queue of namespaces ──▶ route sets ──▶ set writer ──▶ nudger ──▶ pods
 *                       │
 *                       └─────────▶ queue of routes ──────▶ conditions ──▶ status writer
 *
 * Every replica watches; the one that holds the Lease writes. If it ends before it has written everything, the next one
 * does so, because it processes everything again.
 */
import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Endpoint } from '../admin/endpoint.ts';
import { startAdmin, type ProbeState } from '../admin/public-admin.ts';
import { inClusterAccess } from '../kube/access.ts';
import { KubeClient } from '../kube/client.ts';
import { kubeconfigAccess } from '../kube/kubeconfig.ts';
import { leaseApi, LeaseElector } from '../kube/lease.ts';
import type { Logger } from '../log.ts';
import { ProcessLog } from '../observe/process-log.ts';
import { packageVersion } from '../package-root.ts';
import { onFirstSignal } from '../signals.ts';
import { Webhook } from '../webhook/webhook.ts';
import { ClusterState } from './cluster-state.ts';
import { createControllerMetrics, type ControllerMetrics } from './metrics.ts';
import { Nudger } from './nudger.ts';
import type { PodEntry } from './objects.ts';
import { PodAccess } from './pod-access.ts';
import { RareLog } from './rare-log.ts';
import { RouteSets } from './route-sets.ts';
import { SetWriter } from './set-writer.ts';
import type { ControllerSettings } from './settings.ts';
import { StatusWriter } from './status-writer.ts';
import { isTold } from './told.ts';
import { Watches } from './watches.ts';
import { WorkQueue } from './work-queue.ts';

const SET_WORKERS = 8;
const STATUS_WORKERS = 8;
/** `kubectl apply` of several objects counts as one change. */
const SETTLE_SETS_MS = 30;
/** Longer than for sets, because these matter more. */
const SETTLE_STATUS_MS = 100;
const BACKOFF = { firstMs: 250, mostMs: 30_000 };
/** A pod created this long after its set was written has mounted that set. */
const FRESH_MS = 60_000;
/** After this time kubelets have read the set by themselves, so a check of the pods is only routine. */
const RECENT_MS = 600_000;
const FIRST_LOOK_MS = 2_000;
const SYNC_POLL_MS = 20;
/** Maximum of a Node timer. What is due later is checked then, and waits again. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** How long the end of the process waits for requests in progress. */
const END_TIMEOUT_MS = 5_000;

export class Controller {
  readonly #settings: ControllerSettings;
  readonly #logger: Logger;
  readonly client: KubeClient;
  readonly state: ClusterState;
  readonly metrics: ControllerMetrics;
  readonly #watches: Watches;
  readonly #sets: WorkQueue;
  readonly #status: WorkQueue;
  readonly #setWriter: SetWriter;
  readonly #statusWriter: StatusWriter;
  readonly #nudger: Nudger;
  readonly #pods: PodAccess;
  readonly #elector: LeaseElector | null;
  /** Runs in every replica. */
  readonly #webhook: Webhook | null;
  readonly #ending = new AbortController();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  #endpoints: Endpoint[] = [];
  #alone = false;
  #running: Promise<void> = Promise.resolve();

  constructor(settings: ControllerSettings, logger: Logger) {
    this.#settings = settings;
    this.#logger = logger;
    setMaxListeners(0, this.#ending.signal);
    const access = settings.kubeconfig === null ? inClusterAccess() : kubeconfigAccess(settings.kubeconfig);
    const version = packageVersion();
    this.client = new KubeClient(access, `sideroute-controller/${version}`);
    this.state = new ClusterState(settings.controllerName, {
      namespaceChanged: (name) => this.#sets.add(name),
      routeChanged: (key) => this.#status.add(key),
      podAdded: (pod) => this.#podAdded(pod),
      podRemoved: (pod) => {
        this.#nudger.forget(pod);
        this.#pods.forget(pod);
      },
    });
    const { client, state } = this;
    this.#watches = new Watches({
      ...{ client, state, logger, signal: this.#ending.signal },
      onBack: () => this.#nudger.serverWasAway(),
    });
    this.#setWriter = new SetWriter({
      ...{ client, state, logger, cleanupAfterMs: settings.cleanupAfterMs },
      sets: new RouteSets(state.index),
      later: (namespace, ms) => this.#later(this.#sets, namespace, ms),
      onSet: (namespace, hash, changed) => this.#setWritten(namespace, hash, changed),
    });
    this.#statusWriter = new StatusWriter({
      ...{ client, state, logger, controllerName: settings.controllerName },
      later: (key, ms) => this.#later(this.#status, key, ms),
    });
    this.#sets = this.#queue('sets', SET_WORKERS, SETTLE_SETS_MS, (key, signal) => this.#setWriter.write(key, signal));
    this.#status = this.#queue('status', STATUS_WORKERS, SETTLE_STATUS_MS, (key, signal) =>
      this.#statusWriter.write(key, signal),
    );
    this.#pods = new PodAccess(client, settings.servedPort, (pod) => state.pods.get(pod.key)?.uid === pod.uid);
    this.#nudger = new Nudger({
      ...{ rate: settings.nudgeRate, logger },
      pod: (key) => state.pods.get(key) ?? null,
      annotate: (pod, value, signal) => this.#pods.annotate(pod, value, signal),
      look: (pod, hash, signal) => this.#pods.look(pod, hash, signal),
      onConfirmed: (ms) => this.metrics.delivered(ms),
    });
    this.#elector = settings.leaderElection ? this.#electorOf(settings) : null;
    this.#webhook =
      settings.webhook === null
        ? null
        : new Webhook({
            ...{ api: client, log: logger, namespace: settings.leaseNamespace, port: settings.webhook.port },
            inject: { version, settings: settings.webhook.inject },
          });
    this.metrics = createControllerMetrics({
      version,
      leading: () => this.leading,
      terms: () => this.#elector?.terms ?? (this.#alone ? 1 : 0),
      synced: () => this.#watches.synced,
      queues: () => ({
        sets: this.#sets,
        status: this.#status,
        nudges: {
          ...{ depth: this.#nudger.depth, done: this.#nudger.counters.nudges, failed: this.#nudger.counters.failed },
        },
      }),
      writes: () => ({
        configmap: this.#setWriter.writes,
        configmap_delete: this.#setWriter.deletes,
        status: this.#statusWriter.writes,
        pod: this.#nudger.counters.nudges,
      }),
      repairs: () => this.#setWriter.repairs,
      conflicts: () => this.#statusWriter.conflicts,
      tooLarge: () => this.#setWriter.tooLarge.size,
      statusLeftOut: () => this.#statusWriter.leftOut,
      objects: () => ({
        route: state.index.routes.size,
        service: state.index.services.size,
        namespace: state.index.clients.size,
        pod: state.pods.size,
      }),
      watches: () =>
        [...this.#watches.reflectors].map(([kind, { synced, error, rejected, lists }]) => {
          return { kind, current: synced && error === null, rejected, lists };
        }),
      traffic: () => client.traffic,
      nudges: () => {
        const { nudges, confirmed, assumed, late, failed } = this.#nudger.counters;
        return { sent: nudges, confirmed, assumed, late, failed };
      },
      webhook: () => this.#webhook,
      unconfirmed: () => ({ pods: this.#nudger.depth, oldestMs: this.#nudger.oldestMs }),
    });
  }

  get leading(): boolean {
    return this.#elector?.leading ?? this.#alone;
  }

  get synced(): boolean {
    return this.#watches.synced;
  }

  /** True when there is nothing to write and no pod to notify. */
  get idle(): boolean {
    return this.#sets.idle && this.#status.idle && this.#nudger.idle;
  }

  /** @throws ProxyError when an address cannot be bound */
  async start(): Promise<readonly Endpoint[]> {
    for (const { address, port } of this.#settings.metrics) {
      const endpoint = await startAdmin({
        ...{ address, port, flag: '--metrics', exposition: this.metrics },
        live: () => ({ ready: true, lines: [] }),
        ready: () => this.#ready(),
        started: () => ({ ready: this.#watches.synced, lines: this.#watches.faults }),
      });
      this.#endpoints.push(endpoint);
    }
    const { signal } = this.#ending;
    const watching = this.#watches.run();
    const working = this.#elector === null ? this.#leadAlone(signal) : this.#elector.run(signal);
    const answering = this.#webhook?.run(signal);
    this.#running = Promise.all([watching, working, answering]).then(() => undefined);
    return this.#endpoints;
  }

  /** Releases the Lease when the requests in progress have ended. */
  async close(): Promise<void> {
    this.#ending.abort(new Error('the controller ends'));
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    await Promise.race([this.#running, delay(END_TIMEOUT_MS, undefined, { ref: false })]);
    for (const endpoint of this.#endpoints) endpoint.close();
    this.#endpoints = [];
    this.client.close();
  }

  #electorOf(settings: ControllerSettings): LeaseElector {
    const lease = {
      ...{ namespace: settings.leaseNamespace, name: settings.leaseName, identity: settings.identity },
      ...{ durationMs: settings.leaseDurationMs, renewDeadlineMs: settings.renewDeadlineMs },
      retryMs: settings.retryPeriodMs,
    };
    const api = leaseApi(this.client, lease);
    return new LeaseElector({ settings: lease, api, logger: this.#logger, lead: (term) => this.#lead(term) });
  }

  async #leadAlone(signal: AbortSignal): Promise<void> {
    this.#alone = true;
    await this.#lead(signal);
  }

  async #lead(term: AbortSignal): Promise<void> {
    // Each request in progress listens to the signal, so the default limit would cause warnings.
    setMaxListeners(0, term);
    // With only a part of the objects, sets would lack routes.
    while (!this.#watches.synced) {
      if (isAborted(term)) return;
      await delay(SYNC_POLL_MS, undefined, { signal: term }).catch(() => undefined);
    }
    this.#logger.info('everything has been read', {
      ...{ routes: this.state.index.routes.size, services: this.state.index.services.size },
      ...{ namespaces: this.state.index.clients.size, pods: this.state.pods.size },
    });
    this.#setWriter.begin();
    if (this.#settings.nudge) this.#nudger.start(term);
    const working = Promise.all([this.#sets.run(term), this.#status.run(term)]);
    for (const name of this.state.namespacesWithSets()) this.#sets.add(name);
    for (const key of this.state.index.routes.keys()) this.#status.add(key);
    await working;
  }

  #queue(
    name: string,
    workers: number,
    settleMs: number,
    work: (key: string, signal: AbortSignal) => Promise<void>,
  ): WorkQueue {
    const log = new RareLog(this.#logger);
    const onFailure = (key: string, error: unknown, failures: number): void => {
      log.warn('a write failed and is tried again', { queue: name, key, failures, error: String(error) });
    };
    return new WorkQueue({ workers, settleMs, backoff: BACKOFF, work, onFailure });
  }

  /** Keys of the two queues never coincide, because keys of routes contain a space. */
  #later(queue: WorkQueue, key: string, ms: number): void {
    clearTimeout(this.#timers.get(key));
    const add = (): void => {
      this.#timers.delete(key);
      queue.add(key);
    };
    this.#timers.set(key, setTimeout(add, Math.min(ms, MAX_TIMER_MS)).unref());
  }

  #setWritten(namespace: string, hash: string, changed: boolean): void {
    if (!this.#settings.nudge) return;
    const writtenMs = this.#writtenMs(namespace);
    const routine = Date.now() - writtenMs > RECENT_MS;
    for (const pod of this.state.podsOf(namespace)) {
      if (changed) this.#nudger.written(pod, hash);
      // The previous leader may have notified the pod without checking whether it took effect.
      else if (isTold(pod.told, hash)) this.#nudger.verify(pod, hash, { routine });
      else if (mayPrecede(pod, writtenMs)) this.#nudger.verify(pod, hash);
    }
  }

  #podAdded(pod: PodEntry): void {
    if (!this.#settings.nudge || !this.leading) return;
    const hash = this.#setWriter.hashOf(pod.namespace);
    if (hash === null || !mayPrecede(pod, this.#writtenMs(pod.namespace))) return;
    this.#nudger.verify(pod, hash, { afterMs: FIRST_LOOK_MS });
  }

  /** When the set of the namespace was last written, in milliseconds. */
  #writtenMs(namespace: string): number {
    return Math.max(0, ...[...this.state.shardsOf(namespace).values()].map(({ writtenMs }) => writtenMs));
  }

  #ready(): ProbeState {
    const lines = this.#watches.faults;
    const who = this.#elector === null ? 'no election' : `leader: ${this.#elector.holder || 'nobody yet'}`;
    const answers = this.#webhook?.ready ?? true;
    const webhook = answers ? [] : ['webhook: no certificate that the API server trusts yet'];
    const ready = this.#watches.synced && answers && !this.#ending.signal.aborted;
    return { ready, lines: [...lines, ...webhook, who] };
  }
}

function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** False when the pod was created so long after the set that it has mounted it. */
function mayPrecede(pod: PodEntry, writtenMs: number): boolean {
  return pod.createdMs <= writtenMs + FRESH_MS;
}

/** Runs until a signal. @throws ProxyError when a setting cannot be carried out */
export async function runController(settings: ControllerSettings): Promise<void> {
  const log = new ProcessLog(settings.logLevel);
  log.takeOver();
  try {
    const controller = new Controller(settings, log.logger);
    const ended = new Promise<void>((resolve) => {
      onFirstSignal((signal) => {
        log.logger.notice('ending', { signal });
        void controller.close().then(resolve);
      });
    });
    const endpoints = await controller.start();
    log.logger.info('the controller has started', {
      ...{ identity: settings.identity, controllerName: settings.controllerName },
      metrics: endpoints.map(({ address, port }) => `${address} port ${port}`),
    });
    await ended;
  } finally {
    log.close();
  }
}
