/**
 * The composition root of the sidecar: every stage is made here and wired in the order a request passes them.
 *
 *     route directory -> attach -> table ----------------------------+
 *     resolver -> frontends -> acceptor -> engine -> decide(table) --+-> outcome -> metrics -> admin
 */
import { loadNative, type Acceptor, type HttpConnection, type NativeBinding } from './addon/binding.ts';
import { formatAddress } from './addon/listen-address.ts';
import type { ConfigView } from './admin/config-dump.ts';
import { connectionView, type ConnectionView } from './admin/connections.ts';
import type { Endpoint } from './admin/endpoint.ts';
import { closeLogSettings, logSettings, type LogSettings } from './admin/log-level.ts';
import { startPrivateAdmin } from './admin/private-admin.ts';
import { createProbes, type Probes } from './admin/probes.ts';
import { servedBy, startAdmin } from './admin/public-admin.ts';
import { StatsReporter } from './admin/stats.ts';
import { listenForCaptured } from './capture.ts';
import type { BackendRegistry } from './cluster/backends.ts';
import { createCluster } from './cluster/cluster.ts';
import { ConditionTracker } from './cluster/condition-tracker.ts';
import type { FrontendRegistry } from './cluster/frontends.ts';
import type { ServiceResolver } from './cluster/resolver.ts';
import { RouteDirectory } from './config/route-directory.ts';
import { parseRoutesBesides } from './config/route-parser.ts';
import type { ProxySettings } from './config/settings.ts';
import type { ConfigSnapshot } from './config/snapshot.ts';
import { ConfigurationInForce } from './configuration.ts';
import { Drain } from './drain.ts';
import type { Engine, EngineHost } from './engine/engine.ts';
import { frontendsInUse } from './engine/frontends-in-use.ts';
import { createNativeEngine, type NativeEngine } from './engine/native/native-engine.ts';
import { exceedsUws } from './engine/uws/limits.ts';
import { REQUEST_REASONS, type RequestReason } from './errors.ts';
import type { Problem } from './gateway-api/types.ts';
import type { Logger } from './log.ts';
import { AccessLog } from './observe/access-log.ts';
import { ConditionLog } from './observe/conditions.ts';
import { createExposition } from './observe/exposition.ts';
import { connectionIncidents, IncidentLog, seriesFields } from './observe/incidents.ts';
import { MemoryWatch } from './observe/memory-watch.ts';
import { Metrics } from './observe/metrics.ts';
import { ProblemLog } from './observe/problem-log.ts';
import { ProcessLog } from './observe/process-log.ts';
import { packageVersion } from './package-root.ts';
import { decide } from './routing/decide.ts';
import type { CompileDeps, SeriesLabels } from './routing/decision.ts';
import type { RouteTable } from './routing/table.ts';
import { onFirstSignal } from './signals.ts';
import { Slicer, type Steps } from './slices.ts';

class SidecarProxy {
  readonly #settings: ProxySettings;
  readonly #log: ProcessLog;
  readonly #logger: Logger;
  readonly #incidents: IncidentLog;
  readonly #problemLog: ProblemLog;
  readonly #accessLog: AccessLog;
  readonly #native: NativeBinding;
  readonly #memory: MemoryWatch;
  readonly #metrics = new Metrics();
  readonly #resolver: ServiceResolver;
  readonly #backends: BackendRegistry;
  readonly #frontends: FrontendRegistry;
  readonly #directory: RouteDirectory;
  readonly #conditions: ConditionTracker;
  readonly #probes: Probes;
  readonly #closing = new AbortController();
  /** For all work whose length depends on the size of the configuration. */
  readonly #slicer = new Slicer({ signal: this.#closing.signal });
  readonly #configuration: ConfigurationInForce;
  /** Carries every request, or those that the preferred engine must not. */
  #nativeEngine: NativeEngine | null = null;
  /** Asked first, when it is not the native one. */
  #preferredEngine: Engine | null = null;
  #acceptor: Acceptor | null = null;
  readonly #public: Endpoint[] = [];
  readonly #private: Endpoint[] = [];
  readonly #logSettings: LogSettings;
  readonly drain: Drain;
  /** Changes of what is known of addresses, and of what follows from it. */
  #addressChanges = 0;

