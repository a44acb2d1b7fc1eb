/**
 * Resolves Service names to addresses, from Service documents and cluster DNS (`document-addresses.ts` defines how they
 * are combined).
 *
 * Stage before: `config/attach.ts` (the documents), `name-watch.ts` (cluster DNS), `backends.ts` and `frontends.ts`
 * (the names in use). Stage after: the last two, which are told about every change.
 */
import { isIPv6 } from 'node:net';
import type { ServiceNetworks } from '../config/service-networks.ts';
import type { Problem, Service } from '../gateway-api/types.ts';
import type { Logger } from '../log.ts';
import { finish, type Steps } from '../slices.ts';
import type { IpFamily } from './dns-client.ts';
import { DnsClient } from './dns-client.ts';
import { LookupTotals, type DnsStatistics } from './dns-statistics.ts';
import { addressesOf, checkedAddresses, isCheckable } from './document-addresses.ts';
import { documentProblem, placeOf } from './document-problems.ts';
import { NameWatch, type WatchContext } from './name-watch.ts';
import { Outdated } from './outdated.ts';
import { normalizeDomain, ResolvConfFile } from './resolv-conf.ts';
import type { ServiceAddresses } from './service-addresses.ts';

export interface ServiceStatus extends ServiceAddresses {
  readonly namespace: string;
  readonly name: string;
}

/** A subscription to one Service: while it is open, the addresses are kept up to date. */
export interface Subscription {
  readonly current: ServiceAddresses;
  /** The Service document; null when there is none. */
  readonly service: Service | null;
  close(): void;
}

export interface ServiceResolverOptions {
  readonly logger: Logger;
  /** Overrides resolv.conf: `address`, `address:port`, `[address]:port`. */
  readonly servers?: readonly string[] | undefined;
  /** Overrides resolv.conf. */
  readonly clusterDomain?: string | undefined;
  /** Read again when it changes. Default: `/etc/resolv.conf`. */
  readonly resolvConfPath?: string | undefined;
  /** Families to use, in order of preference. Default: 4, 6. */
  readonly ipFamilies?: readonly IpFamily[] | undefined;
  /** Minimum time between two lookups of a name, whatever its TTL. Default: 1,000. */
  readonly minTtlMs?: number | undefined;
  /** Maximum time between two lookups of a name. Default: 30,000. */
  readonly maxTtlMs?: number | undefined;
  /** First retry after a failure; doubles up to `maxTtlMs`. Default 1,000. */
  readonly retryMs?: number | undefined;
  /** Timeout of the first attempt of a query. Default: 1,000. */
  readonly timeoutMs?: number | undefined;
  /** Timeout of the whole lookup. Default: 5,000. */
  readonly deadlineMs?: number | undefined;
  /** Maximum number of simultaneous lookups. Default: 8. */
  readonly concurrency?: number | undefined;
  /** How long after a change of the document cluster DNS may still give the old answer. Default: 60,000. */
  readonly outdatedMs?: number | undefined;
  /** Networks that contain the ClusterIPs; null when unknown. */
  readonly networks?: Pick<ServiceNetworks, 'contains'> | null | undefined;
  /** Called when the state of a Service has changed, after its subscribers. */
  readonly onChange?: (() => void) | undefined;
  /** Addresses on which this proxy accepts captured connections; these never belong to a Service. */
  readonly ownAddresses?: Iterable<string> | undefined;
}

const DEFAULT_CLUSTER_DOMAIN = 'cluster.local';
/** Caches of cluster DNS usually keep an answer for 30 s. */
const OUTDATED_MS = 60_000;
const PENDING: ServiceAddresses = {
  ...{ state: 'pending', addresses: [], source: 'dns' },
  ...{ verdict: null, unroutable: null, stale: false, error: null },
};

interface Entry {
  readonly namespace: string;
  readonly name: string;
  readonly key: string;
  readonly listeners: Set<() => void>;
  /** Subscribers that need to know whether the addresses are ClusterIPs. */
  readonly parents: Set<() => void>;
  readonly watch: NameWatch;
  /** Its document at the last check. */
  service: Service | undefined;
  /** The addresses in the document; null when it leaves them to DNS. */
  documented: ServiceAddresses | null;
  /** True when DNS is asked in addition to the document. */
  checked: boolean;
  /** Addresses in the document that DNS has confirmed. */
  confirmed: readonly string[];
  /** Addresses confirmed before the document changed; DNS may still give them for a while. */
  readonly outdated: Outdated;
  current: ServiceAddresses;
}

/** The constructor throws ProxyError `invalid-dns-server` when `servers` contains an invalid address. */
export class ServiceResolver {
  readonly #logger: Logger;
  readonly #onChange: () => void;
  readonly #families: readonly IpFamily[];
  readonly #dns: DnsClient;
  readonly #watchContext: WatchContext;
  readonly #entries = new Map<string, Entry>();
  #services: ReadonlyMap<string, Service> = new Map();
  readonly #totals = new LookupTotals();

