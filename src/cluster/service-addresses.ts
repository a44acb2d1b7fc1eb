/**
 * What is known of the addresses of a Service.
 *
 * Stage before: `resolver.ts`, which puts documents and cluster DNS together. Stage after: frontends, backends, conditions.
 */
import type { ResolutionState } from '../routing/decision.ts';

/**
 * What cluster DNS says of the addresses in a document. `silent`: nothing yet. `agrees`. `differs`: it has others, which are used.
 * `unknown`: it does not know the Service.
 */
export type DnsVerdict = 'silent' | 'agrees' | 'differs' | 'unknown';

export interface ServiceAddresses {
  readonly state: ResolutionState;
  /** Canonical text, in the order of `ipFamilies`; empty unless `state` is `resolved`. */
  readonly addresses: readonly string[];
  readonly source: 'document' | 'dns';
  /** Null: no document gives addresses, or one that is kept current by whoever writes it. */
  readonly verdict: DnsVerdict | null;
  /** What the Service had before it was made anew, as long as cluster DNS tells clients so: still its, and no place to send anything to. */
  readonly former?: readonly string[];
  /** Last good addresses are served because the last lookup brought none. */
  readonly stale: boolean;
  /** Why the addresses are no ClusterIP, which a parent has to have; null when nothing speaks against it. */
  readonly unroutable: string | null;
  /** Why it is not resolved, or stale, or what was left out: a c-ares code (`ENOTFOUND`, ...) or a sentence; else null. */
  readonly error: string | null;
}
