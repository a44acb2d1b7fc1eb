/**
 * All parts of the configuration of one generation in one object: the snapshot, the attachment and the table in it
 * belong together.
 *
 * Stage before: `proxy/configuration.ts`, which builds it and replaces the previous one by one assignment. Stage after:
 * `decide`, conditions, metrics and the admin endpoints. They read the current configuration each time they need it and
 * keep no part of it.
 */
import type { Attachment } from '../config/attachment.ts';
import type { ConfigSnapshot } from '../config/snapshot.ts';
import type { Problem } from '../gateway-api/types.ts';
import type { RouteTable } from './table.ts';

/** Immutable. Addresses are not part of it, because they follow DNS. */
export interface Configuration {
  /** Generation of the snapshot; 0 before the first one. */
  readonly generation: number;
  /** Hash of the snapshot; empty before the first one. */
  readonly hash: string;
  /** Null before the first one. */
  readonly snapshot: ConfigSnapshot | null;
  /** The attachment made from the snapshot. */
  readonly attachment: Attachment;
  /** Compiled from the attachment: frontends by id, with their rules, plans and policies. */
  readonly table: RouteTable;
  /** Problems of the files and of the attachment. */
  readonly problems: readonly Problem[];
  /** True when files, attachment and addresses were without errors at the time of the apply. */
  readonly valid: boolean;
}
