/**
 * The endpoints of the sidecar, and the source of each figure and answer they give.
 *
 * Stage before: the composition root, when all of its parts exist. Stage after: `admin/`, which serves them, and
 * `observe/exposition.ts`, which reads at the moment of a scrape.
 */
import type { Acceptor } from '../addon/binding.ts';
import { formatAddress } from '../addon/listen-address.ts';
import type { ConfigView } from '../admin/config-dump.ts';
import { connectionView, type ConnectionView } from '../admin/connections.ts';
import type { Endpoint } from '../admin/endpoint.ts';
import type { LogSettings } from '../admin/log-level.ts';
import { startPrivateAdmin } from '../admin/private-admin.ts';
import type { Probes } from '../admin/probes.ts';
import { servedBy, startAdmin } from '../admin/public-admin.ts';
import { StatsReporter } from '../admin/stats.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { ConditionTracker } from '../cluster/condition-tracker.ts';
import type { RouteDirectory } from '../config/route-directory.ts';
import type { ProxySettings } from '../config/settings.ts';
import type { Drain } from '../drain.ts';
import type { Problem } from '../gateway-api/types.ts';
import type { AccessLog } from '../observe/access-log.ts';
import { expositionOnDemand } from '../observe/exposition-on-demand.ts';
import { IdleMemory } from '../observe/idle-memory.ts';
import { LoopLag } from '../observe/loop-lag.ts';
import type { MemoryWatch } from '../observe/memory-watch.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { ProcessLog } from '../observe/process-log.ts';
import { packageVersion } from '../package-root.ts';
import type { Configuration } from '../routing/configuration.ts';
import type { Engines } from './engines.ts';
import type { OwnFigures } from './figures.ts';
import type { Taps } from './taps.ts';
import type { Traces } from './traces.ts';
import type { WorkerPool } from './worker-pool.ts';

const NO_TAPS = { open: 0, records: 0, dropped: 0 };

export interface EndpointSources {
  readonly settings: ProxySettings;
  readonly cluster: Cluster;
  readonly directory: RouteDirectory;
  readonly conditions: ConditionTracker;
  readonly acceptor: Acceptor;
  readonly engines: Engines;
  /** Null: this thread is the only worker. */
  readonly workers: WorkerPool | null;
  readonly metrics: Metrics;
  readonly memory: MemoryWatch;
  readonly accessLog: AccessLog;
  /** Null: traces are off. */
  readonly traces: Traces | null;
  /** Null until the first tap. */
  taps(): Taps | null;
  loadTaps(): Promise<Taps>;
  readonly log: ProcessLog;
  readonly logSettings: LogSettings;
  readonly probes: Probes;
  readonly drain: Drain;
  /** The configuration in force in all workers. */
  configuration(): Configuration;
  /** Problems of the configuration in force and of addresses. */
  problems(): readonly Problem[];
  /** Number of changes of addresses and of what depends on them. */
  addressChanges(): number;
}

export class Endpoints {
  readonly #sources: EndpointSources;
  readonly #public: Endpoint[] = [];
  readonly #private: Endpoint[] = [];

  constructor(sources: EndpointSources) {
    this.#sources = sources;
  }

  /** @throws ProxyError when an address cannot be bound; addresses already bound stay open until `close` */
  async start(): Promise<void> {
    const sources = this.#sources;
    const { settings, cluster, directory, conditions, workers, drain } = sources;
    const { resolver, backends, frontends } = cluster;
    const idleMemory = new IdleMemory({ giveBack: () => sources.memory.giveBack(), activity: () => this.#activity() });
    const common = {
      version: packageVersion(),
      metrics: sources.metrics,
      loopLag: new LoopLag({ onQuiet: () => idleMemory.quiet() }),
      ...(workers === null ? this.#ownFigures() : workers.figuresWith(this.#ownFigures())),
      log: () => sources.log.counters(),
      config: () => this.#state(),
    };
    const exposition = expositionOnDemand({
      ...common,
      heldRoutes: () => sources.configuration().snapshot?.heldRoutes.length ?? 0,
      tornSeconds: () => directory.tornSet?.seconds ?? 0,
      unresolvedFrontends: () => frontends.unresolved.length,
      dns: () => resolver.statistics(),
      unresolvedBackends: () => backends.unresolved,
      conditions: () => conditions.current,
      spans: () => sources.traces?.counts() ?? null,
      taps: () => sources.taps()?.figures() ?? NO_TAPS,
    });
    const served = () => servedBy(sources.configuration().snapshot, directory.tornSet);
    for (const { address, port } of settings.metrics) {
      this.#public.push(await startAdmin({ address, port, flag: '--metrics', exposition, served, ...sources.probes }));
    }
    const stats = new StatsReporter({
      ...common,
      backendKeys: () => backends.keys,
      draining: () => drain.begun,
      metricsAddresses: () => this.addresses.metrics,
    });
    for (const { address, port } of settings.admin) {
      this.#private.push(
        await startPrivateAdmin({
          ...{ address, port, flag: '--admin', stats, logSettings: sources.logSettings },
          config: () => this.#view(),
          table: () => sources.configuration().table,
          connections: () => this.#connections(),
          tap: async (query: string) => (await sources.loadTaps()).answer(query),
          quit: (by: string) => drain.quit(by),
        }),
      );
    }
  }

  /** The addresses actually bound. */
  get addresses(): { readonly metrics: readonly string[]; readonly admin: readonly string[] } {
    return { metrics: this.#public.map(formatAddress), admin: this.#private.map(formatAddress) };
  }

  close(): void {
    for (const endpoint of [...this.#public, ...this.#private]) endpoint.close();
  }

  /** Figures of this thread. */
  #ownFigures(): OwnFigures {
    const { acceptor, engines, accessLog, memory } = this.#sources;
    return {
      acceptor: () => acceptor.counters(),
      engine: () => engines.native.counters(),
      http2: () => engines.native.http2Counters(),
      upstreams: () => engines.native.upstreams(),
      accessLog: () => accessLog.counters(),
      memory: () => memory.state,
      downstreamConnections: () => engines.connections,
    };
  }

  /** Measured on this thread only, because it is compared with the garbage of this thread. */
  #activity(): number {
    const tunnels = this.#sources.acceptor.counters();
    const { requests, bytesUpstream, bytesDownstream } = this.#sources.engines.native.counters();
    const bytes = tunnels.bytesUpstream + tunnels.bytesDownstream + bytesUpstream + bytesDownstream;
    return tunnels.accepted + requests + bytes;
  }

  #connections(): ConnectionView {
    const { acceptor, engines, workers, cluster } = this.#sources;
    const keys = { frontends: cluster.frontends.keys, backends: cluster.backends.keys };
    return connectionView(acceptor, engines.native, {
      ...{ ...keys, unlisted: engines.unlisted },
      ...(workers === null ? {} : { workers: () => workers.connections() }),
    });
  }

  #state() {
    const { generation, hash, valid } = this.#sources.configuration();
    const revision = `${generation}.${this.#sources.addressChanges()}`;
    const unresolvedFrontends = this.#sources.cluster.frontends.unresolved.length;
    return { generation, hash, valid, unresolvedFrontends, revision };
  }

  #view(): ConfigView {
    const { cluster, directory, conditions } = this.#sources;
    const { frontends, backends } = cluster;
    return {
      ...this.#sources.configuration(),
      tornSet: directory.tornSet,
      conditions: conditions.current,
      problems: this.#sources.problems(),
      frontendKeys: frontends.keys,
      addresses: frontends.addresses,
      unresolved: frontends.unresolved,
      backends: backends.status(),
    };
  }
}
