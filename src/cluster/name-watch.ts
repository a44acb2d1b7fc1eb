/**
 * Watches one name in cluster DNS: asks, keeps the last good addresses of each family, asks again.
 *
 *               answer                    answer (TTL)
 *   pending ------------> resolved fresh <------------- resolved stale
 *      |   ^                  |  ^  |    no answer, NXDOMAIN   ^  |
 *      |   no answer: retry   |  |  '--------------------------'  | (retry, last good kept)
 *      '--> missing (NXDOMAIN, never seen; retry)
 *
 * A resolved name stays resolved: a server that fails, or no longer knows the name, must not stop traffic. An answer
 * with only addresses that no Service can have does not count as an answer.
 *
 * Stage before: `dns-client.ts`. Stage after: `resolver.ts`, which has one watch for each Service.
 */
import type { Logger } from '../log.ts';
import type { ResolutionState } from '../routing/decision.ts';
import { addressFault, faultText } from './addresses.ts';
import type { DnsClient, FamilyAnswer, IpFamily, Urgency } from './dns-client.ts';
import type { LookupTotals } from './dns-statistics.ts';
import { NameKind, type NameKindContext } from './name-kind.ts';

export interface DnsView {
  readonly state: ResolutionState;
  /** By family; empty unless `state` is `resolved`. */
  readonly addresses: readonly string[];
  /** True when the last lookup gave no address, so that the last good ones are kept. */
  readonly stale: boolean;
  /**
   * Why it is not resolved or is stale, or which addresses were left out: a c-ares code (`ENOTFOUND`, ...) or a
   * sentence. Otherwise null.
   */
  readonly error: string | null;
  /** Why the addresses are not ClusterIPs; null when nothing contradicts this, or when it was not checked. */
  readonly unroutable: string | null;
}

/** Shared by all names. */
export interface WatchContext extends NameKindContext {
  readonly dns: DnsClient;
  readonly logger: Logger;
  readonly totals: LookupTotals;
  /** In order of preference. */
  readonly families: readonly IpFamily[];
  readonly minTtlMs: number;
  readonly maxTtlMs: number;
  /** First retry after a failure; doubles up to `maxTtlMs`. */
  readonly retryMs: number;
  /** Addresses on which this proxy accepts captured connections. */
  readonly ownAddresses: ReadonlySet<string>;
  /** The full name to look up, with the current cluster domain. Called before each lookup. */
  nameOf(namespace: string, name: string): string;
}

/** Spreads the refreshes of many names. A new address is still in use within TTL + 1 s. */
const MAX_JITTER_MS = 500;

const PENDING: DnsView = { state: 'pending', addresses: [], stale: false, error: null, unroutable: null };

/** An answer without a usable address counts as no answer. */
type Settled = FamilyAnswer | { readonly kind: 'unusable'; readonly error: string };

export class NameWatch {
  view: DnsView = PENDING;
  /** Monotonic time at which an address was last known to be good. */
  answeredMs = performance.now();
  /** True when DNS itself has given an address. */
  answered = false;
  /** `check`: DNS only confirms what another source says, so it is asked later and as rarely as possible. */
  urgency: Urgency = 'now';
  /** True when it must be found out whether the addresses are ClusterIPs. */
  identifies = false;
  readonly #context: WatchContext;
  readonly #namespace: string;
  readonly #name: string;
  readonly #onNews: () => void;
  readonly #kind: NameKind;
  /** The name of the last lookup. */
  #fullName = '';
  /** Last good addresses; an empty list for a family the name is known not to have. */
  readonly #byFamily = new Map<IpFamily, readonly string[]>();
  /** By family: the addresses in the last answers that no Service can have, as text. */
  readonly #leftOut = new Map<IpFamily, string>();
  /** Lookups since the last one that settled every family. */
  #failures = 0;
  /** The answers of the lookup in progress. */
  #round = new Map<IpFamily, Settled>();
  #startedMs = 0;
  /** Monotonic time at which the shortest TTL of the round ends. */
  #expiresAtMs = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | null = null;
  /** Cancels the lookup in progress; null when there is none. */
  #cancel: (() => void) | null = null;