  /** Null when all its values are overridden. */
  readonly #resolvConf: ResolvConfFile | null;
  readonly #outdatedMs: number;
  readonly #fixedServers: readonly string[] | undefined;
  readonly #fixedDomain: string | undefined;
  #domain: string;

  constructor(options: ServiceResolverOptions) {
    this.#logger = options.logger;
    this.#onChange = options.onChange ?? (() => undefined);
    this.#families = options.ipFamilies ?? [4, 6];
    this.#outdatedMs = options.outdatedMs ?? OUTDATED_MS;
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
    this.#watchContext = {
      dns: this.#dns,
      logger: this.#logger,
      totals: this.#totals,
      families: this.#families,
      minTtlMs: options.minTtlMs ?? 1_000,
      maxTtlMs: options.maxTtlMs ?? 30_000,
      retryMs: options.retryMs ?? 1_000,
      ownAddresses: new Set(options.ownAddresses),
      isClusterIP: (address) => options.networks?.contains(address) === true,
      nameOf: (namespace, name) => {
        this.#checkResolvConf();
        return `${name}.${namespace}.svc.${this.#domain}`;
      },
    };
    this.#checkResolvConf();
  }

  get clusterDomain(): string {
    return this.#domain;
  }

  /** Documents that cluster DNS contradicts, or whose Services it does not know. */
  get problems(): readonly Problem[] {
    return [...this.#entries.values()].flatMap(({ key, documented, current }) => {
      const service = this.#services.get(key);
      const problem = service === undefined || documented === null ? null : documentProblem(documented, current);
      return problem === null ? [] : [{ ...problem, ...placeOf(service!) }];
    });
  }

  statistics(): DnsStatistics {
    const wanted = [...this.#entries.values()].map(({ current, watch: { answeredMs } }) => ({ current, answeredMs }));
    return this.#totals.statistics(wanted);
  }

  /** Every name in use, for the admin endpoint and the metrics. */
  status(): readonly ServiceStatus[] {
    return [...this.#entries.values()].map(({ namespace, name, current }) => ({ namespace, name, ...current }));
  }

  /** Replaces the Service documents (by `namespace/name`). Listeners of changed names are called before it returns. */
  setServices(services: ReadonlyMap<string, Service>): void {
    finish(this.setServicesInSteps(services));
  }

  /** Like `setServices`, with pauses. The new documents apply at once to names that are first used now. */
  *setServicesInSteps(services: ReadonlyMap<string, Service>): Steps<void> {
    this.#services = services;
    for (const entry of [...this.#entries.values()]) {
      // It may have been unsubscribed during a pause.
      if (this.#entries.get(entry.key) === entry) this.#consult(entry);
      yield;
    }
  }

  /**
   * Keeps the addresses of a Service up to date until the subscription is closed. `listener` is called after each
   * change of `current` or of the document, never within this call. The first lookup starts at the next turn of the
   * timers. `asParent`: also find out whether the addresses are ClusterIPs.
   */
  subscribe(namespace: string, name: string, listener: () => void, asParent = false): Subscription {
    const key = `${namespace}/${name}`;
    const known = this.#entries.get(key);
    const entry = known ?? this.#newEntry(namespace, name, key);
    if (known === undefined) {
      this.#entries.set(key, entry);
      this.#consult(entry);
    }
    // A new function each time, because one listener may subscribe twice.
    const own = (): void => listener();
    entry.listeners.add(own);
    if (asParent) entry.parents.add(own);
    entry.watch.identifies = entry.parents.size > 0;
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
        entry.parents.delete(own);
        entry.watch.identifies = entry.parents.size > 0;
        if (entry.listeners.size === 0 && this.#entries.get(key) === entry) {
          this.#entries.delete(key);
          entry.watch.stop();
        }
      },
    };
  }

  /** Stops everything; no listener is called afterwards. */
  close(): void {
    for (const { watch } of this.#entries.values()) watch.stop();
    this.#entries.clear();
    this.#dns.close();
  }

  #newEntry(namespace: string, name: string, key: string): Entry {
    const watch = new NameWatch(this.#watchContext, namespace, name, () => this.#refresh(entry, false));
    const state = { service: undefined, documented: null, checked: false, confirmed: [], current: PENDING };
    const outdated = new Outdated(this.#outdatedMs);
    const entry: Entry = { namespace, name, key, listeners: new Set(), parents: new Set(), watch, outdated, ...state };
    return entry;
  }

  /** Reads the document, if there is one, and starts DNS lookups where they matter. */
  #consult(entry: Entry): void {
    const { watch, documented: before } = entry;
    const service = this.#services.get(entry.key);
    // The ports may have changed even when DNS provides the addresses.
    const isOther = service !== entry.service;
    entry.service = service;
    const documented = service === undefined ? null : addressesOf(service, this.#families);
    entry.documented = documented;
    entry.checked = documented !== null && isCheckable(documented, service!);
    if (documented !== null && !entry.checked) {
      watch.stop();
      watch.forget();
    } else if (documented !== null) {
      const same = before?.addresses.join() === documented.addresses.join();
      if (entry.confirmed.join() !== documented.addresses.join()) {
        entry.outdated.add(entry.confirmed);
        entry.confirmed = [];
      }
      // An old answer says nothing about a new document.
      if (!same && (watch.view.stale || !watch.answered)) watch.forget();
      if (same || before === null) watch.start();
      else watch.askNow();
    } else if (before !== null) {
      // The document is gone, or has no addresses any more. Its addresses are used until DNS gives an answer.
      if (before.state === 'resolved' && !watch.answered) {
        watch.assume(this.#byFamily(before), 'its document has gone');
      }
      watch.urgency = 'now';
      watch.askNow();
    } else {
      watch.start();
    }
    this.#refresh(entry, isOther || documented !== null || before !== null);
  }

  /** `news`: the document has changed, even if its addresses have not. */
  #refresh(entry: Entry, news: boolean): void {
    const { documented, checked, watch } = entry;
    let next: ServiceAddresses;
    if (documented === null) next = { ...watch.view, source: 'dns', verdict: null };
    else if (!checked) next = documented;
    else next = this.#checked(entry, documented);
    watch.urgency = checked && next.verdict !== 'differs' && next.former === undefined ? 'check' : 'now';
    this.#set(entry, next, news);
  }

  #checked(entry: Entry, documented: ServiceAddresses): ServiceAddresses {
    const { watch, outdated } = entry;
    const next = checkedAddresses(documented, watch, this.#families);
    if (next.verdict === 'agrees') {
      entry.confirmed = documented.addresses;
      outdated.clear();
    }
    if (next.verdict !== 'differs' || !outdated.explains(watch.view)) return next;
    // An address in the document of another Service belongs to that one.
    const given = new Set([...this.#services.values()].flatMap(({ clusterIPs }) => clusterIPs));
    const former = watch.view.addresses.filter((address) => !given.has(address));
    return { ...documented, verdict: 'silent', former };
  }

  #byFamily({ addresses }: ServiceAddresses): Map<IpFamily, readonly string[]> {
    const of = (family: IpFamily): string[] => addresses.filter((address) => isIPv6(address) === (family === 6));
    return new Map(this.#families.map((family) => [family, of(family)] as const).filter(([, list]) => list.length > 0));
  }

  #set(entry: Entry, next: ServiceAddresses, news: boolean): void {
    const previous = entry.current;
    const sameAddresses = previous.addresses.join() === next.addresses.join();
    if (!news && sameAddresses && sameState(previous, next)) return;
    entry.current = next;
    this.#log(entry, previous, next, sameAddresses);
    for (const listener of [...entry.listeners]) {
      try {
        listener();
      } catch (error) {
        this.#logger.error('an address change could not be applied', { service: entry.key, error: String(error) });
      }
    }
    this.#onChange();
  }

  #log(entry: Entry, previous: ServiceAddresses, next: ServiceAddresses, sameAddresses: boolean): void {
    const fields = { service: entry.key, addresses: next.addresses, source: next.source, error: next.error };
    if (next.verdict !== previous.verdict) this.#logVerdict(entry, previous, next);
    if (next.state !== 'resolved') {
      if (next.error !== null) this.#logger.warn('service address: not known', fields);
    } else if (next.stale) {
      if (!previous.stale) this.#logger.warn('service address: no answer, the last good one is kept', fields);
    } else if (previous.state !== 'resolved' || !sameAddresses || previous.stale) {
      this.#logger.info('service address: resolved', fields);
    }
  }

  #logVerdict(entry: Entry, previous: ServiceAddresses, next: ServiceAddresses): void {
    const documented = entry.documented?.addresses ?? [];
    const fields = { service: entry.key, documented, addresses: next.addresses };
    if (next.verdict === 'differs') {
      this.#logger.warn('service address: not the one of the document any more, cluster DNS is followed', fields);
    } else if (next.verdict === 'unknown') {
      this.#logger.warn('service address: cluster DNS does not know the Service, its document is believed', fields);
    } else if (next.verdict === 'agrees' && (previous.verdict === 'differs' || previous.verdict === 'unknown')) {
      this.#logger.info('service address: cluster DNS and the document agree again', fields);
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

/** True when everything except the addresses is equal. */
export function sameState(a: ServiceAddresses, b: ServiceAddresses): boolean {
  return (
    a.state === b.state &&
    a.source === b.source &&
    a.verdict === b.verdict &&
    a.unroutable === b.unroutable &&
    a.stale === b.stale &&
    a.former?.join() === b.former?.join() &&
    a.error === b.error
  );
}
