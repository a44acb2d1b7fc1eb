/**
 * Makes kubelets look at once: a kubelet looks for changed ConfigMaps every minute or so, but also whenever an annotation of the pod
 * changes. Told is a pod whose sidecar says itself that it serves the set; until then it is told again, less and less often.
 *
 *     written ──▶ nudged ──▶ looked at ──(serves it)──▶ done
 *                    ▲           │
 *                    └───────────┴─(not yet; nobody answers: once more, then it is left to the kubelet)
 *     added, and the set is young ──▶ looked at, as above
 *
 * Stage before: `set-writer.ts`. Stage after: the API server, and the sidecars' public port. Pods are kept by key, the newest hash
 * alone: changes while a nudge waits are one nudge.
 */
import type { Logger } from '../log.ts';
import type { PodEntry } from './objects.ts';
import { RareLog } from './rare-log.ts';

/** What a look at a sidecar has found. */
export type Look =
  | { readonly found: 'served'; readonly hash: string }
  /** It answers, and has no complete set. */
  | { readonly found: 'none' }
  /** The pod has no address yet. */
  | { readonly found: 'starting' }
  | { readonly found: 'unreachable' }
  /** The pod is gone or has ended. */
  | { readonly found: 'gone' };

export interface NudgerOptions {
  /** Nudges per second; as many may come at once. */
  readonly rate: number;
  readonly pod: (key: string) => PodEntry | null;
  /** Sets the annotation of the pod; false when there is no such pod any more. */
  readonly annotate: (pod: PodEntry, value: string, signal: AbortSignal) => Promise<boolean>;
  readonly look: (pod: PodEntry, signal: AbortSignal) => Promise<Look>;
  readonly logger: Logger;
  /** How long after the write of what it serves a sidecar has said that it does. */
  readonly onConfirmed?: (ms: number) => void;
  /** Monotonic, in milliseconds. */
  readonly now?: () => number;
  readonly random?: () => number;
  readonly setTimer?: (callback: () => void, ms: number) => { unref(): unknown };
  readonly clearTimer?: (timer: { unref(): unknown }) => void;
}

interface Pending {
  readonly key: string;
  hash: string;
  /** When what it is to have was written. */
  sinceMs: number;
  /** When it was told last, of whatever hash. */
  nudgedMs: number;
  /** For this hash. */
  nudges: number;
  looks: number;
  next: 'nudge' | 'look';
  dueMs: number;
  working: boolean;
}

export interface NudgerCounters {
  nudges: number;
  failed: number;
  confirmed: number;
  /** Nobody answered: told twice and taken for told. */
  assumed: number;
  /** Left to the kubelet. */
  givenUp: number;
}

/** Of the hash, in the annotation. */
const HASH_CHARS = 12;
/** After a nudge; twice as long after each that was not taken up. */
const FIRST_LOOK_MS = 800;
const MOST_LOOK_MS = 30_000;
const JITTER = 0.2;
/** Between two nudges of a pod whose routes change all the time: its kubelet takes about as long to take one up. */
const APART_MS = 300;
/** By then its kubelet has probably looked by itself: one that has waited so long for its turn is asked first. */
const KUBELET_MS = 60_000;
/** A kubelet that has not looked by then has looked by itself. */
const MAX_NUDGES = 6;
/** Of a pod that does not answer. */
const MAX_BLIND_NUDGES = 2;
const MAX_LOOKS = 20;
const WORKERS = 12;

export class Nudger {
  readonly #options: NudgerOptions;
  readonly #now: () => number;
  readonly #log: RareLog;
  readonly #pending = new Map<string, Pending>();
  #signal: AbortSignal | null = null;
  #timer: { unref(): unknown } | null = null;
  #timerMs = Number.POSITIVE_INFINITY;
  #working = 0;
  #tokens: number;
  #filledMs: number;
  readonly counters: NudgerCounters = { nudges: 0, failed: 0, confirmed: 0, assumed: 0, givenUp: 0 };
  /** What pods have said that they serve. */
  readonly #served = new Map<string, string>();

