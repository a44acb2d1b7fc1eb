/**
 * Service names to addresses: from Service documents when they give ClusterIPs, else from cluster DNS.
 *
 * Stage before: `config/attach.ts` (the documents), `backends.ts` and `frontends.ts` (the names wanted). Stage after: the
 * same two, which are told of every change.
 *
 *               answer                    answer (TTL)
 *   pending ------------> resolved fresh <------------- resolved stale
 *      |   ^                  |  ^  |    no answer, NXDOMAIN   ^  |
 *      |   no answer: retry   |  |  '--------------------------'  | (retry, last good kept)
 *      '--> missing (NXDOMAIN, never seen; retry)
 *
 * What was resolved once is never taken back by DNS: a server that fails, or forgets the name, must not stop traffic.
 * A headless Service seen through DNS alone cannot be told from one with a ClusterIP when it has a single pod; with
 * several addresses of one family a warning is logged. Its document tells (`clusterIP: None`).
 */
import { isIPv6 } from 'node:net';
import type { Service } from '../gateway-api/types.ts';
import type { Logger } from '../log.ts';
import type { ResolutionState } from '../routing/decision.ts';
import { finish, type Steps } from '../slices.ts';
import type { FamilyAnswer, IpFamily } from './dns-client.ts';
import { DnsClient } from './dns-client.ts';
import { LookupTotals, type DnsStatistics } from './dns-statistics.ts';
import { addressesOf } from './document-addresses.ts';
import { normalizeDomain, ResolvConfFile } from './resolv-conf.ts';

export interface ServiceAddresses {
  readonly state: ResolutionState;
  /** Canonical text, in the order of `ipFamilies`; empty unless `state` is `resolved`. */
  readonly addresses: readonly string[];
  readonly source: 'document' | 'dns';
  /** Last good addresses are served because the last lookup brought none. */
  readonly stale: boolean;
  /** Why it is not resolved, or stale: a c-ares code (`ENOTFOUND`, `ETIMEOUT`, ...) or a sentence; else null. */
  readonly error: string | null;
}

export interface ServiceStatus extends ServiceAddresses {
  readonly namespace: string;
  readonly name: string;
}

/** Interest in one Service; while it is open the addresses are kept up to date. */
export interface Subscription {
  readonly current: ServiceAddresses;
  /** The Service document, null when there is none. */
  readonly service: Service | null;
  close(): void;
}

export interface ServiceResolverOptions {
  readonly logger: Logger;
  /** Overrides resolv.conf: `address`, `address:port`, `[address]:port`. */
  readonly servers?: readonly string[] | undefined;
  /** Overrides resolv.conf. */
  readonly clusterDomain?: string | undefined;
  /** Default `/etc/resolv.conf`; read again when it changes. */
  readonly resolvConfPath?: string | undefined;
  /** Families to use, in order of preference. Default 4, 6. */
  readonly ipFamilies?: readonly IpFamily[] | undefined;
  /** A name is not asked for again sooner than this, whatever its TTL. Default 1,000. */
  readonly minTtlMs?: number | undefined;
  /** ... nor later than this. Default 30,000. */
  readonly maxTtlMs?: number | undefined;
  /** First retry after a failure; doubles up to `maxTtlMs`. Default 1,000. */
  readonly retryMs?: number | undefined;
  /** First attempt of a query. Default 1,000. */
  readonly timeoutMs?: number | undefined;
  /** Whole lookup. Default 5,000. */
  readonly deadlineMs?: number | undefined;
  /** Lookups at the same time. Default 8. */
  readonly concurrency?: number | undefined;
}

const DEFAULT_CLUSTER_DOMAIN = 'cluster.local';
/** Spreads refreshes of many names, and leaves a new address in use within TTL + 1 s. */
const MAX_JITTER_MS = 500;

const PENDING: ServiceAddresses = { state: 'pending', addresses: [], source: 'dns', stale: false, error: null };

