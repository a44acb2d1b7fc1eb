/**
 * Maps original destinations to frontends: which address and port belongs to which parent Service.
 *
 * Stage before: `config/attach.ts` and `resolver.ts`. Stage after: the acceptor (`addon/binding.ts`), which looks up
 * the original destination of each connection, and the route tables, which are found by frontend id.
 *
 * A frontend that cannot be resolved is not captured: its connections are tunnelled like unrouted ones, and it is
 * reported.
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

/** A frontend without an address. Its Service is reached as if there were no routes. */
export interface UnresolvedFrontend {
  /** `AttachedFrontend.key`. */
  readonly key: string;
  readonly reason: string;
  /** True before the first answer of cluster DNS, when nothing is wrong yet. */
  readonly waiting: boolean;
}

/** The prepared result of a new attachment, before it is in force. */
export interface PreparedFrontends {
  /**
   * To be called before the route tables with these frontends are in force, without a pause in between. Calls
   * `onChange` if the list changed. An exception from there is passed on, and the previous frontends stay.
   */
  commit(): void;
  /** To be called instead of `commit`, or when that has thrown. */
  readonly abandon: () => void;
}

export interface FrontendRegistryOptions {
  readonly resolver: ServiceResolver;
  /** Networks that contain the ClusterIPs; null when unknown. */
  readonly networks?: Networks;
  readonly logger: Logger;
  /** Called with the complete list for the acceptor when configuration or DNS has changed it. */
  readonly onChange: (addresses: readonly FrontendAddress[]) => void;
  /** Ids used by open connections, whose requests are decided by them. Default: none. */
  readonly inUse?: () => ReadonlySet<number>;
}

/** Number of frontends of earlier configurations that keep their ids, in addition to those in use. */
const MAX_RETIRED = 256;

export class FrontendRegistry {
  readonly #resolver: ServiceResolver;
  readonly #logger: Logger;
  readonly #onChange: (addresses: readonly FrontendAddress[]) => void;
  readonly #networks: Networks;
  readonly #inUse: () => ReadonlySet<number>;
  readonly #ids = new Numbers();
  /** Keys that are not in the current configuration, the most recently retired last. */
  readonly #retired = new Set<string>();
  /** By `namespace/name`: the parents of the current configuration. */
  #parents: ReadonlyMap<string, Subscription> = new Map();
  /** The addresses from which `#addresses` was built, by `namespace/name`. */
  #seen: ReadonlyMap<string, ServiceAddresses> = new Map();
  /** Parents that own an address. */
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

  /** Dense id of a frontend key. It stays the same while a configuration or a connection uses it. */
  frontendId(key: string): number {
    return this.#ids.of(key);
  }

  /** Keys by id; null for an unused id. */
  get keys(): readonly (string | null)[] {
    return this.#ids.names;
  }

  /** The list last given to `onChange`, sorted by address, port. */
  get addresses(): readonly FrontendAddress[] {
    return this.#addresses;
  }

  /** The list before the last attachment. */
  get routedBefore(): readonly FrontendAddress[] {
    return this.#routedBefore;
  }

  get unresolved(): readonly UnresolvedFrontend[] {
    return this.#unresolved;
  }

  /** `service`: `namespace/name`. Null when it is not a parent. */
  knowledge(service: string): Knowledge | null {
    const current = this.#parents.get(service)?.current;
    if (current === undefined) return null;
    return this.#owners.has(service) ? presence(current) : knowledgeWithoutAddress(current, this.#networks);
  }

  /** Addresses that were refused, or claimed by two Services. */
  get problems(): readonly Problem[] {
    return this.#problems;
  }

  /** Applies a new attachment at once. */
  update(attachment: Attachment): void {
    finish(this.prepareInSteps(attachment)).commit();
  }

  /** Prepares a new attachment, with pauses; call `resolver.setServices` first. Calls must not overlap. */
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

  /**
   * A separate method, so that the listener does not keep an attachment in memory for as long as the Service is a
   * parent.
   */
  #subscribe(namespace: string, name: string): Subscription {
    return this.#resolver.subscribe(namespace, name, () => this.#onNews(`${namespace}/${name}`), true);
  }

  /** Called for every document after every configuration, although hardly any of them changes. */
  #onNews(service: string): void {
    // Unknown during an update, whose end refreshes everything.
    const current = this.#parents.get(service)?.current;
    if (current === undefined) return;
    const seen = this.#seen.get(service);
    if (seen === undefined || !sameAddresses(current, seen)) this.#take(this.#parents, this.#frontends);
  }

  /** The capturing side gets the list before anything else is changed: if that fails, nothing changes. */
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

  /** The ids to forget are neither in the list of the acceptor nor in the table that takes effect with it. */
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

  /** Logs only what is new; readiness and metrics show lasting states. */
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
