/**
 * Original destinations to frontends: which address and port belongs to which parent Service.
 *
 * Stage before: `config/attach.ts` and `resolver.ts`. Stage after: the acceptor (`addon/binding.ts`), which looks up the
 * original destination of each connection, and the route tables, which are found by frontend id.
 *
 * What cannot be resolved is not captured: its connections are tunnelled like unrouted ones, and it is reported.
 */
import type { FrontendAddress } from '../addon/binding.ts';
import type { AttachedFrontend, Attachment } from '../config/attachment.ts';
import type { Problem } from '../gateway-api/types.ts';
import type { Logger } from '../log.ts';
import { finish, type Steps } from '../slices.ts';
import { presence, type Knowledge } from './knowledge.ts';
import { Numbers } from './numbers.ts';
import { assignAddresses, knowledgeWithoutAddress, type Networks } from './parent-addresses.ts';
import { sameState, type ServiceResolver, type Subscription } from './resolver.ts';
import type { ServiceAddresses } from './service-addresses.ts';

/** A frontend without a single address; its Service is reached as if there were no routes. */
export interface UnresolvedFrontend {
  /** `AttachedFrontend.key`. */
  readonly key: string;
  readonly reason: string;
  /** Nothing is wrong yet: cluster DNS has not been heard. */
  readonly waiting: boolean;
}

/** What a new attachment comes to, until it is in force. */
export interface PreparedFrontends {
  /**
   * To be called without a pause before the route tables that know the frontends are in place; calls `onChange` if the list
   * changed. What that throws is passed on, and the frontends before are still there.
   */
  commit(): void;
  /** Instead of `commit`, or when that has thrown. */
  readonly abandon: () => void;
}

export interface FrontendRegistryOptions {
  readonly resolver: ServiceResolver;
  /** Networks that ClusterIPs are in; null when they are not known. */
  readonly networks?: Networks;
  readonly logger: Logger;
  /** The list for the acceptor changed, by configuration or DNS. Complete each time. */
  readonly onChange: (addresses: readonly FrontendAddress[]) => void;
  /** Ids that connections in progress have, whose requests are decided by them. Default: none. */
  readonly inUse?: () => ReadonlySet<number>;
}

/** Frontends of earlier configurations: so many keep their ids, beside those in use. */
const MAX_RETIRED = 256;

export class FrontendRegistry {
  readonly #resolver: ServiceResolver;
  readonly #logger: Logger;
  readonly #onChange: (addresses: readonly FrontendAddress[]) => void;
  readonly #networks: Networks;
  readonly #inUse: () => ReadonlySet<number>;
  readonly #ids = new Numbers();
  /** Keys that the current configuration does not have, the one that was given up last at the end. */
  readonly #retired = new Set<string>();
  /** By `namespace/name`: the parents of the current configuration. */
  #parents: ReadonlyMap<string, Subscription> = new Map();
  /** What `#addresses` was made of, by `namespace/name`. */
  #seen: ReadonlyMap<string, ServiceAddresses> = new Map();
  /** Parents with an address of their own. */
  #owners: ReadonlySet<string> = new Set();
  #frontends: readonly AttachedFrontend[] = [];
  #addresses: readonly FrontendAddress[] = [];
  #routedBefore: readonly FrontendAddress[] = [];
  #unresolved: readonly UnresolvedFrontend[] = [];
  #problems: readonly Problem[] = [];

  constructor(options: FrontendRegistryOptions) {
    this.#resolver = options.resolver;
    this.#logger = options.logger;
    this.#onChange = options.onChange;
    this.#inUse = options.inUse ?? (() => new Set());
    this.#networks = options.networks ?? null;
  }

  /** Dense id of a frontend key, the same as long as a configuration or a connection has it. */
  frontendId(key: string): number {
    return this.#ids.of(key);
  }

  /** By id; null for one that stands for none. */
  get keys(): readonly (string | null)[] {
    return this.#ids.names;
  }

  /** The list last given to `onChange`, sorted by address, port. */
  get addresses(): readonly FrontendAddress[] {
    return this.#addresses;
  }

  /** The list that there was when the last attachment came. */
  get routedBefore(): readonly FrontendAddress[] {
    return this.#routedBefore;
  }

  get unresolved(): readonly UnresolvedFrontend[] {
    return this.#unresolved;
  }

  /** `service`: `namespace/name`. Null when it is not a parent now. */
  knowledge(service: string): Knowledge | null {
    const current = this.#parents.get(service)?.current;
    if (current === undefined) return null;
    return this.#owners.has(service) ? presence(current) : knowledgeWithoutAddress(current, this.#networks);
  }

  /** Addresses that were refused, or claimed by two Services. */
  get problems(): readonly Problem[] {
    return this.#problems;
  }

  /** Take over a new attachment at once. */
  update(attachment: Attachment): void {
    finish(this.prepareInSteps(attachment)).commit();
  }

