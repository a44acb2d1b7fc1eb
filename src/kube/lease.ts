/**
 * Leader election: of several replicas, the one that holds a Lease works. Follows the rules of client-go's leader
 * election.
 *
 *     standby ──(no holder, or the holder has not renewed it for its duration)──▶ leader
 *     leader ──(not renewed within the deadline; another process holds it)──▶ standby, work in progress is aborted
 *     leader ──(end)──▶ released: the next one need not wait
 *
 * Clocks of different machines are not compared: the age of a renewal counts from the moment when this process saw the
 * change. The deadline is shorter than the duration, so a leader has stopped before another one begins.
 *
 * Stage before: `client.ts`. Stage after: code that may write only as the leader.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../log.ts';
import { KubeError, type KubeClient } from './client.ts';
import { numberOf, objectOf, textOf, type Json } from './json.ts';

export interface LeaseSettings {
  readonly namespace: string;
  readonly name: string;
  /** Identity of this process; must be unique. */
  readonly identity: string;
  /** How long others wait for a holder that does not renew. */
  readonly durationMs: number;
  /** A leader that cannot renew for this long stops. */
  readonly renewDeadlineMs: number;
  readonly retryMs: number;
}

/** Reads, creates and replaces the Lease in the API server. Throws KubeError. */
export interface LeaseApi {
  /** Null when it does not exist. */
  read(signal: AbortSignal): Promise<Json | null>;
  create(lease: Json, signal: AbortSignal): Promise<Json>;
  /** Fails with 409 when the Lease has changed. */
  replace(lease: Json, signal: AbortSignal): Promise<Json>;
}

export interface LeaseOptions {
  readonly settings: LeaseSettings;
  readonly api: LeaseApi;
  readonly logger: Logger;
  /** Starts the work, which must end with the signal. Called again for each term. */
  readonly lead: (term: AbortSignal) => Promise<void>;
  /** Monotonic, in milliseconds. */
  readonly now?: () => number;
  /** The time that is written into the Lease. */
  readonly wallClock?: () => Date;
  readonly random?: () => number;
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Factor on the wait of standbys. */
const JITTER = 1.2;
const RELEASE_TIMEOUT_MS = 3_000;
const RELEASE_ATTEMPTS = 3;

export class LeaseElector {
  readonly #options: LeaseOptions;
  readonly #now: () => number;
  /** The Lease as last seen, with a mark that changes when its holder renews it. */
  #seen: { readonly lease: Json; readonly mark: string; readonly atMs: number } | null = null;
  #leading = false;
  #failing = false;
  #transitions = 0;

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  get leading(): boolean {
    return this.#leading;
  }

  /** The holder as far as known; empty for none. */
  get holder(): string {
    return this.#seen === null ? '' : holderOf(this.#seen.lease);
  }

  /** Number of terms that this process has begun. */
  get terms(): number {
    return this.#transitions;
  }

  /** Runs until the signal. Then, when the work of `lead` has ended, releases the Lease. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { retryMs } = this.#options.settings;
    const random = this.#options.random ?? Math.random;
    while (!signal.aborted) {
      const sentMs = await this.#try(signal);
      if (sentMs !== null) await this.#term(signal, sentMs);
      if (!isAborted(signal)) await this.#pause(retryMs * (1 + JITTER * random()), signal);
    }
    await this.#release();
  }

  /** `sentMs`: when the write that acquired the Lease was sent. */
  async #term(signal: AbortSignal, sentMs: number): Promise<void> {
    const { settings, logger, lead } = this.#options;
    let renewedMs = sentMs;
    if (this.#now() - renewedMs >= settings.renewDeadlineMs) {
      logger.warn('the lease was acquired too slowly to lead', { identity: settings.identity });
      return;
    }
    const ending = new AbortController();
    const term = AbortSignal.any([signal, ending.signal]);
    this.#leading = true;
    this.#transitions++;
    logger.info('this replica leads', { identity: settings.identity });
    const work = lead(term).catch((error: unknown) => {
      if (!term.aborted) logger.error('leading failed', { error: String(error) });
      ending.abort(new KubeError(0, 'NotLeader', 'this replica has stopped to lead'));
    });
    while (!isAborted(term)) {
      // The wait ends at the deadline. Only the difference to the duration is left before another replica may begin.
      await this.#pause(Math.min(settings.retryMs, renewedMs + settings.renewDeadlineMs - this.#now()), term);
      if (isAborted(term)) break;
      const left = renewedMs + settings.renewDeadlineMs - this.#now();
      const againMs = left > 0 ? await this.#tryFor(left, term) : null;
      if (againMs !== null) renewedMs = againMs;
      else if (left <= 0 || this.#isOthers() || this.#now() - renewedMs >= settings.renewDeadlineMs) {
        logger.warn('this replica leads no more', { holder: this.holder, identity: settings.identity });
        ending.abort(new KubeError(0, 'NotLeader', 'this replica does not lead any more'));
      }
    }
    this.#leading = false;
    await work;
  }

