/**
 * Spans that wait to be exported: the lines of the addon, not parsed yet, so that their bytes are known. What comes while it is full is dropped
 * and counted, never waited for.
 *
 * Stage before: `exporter.ts`, with what tracers have given. Stage after: the same, with batches.
 */
export interface SpanQueueLimits {
  readonly spans: number;
  readonly bytes: number;
}

export class SpanQueue {
  readonly #limits: SpanQueueLimits;
  #lines: string[] = [];
  #bytes = 0;
  #dropped = 0;

  constructor(limits: SpanQueueLimits) {
    this.#limits = limits;
  }

  get length(): number {
    return this.#lines.length;
  }

  /** Since the beginning. */
  get dropped(): number {
    return this.#dropped;
  }

  /** `lines`: each with its newline, in ASCII. */
  add(lines: string): void {
    for (let at = 0; at < lines.length;) {
      const end = lines.indexOf('\n', at);
      this.#push(lines.slice(at, end));
      at = end + 1;
    }
  }

  #push(line: string): void {
    const { spans, bytes } = this.#limits;
    if (this.#lines.length >= spans || this.#bytes + line.length > bytes) {
      this.#dropped++;
      return;
    }
    this.#lines.push(line);
    this.#bytes += line.length;
  }

  /** The oldest ones. */
  take(most: number): string[] {
    const taken = this.#lines.slice(0, most);
    this.#lines = this.#lines.slice(most);
    for (const line of taken) this.#bytes -= line.length;
    return taken;
  }
}
