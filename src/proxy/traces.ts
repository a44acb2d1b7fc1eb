/**
 * Traces of the sidecar: the spans of all workers, from the addon to a collector, and the counts of those that were exported or dropped.
 * Loaded only if traces are on.
 *
 * Stage before: `span-collector.ts`, of this thread and of the other workers. Stage after: `traces/exporter.ts`.
 */
import type { NativeAccessLog } from '../addon/access-log.ts';
import type { NativeTracer } from '../addon/tracer.ts';
import type { ProxySettings } from '../config/settings.ts';
import type { Logger } from '../log.ts';
import { packageVersion } from '../package-root.ts';
import { TraceExporter } from '../traces/exporter.ts';
import { SpanCollector } from './span-collector.ts';

/** At the end of the sidecar: what a collector that does not answer may cost it. */
const FLUSH_TIMEOUT_MS = 2_000;

export class Traces {
  readonly #exporter: TraceExporter;
  readonly #collector: SpanCollector;
  /** In the addon, of all threads. */
  #dropped = 0;

  /** @throws ProxyError when a variable of the environment, or a file that it names, is of no use */
  static async start(
    endpoint: string,
    settings: ProxySettings,
    accessLog: NativeAccessLog,
    logger: Logger,
  ): Promise<Traces> {
    const traces = new Traces(endpoint, settings, accessLog, logger);
    await traces.#exporter.check();
    return traces;
  }

  private constructor(endpoint: string, settings: ProxySettings, accessLog: NativeAccessLog, logger: Logger) {
    this.#exporter = new TraceExporter({
      ...{ endpoint, logger, env: process.env },
      ...{ namespace: settings.namespace, version: packageVersion() },
    });
    this.#collector = new SpanCollector(accessLog, settings.tracesSample, this.onSpans);
  }

  get tracer(): NativeTracer {
    return this.#collector.tracer;
  }

  readonly onSpans = (lines: string, dropped: number): void => {
    this.#dropped += dropped;
    this.#exporter.add(lines);
  };

  /** Of spans. */
  counts(): { readonly exported: number; readonly dropped: Readonly<Record<string, number>> } {
    const { exported, queue, refused, failed } = this.#exporter.counts;
    return { exported, dropped: { buffer: this.#dropped, queue, refused, failed } };
  }

  /** When nothing is traced any more. Takes two seconds at most. */
  async close(): Promise<void> {
    this.#collector.close();
    await this.#exporter.close(FLUSH_TIMEOUT_MS);
  }
}
