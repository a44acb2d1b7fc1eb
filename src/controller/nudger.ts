/**
 * Makes kubelets update mounted ConfigMaps at once. A kubelet checks for changed ConfigMaps about every minute, but
 * also whenever an annotation of the pod changes (a nudge). A pod counts as done when its sidecar reports that it
 * serves the set. Until then it is nudged again, as long as it lives: every few seconds at first, because a kubelet
 * that could not reach the API server takes up to a minute to return; later less and less often.
 *
 *     written ──▶ nudged ──▶ looked at ──(serves it)──▶ done
 *                    ▲           │
 *                    └───────────┴─(not yet; without an answer: one more nudge, then it waits for the kubelet)
 *     added, or nudged by the previous leader ──▶ looked at, as above
 *
 * Stage before: `set-writer.ts`. Stage after: the API server, and the public port of the sidecars. Pods are identified
 * by uid, with only the newest hash: several changes during the wait for a nudge need one nudge.
 */
import type { Logger } from '../log.ts';
import type { PodEntry } from './objects.ts';
import { RareLog } from './rare-log.ts';
import { HASH_CHARS, nextValue } from './told.ts';
import { Turns, type Timers, type Turn } from './turns.ts';

/** The result of asking a sidecar. */
export type Look =
  | { readonly found: 'served'; readonly hash: string }
  /** It answers, but has no complete set. */
  | { readonly found: 'none' }
  /** The pod has no address yet. */
  | { readonly found: 'starting' }
  | { readonly found: 'unreachable' }
  /** The pod is gone or has ended. */
  | { readonly found: 'gone' };

export interface NudgerOptions extends Timers {
  /** Nudges and looks per second; also the size of a burst. */
  readonly rate: number;
  /** Looks up a pod by `namespace/name`. */
  readonly pod: (key: string) => PodEntry | null;
  /** Sets the annotation of the pod; false when the pod no longer exists. */
  readonly annotate: (pod: PodEntry, value: string, signal: AbortSignal) => Promise<boolean>;
  /** `hash`: that of the set it should serve. */
  readonly look: (pod: PodEntry, hash: string, signal: AbortSignal) => Promise<Look>;
  readonly logger: Logger;
  /** Called when a sidecar confirms its set, with the milliseconds since the set was written. */
  readonly onConfirmed?: (ms: number) => void;
  readonly random?: () => number;
}

export interface Verification {
  /** Delay of the first look, because an earlier one would not give an answer. */
  readonly afterMs?: number;
  /**
   * The pod has probably had its set for long. Such looks have low priority, and the pod counts as unconfirmed only
   * when it turns out to lack the set.
   */
  readonly routine?: boolean;
}

interface Pending extends Turn {
  /** Uid of the pod. */
  readonly key: string;
  /** `namespace/name`. */
  readonly pod: string;
  hash: string;
  sinceMs: number;
  /** When its set was written; null when unknown. */
  writtenMs: number | null;
  /** When it was last nudged, for any hash. */
  nudgedMs: number;
  /** Begin of the time with frequent tries: the write, or the last return of the API server. */
  briskMs: number;
  /** For this hash, since `briskMs`. */
  nudges: number;
  looks: number;
  next: 'nudge' | 'look';
  /** It has probably had the set for long: see `Verification`. */
  routine: boolean;
  /** True when it may not serve its set yet. */
  lacks: boolean;
  /** The result of the last look. */
  found: Look['found'] | 'unknown';
}

export interface NudgerCounters {
  nudges: number;
  failed: number;
  confirmed: number;
  /** Pods that did not answer: after two nudges they are assumed to have the set. */
  assumed: number;
  /** Pods not confirmed during the frequent tries; they are still nudged, less and less often. */
  late: number;
}

/** First look after a nudge; the time doubles after each nudge without effect. */
const FIRST_LOOK_MS = 800;
/**
 * A kubelet that has lost the API server retries every 30 to 60 s, for pods and for each ConfigMap. This includes a
 * margin.
 */
const BRISK_MS = 180_000;
const MOST_BRISK_MS = 5_000;
/** For pods that do not answer. */
const MOST_BLIND_MS = 20_000;
const MOST_MS = 300_000;
/** After the first minutes, the time until the next try is the elapsed time divided by this. */
const PART_OF_AGE = 6;
const JITTER = 0.2;
/**
 * Minimum time between two nudges of a pod whose routes change all the time: its kubelet takes about as long to react.
 */
const APART_MS = 300;
/**
 * By then the kubelet has probably updated by itself, so a pod that has waited this long is looked at before it is
 * nudged.
 */
