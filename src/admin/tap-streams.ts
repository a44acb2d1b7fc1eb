/**
 * The open taps. Each is the response to a request of `/tap`: lines of JSON as they arrive, and notes about lost ones.
 *
 * Stage before: `private-admin.ts`, with a query; the addon, with lines of every worker. Stage after: `endpoint.ts`,
 * which asks for the next piece when the caller has taken the previous one. A caller that reads too slowly loses
 * records and is told how many: nothing waits for a caller. Loaded with the first tap.
 */
import { MAX_TAPS, type NativeTapFilter, type TapLines } from '../addon/access-log.ts';
import type { Answer } from './endpoint.ts';
import type { TapQuery } from './tap-query.ts';

/** Maximum size of the lines that a caller has not taken yet. */
const MAX_WAITING_BYTES = 1024 * 1024;
/** Shorter than the time after which a connection without traffic is closed. */
const SIGN_OF_LIFE_MS = 4_000;
const CLOSE_WITHIN_MS = 500;
const NEWLINE = 0x0a;

/** Why a tap has ended. A caller that has left is not told. */
type TapEnd = 'limit' | 'duration' | 'shutdown';

export interface TapFigures {
  readonly open: number;
  /** Totals since the start of the process. */
  readonly records: number;
  readonly dropped: number;
}

/** Starts and ends the collection for a tap in all workers. Ids grow from tap to tap. */
export interface TapSource {
  add(id: number, filter: NativeTapFilter): void;
  remove(id: number): void;
}

export class TapStreams {
  readonly #source: TapSource;
  readonly #signOfLifeMs: number;
  readonly #open = new Map<number, TapStream>();
  #ids = 0;
  #records = 0;
  #dropped = 0;
  #closed = false;

  constructor(source: TapSource, signOfLifeMs = SIGN_OF_LIFE_MS) {
    this.#source = source;
    this.#signOfLifeMs = signOfLifeMs;
  }

  answer(query: TapQuery): Answer {
    if (this.#closed || this.#open.size >= MAX_TAPS) {
      const text = this.#closed ? 'the sidecar is about to end' : `there are ${MAX_TAPS} taps already: end one of them`;
      return { status: this.#closed ? 503 : 429, contentType: 'text/plain; charset=utf-8', body: `${text}\n` };
    }
    const id = ++this.#ids;
    this.#source.add(id, query.filter);
    const stream = new TapStream(query, this.#signOfLifeMs, () => {
      if (!this.#open.delete(id)) return;
      this.#source.remove(id);
    });
    this.#open.set(id, stream);
    return {
      contentType: 'application/x-ndjson',
      fields: ['Cache-Control', 'no-store'],
      body: stream.pieces(),
      onGone: () => stream.leave(),
    };
  }

  /** Lines from one of the workers. */
  give(id: number, lines: TapLines): void {
    const stream = this.#open.get(id);
    if (stream === undefined) return;
    const { records, dropped } = stream.give(lines);
    this.#records += records;
    this.#dropped += dropped;
  }

  figures(): TapFigures {
    return { open: this.#open.size, records: this.#records, dropped: this.#dropped };
  }

  /** Resolves when every caller has been told of the end and has taken the message, or after a short time. */
  async close(): Promise<void> {
    this.#closed = true;
    const streams = [...this.#open.values()];
    if (streams.length === 0) return;
    for (const stream of streams) stream.end('shutdown');
    const late = new Promise<void>((resolve) => setTimeout(resolve, CLOSE_WITHIN_MS));
    await Promise.race([Promise.all(streams.map(({ finished }) => finished)), late]);
    // The end of the response is written after the last piece.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

class TapStream {
  /** Resolves when the tap is complete or its caller is gone. */
  readonly finished: Promise<void>;
  readonly #signOfLifeMs: number;
  readonly #stop: () => void;
  readonly #limit: number;
  readonly #timer: NodeJS.Timeout;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #records = 0;
  #dropped = 0;
  /** Number of lost records the caller has been told about. */
  #toldDropped = 0;
  #end: TapEnd | null = null;
  #gone = false;
  #wake = (): void => undefined;
  #resolveFinished = (): void => undefined;

  /** `stop`: no more lines are needed; may be called more than once. */
  constructor({ limit, durationMs }: TapQuery, signOfLifeMs: number, stop: () => void) {
    this.finished = new Promise((resolve) => (this.#resolveFinished = resolve));
    this.#signOfLifeMs = signOfLifeMs;
    this.#stop = stop;
    this.#limit = limit ?? Infinity;
    this.#timer = setTimeout(() => this.end('duration'), durationMs).unref();
  }

  /** Returns how many records go to the caller and how many are lost. */
  give({ lines, records, dropped }: TapLines): { readonly records: number; readonly dropped: number } {
    const wanted = Math.min(records, this.#limit - this.#records);
    const bytes = wanted < records ? firstLines(lines, wanted) : lines;
    const fits = this.#waitingBytes + bytes.length <= MAX_WAITING_BYTES;
    const taken = fits ? wanted : 0;
    const lost = dropped + wanted - taken;
    if (taken > 0) {
      this.#waiting.push(bytes);
      this.#waitingBytes += bytes.length;
    }
    this.#records += taken;
    this.#dropped += lost;
    if (this.#records >= this.#limit) this.end('limit');
    this.#wake();
    return { records: taken, dropped: lost };
  }

  /** The caller still receives the waiting lines, and then the reason. */
  end(why: TapEnd): void {
    this.#end ??= why;
    this.#finish();
  }

  /** The caller is gone. */
  leave(): void {
    this.#gone = true;
    this.#waiting = [];
    this.#finish();
    this.#resolveFinished();
  }

  async *pieces(): AsyncGenerator<string | Uint8Array> {
    try {
      // The first piece makes the endpoint send the head.
      yield this.#note();
      while (!this.#gone) {
        if (this.#waitingBytes > 0) yield this.#takeWaiting();
        else if (this.#dropped > this.#toldDropped) yield this.#note();
        else if (this.#end !== null) {
          yield this.#lastNote(this.#end);
          return;
        } else if (!(await this.#something())) yield this.#note();
      }
    } finally {
      this.leave();
    }
  }

  #finish(): void {
    clearTimeout(this.#timer);
    this.#stop();
    this.#wake();
  }

  #takeWaiting(): Uint8Array {
    const bytes = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#waitingBytes = 0;
    return bytes;
  }

  /** A note about the records lost since the last note. Without losses it only keeps the connection alive. */
  #note(): string {
    const dropped = this.#dropped - this.#toldDropped;
    this.#toldDropped = this.#dropped;
    return `${JSON.stringify({ dropped })}\n`;
  }

  #lastNote(end: TapEnd): string {
    return `${JSON.stringify({ dropped: 0, end, records: this.#records, total_dropped: this.#dropped })}\n`;
  }

  /** Resolves to false when nothing arrives in time. */
  #something(): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), this.#signOfLifeMs).unref();
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = () => undefined;
        resolve(true);
      };
    });
  }
}

function firstLines(lines: Uint8Array, count: number): Uint8Array {
  let end = 0;
  for (let left = count; left > 0; left--) end = lines.indexOf(NEWLINE, end) + 1;
  return lines.subarray(0, end);
}
