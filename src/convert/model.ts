/**
 * What lies between the input and the routes: an ordered list of entries, of which the first that fits a request says what
 * becomes of it.
 *
 * Made by `virtual-service.ts` and `service-profile.ts`, put in Gateway API's order by `negations.ts` and `order.ts`, written
 * by `routes.ts`.
 */
import type { Fields } from '../gateway-api/fields.ts';
import type { Guard } from './guards.ts';

export type Json = Readonly<Record<string, unknown>>;

/** Fields of a rule but its matches, as they are written. */
export interface Action {
  readonly filters: readonly Json[];
  /** Empty: answered 500. */
  readonly backendRefs: readonly Json[];
  readonly timeouts: Json | null;
  readonly retry: Json | null;
}

/** What becomes of a path: replaced as a whole, or the part of it that was matched. */
export type Rewrite =
  | { readonly kind: 'full'; readonly to: string }
  /** `from` and `to` without a slash at the end. */
  | { readonly kind: 'prefix'; readonly from: string; readonly to: string };

/** A rule of the input. */
export interface Origin {
  /** Where it stands. */
  readonly fields: Fields;
  readonly name: string | null;
  /** What it does with requests to this port of the parent; null when that is not known. */
  readonly action: (port: number | null) => Action;
}

/** In one list: more than any VirtualService needs, and done in seconds, though each is compared with each. */
export const MAX_ENTRIES = 4000;

export interface Entry {
  readonly guard: Guard;
  /** Requests of `guard` that it does not take. */
  readonly excludes: readonly Guard[];
  readonly origin: Origin;
  /** Where the match stands, for people. */
  readonly place: string;
  readonly rewrite: Rewrite | null;
  /** Of the redirect or the request. */
  readonly redirects: boolean;
  /** Only requests to this port. */
  readonly port: number | null;
  /** Only requests of clients in this namespace. */
  readonly namespace: string | null;
}

/** A Service and its namespace. */
export interface ServiceName {
  readonly namespace: string;
  readonly name: string;
}
