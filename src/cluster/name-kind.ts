/**
 * Finds out by DNS, as far as possible, why the addresses of a name are not ClusterIPs.
 *
 * | Answer | Kind of Service |
 * |---|---|
 * | several addresses of one family | headless: a Service with a ClusterIP has one of each family |
 * | an alias (CNAME) | ExternalName |
 * | the name of the address is `POD.SERVICE...` (PTR) | headless with one pod |
 * | the name of the address is `SERVICE...` | with a ClusterIP |
 * | none of these | unknown, and treated like one with a ClusterIP |
 *
 * The specification of DNS for Kubernetes includes the names of addresses, but a name server may not provide them. Then
 * a headless Service with a single pod is not recognised, nor an ExternalName behind a server that hides the alias.
 * Networks of Services (`config/service-networks.ts`) and Service documents help in that case.
 *
 * Used by `name-watch.ts` for parents. A result is valid until there is another one: a Service never changes its kind.
 */
import { isIPv6 } from 'node:net';
import type { DnsClient, NameRecords } from './dns-client.ts';

export interface NameKindContext {
  readonly dns: Pick<DnsClient, 'identify'>;
  /** True for addresses that are known to be ClusterIPs, so that no query is needed. */
  isClusterIP(address: string): boolean;
}

export class NameKind {
  /** A sentence; null when nothing contradicts a ClusterIP. */
  why: string | null = null;
  readonly #context: NameKindContext;
  readonly #onNews: () => void;
  /** The addresses that have been queried. */
  #seen = '';
  #cancel: (() => void) | null = null;

  constructor(context: NameKindContext, onNews: () => void) {
    this.#context = context;
    this.#onNews = onNews;
  }

  /** Needs no query. */
  count(addresses: readonly string[]): void {
    if (!hasSeveral(addresses)) return;
    // A result for a single address, or a query for one, is no longer valid.
    this.stop();
    this.#seen = '';
    this.why = `cluster DNS gives several addresses of one family (${shortList(addresses)}), as of a headless Service`;
  }

  /** Queries unless that has been done. `name`: the name that was looked up. */
  look(name: string, addresses: readonly string[]): void {
    const text = addresses.join();
    if (text === this.#seen || this.#cancel !== null || hasSeveral(addresses)) return;
    this.#seen = text;
    if (addresses.every((address) => this.#context.isClusterIP(address))) {
      this.#decide(null);
      return;
    }
    this.#cancel = this.#context.dns.identify(name, addresses.slice(0, 2), (records) => {
      this.#cancel = null;
      if (records.failed) this.#seen = '';
      this.#decide(this.#judge(name.toLowerCase(), records));
    });
  }

  /** The name does not exist any more: the next Service with that name may be of another kind. */
  forget(): void {
    this.stop();
    this.why = null;
    this.#seen = '';
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  #decide(why: string | null): void {
    if (why === this.why) return;
    this.why = why;
    this.#onNews();
  }

  #judge(name: string, { alias, names }: NameRecords): string | null {
    if (alias !== null) return `cluster DNS makes it an alias of ${alias}, as of an ExternalName Service`;
    for (const [address, called] of names) {
      const pod = called.find((other) => other.endsWith(`.${name}`));
      if (pod !== undefined) return `cluster DNS calls ${address} ${pod}, a pod of a headless Service`;
    }
    return [...names.values()].some((called) => called.includes(name)) ? null : this.why;
  }
}

function shortList(addresses: readonly string[]): string {
  return addresses.length > 4 ? `${addresses.slice(0, 3).join(', ')}, ...` : addresses.join(', ');
}

function hasSeveral(addresses: readonly string[]): boolean {
  const v6 = addresses.filter(isIPv6).length;
  return v6 > 1 || addresses.length - v6 > 1;
}
