/**
 * What the checks look at: everything that was read of a cluster, and what could not be read, at one time.
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
      /** Only of this namespace, because the user may not read the others. */
      readonly only: string | null;
      /** There are more. */
      readonly cut: boolean;
    }
  /** The API server has no such kind. */
  | { readonly state: 'absent' }
  | { readonly state: 'forbidden'; readonly message: string }
  | { readonly state: 'failed'; readonly message: string };

/** Of the controller's service account: what it needs, and whether it may; null: that could not be asked. */
export interface Permission {
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly verb: string;
  /** Of names; empty: any. */
  readonly name: string;
  /** Null: everywhere. */
  readonly namespace: string | null;
  readonly allowed: boolean | null;
}

/** A key of a ConfigMap of a route set. */
export interface ShardThere {
  readonly namespace: string;
  /** Of the ConfigMap. */
  readonly name: string;
  /** It is shard 0 of the set before. */
  readonly previous: boolean;
  /** Compressed. */
  readonly bytes: number;
  /** Decompressed; 0 where it is damaged. */
  readonly textBytes: number;
  readonly header: ShardHeader | ShardDamage;
}

export interface Snapshot {
  /** Whose findings are wanted; null: all. */
  readonly namespace: string | null;
  /** Of the command. */
  readonly clientVersion: string;
  /** Milliseconds, by the clock of the API server where it says its time. */
  readonly nowMs: number;
  /** How much the clock of this machine is ahead; null: the API server did not say its time. */
  readonly clockAheadMs: number | null;
  /** `v1.36.1`; null: no answer. */
  readonly serverVersion: string | null;
  /** Why there is no answer. */
  readonly serverError: string | null;
  /** Who asks, as the API server has it. */
  readonly user: string | null;
  readonly listings: Readonly<Partial<Record<KindName, Listing>>>;
  readonly controllerPermissions: readonly Permission[];
  readonly shards: readonly ShardThere[];
}
