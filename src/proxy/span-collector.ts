/**
 * Takes the spans of one thread from the addon, four times a second, and gives them to who exports them: in the main thread to the exporter,
 * in another worker to the main thread, so that each is exported once.
 *
 * Stage before: the tracer of the addon. Stage after: `traces/exporter.ts`, or `worker-messages.ts` on the way to it. Loaded where traces are on.
 */
import type { NativeAccessLog } from '../addon/access-log.ts';
import { createTracer, type NativeTracer } from '../addon/tracer.ts';

const EVERY_MS = 250;
/** Of one thread: what may end between two turns. */
const BUFFER_BYTES = 4 * 1024 * 1024;

export class SpanCollector {
  readonly tracer: NativeTracer;
  readonly #give: (lines: string, dropped: number) => void;
  readonly #timer: NodeJS.Timeout;
  #dropped = 0;

  /** `give`: lines, and how many spans were dropped since the last time. */
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

  /** Gives what there is; the tracer goes on, and nobody takes from it. */
  close(): void {
    clearInterval(this.#timer);
    this.collect();
  }
}
