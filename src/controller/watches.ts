/**
 * The watches of the controller: Services, Namespaces, pods, its own ConfigMaps, and the kinds of routes the cluster
 * has.
 *
 * Stage before: `kube/`. Stage after: `cluster-state.ts`. Where only names and annotations matter, only the metadata is
 * read.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { GATEWAY_GROUP } from '../gateway-api/references.ts';
import { backoffMs, type BackoffOptions } from '../kube/backoff.ts';
import type { KubeClient } from '../kube/client.ts';
import { discoverGroup, type ResourceKind } from '../kube/discovery.ts';
import { Reflector, type ReflectorOptions } from '../kube/reflector.ts';
import type { Logger } from '../log.ts';
import type { ClusterState } from './cluster-state.ts';
import { FIELD_MANAGER, MANAGED_BY_LABEL } from './objects.ts';

export interface WatchesOptions {
  readonly client: KubeClient;
  readonly state: ClusterState;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Called when the API server answers again after an outage. */
  readonly onBack?: () => void;
}

interface Watched {
  readonly path: string;
  readonly reflector: Reflector;
  readonly ending: AbortController;
  /**
   * True when the objects were read before in another version of the API: they are kept until they have been read in
   * this version.
   */
  readonly hadBeenRead: boolean;
}

/** All kinds that claim a Service port, even if they only block it for others. */
const ROUTE_KINDS = ['HTTPRoute', 'GRPCRoute', 'TLSRoute', 'TCPRoute'];
const REQUIRED = 'HTTPRoute';
/** The kind that kubelets watch as well. Their watches break at the same time. */
const TELLING = 'Pod';
/** How often to look for kinds that are not installed. */
const DISCOVERY_MS = 30_000;
/** Interval when all kinds are installed. A version that disappears shows as a missing collection. */
const HOURLY_MS = 3_600_000;
/** Shorter than that of kubelets, because after an outage changes should be written before the many kubelets return. */
const BACKOFF: BackoffOptions = { firstMs: 500, mostMs: 5_000 };

export class Watches {
  readonly #options: WatchesOptions;
  /** By kind. */
  readonly #watched = new Map<string, Watched>();
  /** Kinds that have been read but that no version of the API serves any more. */
  readonly #gone = new Set<string>();
  #discovered = false;
  #error: string | null = null;
  /** Aborted when a collection is missing: this ends the wait for the next discovery. */
  #lookAgain = new AbortController();

  constructor(options: WatchesOptions) {
    this.#options = options;
  }