  /** `onNews` is called when the view may have changed. */
  constructor(context: WatchContext, namespace: string, name: string, onNews: () => void) {
    this.#context = context;
    this.#namespace = namespace;
    this.#name = name;
    this.#onNews = onNews;
    this.#kind = new NameKind(context, () => {
      if (this.view.state === 'resolved') this.#show({ ...this.view, unroutable: this.#kind.why });
    });
  }

  get running(): boolean {
    return this.#timer !== null || this.#cancel !== null;
  }

  /** Asks at the next turn of the timers, and from then on repeatedly. */
  start(): void {
    if (!this.running) this.#lookUpIn(0);
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#cancel?.();
    this.#cancel = null;
    this.#kind.stop();
  }

  /** Like `start`, but asks at once if it is only waiting. */
  askNow(): void {
    if (this.#cancel !== null) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#lookUpIn(0);
  }

  /** Last good addresses of a family; empty when the name is known to have none; undefined when unknown. */
  addressesOf(family: IpFamily): readonly string[] | undefined {
    return this.#byFamily.get(family);
  }

  /** Forgets all answers. */
  forget(): void {
    this.#failures = 0;
    this.answered = false;
    this.#kind.forget();
    this.#byFamily.clear();
    this.#leftOut.clear();
    this.view = PENDING;
  }

  /** Takes addresses from another source, which are used as stale ones until DNS gives an answer. */
  assume(addresses: ReadonlyMap<IpFamily, readonly string[]>, why: string): void {
    for (const [family, ofFamily] of addresses) this.#byFamily.set(family, ofFamily);
    this.answeredMs = performance.now();
    this.view = { ...this.#resolved(), stale: true, error: why };
  }

  #lookUpIn(delayMs: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#lookUp();
    }, delayMs).unref();
  }

  #lookUp(): void {
    const { dns, families } = this.#context;
    this.#fullName = this.#context.nameOf(this.#namespace, this.#name);
    this.#startedMs = performance.now();
    this.#round = new Map();
    this.#expiresAtMs = Number.POSITIVE_INFINITY;
    this.#cancel = dns.lookup(
      this.#fullName,
      families,
      this.urgency,
      (family, answer) => this.#onAnswer(family, answer),
      () => this.#onDone(),
    );
  }

  /** One family is used at once: a server that never answers for the other family must not delay it. */
  #onAnswer(family: IpFamily, answer: FamilyAnswer): void {
    const settled = answer.kind === 'answer' ? this.#usable(family, answer) : answer;
    this.#round.set(family, settled);
    if (settled.kind !== 'answer') return;
    const { minTtlMs, maxTtlMs, logger } = this.#context;
    const ttlMs = Math.min(Math.max(settled.ttlMs, minTtlMs), maxTtlMs);
    this.#expiresAtMs = Math.min(this.#expiresAtMs, performance.now() + ttlMs);
    const { addresses } = settled;
    if (addresses.length > 1 && this.#byFamily.get(family)?.length !== addresses.length) {
      logger.warn('cluster DNS: several addresses of one family, is the Service headless?', {
        service: this.#service,
        addresses,
      });
    }
    this.#byFamily.set(family, addresses);
    this.answeredMs = performance.now();
    this.answered = true;
    this.#show(this.#resolved());
  }

  /** Sorted, because servers rotate their answers, and without addresses that no Service can have. */
  #usable(family: IpFamily, answer: FamilyAnswer & { readonly kind: 'answer' }): Settled {
    const { totals, ownAddresses, logger } = this.#context;
    const addresses: string[] = [];
    const faults: string[] = [];
    for (const address of [...new Set(answer.addresses)].sort()) {
      const fault = addressFault(address) ?? (ownAddresses.has(address) ? 'own' : null);
      if (fault === null) {
        addresses.push(address);
        continue;
      }
      totals.recordUnusable(fault);
      faults.push(faultText(address, fault));
    }
    const text = faults.join(', ');
    const news = text !== (this.#leftOut.get(family) ?? '');
    if (text === '') this.#leftOut.delete(family);
    else this.#leftOut.set(family, text);
    if (news && text !== '') {
      logger.warn('cluster DNS: an address that no Service can have', { service: this.#service, refused: text });
    }
    return addresses.length === 0 ? { kind: 'unusable', error: text } : { ...answer, addresses };
  }

  #onDone(): void {
    this.#cancel = null;
    const answers = [...this.#round.values()];
    const answered = answers.some((answer) => answer.kind === 'answer');
    const failed = answers.some(isFailure);
    this.#failures = answered && !failed ? 0 : this.#failures + 1;
    const result = answered ? 'answered' : failed ? 'failed' : 'no_address';
    this.#context.totals.record(result, performance.now() - this.#startedMs);
    // Scheduled before the listeners are called, because these may stop the watch.
    this.#lookUpIn(this.#delayMs());
    if (answered) {
      // "No such address" is believed only together with an answer for the other family: alone it would remove all
      // addresses.
      for (const [family, answer] of this.#round) {
        if (answer.kind !== 'no-data' && answer.kind !== 'no-name') continue;
        this.#byFamily.set(family, []);
        this.#leftOut.delete(family);
      }
      this.#show(this.#resolved());
      // A document that DNS confirms is enough evidence.
      if (this.identifies && this.urgency === 'now') this.#kind.look(this.#fullName, this.view.addresses);
    } else {
      if (answers.every(({ kind }) => kind === 'no-name')) this.#kind.forget();
      this.#show(withoutAnswer(this.view, answers, failed));
    }
  }

  #delayMs(): number {
    const { minTtlMs, maxTtlMs, retryMs } = this.#context;
    const jitter = Math.random();
    // Not earlier than the minimum after this answer, however long the other family took.
    const leastMs = this.urgency === 'check' ? maxTtlMs : minTtlMs;
    const ttlMs = Math.max(this.#expiresAtMs - performance.now(), leastMs);
    const refreshMs = ttlMs + jitter * Math.min(ttlMs / 10, MAX_JITTER_MS);
    if (this.#failures === 0) return refreshMs;
    const backoffMs = Math.min(retryMs * 2 ** Math.min(this.#failures - 1, 20), maxTtlMs);
    return Math.min(refreshMs, backoffMs * (1 - jitter / 10));
  }

  #resolved(): DnsView {
    const addresses = this.#context.families.flatMap((family) => this.#byFamily.get(family) ?? []);
    const leftOut = [...this.#leftOut.values()];
    this.#kind.count(addresses);
    return {
      ...{ state: 'resolved', addresses, stale: false },
      error: leftOut.length === 0 ? null : leftOut.join(', '),
      unroutable: this.#kind.why,
    };
  }

  #show(view: DnsView): void {
    this.view = view;
    this.#onNews();
  }

  get #service(): string {
    return `${this.#namespace}/${this.#name}`;
  }
}

function isFailure({ kind }: Settled): boolean {
  return kind === 'failure' || kind === 'unusable';
}

/**
 * For a lookup without any address: keeps the last good ones. If there are none, distinguishes a missing name from a
 * missing answer.
 */
function withoutAnswer(current: DnsView, answers: readonly Settled[], failed: boolean): DnsView {
  let error = 'ETIMEOUT';
  for (const answer of answers) {
    // A failure explains more than "no data" for the other family.
    if (answer.kind !== 'answer' && (!failed || isFailure(answer))) error = answer.error;
  }
  if (current.state === 'resolved') return { ...current, stale: true, error };
  return { ...PENDING, state: failed ? current.state : 'missing', error };
}