  /** A try still in progress at the deadline must not delay the end of the term. */
  async #tryFor(ms: number, term: AbortSignal): Promise<number | null> {
    // AbortSignal.any is not used, because its result stays referenced by a signal that lives as long as the term.
    const attempt = new AbortController();
    const abort = (): void => attempt.abort(term.reason);
    const timer = setTimeout(() => attempt.abort(new KubeError(0, 'Timeout', 'no renewal in time')), Math.ceil(ms));
    term.addEventListener('abort', abort, { once: true });
    try {
      return await this.#try(attempt.signal);
    } finally {
      clearTimeout(timer);
      term.removeEventListener('abort', abort);
    }
  }

  #isOthers(): boolean {
    const { identity } = this.#options.settings;
    return this.#seen !== null && ![identity, ''].includes(holderOf(this.#seen.lease));
  }

  /**
   * If this process holds the Lease, returns when the write was sent: others may count from any later moment, however
   * late the answer arrives. Null if it does not.
   */
  async #try(signal: AbortSignal): Promise<number | null> {
    const { api, settings, logger } = this.#options;
    let sentMs = this.#now();
    try {
      // The holder knows its last write; a change by another process shows as a conflict.
      if (this.#leading && this.#seen !== null && !this.#isOthers()) {
        try {
          this.#observe(await api.replace(this.#record(this.#seen.lease), signal));
          return sentMs;
        } catch (error) {
          if (!(error instanceof KubeError) || error.status === 0) throw error;
        }
      }
      const lease = await api.read(signal);
      sentMs = this.#now();
      if (lease === null) {
        this.#observe(await api.create(this.#record(null), signal));
        return sentMs;
      }
      this.#observe(lease);
      const holder = holderOf(lease);
      if (![settings.identity, ''].includes(holder) && !this.#hasExpired(lease)) return null;
      this.#observe(await api.replace(this.#record(lease), signal));
      return sentMs;
    } catch (error) {
      // Another process was faster, or this one is ending.
      if (signal.aborted || (error instanceof KubeError && error.status === 409)) return null;
      // Logged once for each outage.
      if (!this.#failing)
        logger.warn('the lease cannot be read or written', { lease: settings.name, error: String(error) });
      this.#failing = true;
      return null;
    }
  }

  #hasExpired(lease: Json): boolean {
    const seconds = numberOf(objectOf(lease, 'spec'), 'leaseDurationSeconds');
    const durationMs = seconds === null ? this.#options.settings.durationMs : seconds * 1_000;
    return this.#now() - this.#seen!.atMs >= durationMs;
  }

  #observe(lease: Json): void {
    this.#failing = false;
    const mark = markOf(lease);
    if (this.#seen?.mark === mark) this.#seen = { ...this.#seen, lease };
    else this.#seen = { lease, mark, atMs: this.#now() };
  }

  #record(lease: Json | null): Json {
    const { namespace, name, identity, durationMs } = this.#options.settings;
    const spec = objectOf(lease, 'spec');
    const now = microTime(this.#options.wallClock?.() ?? new Date());
    const mine = holderOf(lease) === identity;
    return {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: lease === null ? { namespace, name } : objectOf(lease, 'metadata'),
      spec: {
        ...spec,
        holderIdentity: identity,
        leaseDurationSeconds: Math.ceil(durationMs / 1_000),
        acquireTime: mine ? (textOf(spec, 'acquireTime') ?? now) : now,
        renewTime: now,
        leaseTransitions: (numberOf(spec, 'leaseTransitions') ?? -1) + (mine ? 0 : 1),
      },
    };
  }

  /** Does nothing when another process holds the Lease. */
  async #release(): Promise<void> {
    const { api, settings, logger } = this.#options;
    const signal = AbortSignal.timeout(RELEASE_TIMEOUT_MS);
    let lease = this.#seen?.lease ?? null;
    for (let attempt = 1; holderOf(lease) === settings.identity; attempt++) {
      const record = this.#record(lease);
      const spec = { ...objectOf(record, 'spec'), holderIdentity: '', leaseDurationSeconds: 1 };
      try {
        await api.replace({ ...record, spec }, signal);
        logger.info('the lease is released', { identity: settings.identity });
        return;
      } catch (error) {
        // A renewal that was aborted may still have arrived.
        const isStale = error instanceof KubeError && error.status === 409 && attempt < RELEASE_ATTEMPTS;
        lease = isStale ? await api.read(signal).catch(() => null) : null;
        if (lease === null) {
          logger.warn('the lease could not be released; the next leader waits for it', { error: String(error) });
        }
      }
    }
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    await (this.#options.pause ?? pauseFor)(ms, signal);
  }
}

/** A function, because TypeScript would assume that the property keeps the value it was tested for. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

async function pauseFor(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}

function holderOf(lease: Json | null): string {
  return textOf(objectOf(lease, 'spec'), 'holderIdentity') ?? '';
}

/** Changes whenever the Lease is written. */
function markOf(lease: Json): string {
  const { holderIdentity, renewTime, leaseTransitions } = objectOf(lease, 'spec');
  return JSON.stringify([objectOf(lease, 'metadata')['resourceVersion'], holderIdentity, renewTime, leaseTransitions]);
}

/** These fields have microseconds in the API. */
function microTime(date: Date): string {
  return date.toISOString().replace('Z', '000Z');
}

export function leaseApi(client: KubeClient, { namespace, name }: LeaseSettings): LeaseApi {
  const collection = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
  const path = `${collection}/${name}`;
  /** Shorter than the deadline, so that a second try is possible. */
  const timeoutMs = 5_000;
  return {
    async read(signal) {
      try {
        return await client.send({ method: 'GET', path, signal, timeoutMs });
      } catch (error) {
        if (error instanceof KubeError && error.status === 404) return null;
        throw error;
      }
    },
    create: (body, signal) => client.send({ method: 'POST', path: collection, body, signal, timeoutMs }),
    replace: (body, signal) => client.send({ method: 'PUT', path, body, signal, timeoutMs }),
  };
}
