/**
 * An additional worker of the sidecar (`--workers`): a thread with its own event loop, listeners, engine and table,
 * which serves a part of the connections. It receives configuration and addresses; it counts for itself and reports its
 * counts on request.
 *
 * Stage before: `worker-pool.ts` in the main thread, by the messages of `worker-messages.ts`. Stage after: the
 * backends. Each module loaded here takes memory once more for each worker, so imports are kept few.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { loadNative, type Acceptor } from '../addon/binding.ts';
import { everyState, readDetections, readTunnels } from '../addon/engine-state.ts';
import { frontendsInUse } from '../engine/frontends-in-use.ts';
import { createNativeEngine } from '../engine/native/native-engine.ts';
import { AccessLog } from '../observe/access-log.ts';
import { FollowedSlots } from '../observe/followed-slots.ts';
import { connectionIncidents, IncidentLog, requestIncidents } from '../observe/incidents.ts';
import { MAX_SERIES, Metrics } from '../observe/metrics.ts';
import type { LogFields } from '../log.ts';
import { decide } from '../routing/decide.ts';
import { Slicer } from '../slices.ts';
import { FollowedTables } from './followed-tables.ts';
import { tellInterest } from './interest.ts';
import { SpanCollector } from './span-collector.ts';
import { TapCollector } from './tap-collector.ts';
import type { Answers, FromWorker, Question, Questions, ToWorker, WorkerOrder } from './worker-messages.ts';

/** Number of series in one message of counts: less than a millisecond of work. */
const SERIES_PER_PIECE = 64;

const order = workerData as WorkerOrder;
const port = parentPort!;

function say(message: FromWorker): void {
  port.postMessage(message);
}

function warn(message: string, fields: LogFields = {}): void {
  say({ kind: 'warn', message, fields });
}

const native = loadNative();
native.shareLimits(order.workers);
const slicer = new Slicer();
const accessLog = new AccessLog(order.accessLog);
const tables = new FollowedTables(accessLog);
const metrics: Metrics = new Metrics(MAX_SERIES, undefined, {
  slots: new FollowedSlots(MAX_SERIES, sayCounts),
  onFull: sayCounts,
});
const incidents = new IncidentLog({ warn });
const requests = requestIncidents(
  incidents,
  (frontend) => tables.current.frontends[frontend]?.source.key ?? null,
  // The labels are known in the main thread only.
  (series) => ({ series }),
);
const spans =
  order.traces === null
    ? null
    : new SpanCollector(accessLog.native, order.traces, (lines, dropped) => say({ kind: 'spans', lines, dropped }));
const taps = new TapCollector(accessLog.native, (id, lines) => say({ kind: 'tapped', id, lines }));
const engine = createNativeEngine(
  {
    decide: (frontend, request) => decide(tables.current, frontend, request),
    onOutcome: (outcome) => {
      metrics.recordRequest(outcome);
      if (outcome.reason !== null) requests.onReason(outcome.reason, outcome);
    },
    onMirror: (outcome) => metrics.recordMirror(outcome),
    onRefused: (frontend, reason) => {
      metrics.recordRefused(reason);
      requests.onRefused(frontend, reason);
    },
  },
  { ...order.engine, accessLog: accessLog.native, tracer: spans?.tracer },
);
let acceptor: Acceptor | null = null;

if (order.memory !== null) {
  const { bytes, usage, statistics, countsSockets } = order.memory;
  const onOverload = (overloaded: boolean): void => say({ kind: 'overload', overloaded });
  native.guardMemory({ bytes, usage, statistics, countsSockets, onOverload });
}

function sayCounts(): void {
  say({ kind: 'counts', counts: metrics.takeCounts() });
}

function listen(listen: Questions['listen']): null {
  const { onDropped, onPaused } = connectionIncidents(incidents, () => ({
    maxConnections: acceptor?.counters().maxConnections ?? null,
  }));
  acceptor = native.createAcceptor({
    ...order.acceptor,
    ...{ listen, portSharing: 'join', engine: engine.handle, accessLog: accessLog.native, onDropped },
    onPaused: (limit) => {
      onPaused(limit);
      say({ kind: 'paused', limit });
    },
    onError: (error) => warn('a connection could not be handed over', { error: String(error) }),
  });
  acceptor.setFrontends(tables.addresses);
  // Loading leaves as much garbage as live data; an idle worker should be small.
  native.returnMemory();
  return null;
}