interface Entry {
  readonly namespace: string;
  readonly name: string;
  readonly key: string;
  readonly listeners: Set<() => void>;
  current: ServiceAddresses;
  /** Last good addresses from DNS. */
  readonly byFamily: Map<IpFamily, readonly string[]>;
  /** Lookups since the last one in which every family was settled. */
  failures: number;
  /** Of the lookup under way. */
  round: Map<IpFamily, FamilyAnswer>;
  /** Monotonic time at which the last lookup began. */
  startedMs: number;
  /** Monotonic time at which DNS, or a document before it, last gave an address. */
  answeredMs: number;
  /** Monotonic time at which the shortest TTL of the round ends. */
  expiresAtMs: number;
  timer: NodeJS.Timeout | null;
  /** Gives up the lookup under way, null when there is none. */
  cancel: (() => void) | null;
}

/** The constructor throws ProxyError `invalid-dns-server` for `servers` that are no addresses. */
export class ServiceResolver {
  readonly #logger: Logger;
  readonly #families: readonly IpFamily[];
  readonly #minTtlMs: number;
  readonly #maxTtlMs: number;
  readonly #retryMs: number;
  readonly #dns: DnsClient;
  readonly #entries = new Map<string, Entry>();
  #services: ReadonlyMap<string, Service> = new Map();
  readonly #totals = new LookupTotals();

  /** Null when nothing is left to read from it. */
  readonly #resolvConf: ResolvConfFile | null;
  readonly #fixedServers: readonly string[] | undefined;
  readonly #fixedDomain: string | undefined;
  #domain: string;

