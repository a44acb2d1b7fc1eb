/**
 * Takes the spans of one thread from the addon, four times a second. In the main thread they go to the exporter;
 * another worker sends them to the main thread, so that each is exported once.
 *
 * Stage before: the tracer of the addon. Stage after: `traces/exporter.ts`, or `worker-messages.ts` on the way to it.
 * Loaded when traces are on.
 */
import type { NativeAccessLog } from '../addon/access-log.ts';
import { createTracer, type NativeTracer } from '../addon/tracer.ts';

const EVERY_MS = 250;
/** Buffer of one thread for the spans that end between two collections. */
const BUFFER_BYTES = 4 * 1024 * 1024;

export class SpanCollector {
  readonly tracer: NativeTracer;
  readonly #give: (lines: string, dropped: number) => void;
  readonly #timer: NodeJS.Timeout;
  #dropped = 0;

  /** `give` receives lines and the number of spans dropped since the last call. */
  constructor(accessLog: NativeAccessLog, rate: number, give: (lines: string, dropped: number) => void) {
    this.tracer = createTracer({ accessLog, rate, bufferBytes: BUFFER_BYTES });
    this.#give = give;
    this.#timer = setInterval(() => this.collect(), EVERY_MS).unref();
  }

  collect(): void {
    const lines = this.tracer.take();
    const dropped = this.tracer.dropped();
    if (lines === '' && dropped === this.#dropped) return;
    this.#give(lines, dropped - this.#dropped);
    this.#dropped = dropped;
  }

  /** Passes on the remaining spans. The tracer continues, but nothing is taken from it any more. */
  close(): void {
    clearInterval(this.#timer);
    this.collect();
  }
}