  constructor(settings: ProxySettings, log: ProcessLog) {
    const { logger } = log;
    this.#settings = settings;
    this.#log = log;
    this.#logger = logger;
    this.#incidents = new IncidentLog(logger);
    const conditionLog = new ConditionLog(logger);
    this.drain = new Drain({
      ...{ timeoutMs: settings.drainTimeoutMs, quietMs: settings.drainQuietMs, logger },
      connections: () => this.#openConnections(),
      begin: (timeoutMs) => this.#engines().forEach((engine) => void engine.drain(timeoutMs)),
      close: () => this.close(),
    });
    this.#problemLog = new ProblemLog(logger);
    this.#accessLog = new AccessLog(settings.accessLog);
    this.#logSettings = logSettings(logger, this.#accessLog);
    this.#native = loadNative();
    const limit = settings.memoryLimit === 'auto' ? null : settings.memoryLimit;
    this.#memory = new MemoryWatch({ native: this.#native, logger, limit });
    const { resolver, backends, frontends, knowledge } = createCluster({
      ...{ settings, logger },
      onNews: () => {
        this.#addressChanges++;
        this.#conditions.touch();
      },
      onBackends: () => this.#nativeEngine?.forget(true),
      dropBackend: (id) => this.#nativeEngine?.dropBackend(id) ?? true,
      onFrontends: (addresses) => this.#acceptor?.setFrontends(addresses),
      frontendsInUse: () => frontendsInUse(this.#engines(), this.#acceptor),
    });
    [this.#resolver, this.#backends, this.#frontends] = [resolver, backends, frontends];
    this.#directory = new RouteDirectory({
      path: settings.routes,
      holdRoutes: !settings.strict,
      parse: (file, text, layout) =>
        parseRoutesBesides(file, text, settings.namespace, this.#slicer, this.#closing.signal, layout),
      onChange: (snapshot) => this.#slicer.run(this.#apply(snapshot)),
      logger,
    });
    this.#configuration = new ConfigurationInForce({
      namespace: settings.namespace,
      compile: this.#compileDeps(),
      ...{ resolver, backends, frontends, series: this.#metrics },
      onChange: () => this.#nativeEngine?.forget(false),
    });
    this.#conditions = new ConditionTracker({
      ...{ slicer: this.#slicer, logger, sources: knowledge },
      attachment: () => this.#configuration.current.attachment,
      onChange: (conditions) => {
        this.#addressChanges++;
        return conditionLog.update(conditions);
      },
    });
    this.#probes = createProbes({
      strict: settings.strict,
      valid: () => this.#configuration.current.valid,
      unresolved: () => this.#frontends.unresolved,
      draining: () => this.drain.begun,
    });
  }

  get #table(): RouteTable {
    return this.#configuration.current.table;
  }

  /** @throws ProxyError when an address cannot be bound or the engine cannot be loaded */
  async start(): Promise<void> {
    const settings = this.#settings;
    const host: EngineHost = {
      decide: (frontend, request) => decide(this.#configuration.current.table, frontend, request),
      onOutcome: (outcome) => {
        this.#metrics.recordRequest(outcome);
        if (outcome.reason !== null) this.#logRequest(outcome.reason, outcome.status, outcome.series);
      },
      onMirror: (outcome) => this.#metrics.recordMirror(outcome),
      onRefused: (frontend, reason) => this.#refused(frontend, reason),
    };
    const { maxHeadBytes, maxHeaderFields, connectTimeoutMs } = settings;
    const { retryBudgetPercent, retryBudgetReserve, maxMirrors, mirrorTimeoutMs } = settings;
    const { maxUpstreamConnections, maxQueuedRequests, queueTimeoutMs } = settings;
    const accessLog = this.#accessLog.native;
    this.#nativeEngine = createNativeEngine(host, {
      ...{ maxHeadBytes, maxHeaderFields, connectTimeoutMs, accessLog },
      ...{ retryBudgetPercent, retryBudgetReserve, maxMirrors, mirrorTimeoutMs },
      ...{ maxUpstreamConnections, maxQueuedRequests, queueTimeoutMs },
    });
    if (settings.engine === 'uws') {
      // Loaded here: of its libraries undici alone takes a fifth of the time that the start takes.
      const { createUwsEngine } = await import('./engine/uws/uws-engine.ts');
      this.#preferredEngine = await createUwsEngine(host, {
        ...{ maxHeadBytes, accessLog },
        upstream: { connectTimeoutMs, maxConnections: maxUpstreamConnections, maxQueued: maxQueuedRequests },
        onConnections: (connections) => this.#acceptor?.setElsewhere(connections),
        overloaded: () => this.#memory.overloaded,
      });
    }
    await this.#directory.start();
    this.#acceptor = this.#listen();
    this.#acceptor.setFrontends(this.#frontends.addresses);
    await this.#startAdmin();
    this.#logger.info('ready', {
      version: packageVersion(),
      engine: settings.engine,
      capture: this.#acceptor.listening.map(formatAddress),
      metrics: this.#public.map(formatAddress),
      admin: this.#private.map(formatAddress),
    });
  }

  /** Drains, or ends the process where there is nothing to drain yet. */
  end(): void {
    if (this.#acceptor !== null) {
      this.drain.begin();
      return;
    }
    this.#logger.info('stopped before it was ready');
    process.exit(0);
  }

  /** Closes everything now. */
  async close(): Promise<void> {
    this.#logger.info('stopped', { connections: this.#openConnections() });
    this.#directory.close();
    this.#closing.abort();
    closeLogSettings(this.#logSettings);
    this.#resolver.close();
    this.#conditions.close();
    this.#acceptor?.close();
    for (const engine of this.#engines()) await engine.close();
    for (const endpoint of [...this.#public, ...this.#private]) endpoint.close();
  }

  /** Nothing is logged afterwards. Waits for a reader that has stalled, but not for long. */
  closeLogs(): void {
    this.#accessLog.close();
    this.#log.close();
  }

  #openConnections(): number {
    const { tunnelsOpen = 0, detectingOpen = 0 } = this.#acceptor?.counters() ?? {};
    return this.#engineConnections() + tunnelsOpen + detectingOpen;
  }

  #engineConnections(): number {
    return this.#engines().reduce((sum, engine) => sum + engine.connections, 0);
  }

  #engines(): Engine[] {
    return [this.#preferredEngine, this.#nativeEngine].filter((engine) => engine !== null);
  }

  #compileDeps(): CompileDeps {
    return {
      frontendId: (key: string) => this.#accessLog.describeFrontend(this.#frontends.frontendId(key), key),
      internBackend: this.#backends.intern,
      internSeries: (labels: SeriesLabels) => {
        const series = this.#metrics.internSeries(labels);
        return this.#accessLog.describeSeries(series, this.#metrics.totals(series).labels);
      },
    };
  }

  /** Pauses on the way; one apply ends before the next one begins. */
  *#apply(snapshot: ConfigSnapshot): Steps<void> {
    yield* this.#configuration.apply(snapshot);
    yield* this.#tellInterest();
    const { attachment, valid } = this.#configuration.current;
    yield* this.#problemLog.update(this.#problems());
    yield* this.#conditions.update();
    this.#logger.info('configuration applied', {
      ...{ generation: snapshot.generation, hash: snapshot.hash, valid },
      frontends: attachment.frontends.length,
      unresolved: this.#frontends.unresolved.map((frontend) => frontend.key),
    });
  }

  #problems(): Problem[] {
    const { snapshot, attachment } = this.#configuration.current;
    const addresses = [...this.#frontends.problems, ...this.#resolver.problems];
    return [...(snapshot?.problems ?? []), ...attachment.problems, ...addresses];
  }

  /** Which fields the native engine gives with each request, so that matching does not ask for them one by one. */
  *#tellInterest(): Steps<void> {
    for (const frontend of this.#table.frontends) {
      if (frontend !== undefined) {
        const { headerNames, queryNames } = frontend.reader;
        this.#nativeEngine?.setInterest(frontend.id, headerNames, queryNames.length > 0);
      }
      yield;
    }
  }

  #logRequest(reason: RequestReason, status: number, series: number): void {
    // What a route answers by itself, such as a redirect, is no incident; the metric counts it.
    if (REQUEST_REASONS[reason].source === 'route') return;
    this.#incidents.record('request not answered by a backend', reason, () => ({
      status,
      ...seriesFields(this.#metrics.totals(series).labels),
    }));
  }

  #refused(frontend: number, reason: RequestReason): void {
    this.#metrics.recordRefused(reason);
    this.#incidents.record('request refused', reason, () => ({
      parent: this.#table.frontends[frontend]?.source.key ?? null,
    }));
  }

  #listen(): Acceptor {
    return listenForCaptured(this.#native, this.#settings, this.#logger, {
      accessLog: this.#accessLog.native,
      ...(this.#preferredEngine === null
        ? { engine: this.#nativeEngine!.handle }
        : { onHttp: (connection: HttpConnection) => this.#onHttp(connection) }),
      ...connectionIncidents(this.#incidents, () => ({
        connections: this.#openConnections(),
        maxConnections: this.#acceptor?.counters().maxConnections ?? null,
      })),
      onError: (error) => this.#logger.error('a connection could not be handed over', { error: String(error) }),
    });
  }

  /** The native engine reads a head that the gate did not admit once more, and answers it or carries it. */
  #onHttp(connection: HttpConnection): void {
    const frontend = this.#table.frontends[connection.frontend];
    const admitted = connection.verdict === 'admit' && (frontend === undefined || !exceedsUws(frontend));
    const engine = admitted ? this.#preferredEngine : this.#nativeEngine;
    engine!.adopt({ ...connection, fd: this.#acceptor!.take() });
  }

  async #startAdmin(): Promise<void> {
    const common = {
      version: packageVersion(),
      metrics: this.#metrics,
      acceptor: () => this.#acceptor?.counters() ?? null,
      engine: () => this.#nativeEngine?.counters() ?? null,
      accessLog: () => this.#accessLog.counters(),
      log: () => this.#log.counters(),
      memory: () => this.#memory.state,
      downstreamConnections: () => this.#engineConnections(),
      config: () => this.#configState(),
    };
    const exposition = createExposition({
      ...common,
      heldRoutes: () => this.#configuration.current.snapshot?.heldRoutes.length ?? 0,
      tornSeconds: () => this.#directory.tornSet?.seconds ?? 0,
      unresolvedFrontends: () => this.#frontends.unresolved.length,
      dns: () => this.#resolver.statistics(),
      unresolvedBackends: () => this.#backends.unresolved,
      conditions: () => this.#conditions.current,
    });
    const served = () => servedBy(this.#configuration.current.snapshot, this.#directory.tornSet);
    for (const { address, port } of this.#settings.metrics) {
      const sources = { exposition, served, ...this.#probes };
      this.#public.push(await startAdmin({ address, port, flag: '--metrics', ...sources }));
    }
    const stats = new StatsReporter({
      ...common,
      upstreams: () => this.#nativeEngine?.upstreams() ?? [],
      backendKeys: () => this.#backends.keys,
      draining: () => this.drain.begun,
      metricsAddresses: () => this.#public.map(formatAddress),
    });
    for (const { address, port } of this.#settings.admin) {
      const sources = { config: () => this.#view(), table: () => this.#table, connections: () => this.#connections() };
      const controls = { logSettings: this.#logSettings, quit: (by: string) => this.drain.quit(by) };
      this.#private.push(await startPrivateAdmin({ address, port, flag: '--admin', stats, ...sources, ...controls }));
    }
  }

  #connections(): ConnectionView {
    const unlisted = this.#preferredEngine?.connections ?? 0;
    const keys = { frontends: this.#frontends.keys, backends: this.#backends.keys };
    return connectionView(this.#acceptor!, this.#nativeEngine!, { ...keys, unlisted });
  }

  #configState() {
    const { snapshot, valid } = this.#configuration.current;
    const { generation = 0, hash = '' } = snapshot ?? {};
    const revision = `${generation}.${this.#addressChanges}`;
    return { generation, hash, valid, unresolvedFrontends: this.#frontends.unresolved.length, revision };
  }

  #view(): ConfigView {
    const frontends = this.#frontends;
    return {
      ...this.#configuration.current,
      tornSet: this.#directory.tornSet,
      conditions: this.#conditions.current,
      problems: this.#problems(),
      frontendKeys: frontends.keys,
      addresses: frontends.addresses,
      unresolved: frontends.unresolved,
      backends: this.#backends.status(),
    };
  }
}

/** Runs until SIGTERM, SIGINT or `/quit`; a second signal ends it at once. */
export async function runProxy(settings: ProxySettings): Promise<void> {
  const log = new ProcessLog(settings.logLevel);
  log.takeOver();
  const proxy = new SidecarProxy(settings, log);
  process.on('exit', () => proxy.closeLogs());
  onFirstSignal(() => proxy.end());
  try {
    await proxy.start();
  } catch (error) {
    await proxy.close();
    // What is said of the error comes behind them.
    proxy.closeLogs();
    throw error;
  }
  await proxy.drain.ended;
  process.exit(0);
}
