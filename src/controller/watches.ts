/**
 * The watches of the controller: Services, Namespaces, pods, its own ConfigMaps, and the kinds of routes that the cluster has.
 *
 * Stage before: `kube/`. Stage after: `cluster-state.ts`. Of what only names and annotations matter no more than these is read.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { GATEWAY_GROUP } from '../gateway-api/references.ts';
import { backoffMs } from '../kube/backoff.ts';
import type { KubeClient } from '../kube/client.ts';
import { discoverGroup } from '../kube/discovery.ts';
import { Reflector, type ReflectorOptions } from '../kube/reflector.ts';
import type { Logger } from '../log.ts';
import type { ClusterState } from './cluster-state.ts';
import { FIELD_MANAGER, MANAGED_BY_LABEL } from './objects.ts';

export interface WatchesOptions {
  readonly client: KubeClient;
  readonly state: ClusterState;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** Those that claim a Service port, be it only to keep others from it. */
const ROUTE_KINDS = ['HTTPRoute', 'GRPCRoute', 'TLSRoute', 'TCPRoute'];
const REQUIRED = 'HTTPRoute';
/** How often kinds that are not installed are looked for. */
const DISCOVERY_MS = 30_000;

export class Watches {
  readonly #options: WatchesOptions;
  /** By kind. */
  readonly #reflectors = new Map<string, Reflector>();
  #discovered = false;
  #error: string | null = null;

  constructor(options: WatchesOptions) {
    this.#options = options;
  }

  /** By kind. */
  get reflectors(): ReadonlyMap<string, Reflector> {
    return this.#reflectors;
  }

  /** Everything has been read once. */
  get synced(): boolean {
    return (
      this.#discovered && this.#reflectors.has(REQUIRED) && [...this.#reflectors.values()].every(({ synced }) => synced)
    );
  }

  /** What is not current, one sentence each. */
  get faults(): string[] {
    const faults = this.#error === null ? [] : [this.#error];
    for (const [kind, { synced, error }] of this.#reflectors) {
      if (error !== null) faults.push(`${kind}: ${error}`);
      else if (!synced) faults.push(`${kind}: not read yet`);
    }
    return faults;
  }

  get #ended(): boolean {
    return this.#options.signal.aborted;
  }

  /** Until the signal. */
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
    const { client, logger, signal } = this.#options;
    const reflector = new Reflector({ ...options, client, logger, signal });
    this.#reflectors.set(options.kind, reflector);
    void reflector.run();
  }

  /** Kinds of routes, also those that are installed later. */
  async #discover(): Promise<void> {
    const { client, state, logger, signal } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      let waitMs = DISCOVERY_MS;
      try {
        const found = await discoverGroup(client, GATEWAY_GROUP, signal);
        failures = 0;
        for (const kind of ROUTE_KINDS) {
          const resource = found.get(kind);
          if (resource === undefined || this.#reflectors.has(kind)) continue;
          const path = `/apis/${resource.apiVersion}/${resource.plural}`;
          this.#start({ kind, path, apiVersion: resource.apiVersion, sink: state.routes(kind) });
        }
        const missing = !this.#reflectors.has(REQUIRED);
        if (missing && this.#error === null)
          logger.warn('the cluster has no HTTPRoute; install the CRDs of Gateway API');
        this.#error = missing ? 'the cluster has no HTTPRoute: install the CRDs of Gateway API' : null;
        this.#discovered = true;
      } catch (error) {
        if (this.#ended) return;
        failures++;
        waitMs = Math.min(DISCOVERY_MS, backoffMs(failures, { firstMs: 500, mostMs: DISCOVERY_MS }));
        const message = `the kinds of routes are not known: ${String(error)}`;
        // What is known already is not unlearnt.
        if (!this.#discovered) {
          if (this.#error === null) logger.warn('the kinds of routes cannot be read', { error: String(error) });
          this.#error = message;
        }
      }
      if (ROUTE_KINDS.every((kind) => this.#reflectors.has(kind))) return;
      await delay(waitMs, undefined, { signal }).catch(() => undefined);
    }
  }
}
