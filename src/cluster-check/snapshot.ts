/**
 * The input of the checks: everything that was read from a cluster at one time, and what could not be read.
 *
 * Stage before: `gather.ts`. Stage after: `view.ts`.
 */
import type { Json } from '../kube/json.ts';
import type { ShardDamage, ShardHeader } from '../route-set/decode.ts';
import type { KindName } from './kinds.ts';

export type Listing =
  | {
      readonly state: 'read';
      readonly items: readonly Json[];
      /** Only this namespace was read, because the user may not read the others. */
      readonly only: string | null;
      /** True when there are more objects. */
      readonly cut: boolean;
    }
  /** The API server does not have the kind. */
  | { readonly state: 'absent' }
  | { readonly state: 'forbidden'; readonly message: string }
  | { readonly state: 'failed'; readonly message: string };

/** A permission that the controller's service account needs, and whether it has it; null: that could not be asked. */
export interface Permission {
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly verb: string;
  /** Object name; empty: any. */
  readonly name: string;
  /** Null: all namespaces. */
  readonly namespace: string | null;
  readonly allowed: boolean | null;
}

/** A key in a ConfigMap of a route set. */
export interface ShardThere {
  readonly namespace: string;
  /** Name of the ConfigMap. */
  readonly name: string;
  /** True for the copy of the previous shard 0. */
  readonly previous: boolean;
  /** Compressed size. */
  readonly bytes: number;
  /** Decompressed size; 0 when damaged. */
  readonly textBytes: number;
  readonly header: ShardHeader | ShardDamage;
}

export interface Snapshot {
  /** The namespace to check; null: all. */
  readonly namespace: string | null;
  /** Version of this command. */
  readonly clientVersion: string;
  /** Milliseconds by the clock of the API server, if it reports its time. */
  readonly nowMs: number;
  /** How far the clock of this machine is ahead, in milliseconds; null: the API server did not report its time. */
  readonly clockAheadMs: number | null;
  /** `v1.36.1`; null without an answer. */
  readonly serverVersion: string | null;
  /** Why there was no answer. */
  readonly serverError: string | null;
  /** The user, as the API server reports it. */
  readonly user: string | null;
  readonly listings: Readonly<Partial<Record<KindName, Listing>>>;
  readonly controllerPermissions: readonly Permission[];
  readonly shards: readonly ShardThere[];
}
