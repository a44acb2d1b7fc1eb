/**
 * Makes kubelets look at once: a kubelet looks for changed ConfigMaps every minute or so, but also whenever an annotation of the pod
 * changes. Told is a pod whose sidecar says itself that it serves the set; until then it is told again, as long as it lives: every few
 * seconds at first, for a kubelet that could not reach the API server takes up to a minute to come back; later ever less often.
 *
 *     written ──▶ nudged ──▶ looked at ──(serves it)──▶ done
 *                    ▲           │
 *                    └───────────┴─(not yet; nobody answers: once more, then it is left to the kubelet)
 *     added, or told by whoever led before ──▶ looked at, as above
 *
 * Stage before: `set-writer.ts`. Stage after: the API server, and the sidecars' public port. Pods are kept by uid, the newest hash
 * alone: changes while a nudge waits are one nudge.
 */
import type { Logger } from '../log.ts';
import type { PodEntry } from './objects.ts';
import { RareLog } from './rare-log.ts';
import { HASH_CHARS, nextValue } from './told.ts';
import { Turns, type Timers, type Turn } from './turns.ts';

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

export interface NudgerOptions extends Timers {
  /** Nudges and looks per second; as many may come at once. */
  readonly rate: number;
  /** By `namespace/name`. */
  readonly pod: (key: string) => PodEntry | null;
  /** Sets the annotation of the pod; false when there is no such pod any more. */
  readonly annotate: (pod: PodEntry, value: string, signal: AbortSignal) => Promise<boolean>;
  /** `hash`: of the set that it is to serve. */
  readonly look: (pod: PodEntry, hash: string, signal: AbortSignal) => Promise<Look>;
  readonly logger: Logger;
  /** How long after the write of what it serves a sidecar has said that it does. */
  readonly onConfirmed?: (ms: number) => void;
  readonly random?: () => number;
}

export interface Verification {
  /** Before that it would have nothing to say. */
  readonly afterMs?: number;
  /** It has probably long had what it is to have: such looks stand back, and it counts as unconfirmed only when it turns out to lack it. */
  readonly routine?: boolean;
}

interface Pending extends Turn {
  /** Uid of the pod. */
  readonly key: string;
  /** `namespace/name`. */
  readonly pod: string;
  hash: string;
  sinceMs: number;
  /** When what it is to have was written; null when nobody knows. */
  writtenMs: number | null;
  /** When it was told last, of whatever hash. */
  nudgedMs: number;
  /** From when on it has been tried often: the write, or the last time that the API server was back. */
  briskMs: number;
  /** For this hash, since then. */
  nudges: number;
  looks: number;
  next: 'nudge' | 'look';
  /** It has probably had it for long: see `Verification`. */
  routine: boolean;
  /** It may not serve what it is to serve. */
  lacks: boolean;
  /** What the last look has found. */
  found: Look['found'] | 'unknown';
}

export interface NudgerCounters {
  nudges: number;
  failed: number;
  confirmed: number;
  /** Nobody answered: told twice and taken for told. */
  assumed: number;
  /** Not confirmed while it was tried often; told on, ever less often. */
  late: number;
}

/** After a nudge; twice as long after each that was not taken up. */
const FIRST_LOOK_MS = 800;
/** A kubelet that has lost the API server tries again every 30 to 60 s, for pods and for each ConfigMap; then some. */
const BRISK_MS = 180_000;
const MOST_BRISK_MS = 5_000;
/** Of those that do not answer. */
const MOST_BLIND_MS = 20_000;
const MOST_MS = 300_000;
/** After the first minutes the next try comes after such a part of the time that has gone by. */
const PART_OF_AGE = 6;
const JITTER = 0.2;
/** Between two nudges of a pod whose routes change all the time: its kubelet takes about as long to take one up. */
const APART_MS = 300;
/** By then its kubelet has probably looked by itself: one that has waited so long for its turn is asked first. */
const KUBELET_MS = 60_000;
/** Of a pod that does not answer, unless the API server was away just now. */
const MAX_BLIND_NUDGES = 2;
/** Instead of a hash: such a pod will never serve anything. */
const ENDED = 'ended';

export class Nudger {
  readonly #options: NudgerOptions;
  readonly #now: () => number;
  readonly #log: RareLog;
  readonly #turns: Turns<Pending>;
  #signal: AbortSignal | null = null;
  readonly counters: NudgerCounters = { nudges: 0, failed: 0, confirmed: 0, assumed: 0, late: 0 };
  /** By uid, the hash that is no matter any more: served, or taken for served. */
  readonly #settled = new Map<string, string>();
  /** Until then kubelets may not be back. */
  #unrestMs = Number.NEGATIVE_INFINITY;

  constructor(options: NudgerOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#log = new RareLog(options.logger, this.#now);
    this.#turns = new Turns({ ...options, work: (pending: Pending) => this.#work(pending) });
  }

  /** Pods that may not serve yet what they are to serve. */
  get depth(): number {
    let count = 0;
    for (const { lacks } of this.#turns.values()) if (lacks) count++;
    return count;
  }

  /** Nobody waits, be it for a look. */
  get idle(): boolean {
    return this.#turns.size === 0;
  }

  /** Of the oldest write that some pod may not serve yet; 0 when there is none. */
  get oldestMs(): number {
    const now = this.#now();
    let oldest = now;
    for (const { lacks, sinceMs } of this.#turns.values()) if (lacks) oldest = Math.min(oldest, sinceMs);
    return now - oldest;
  }

  /** Begins to work; ends with the signal, and forgets all then. */
  start(signal: AbortSignal): void {
    if (signal.aborted) return;
    this.#signal = signal;
    this.#turns.start();
    signal.addEventListener('abort', () => this.#stop(signal), { once: true });
  }

  /** What the pod is to have has just been written. */
  written(pod: PodEntry, hash: string): void {
    if (this.#settled.get(pod.uid) === ENDED) return;
    this.#want(pod, hash, { next: 'nudge', afterMs: 0, writtenMs: this.#now(), routine: false });
  }

  /** The pod may have been made before what it is to have was written, or not have taken up what whoever led before has told it. */
  verify(pod: PodEntry, hash: string, { afterMs = 0, routine = false }: Verification = {}): void {
    if (this.#turns.get(pod.uid)?.hash === hash || [hash, ENDED].includes(this.#settled.get(pod.uid) ?? '')) return;
    this.#want(pod, hash, { next: 'look', afterMs, writtenMs: null, routine });
  }

  forget({ uid }: PodEntry): void {
    this.#turns.delete(uid);
    this.#settled.delete(uid);
  }

  /** The API server was away: what was told meanwhile, or just before, may not have been heard. All that lack something are looked at now. */
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
      // The age is that of the oldest change that it does not have.
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
      // What is wanted since then is due already.
      if (pending.hash !== hash) return;
      // Taken for one that was not taken up.
      pending.nudges++;
      this.#later(pending);
    }
  }

  /** Neither gone meanwhile, nor another one of the same name. */
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
      // It mounts what there is when it starts, so it lacks nothing.
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

  /** Of one that does not answer: as well as can be done. */
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
