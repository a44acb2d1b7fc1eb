/**
 * The configuration of one generation, as one object: whoever has it has a snapshot, an attachment and a table that belong together.
 *
 * Stage before: `proxy/configuration.ts`, which makes it and puts it in the place of the one before by one assignment. Stage
 * after: `decide`, conditions, metrics and the endpoints, which ask for the one in force when they need it and keep no part of it.
 */
import type { Attachment } from '../config/attachment.ts';
import type { ConfigSnapshot } from '../config/snapshot.ts';
import type { Problem } from '../gateway-api/types.ts';
import type { RouteTable } from './table.ts';

/** Everything of one generation. Never changes. Addresses are not among it: they follow DNS. */
export interface Configuration {
  /** Of the snapshot; 0 before the first one. */
  readonly generation: number;
  /** Of the snapshot; empty before the first one. */
  readonly hash: string;
  /** Null before the first one. */
  readonly snapshot: ConfigSnapshot | null;
  /** Of the snapshot. */
  readonly attachment: Attachment;
  /** Of the attachment: frontends by their ids, with rules, plans and policies. */
  readonly table: RouteTable;
  /** Of the files and of attaching. */
  readonly problems: readonly Problem[];
  /** Neither files nor attaching nor addresses had an error when it was applied. */
  readonly valid: boolean;
}
