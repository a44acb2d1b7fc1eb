/**
 * The composition root of the sidecar: creates all stages and connects them in the order in which a request passes
 * them.
 *
 *     route directory -> attach -> table ----------------------------+
 *     resolver -> frontends -> acceptor -> engine -> decide(table) --+-> outcome -> metrics -> admin
 */
import { loadNative, type Acceptor, type NativeBinding } from '../addon/binding.ts';
import { formatAddress } from '../addon/listen-address.ts';
import { closeLogSettings, logSettings, type LogSettings } from '../admin/log-level.ts';
import { createProbes, type Probes } from '../admin/probes.ts';
import { createCluster, type Cluster } from '../cluster/cluster.ts';
import { ConditionTracker } from '../cluster/condition-tracker.ts';
import { RouteDirectory } from '../config/route-directory.ts';
import { parseRoutesBesides } from '../config/route-parser.ts';
import type { ProxySettings } from '../config/settings.ts';
import { workerCount } from '../config/worker-count.ts';
import type { ConfigSnapshot } from '../config/snapshot.ts';
import { Drain } from '../drain.ts';
import type { EngineHost } from '../engine/engine.ts';
import { frontendsInUse } from '../engine/frontends-in-use.ts';
import type { Problem } from '../gateway-api/types.ts';
import type { Logger } from '../log.ts';
import { AccessLog } from '../observe/access-log.ts';
import { ConditionLog } from '../observe/conditions.ts';
import { connectionIncidents, IncidentLog, requestIncidents, seriesFields } from '../observe/incidents.ts';
import { MemoryWatch } from '../observe/memory-watch.ts';
import { Metrics } from '../observe/metrics.ts';
import { ProblemLog } from '../observe/problem-log.ts';
import { ProcessLog } from '../observe/process-log.ts';
import { packageVersion } from '../package-root.ts';
import { decide } from '../routing/decide.ts';
import type { CompileDeps, SeriesLabels } from '../routing/decision.ts';
import { onFirstSignal } from '../signals.ts';
import { Slicer, type Steps } from '../slices.ts';
import { listenForCaptured } from './capture.ts';
import { ConfigurationInForce } from './configuration.ts';
import { Endpoints } from './endpoints.ts';
import { checkWorkers } from './engine-settings.ts';
import { createEngines, type Engines } from './engines.ts';
import { tellInterest } from './interest.ts';
import type { Taps } from './taps.ts';
import type { Traces } from './traces.ts';
import type { WorkerPool } from './worker-pool.ts';

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
  readonly #cluster: Cluster;
  readonly #directory: RouteDirectory;
  readonly #conditions: ConditionTracker;
  readonly #probes: Probes;
  readonly #closing = new AbortController();
  /** For all work whose duration depends on the size of the configuration. */
  readonly #slicer = new Slicer({ signal: this.#closing.signal });
  readonly #configuration: ConfigurationInForce;
  /** Includes this thread. */
  readonly #workerCount: number;
  /** Null: this thread is the only worker. */
  #workers: WorkerPool | null = null;
  /** Null: traces are off. */
  #traces: Traces | null = null;
  /** Null until the first tap. */
  #taps: Taps | null = null;
  #engines: Engines | null = null;
  #acceptor: Acceptor | null = null;
  #endpoints: Endpoints | null = null;
  readonly #logSettings: LogSettings;
  readonly drain: Drain;
  /** Number of changes of addresses and of what depends on them. */
  #addressChanges = 0;

  /** @throws ProxyError when this number of workers is not possible, or the addon or the memory limit is unusable */
  constructor(settings: ProxySettings, log: ProcessLog) {
    const { logger } = log;
    this.#settings = settings;
    this.#workerCount = workerCount(settings.workers);
    checkWorkers(settings, this.#workerCount);
    this.#log = log;
    this.#logger = logger;
    this.#incidents = new IncidentLog(logger);
    const conditionLog = new ConditionLog(logger);
    this.drain = new Drain({
      ...{ timeoutMs: settings.drainTimeoutMs, quietMs: settings.drainQuietMs, logger },
      connections: () => this.#openConnections(),
      begin: (timeoutMs) => {
        this.#engines?.drain(timeoutMs);
        this.#workers?.drain(timeoutMs);
      },
      close: () => this.close(),
    });
    this.#problemLog = new ProblemLog(logger);
    this.#accessLog = new AccessLog(settings.accessLog);
    this.#logSettings = logSettings(logger, this.#accessLog);
    this.#native = loadNative();
    if (this.#workerCount > 1) {
      this.#native.shareLimits(this.#workerCount);
      this.#accessLog.onMode = (mode) => this.#workers?.setAccessLog(mode);
    }
    const limit = settings.memoryLimit === 'auto' ? null : settings.memoryLimit;
    this.#memory = new MemoryWatch({ native: this.#native, logger, limit });
    this.#cluster = createCluster({
      ...{ settings, logger },
      onNews: () => {
        this.#addressChanges++;
        this.#conditions.touch();
      },
      onBackends: (backend) => {
        this.#engines?.native.forget(true);
        this.#workers?.setBackend(backend);
      },
      dropBackend: (id) => (this.#workers?.hasDropped(id) ?? true) && (this.#engines?.native.dropBackend(id) ?? true),
      onFrontends: (addresses) => {
        this.#acceptor?.setFrontends(addresses);
        this.#workers?.setFrontends(addresses);
      },
      frontendsInUse: () => this.#frontendsInUse(),
    });
    const { resolver, backends, frontends, knowledge } = this.#cluster;
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
      followers: () => this.#workers,
      onChange: () => this.#engines?.native.forget(false),
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
      unresolved: () => frontends.unresolved,
      waitingBackends: () => backends.waiting,
      draining: () => this.drain.begun,
    });
  }

  /** @throws ProxyError when an address cannot be bound or the engine cannot be loaded */
  async start(): Promise<void> {
    const settings = this.#settings;
    this.#traces = await this.#startTraces();
    if (this.#workerCount > 1) this.#workers = await this.#startWorkers();
    this.#engines = await createEngines({
      ...{ settings, workers: this.#workerCount, host: this.#engineHost() },
      ...{ accessLog: this.#accessLog.native, tracer: this.#traces?.tracer },
      onConnections: (connections) => this.#acceptor?.setElsewhere(connections),
    });
    await this.#directory.start();
    this.#acceptor = this.#listen(this.#engines);
    this.#acceptor.setFrontends(this.#cluster.frontends.addresses);
    await this.#workers?.listen(this.#acceptor.listening);
    this.#endpoints = this.#endpointsOf(this.#acceptor, this.#engines);
    await this.#endpoints.start();
    this.#logger.info('ready', {
      version: packageVersion(),
      engine: settings.engine,
      ...(this.#workers === null ? {} : { workers: this.#workerCount }),
      capture: this.#acceptor.listening.map(formatAddress),
      ...this.#endpoints.addresses,
    });
  }

  /** Drains; if nothing is served yet, ends the process. */
  end(): void {
    if (this.#acceptor !== null) {
      this.drain.begin();
      return;
    }
    this.#logger.info('stopped before it was ready');
    process.exit(0);
  }

  /** Closes everything at once. */
  async close(): Promise<void> {
    this.#logger.info('stopped', { connections: this.#openConnections() });
    const tapsClosed = this.#taps?.close();
    this.#directory.close();
    this.#closing.abort();
    closeLogSettings(this.#logSettings);
    this.#cluster.resolver.close();
    this.#conditions.close();
    const workersClosed = this.#workers?.close();
    this.#acceptor?.close();
    await this.#engines?.close();
    await workersClosed;
    await this.#traces?.close();
    await tapsClosed;
    this.#endpoints?.close();
  }

  /** Nothing can be logged afterwards. Waits a limited time for a reader that has stalled. */
  closeLogs(): void {
    this.#accessLog.close();
    this.#log.close();
  }

  #openConnections(): number {
    const { tunnelsOpen = 0, detectingOpen = 0 } = this.#acceptor?.counters() ?? {};
    const elsewhere = this.#workers === null ? 0 : this.#native.connectionsElsewhere();
    return (this.#engines?.connections ?? 0) + tunnelsOpen + detectingOpen + elsewhere;
  }

  /**
   * With several workers, the knowledge about the others dates from the last configuration. Since then each of them may
   * have accepted a connection for any routed frontend.
   */
  #frontendsInUse(): ReadonlySet<number> {
    const used = frontendsInUse(this.#engines?.all ?? [], this.#acceptor);
    if (this.#workers === null) return used;
    for (const id of this.#workers.frontendsInUse) used.add(id);
    for (const { id } of this.#cluster.frontends.routedBefore) used.add(id);
    return used;
  }

  async #startTraces(): Promise<Traces | null> {
    const { tracesEndpoint } = this.#settings;
    if (tracesEndpoint === null || tracesEndpoint === '') return null;
    // Loaded on demand: a sidecar without traces does not need it.
    const { Traces } = await import('./traces.ts');
    return await Traces.start(tracesEndpoint, this.#settings, this.#accessLog.native, this.#logger);
  }

  async #loadTaps(): Promise<Taps> {
    // Loaded on demand: a sidecar without taps does not need it.
    const { Taps } = await import('./taps.ts');
    return (this.#taps ??= new Taps(this.#accessLog.native, this.#workers));
  }

  async #startWorkers(): Promise<WorkerPool> {
    // Loaded on demand: a sidecar with one thread does not need it.
    const { WorkerPool } = await import('./worker-pool.ts');
    return await WorkerPool.start({
      ...{ workers: this.#workerCount, settings: this.#settings, memoryLimit: this.#memory.limit },
      ...{ logger: this.#logger, metrics: this.#metrics, memory: this.#memory },
      accessLog: this.#accessLog.mode,
      onSpans: this.#traces?.onSpans ?? null,
      onTapped: (id, lines) => this.#taps?.give(id, lines),
      frontendId: (key) => this.#cluster.frontends.frontendId(key),
      backends: this.#cluster.backends,
      closeSomeIdle: () => this.#acceptor?.closeSomeIdle(),
      hasRoom: () => this.#openConnections() < (this.#acceptor?.counters().maxConnections ?? Infinity),
      onDeath: (worker, error) => {
        this.#logger.error('the sidecar ends: a worker has ended', { worker, error: error.stack ?? String(error) });
        process.exit(1);
      },
    });
  }

  #engineHost(): EngineHost {
    const requests = requestIncidents(
      this.#incidents,
      (frontend) => this.#configuration.current.table.frontends[frontend]?.source.key ?? null,
      (series) => seriesFields(this.#metrics.totals(series).labels),
    );
    return {
      decide: (frontend, request) => decide(this.#configuration.current.table, frontend, request),
      onOutcome: (outcome) => {
        this.#metrics.recordRequest(outcome);
        if (outcome.reason !== null) requests.onReason(outcome.reason, outcome);
      },
      onMirror: (outcome) => this.#metrics.recordMirror(outcome),
      onRefused: (frontend, reason) => {
        this.#metrics.recordRefused(reason);
        requests.onRefused(frontend, reason);
      },
    };
  }

  #compileDeps(): CompileDeps {
    return {
      frontendId: (key: string) => this.#accessLog.describeFrontend(this.#cluster.frontends.frontendId(key), key),
      internBackend: this.#cluster.backends.intern,
      internSeries: (labels: SeriesLabels) => {
        const series = this.#metrics.internSeries(labels);
        return this.#accessLog.describeSeries(series, this.#metrics.totals(series).labels);
      },
    };
  }

  /** Pauses on the way. Applies must not overlap. */
  *#apply(snapshot: ConfigSnapshot): Steps<void> {
    yield* this.#configuration.apply(snapshot);
    const { generation, hash, attachment, table, valid } = this.#configuration.current;
    if (this.#engines !== null) yield* tellInterest(this.#engines.native, table);
    yield* this.#problemLog.update(this.#problems());
    yield* this.#conditions.update();
    this.#logger.info('configuration applied', {
      ...{ generation, hash, valid },
      frontends: attachment.frontends.length,
      unresolved: this.#cluster.frontends.unresolved.map((frontend) => frontend.key),
    });
  }

  #problems(): Problem[] {
    const { frontends, resolver } = this.#cluster;
    return [...this.#configuration.current.problems, ...frontends.problems, ...resolver.problems];
  }

  #listen(engines: Engines): Acceptor {
    const incidents = connectionIncidents(this.#incidents, () => ({
      connections: this.#openConnections(),
      maxConnections: this.#acceptor?.counters().maxConnections ?? null,
    }));
    return listenForCaptured(this.#native, this.#settings, this.#logger, {
      accessLog: this.#accessLog.native,
      ...(this.#workers === null ? {} : { portSharing: 'first' }),
      ...engines.receiver(
        (id) => this.#configuration.current.table.frontends[id],
        () => this.#acceptor!.take(),
      ),
      onDropped: incidents.onDropped,
      onPaused: (limit) => {
        incidents.onPaused(limit);
        if (limit !== 'memory') this.#workers?.makeRoom(0);
      },
      onError: (error) => this.#logger.error('a connection could not be handed over', { error: String(error) }),
    });
  }

  #endpointsOf(acceptor: Acceptor, engines: Engines): Endpoints {
    return new Endpoints({
      ...{
        acceptor,
        engines,
        workers: this.#workers,
        settings: this.#settings,
        cluster: this.#cluster,
        directory: this.#directory,
      },
      ...{ conditions: this.#conditions, metrics: this.#metrics, memory: this.#memory, accessLog: this.#accessLog },
      ...{
        traces: this.#traces,
        taps: () => this.#taps,
        loadTaps: () => this.#loadTaps(),
        log: this.#log,
        logSettings: this.#logSettings,
        probes: this.#probes,
        drain: this.drain,
      },
      configuration: () => this.#configuration.everywhere,
      problems: () => this.#problems(),
      addressChanges: () => this.#addressChanges,
    });
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
    // The message about the error is printed after the logs.
    proxy.closeLogs();
    throw error;
  }
  await proxy.drain.ended;
  process.exit(0);
}