async function compile({ drop }: Questions['compile']): Promise<Answers['compile']> {
  await slicer.run(tables.compile());
  const dropped = drop.filter((id) => engine.dropBackend(id));
  return { dropped, frontendsInUse: [...frontendsInUse([engine], acceptor)] };
}

async function useTable(): Promise<null> {
  engine.forget(false);
  await slicer.run(tellInterest(engine, tables.current));
  return null;
}

async function collect(): Promise<Answers['collect']> {
  const { series, ...others } = metrics.takeCounts();
  say({ kind: 'counts', counts: { series: [], ...others } });
  for (let at = 0; at < series.length; at += SERIES_PER_PIECE) {
    const counts = { series: series.slice(at, at + SERIES_PER_PIECE), refused: [], retriesDenied: [] };
    say({ kind: 'counts', counts });
    await new Promise((resolve) => setImmediate(resolve));
  }
  return {
    acceptor: acceptor?.counters() ?? null,
    engine: engine.counters(),
    http2: engine.http2Counters(),
    upstreams: engine.upstreams(),
    memory: native.memory(),
    accessLog: accessLog.counters(),
  };
}

function connections(): Answers['connections'] {
  const all = acceptor;
  return {
    detections: all === null ? [] : [...everyState((after, max) => readDetections(all.detections(after, max)))],
    tunnels: all === null ? [] : [...everyState((after, max) => readTunnels(all.tunnels(after, max)))],
    downstream: [...everyState((after, max) => engine.downstreamConnections(after, max))],
    upstream: [...everyState((after, max) => engine.upstreamConnections(after, max))],
  };
}

async function close(): Promise<null> {
  acceptor?.close();
  await engine.close();
  spans?.close();
  accessLog.close();
  return null;
}

/** Messages about configurations are processed in order, each after the previous one is done; all others at once. */
let configuring: Promise<unknown> = Promise.resolve();
function inTurn<T>(step: () => T | Promise<T>): Promise<T> {
  const done = configuring.then(step);
  configuring = done.catch(() => undefined);
  return done;
}

/** A failure ends the thread, and with it the process. Nobody else handles it. */
function must(done: Promise<unknown>): void {
  done.catch((error: unknown) => {
    setImmediate(() => {
      throw error;
    });
  });
}

const ANSWERS: { [Kind in Question]: (value: Questions[Kind]) => Answers[Kind] | Promise<Answers[Kind]> } = {
  compile: (value) => inTurn(() => compile(value)),
  serve: () =>
    inTurn(() => {
      tables.serve();
      return useTable();
    }),
  settle: () =>
    inTurn(() => {
      tables.settle();
      return null;
    }),
  ...{ listen, collect, connections, close },
};

async function answer(kind: Question, ask: number, value: unknown): Promise<void> {
  try {
    say({ kind: 'answer', ask, value: await (ANSWERS[kind] as (value: unknown) => unknown)(value) });
  } catch (error) {
    say({ kind: 'failed', ask, error: error instanceof Error ? error.message : String(error) });
  }
}

function hear(message: ToWorker): void {
  switch (message.kind) {
    case 'begin':
      must(inTurn(() => tables.begin()));
      break;
    case 'part':
      must(inTurn(() => tables.add(message.part)));
      break;
    case 'abandon':
      must(inTurn(() => (tables.abandon() ? useTable() : null)));
      break;
    case 'frontends':
      tables.addresses = message.addresses;
      acceptor?.setFrontends(message.addresses);
      break;
    case 'backend':
      if (tables.setBackend(message.backend)) engine.forget(true);
      break;
    case 'accessLog':
      accessLog.setMode(message.mode);
      break;
    case 'tap':
      if (message.filter === null) taps.remove(message.id);
      else taps.add(message.id, message.filter);
      break;
    case 'closeSomeIdle':
      acceptor?.closeSomeIdle();
      break;
    case 'drain':
      void engine.drain(message.timeoutMs);
      break;
    default:
      void answer(message.kind, message.ask, message.value);
  }
}

// Only the log may write to a standard stream.
process.removeAllListeners('warning').on('warning', ({ name, message }) => warn(message, { name }));
port.on('message', hear);
say({ kind: 'ready' });
