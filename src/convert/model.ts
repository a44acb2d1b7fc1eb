/**
 * The intermediate form between input and routes: an ordered list of entries, of which the first one that matches a
 * request decides.
 *
 * Created by `virtual-service.ts` and `service-profile.ts`, sorted into the order of the Gateway API by `negations.ts`
 * and `order.ts`, written by `routes.ts`.
 */
import type { Fields } from '../gateway-api/fields.ts';
import type { Guard } from './guards.ts';

export type Json = Readonly<Record<string, unknown>>;

/** The fields of a rule except its matches, in their final form. */
export interface Action {
  readonly filters: readonly Json[];
  /** Empty: requests are answered with 500. */
  readonly backendRefs: readonly Json[];
  readonly timeouts: Json | null;
  readonly retry: Json | null;
}

/** A change of the path: replaces the whole path, or the matched part. */
export type Rewrite =
  | { readonly kind: 'full'; readonly to: string }
  /** `from` and `to` have no trailing slash. */
  | { readonly kind: 'prefix'; readonly from: string; readonly to: string };

/** A rule of the input. */
export interface Origin {
  /** Its position. */
  readonly fields: Fields;
  readonly name: string | null;
  /** The action for requests to this port of the parent; null: port unknown. */
  readonly action: (port: number | null) => Action;
}

/** Maximum for one list: more than any VirtualService needs. All pairs are compared, which takes seconds. */
export const MAX_ENTRIES = 4000;

export interface Entry {
  readonly guard: Guard;
  /** Requests that match `guard` but do not belong to this entry. */
  readonly excludes: readonly Guard[];
  readonly origin: Origin;
  /** Position of the match, for messages. */
  readonly place: string;
  readonly rewrite: Rewrite | null;
  /** True when `rewrite` belongs to a redirect, false when it changes a forwarded request. */
  readonly redirects: boolean;
  /** Only requests to this port; null: all ports. */
  readonly port: number | null;
  /** Only requests of clients in this namespace; null: all. */
  readonly namespace: string | null;
}

/** A Service and its namespace. */
export interface ServiceName {
  readonly namespace: string;
  readonly name: string;
}