  constructor(options: NudgerOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#log = new RareLog(options.logger, this.#now);
    this.#tokens = options.rate;
    this.#filledMs = this.#now();
  }

  /** Pods that may not serve yet what they are to serve. */
  get depth(): number {
    return this.#pending.size;
  }

  /** Of the oldest write that some pod may not serve yet; 0 when there is none. */
  get oldestMs(): number {
    let oldest = this.#now();
    const now = oldest;
    for (const { sinceMs } of this.#pending.values()) oldest = Math.min(oldest, sinceMs);
    return now - oldest;
  }

  /** Begins to work; ends with the signal, and forgets all then. */
  start(signal: AbortSignal): void {
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#stop(signal), { once: true });
  }

  /** What the pod is to have has just been written. */
  written(key: string, hash: string): void {
    this.#want(key, hash, 'nudge', 0);
  }

  /** The pod may have been made before what it is to have was written, or not have been told by whoever led before. */
  verify(key: string, hash: string, afterMs = 0): void {
    const pending = this.#pending.get(key);
    if (pending?.hash === hash || this.#served.get(key) === hash) return;
    this.#want(key, hash, 'look', afterMs);
  }

  forget(key: string): void {
    this.#pending.delete(key);
    this.#served.delete(key);
  }

  #want(key: string, hash: string, next: Pending['next'], afterMs: number): void {
    if (this.#signal === null) return;
    const now = this.#now();
    const pending = this.#pending.get(key);
    if (pending === undefined) {
      const dueMs = now + afterMs;
      const nudgedMs = Number.NEGATIVE_INFINITY;
      this.#pending.set(key, { key, hash, sinceMs: now, nudgedMs, nudges: 0, looks: 0, next, dueMs, working: false });
    } else if (pending.hash !== hash) {
      // The age is that of the oldest change that it does not have.
      const dueMs = Math.max(now + afterMs, pending.nudgedMs + APART_MS);
      Object.assign(pending, { hash, nudges: 0, looks: 0, next, dueMs });
    }
    this.#schedule();
  }

  #stop(signal: AbortSignal): void {
    if (this.#signal !== signal) return;
    this.#signal = null;
    this.#pending.clear();
    this.#served.clear();
    this.#clearTimer();
  }

  #clearTimer(): void {
    if (this.#timer !== null)
      (this.#options.clearTimer ?? ((timer) => clearTimeout(timer as NodeJS.Timeout)))(this.#timer);
    this.#timer = null;
    this.#timerMs = Number.POSITIVE_INFINITY;
  }

  /** Works at what is due, and sets the timer for what is due next. */
  #schedule(): void {
    const signal = this.#signal;
    if (signal === null) return;
    const now = this.#now();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const pending of this.#pending.values()) {
      if (this.#working >= WORKERS) return;
      if (pending.working) continue;
      if (pending.dueMs > now) nextMs = Math.min(nextMs, pending.dueMs);
      else if (this.#takeToken(now)) this.#begin(pending, signal);
      else {
        nextMs = Math.min(nextMs, now + 1_000 / this.#options.rate);
        break;
      }
    }
    if (nextMs >= this.#timerMs) return;
    this.#clearTimer();
    if (nextMs === Number.POSITIVE_INFINITY) return;
    this.#timerMs = nextMs;
    const fire = (): void => {
      this.#timer = null;
      this.#timerMs = Number.POSITIVE_INFINITY;
      this.#schedule();
    };
    this.#timer = (this.#options.setTimer ?? setTimeout)(fire, Math.max(1, Math.ceil(nextMs - now)));
    this.#timer.unref();
  }

  /** Looks cost as much as nudges. */
  #takeToken(now: number): boolean {
    const { rate } = this.#options;
    this.#tokens = Math.min(rate, this.#tokens + ((now - this.#filledMs) * rate) / 1_000);
    this.#filledMs = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  #begin(pending: Pending, signal: AbortSignal): void {
    pending.working = true;
    this.#working++;
    void this.#step(pending, signal)
      .catch((error: unknown) => {
        if (signal.aborted) return;
        this.counters.failed++;
        this.#log.warn('a pod could not be told of its routes', { pod: pending.key, error: String(error) });
        // Taken for one that was not taken up.
        pending.nudges++;
        if (pending.nudges > MAX_NUDGES) this.#giveUp(pending, 'unknown');
        else this.#later(pending);
      })
      .finally(() => {
        pending.working = false;
        this.#working--;
        this.#schedule();
      });
  }

  async #step(pending: Pending, signal: AbortSignal): Promise<void> {
    const { hash } = pending;
    const pod = this.#options.pod(pending.key);
    if (pod === null) {
      this.#pending.delete(pending.key);
      return;
    }
    const isLate = pending.nudges + pending.looks === 0 && this.#now() - pending.sinceMs > KUBELET_MS;
    if (pending.next === 'nudge' && !isLate) {
      const there = await this.#options.annotate(pod, nextValue(pod.told, hash), signal);
      this.counters.nudges++;
      pending.nudgedMs = this.#now();
      if (!there) this.#pending.delete(pending.key);
      if (!there || pending.hash !== hash) return;
      pending.nudges++;
      pending.next = 'look';
      this.#later(pending);
      return;
    }
    const look = await this.#options.look(pod, signal);
    if (pending.hash !== hash || !this.#pending.has(pending.key)) return;
    pending.looks++;
    if (look.found === 'served' && look.hash === hash) {
      this.counters.confirmed++;
      this.#served.set(pending.key, hash);
      this.#options.onConfirmed?.(this.#now() - pending.sinceMs);
      this.#pending.delete(pending.key);
    } else if (look.found === 'gone') {
      this.#pending.delete(pending.key);
    } else if (look.found === 'unreachable' && pending.nudges >= MAX_BLIND_NUDGES) {
      this.counters.assumed++;
      this.#pending.delete(pending.key);
    } else if (pending.nudges >= MAX_NUDGES || pending.looks >= MAX_LOOKS) {
      this.#giveUp(pending, look.found);
    } else if (look.found === 'starting') {
      // It mounts what there is when it starts.
      this.#later(pending);
    } else {
      pending.next = 'nudge';
      pending.dueMs = this.#now();
    }
  }

  #giveUp(pending: Pending, found: string): void {
    this.counters.givenUp++;
    this.#pending.delete(pending.key);
    this.#log.warn('a sidecar does not serve its routes yet; its kubelet will see them by itself', {
      ...{ pod: pending.key, wanted: pending.hash.slice(0, HASH_CHARS), found },
    });
  }

  #later(pending: Pending): void {
    const exponent = Math.max(0, pending.nudges - 1, pending.looks - pending.nudges);
    const waitMs = Math.min(FIRST_LOOK_MS * 2 ** Math.min(exponent, 16), MOST_LOOK_MS);
    pending.dueMs = this.#now() + waitMs * (1 + JITTER * (this.#options.random ?? Math.random)());
    // Behind those that may be due sooner.
    if (this.#pending.delete(pending.key)) this.#pending.set(pending.key, pending);
  }
}

/** A kubelet does not see an annotation that is set to what it is: the same hash has a number behind it, from the second time on. */
export function nextValue(told: string, hash: string): string {
  const short = hash.slice(0, HASH_CHARS);
  const [before, count] = told.split('.');
  if (before !== short) return short;
  return `${short}.${(Number(count ?? '1') || 1) + 1}`;
}

/** Whether the annotation is about this set. */
export function isTold(told: string, hash: string): boolean {
  return told.split('.')[0] === hash.slice(0, HASH_CHARS);
}