const KUBELET_MS = 60_000;
/** Maximum nudges of a pod that does not answer, unless the API server was away recently. */
const MAX_BLIND_NUDGES = 2;
/** Stored instead of a hash: the pod has ended and will never serve anything. */
const ENDED = 'ended';

export class Nudger {
  readonly #options: NudgerOptions;
  readonly #now: () => number;
  readonly #log: RareLog;
  readonly #turns: Turns<Pending>;
  #signal: AbortSignal | null = null;
  readonly counters: NudgerCounters = { nudges: 0, failed: 0, confirmed: 0, assumed: 0, late: 0 };
  /** By uid: the hash that needs no more work, because it is served or assumed to be. */
  readonly #settled = new Map<string, string>();
  /** Until this time kubelets may not have returned yet. */
  #unrestMs = Number.NEGATIVE_INFINITY;

  constructor(options: NudgerOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#log = new RareLog(options.logger, this.#now);
    this.#turns = new Turns({ ...options, work: (pending: Pending) => this.#work(pending) });
  }

  /** Number of pods that may not serve their set yet. */
  get depth(): number {
    let count = 0;
    for (const { lacks } of this.#turns.values()) if (lacks) count++;
    return count;
  }

  /** True when no pod waits, not even for a look. */
  get idle(): boolean {
    return this.#turns.size === 0;
  }

  /** Age of the oldest write that a pod may not serve yet; 0 when there is none. */
  get oldestMs(): number {
    const now = this.#now();
    let oldest = now;
    for (const { lacks, sinceMs } of this.#turns.values()) if (lacks) oldest = Math.min(oldest, sinceMs);
    return now - oldest;
  }

  /** Starts the work. It ends with the signal and then forgets everything. */
  start(signal: AbortSignal): void {
    if (signal.aborted) return;
    this.#signal = signal;
    this.#turns.start();
    signal.addEventListener('abort', () => this.#stop(signal), { once: true });
  }

  /** The set of the pod has just been written. */
  written(pod: PodEntry, hash: string): void {
    if (this.#settled.get(pod.uid) === ENDED) return;
    this.#want(pod, hash, { next: 'nudge', afterMs: 0, writtenMs: this.#now(), routine: false });
  }

  /**
   * The pod may have been created before its set was written, or a nudge by the previous leader may have had no effect.
   */
  verify(pod: PodEntry, hash: string, { afterMs = 0, routine = false }: Verification = {}): void {
    if (this.#turns.get(pod.uid)?.hash === hash || [hash, ENDED].includes(this.#settled.get(pod.uid) ?? '')) return;
    this.#want(pod, hash, { next: 'look', afterMs, writtenMs: null, routine });
  }

  forget({ uid }: PodEntry): void {
    this.#turns.delete(uid);
    this.#settled.delete(uid);
  }

  /**
   * The API server was away, so recent nudges may have had no effect. All pods that lack something are looked at now.
   */
  serverWasAway(): void {
    const now = this.#now();
    this.#unrestMs = now + BRISK_MS;
    for (const pending of [...this.#turns.values()]) {
      if (!pending.lacks) continue;
      Object.assign(pending, { briskMs: now, nudges: 0, looks: 0, slow: false });
      if (!pending.working) Object.assign(pending, { next: 'look', dueMs: now });
      this.#turns.later(pending);
    }
    this.#turns.schedule();
  }

  #want(
    { uid, key }: PodEntry,
    hash: string,
    { afterMs, ...wanted }: Pick<Pending, 'next' | 'writtenMs' | 'routine'> & { readonly afterMs: number },
  ): void {
    if (this.#signal === null) return;
    const now = this.#now();
    const pending = this.#turns.get(uid);
    const { routine } = wanted;
    const found = 'unknown' as const;
    const fresh = { ...wanted, hash, briskMs: now, nudges: 0, looks: 0, lacks: !routine, slow: routine, found };
    if (pending === undefined) {
      const nudgedMs = Number.NEGATIVE_INFINITY;
      this.#turns.later({
        ...{ ...fresh, key: uid, pod: key, sinceMs: now, nudgedMs, dueMs: now + afterMs, working: false },
      });
    } else if (pending.hash !== hash) {
      // The age is that of the oldest change that the pod lacks.
      const sinceMs = pending.lacks ? pending.sinceMs : now;
      const dueMs = Math.max(now + afterMs, pending.nudgedMs + APART_MS);
      Object.assign(pending, { ...fresh, sinceMs, dueMs });
      this.#turns.later(pending);
    }
    this.#turns.schedule();
  }

  #stop(signal: AbortSignal): void {
    if (this.#signal !== signal) return;
    this.#signal = null;
    this.#turns.stop();
    this.#settled.clear();
  }

  async #work(pending: Pending): Promise<void> {
    const signal = this.#signal;
    if (signal === null) return;
    const { hash } = pending;
    try {
      await this.#step(pending, signal);
    } catch (error) {
      if (signal.aborted || !this.#isWanted(pending)) return;
      this.counters.failed++;
      this.#log.warn('a pod could not be told of its routes', { pod: pending.pod, error: String(error) });
      // The newer hash is already due.
      if (pending.hash !== hash) return;
      // Counted as a nudge without effect.
      pending.nudges++;
      this.#later(pending);
    }
  }

  /** False when the pod is gone, or replaced by another one with the same name. */
  #isWanted(pending: Pending): boolean {
    return this.#turns.get(pending.key) === pending;
  }

  #settle(pending: Pending, hash: string): void {
    this.#turns.delete(pending.key);
    this.#settled.set(pending.key, hash);
  }

  async #step(pending: Pending, signal: AbortSignal): Promise<void> {
    const { hash } = pending;
    const pod = this.#options.pod(pending.pod);
    if (pod?.uid !== pending.key) {
      this.#turns.delete(pending.key);
      return;
    }
    const isLate = pending.nudges + pending.looks === 0 && this.#now() - pending.sinceMs > KUBELET_MS;
    if (pending.next === 'nudge' && !isLate) {
      const there = await this.#options.annotate(pod, nextValue(pod.told, hash), signal);
      if (there) this.counters.nudges++;
      pending.nudgedMs = this.#now();
      if (!this.#isWanted(pending)) return;
      if (!there) this.#turns.delete(pending.key);
      if (!there || pending.hash !== hash) return;
      pending.nudges++;
      pending.next = 'look';
      this.#later(pending);
      return;
    }
    const look = await this.#options.look(pod, hash, signal);
    if (pending.hash !== hash || !this.#isWanted(pending)) return;
    pending.looks++;
    this.#seen(pending, look);
  }

  #seen(pending: Pending, look: Look): void {
    const { hash } = pending;
    pending.found = look.found;
    if (look.found === 'served' && look.hash === hash) {
      this.counters.confirmed++;
      if (pending.writtenMs !== null) this.#options.onConfirmed?.(this.#now() - pending.writtenMs);
      this.#settle(pending, hash);
    } else if (look.found === 'gone') {
      this.#settle(pending, ENDED);
    } else if (look.found === 'starting') {
      // A starting pod mounts the current set, so it lacks nothing.
      pending.lacks = false;
      this.#later(pending);
    } else if (look.found === 'unreachable' && this.#isTold(pending)) {
      this.counters.assumed++;
      this.#settle(pending, hash);
    } else {
      const now = this.#now();
      if (!pending.lacks)
        Object.assign(pending, { lacks: true, routine: false, slow: false, sinceMs: now, briskMs: now });
      Object.assign(pending, { next: 'nudge', dueMs: now });
      this.#turns.later(pending);
    }
  }

  /** True when no more can be done for a pod that does not answer. */
  #isTold({ nudges, routine }: Pending): boolean {
    return routine || (nudges >= MAX_BLIND_NUDGES && this.#now() >= this.#unrestMs);
  }

  #later(pending: Pending): void {
    const now = this.#now();
    const ageMs = now - pending.briskMs;
    const isBrisk = ageMs < BRISK_MS;
    const mostBriskMs = pending.found === 'unreachable' ? MOST_BLIND_MS : MOST_BRISK_MS;
    const mostMs = isBrisk ? mostBriskMs : Math.min(MOST_MS, ageMs / PART_OF_AGE);
    const exponent = Math.max(0, pending.nudges - 1, pending.looks - pending.nudges);
    const waitMs = Math.min(FIRST_LOOK_MS * 2 ** Math.min(exponent, 16), mostMs);
    pending.dueMs = now + waitMs * (1 + JITTER * (this.#options.random ?? Math.random)());
    if (!isBrisk && !pending.slow) {
      pending.slow = true;
      if (pending.lacks) this.#tellLate(pending);
    }
    this.#turns.later(pending);
  }

  #tellLate({ pod, hash, found }: Pending): void {
    this.counters.late++;
    this.#log.warn('a sidecar does not serve its routes yet; it is told on, less and less often', {
      ...{ pod, wanted: hash.slice(0, HASH_CHARS), found },
    });
  }
}