  /** By kind. */
  get reflectors(): ReadonlyMap<string, Reflector> {
    return new Map([...this.#watched].map(([kind, { reflector }]) => [kind, reflector]));
  }

  /** True when everything has been read once. */
  get synced(): boolean {
    return this.#discovered && this.#watched.has(REQUIRED) && [...this.#watched.values()].every(hasBeenRead);
  }

  /** What is not up to date, one sentence each. */
  get faults(): string[] {
    const faults = this.#error === null ? [] : [this.#error];
    for (const [kind, { reflector }] of this.#watched) {
      if (this.#gone.has(kind) && reflector.error !== null)
        faults.push(`${kind}: the cluster does not serve it any more; what was read last is used`);
      else if (reflector.error !== null) faults.push(`${kind}: ${reflector.error}`);
      else if (!reflector.synced) faults.push(`${kind}: not read yet`);
    }
    return faults;
  }

  get #ended(): boolean {
    return this.#options.signal.aborted;
  }

  /** Runs until the signal. */
  async run(): Promise<void> {
    const { state } = this.#options;
    const core = { apiVersion: 'v1', metadataOnly: true };
    this.#start({ ...core, kind: 'Namespace', path: '/api/v1/namespaces', sink: state.namespaces() });
    this.#start({ ...core, kind: 'Pod', path: '/api/v1/pods', sink: state.podSink() });
    const labelSelector = `${MANAGED_BY_LABEL}=${FIELD_MANAGER}`;
    this.#start({ ...core, kind: 'ConfigMap', path: '/api/v1/configmaps', labelSelector, sink: state.shardSink() });
    this.#start({ apiVersion: 'v1', kind: 'Service', path: '/api/v1/services', sink: state.services() });
    await this.#discover();
  }

  #start(options: Omit<ReflectorOptions, keyof WatchesOptions>): void {
    const { client, logger, signal, onBack } = this.#options;
    const { kind, path } = options;
    const before = this.#watched.get(kind);
    const ending = new AbortController();
    const reflector = new Reflector({
      ...{ ...options, client, logger, backoff: BACKOFF },
      signal: AbortSignal.any([signal, ending.signal]),
      ...(kind === TELLING && onBack !== undefined ? { onBack } : {}),
      onMissing: () => this.#lookAgain.abort(),
    });
    this.#watched.set(kind, { path, reflector, ending, hadBeenRead: before !== undefined && hasBeenRead(before) });
    before?.ending.abort();
    void reflector.run();
  }

  /** Finds the kinds of routes, including those installed later, each in a served version. */
  async #discover(): Promise<void> {
    const { client, logger, signal } = this.#options;
    let failures = 0;
    signal.addEventListener('abort', () => this.#lookAgain.abort(), { once: true });
    while (!signal.aborted) {
      let waitMs = DISCOVERY_MS;
      this.#lookAgain = new AbortController();
      try {
        const found = await discoverGroup(client, GATEWAY_GROUP, signal);
        failures = 0;
        for (const kind of ROUTE_KINDS) this.#follow(kind, found.get(kind));
        const missing = !this.#watched.has(REQUIRED);
        if (missing && this.#error === null)
          logger.warn('the cluster has no HTTPRoute; install the CRDs of Gateway API');
        this.#error = missing ? 'the cluster has no HTTPRoute: install the CRDs of Gateway API' : null;
        this.#discovered = true;
        if (ROUTE_KINDS.every((kind) => this.#watched.has(kind)) && this.#gone.size === 0) waitMs = HOURLY_MS;
      } catch (error) {
        if (this.#ended) return;
        failures++;
        waitMs = Math.min(DISCOVERY_MS, backoffMs(failures, { firstMs: 500, mostMs: DISCOVERY_MS }));
        const message = `the kinds of routes are not known: ${String(error)}`;
        // After the first discovery a failure changes nothing.
        if (!this.#discovered) {
          if (this.#error === null) logger.warn('the kinds of routes cannot be read', { error: String(error) });
          this.#error = message;
        }
      }
      await delay(waitMs, undefined, { signal: this.#lookAgain.signal }).catch(() => undefined);
    }
  }

  /**
   * The objects of a kind that disappears are kept: when its definition is gone, or seems to be, its routes must still
   * get their traffic.
   */
  #follow(kind: string, resource: ResourceKind | undefined): void {
    const { state, logger } = this.#options;
    const watched = this.#watched.get(kind);
    if (resource === undefined) {
      if (watched === undefined || this.#gone.has(kind)) return;
      if (!hasBeenRead(watched)) {
        // Nothing has been read, so nothing is kept, and nothing should wait for it.
        watched.ending.abort();
        this.#watched.delete(kind);
        return;
      }
      this.#gone.add(kind);
      logger.warn('a kind of route is not served any more; what was read last is used', { kind });
      return;
    }
    this.#gone.delete(kind);
    const { apiVersion, plural } = resource;
    const path = `/apis/${apiVersion}/${plural}`;
    if (watched?.path === path) return;
    if (watched !== undefined) logger.notice('a kind of route is read in another version', { kind, apiVersion });
    this.#start({ kind, path, apiVersion, sink: state.routes(kind) });
  }
}

function hasBeenRead({ reflector, hadBeenRead }: Watched): boolean {
  return reflector.synced || hadBeenRead;
}
