/**
 * What is known about the addresses of a Service.
 *
 * Stage before: `resolver.ts`, which combines documents and cluster DNS. Stage after: frontends, backends, conditions.
 */
import type { ResolutionState } from '../routing/decision.ts';

/**
 * The verdict of cluster DNS about the addresses in a document. `silent`: no answer yet. `agrees`. `differs`: it has
 * other addresses, which are used. `unknown`: it does not know the Service.
 */
export type DnsVerdict = 'silent' | 'agrees' | 'differs' | 'unknown';

export interface ServiceAddresses {
  readonly state: ResolutionState;
  /** Canonical text, in the order of `ipFamilies`; empty unless `state` is `resolved`. */
  readonly addresses: readonly string[];
  readonly source: 'document' | 'dns';
  /** Null: no document gives addresses, or its author keeps it up to date. */
  readonly verdict: DnsVerdict | null;
  /**
   * The addresses before the Service was created again, as long as cluster DNS may give them to clients. They still
   * belong to the Service, but nothing is sent to them.
   */
  readonly former?: readonly string[];
  /** True when the last good addresses are used because the last lookup gave none. */
  readonly stale: boolean;
  /** Why the addresses are not ClusterIPs, as a parent needs them; null when nothing contradicts this. */
  readonly unroutable: string | null;
  /**
   * Why it is not resolved or is stale, or which addresses were left out: a c-ares code (`ENOTFOUND`, ...) or a
   * sentence. Otherwise null.
   */
  readonly error: string | null;
}
