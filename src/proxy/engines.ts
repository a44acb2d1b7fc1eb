/**
 * The engines of the sidecar: the native one, which carries out every request, and optionally a preferred one, which is
 * offered connections first.
 *
 * Stage before: the acceptor, with a connection that speaks HTTP. Stage after: the engines in `engine/`.
 */
import type { NativeAccessLog } from '../addon/access-log.ts';
import type { AcceptorOptions } from '../addon/binding.ts';
import type { NativeTracer } from '../addon/tracer.ts';
import type { ProxySettings } from '../config/settings.ts';
import type { Engine, EngineHost } from '../engine/engine.ts';
import { createNativeEngine, type NativeEngine } from '../engine/native/native-engine.ts';
import { exceedsUws } from '../engine/uws/limits.ts';
import type { FrontendTable } from '../routing/table.ts';
import { engineSettings } from './engine-settings.ts';

/**
 * Maximum delay before metrics and logs receive an outcome. A reader of metrics still gets all outcomes of this thread;
 * outcomes of other workers may come later.
 */
const OUTCOME_DELAY_MS = 10;

export interface EnginesOptions {
  readonly settings: ProxySettings;
  /** Number of workers that divide the limits, including this thread. */
  readonly workers: number;
  readonly host: EngineHost;
  readonly accessLog: NativeAccessLog;
  readonly tracer: NativeTracer | undefined;
  /** For an engine whose connections the acceptor does not see. */
  readonly onConnections: (connections: number) => void;
}

/** @throws ProxyError when an engine cannot be loaded */
export async function createEngines(options: EnginesOptions): Promise<Engines> {
  const { settings, workers, host, accessLog, tracer, onConnections } = options;
  const native = createNativeEngine(host, {
    ...engineSettings(settings, 0, workers),
    ...{ accessLog, tracer },
    outcomeDelayMs: OUTCOME_DELAY_MS,
  });
  if (settings.engine === 'native') return new Engines(native, null);
  try {
    // Loaded here because no other code needs it.
    const { createUwsEngine } = await import('../engine/uws/uws-engine.ts');
    return new Engines(native, await createUwsEngine(native, { maxHeadBytes: settings.maxHeadBytes, onConnections }));
  } catch (error) {
    await native.close();
    throw error;
  }
}

export class Engines {
  readonly native: NativeEngine;
  /** The engine that is offered connections first; null when that is the native one. */
  readonly #preferred: Engine | null;
  readonly all: readonly Engine[];

  constructor(native: NativeEngine, preferred: Engine | null) {
    this.native = native;
    this.#preferred = preferred;
    this.all = preferred === null ? [native] : [preferred, native];
  }

  get connections(): number {
    return this.all.reduce((sum, engine) => sum + engine.connections, 0);
  }

  /** Number of connections of an engine that does not list them one by one. */
  get unlisted(): number {
    return this.#preferred?.connections ?? 0;
  }

  /**
   * How the acceptor passes on HTTP connections: inside the addon to the native engine, or by a callback when another
   * engine is preferred. `frontend` looks up the current table; `take` returns the descriptor of the connection.
   */
  receiver(
    frontend: (id: number) => FrontendTable | undefined,
    take: () => number,
  ): Pick<AcceptorOptions, 'engine' | 'onHttp'> {
    const preferred = this.#preferred;
    if (preferred === null) return { engine: this.native.handle };
    return {
      onHttp: (connection) => {
        const { verdict } = connection;
        const table = frontend(connection.frontend);
        const admitted = verdict === 'admit' && (table === undefined || !exceedsUws(table));
        // The native engine reads a head that the gate did not admit again, and answers or carries the request.
        (admitted ? preferred : this.native).adopt({ ...connection, fd: take() });
      },
    };
  }

  drain(timeoutMs: number): void {
    for (const engine of this.all) void engine.drain(timeoutMs);
  }

  async close(): Promise<void> {
    for (const engine of this.all) await engine.close();
  }
}