  /** Get ready for a new attachment, pausing on the way; after `resolver.setServices`. One at a time. */
  *prepareInSteps(attachment: Attachment): Steps<PreparedFrontends> {
    const parents = new Map<string, Subscription>();
    const opened: Subscription[] = [];
    const abandon = (): void => {
      for (const subscription of opened) subscription.close();
    };
    try {
      for (const { namespace, name } of attachment.frontends) {
        const service = `${namespace}/${name}`;
        if (parents.has(service)) continue;
        let subscription = this.#parents.get(service);
        if (subscription === undefined) {
          subscription = this.#subscribe(namespace, name);
          opened.push(subscription);
        }
        parents.set(service, subscription);
        yield;
      }
    } catch (error) {
      abandon();
      throw error;
    }
    const commit = (): void => {
      this.#routedBefore = this.#addresses;
      this.#take(parents, attachment.frontends);
      this.#forgetIds();
    };
    return { commit, abandon };
  }

  /** Apart from where an attachment is at hand: the listener would keep that for as long as the Service is a parent. */
  #subscribe(namespace: string, name: string): Subscription {
    return this.#resolver.subscribe(namespace, name, () => this.#onNews(`${namespace}/${name}`), true);
  }

  /** Every document is news with every configuration, though hardly one of them changes. */
  #onNews(service: string): void {
    // Not there: of an update under way, whose end refreshes everything.
    const current = this.#parents.get(service)?.current;
    if (current === undefined) return;
    const seen = this.#seen.get(service);
    if (seen === undefined || !sameAddresses(current, seen)) this.#take(this.#parents, this.#frontends);
  }

  /** Whoever captures connections has the list before anything else is changed: when that fails, nothing is. */
  #take(parents: ReadonlyMap<string, Subscription>, frontends: readonly AttachedFrontend[]): void {
    const problems: Problem[] = [];
    const owners = assignAddresses(parents, this.#networks, problems);
    const addresses: FrontendAddress[] = [];
    const unresolved: UnresolvedFrontend[] = [];
    for (const frontend of frontends) {
      const service = `${frontend.namespace}/${frontend.name}`;
      const { current } = parents.get(service)!;
      const all = [...current.addresses, ...(current.former ?? [])];
      const own = all.filter((address) => owners.get(address)?.service === service);
      const id = this.frontendId(frontend.key);
      for (const address of own) addresses.push({ address, port: frontend.port, id, mode: frontend.mode });
      if (own.length > 0) continue;
      const { state, message } = knowledgeWithoutAddress(current, this.#networks);
      unresolved.push({ key: frontend.key, reason: message ?? state, waiting: state === 'asked' });
    }
    addresses.sort((a, b) => compare(a.address, b.address) || a.port - b.port || a.id - b.id);
    if (!sameList(addresses, this.#addresses)) {
      this.#onChange(addresses);
      this.#addresses = addresses;
    }
    for (const [service, subscription] of this.#parents) if (!parents.has(service)) subscription.close();
    this.#parents = parents;
    this.#frontends = frontends;
    this.#seen = new Map([...parents].map(([service, { current }]) => [service, current]));
    this.#owners = new Set([...owners.values()].map(({ service }) => service));
    this.#report(problems, unresolved);
  }

  /** The list for the acceptor has none of what is forgotten, and the table that comes into force with it neither. */
  #forgetIds(): void {
    const current = new Set(this.#frontends.map(({ key }) => key));
    for (const key of current) this.#retired.delete(key);
    for (const key of this.#ids.names) if (key !== null && !current.has(key)) this.#retired.add(key);
    if (this.#retired.size <= MAX_RETIRED) return;
    const inUse = this.#inUse();
    for (const key of this.#retired) {
      if (this.#retired.size <= MAX_RETIRED) break;
      if (inUse.has(this.frontendId(key))) continue;
      this.#retired.delete(key);
      this.#ids.forget(key);
    }
  }

  /** Say what is new; a state that lasts is in readiness and metrics. */
  #report(problems: readonly Problem[], unresolved: readonly UnresolvedFrontend[]): void {
    const known = new Set(this.#problems.map(({ resource, message }) => `${resource ?? ''} ${message}`));
    for (const { resource, message, code } of problems) {
      if (!known.has(`${resource ?? ''} ${message}`)) this.#logger.error(`frontend: ${message}`, { resource, code });
    }
    const reasons = new Map(this.#unresolved.map(({ key, reason }) => [key, reason]));
    for (const { key, reason } of unresolved) {
      if (reasons.get(key) !== reason)
        this.#logger.warn('frontend: address not known, connections pass unrouted', { frontend: key, reason });
    }
    this.#problems = problems;
    this.#unresolved = unresolved;
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function sameAddresses(a: ServiceAddresses, b: ServiceAddresses): boolean {
  return sameState(a, b) && a.addresses.join() === b.addresses.join();
}

function sameList(a: readonly FrontendAddress[], b: readonly FrontendAddress[]): boolean {
  return (
    a.length === b.length &&
    a.every((one, i) => {
      const other = b[i]!;
      return one.address === other.address && one.port === other.port && one.id === other.id && one.mode === other.mode;
    })
  );
}