  constructor(options: ServiceResolverOptions) {
    this.#logger = options.logger;
    this.#families = options.ipFamilies ?? [4, 6];
    this.#minTtlMs = options.minTtlMs ?? 1_000;
    this.#maxTtlMs = options.maxTtlMs ?? 30_000;
    this.#retryMs = options.retryMs ?? 1_000;
    this.#fixedServers = options.servers;
    this.#fixedDomain = options.clusterDomain === undefined ? undefined : normalizeDomain(options.clusterDomain);
    this.#domain = this.#fixedDomain ?? DEFAULT_CLUSTER_DOMAIN;
    this.#resolvConf =
      this.#fixedServers !== undefined && this.#fixedDomain !== undefined
        ? null
        : new ResolvConfFile(options.resolvConfPath ?? '/etc/resolv.conf', this.#logger);
    this.#dns = new DnsClient({
      servers: options.servers ?? ['127.0.0.1'],
      timeoutMs: options.timeoutMs ?? 1_000,
      tries: 3,
      deadlineMs: options.deadlineMs ?? 5_000,
      concurrency: options.concurrency ?? 8,
    });
    this.#checkResolvConf();
  }

  get clusterDomain(): string {
    return this.#domain;
  }

  statistics(): DnsStatistics {
    return this.#totals.statistics(this.#entries.values());
  }

  /** Every name now wanted, for the admin endpoint and the metrics. */
  status(): readonly ServiceStatus[] {
    return [...this.#entries.values()].map(({ namespace, name, current }) => ({ namespace, name, ...current }));
  }

  /** Replace the Service documents (by `namespace/name`). Listeners of names that changed are called before it returns. */
  setServices(services: ReadonlyMap<string, Service>): void {
    finish(this.setServicesInSteps(services));
  }

  /** The same, pausing on the way. At once the new documents hold for names that nobody wanted before. */
  *setServicesInSteps(services: ReadonlyMap<string, Service>): Steps<void> {
    this.#services = services;
    for (const entry of [...this.#entries.values()]) {
      // It may have been given up during a pause.
      if (this.#entries.get(entry.key) === entry) this.#consult(entry);
      yield;
    }
  }

  /**
   * Keep the addresses of a Service up to date until the subscription is closed. `listener` is called after each change
   * of `current` or of the document, never from within this call. The first lookup starts with the next timer turn.
   */
  subscribe(namespace: string, name: string, listener: () => void): Subscription {
    const key = `${namespace}/${name}`;
    const known = this.#entries.get(key);
    const entry = known ?? newEntry(namespace, name, key);
    if (known === undefined) {
      this.#entries.set(key, entry);
      this.#consult(entry);
    }
    // Not the function itself: it may subscribe twice.
    const own = (): void => listener();
    entry.listeners.add(own);
    const services = (): Service | null => this.#services.get(key) ?? null;
    return {
      get current() {
        return entry.current;
      },
      get service() {
        return services();
      },
      close: () => {
        entry.listeners.delete(own);
        if (entry.listeners.size === 0 && this.#entries.get(key) === entry) {
          this.#entries.delete(key);
          stop(entry);
        }
      },
    };
  }

  /** Stop everything; no listener is called afterwards. */
  close(): void {
    for (const entry of this.#entries.values()) stop(entry);
    this.#entries.clear();
    this.#dns.close();
  }

  /** Take the addresses from the document, or see that DNS is asked. */
  #consult(entry: Entry): void {
    const service = this.#services.get(entry.key);
    const fromDocument = service === undefined ? null : addressesOf(service, this.#families);
    if (fromDocument !== null) {
      stop(entry);
      entry.failures = 0;
      entry.byFamily.clear();
      this.#set(entry, fromDocument);
      return;
    }
    if (entry.current.source === 'document') {
      // The document has gone or has no addresses any more; what it said holds until DNS says something else.
      entry.answeredMs = performance.now();
      this.#lookUpIn(entry, 0);
      this.#set(entry, this.#withoutDocument(entry));
    } else if (entry.timer === null && entry.cancel === null) {
      this.#lookUpIn(entry, 0);
    }
  }

  #withoutDocument(entry: Entry): ServiceAddresses {
    const { state, addresses } = entry.current;
    if (state !== 'resolved') return PENDING;
    for (const family of this.#families) {
      const ofFamily = addresses.filter((address) => isIPv6(address) === (family === 6));
      if (ofFamily.length > 0) entry.byFamily.set(family, ofFamily);
    }
    return { state, addresses, source: 'dns', stale: true, error: 'its document has gone' };
  }

  #lookUpIn(entry: Entry, delayMs: number): void {
    entry.timer = setTimeout(() => {
      entry.timer = null;
      this.#lookUp(entry);
    }, delayMs).unref();
  }

  #lookUp(entry: Entry): void {
    this.#checkResolvConf();
    entry.startedMs = performance.now();
    entry.round = new Map();
    entry.expiresAtMs = Number.POSITIVE_INFINITY;
    entry.cancel = this.#dns.lookup(
      `${entry.name}.${entry.namespace}.svc.${this.#domain}`,
      this.#families,
      (family, answer) => this.#onAnswer(entry, family, answer),
      () => this.#onDone(entry),
    );
  }

  /** One family is there: used at once, a server that never answers for the other family must not delay it. */
  #onAnswer(entry: Entry, family: IpFamily, answer: FamilyAnswer): void {
    entry.round.set(family, answer);
    if (answer.kind !== 'answer') return;
    const ttlMs = Math.min(Math.max(answer.ttlMs, this.#minTtlMs), this.#maxTtlMs);
    entry.expiresAtMs = Math.min(entry.expiresAtMs, performance.now() + ttlMs);
    // Sorted: servers rotate their answers.
    const addresses = [...new Set(answer.addresses)].sort();
    if (addresses.length > 1 && entry.byFamily.get(family)?.length !== addresses.length) {
      this.#logger.warn('cluster DNS: several addresses of one family, is the Service headless?', {
        service: entry.key,
        addresses,
      });
    }
    entry.byFamily.set(family, addresses);
    entry.answeredMs = performance.now();
    this.#set(entry, this.#fromDns(entry));
  }

  #onDone(entry: Entry): void {
    entry.cancel = null;
    const answers = [...entry.round.values()];
    const answered = answers.some((answer) => answer.kind === 'answer');
    const failed = answers.some((answer) => answer.kind === 'failure');
    entry.failures = answered && !failed ? 0 : entry.failures + 1;
    const result = answered ? 'answered' : failed ? 'failed' : 'no_address';
    this.#totals.record(result, performance.now() - entry.startedMs);
    // Before any listener is called: it may close the subscription, which stops the timer.
    this.#lookUpIn(entry, this.#delayMs(entry));
    if (answered) {
      // Only next to an answer is "no such address" believed: alone it would take everything away.
      for (const [family, answer] of entry.round) {
        if (answer.kind === 'no-data' || answer.kind === 'no-name') entry.byFamily.delete(family);
      }
      this.#set(entry, this.#fromDns(entry));
    } else {
      this.#set(entry, withoutAnswer(entry.current, answers, failed));
    }
  }

  #delayMs(entry: Entry): number {
    const now = performance.now();
    const jitter = Math.random();
    // At least the floor after this answer, however long the other family took.
    const ttlMs = Math.max(entry.expiresAtMs - now, this.#minTtlMs);
    const refreshMs = ttlMs + jitter * Math.min(ttlMs / 10, MAX_JITTER_MS);
    if (entry.failures === 0) return refreshMs;
    const backoffMs = Math.min(this.#retryMs * 2 ** Math.min(entry.failures - 1, 20), this.#maxTtlMs);
    return Math.min(refreshMs, backoffMs * (1 - jitter / 10));
  }

  #fromDns(entry: Entry): ServiceAddresses {
    const addresses = this.#families.flatMap((family) => entry.byFamily.get(family) ?? []);
    return { state: 'resolved', addresses, source: 'dns', stale: false, error: null };
  }

  #set(entry: Entry, next: ServiceAddresses): void {
    const previous = entry.current;
    const sameAddresses = previous.addresses.join() === next.addresses.join();
    const sameState = previous.state === next.state && previous.stale === next.stale && previous.error === next.error;
    // A document may differ in its ports alone, so one is always news.
    if (sameAddresses && sameState && previous.source === 'dns' && next.source === 'dns') return;
    entry.current = next;
    this.#log(entry, previous, next, sameAddresses);
    for (const listener of [...entry.listeners]) {
      try {
        listener();
      } catch (error) {
        this.#logger.error('an address change could not be applied', { service: entry.key, error: String(error) });
      }
    }
  }

  #log(entry: Entry, previous: ServiceAddresses, next: ServiceAddresses, sameAddresses: boolean): void {
    const fields = { service: entry.key, addresses: next.addresses, source: next.source, error: next.error };
    if (next.state !== 'resolved') {
      if (next !== PENDING) this.#logger.warn('service address: not known', fields);
    } else if (next.stale) {
      if (!previous.stale) this.#logger.warn('service address: no answer, the last good one is kept', fields);
    } else if (previous.state !== 'resolved' || !sameAddresses || previous.stale) {
      this.#logger.info('service address: resolved', fields);
    }
  }

  #checkResolvConf(): void {
    const conf = this.#resolvConf?.readIfChanged();
    if (conf === null || conf === undefined) return;
    this.#domain = this.#fixedDomain ?? conf.clusterDomain ?? DEFAULT_CLUSTER_DOMAIN;
    const servers = this.#fixedServers ?? conf.servers;
    try {
      this.#dns.setServers(servers);
      this.#logger.info('cluster DNS', { servers, clusterDomain: this.#domain });
    } catch (error) {
      this.#logger.error('cluster DNS: servers of resolv.conf cannot be used', { error: String(error) });
    }
  }
}

function newEntry(namespace: string, name: string, key: string): Entry {
  return {
    namespace,
    name,
    key,
    listeners: new Set(),
    current: PENDING,
    byFamily: new Map(),
    failures: 0,
    startedMs: 0,
    answeredMs: performance.now(),
    round: new Map(),
    expiresAtMs: Number.POSITIVE_INFINITY,
    timer: null,
    cancel: null,
  };
}

function stop(entry: Entry): void {
  if (entry.timer !== null) clearTimeout(entry.timer);
  entry.timer = null;
  entry.cancel?.();
  entry.cancel = null;
}

/** A lookup without any address: keep the last good ones; without any, tell a name that is not there from no answer. */
function withoutAnswer(current: ServiceAddresses, answers: readonly FamilyAnswer[], failed: boolean): ServiceAddresses {
  let error = 'ETIMEOUT';
  for (const answer of answers) {
    // A failure explains more than the other family's "no data".
    if (answer.kind === 'failure' || (answer.kind !== 'answer' && !failed)) error = answer.error;
  }
  if (current.state === 'resolved') return { ...current, stale: true, error };
  const state = failed ? current.state : 'missing';
  return { state, addresses: [], source: 'dns', stale: false, error };
}
