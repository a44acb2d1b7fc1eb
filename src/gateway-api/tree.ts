/**
 * What a YAML or JSON document is made of: plain trees that remember where each value stands.
 *
 * Built by `yaml-tree.ts`, read by `fields.ts`. What YAML allows and a Kubernetes object does not (duplicate or non-string
 * keys, foreign tags, endless aliases) is a fault of the document, so that later stages see only mappings, lists and
 * scalars. Aliases share the tree they name: nothing is copied, a bomb costs nothing.
 */
import type { ProblemCode } from './problem-codes.ts';

export interface TreeScalar {
  readonly type: 'scalar';
  /** Offset into the text, as everywhere here. */
  readonly offset: number;
  readonly value: string | number | boolean | null;
  /** As written, without quotes; empty for an absent value. */
  readonly source: string;
  /** Neither quoted nor a block scalar nor tagged: its type was guessed from its spelling. */
  readonly plain: boolean;
}

export interface TreeMap {
  readonly type: 'map';
  readonly offset: number;
  readonly entries: ReadonlyMap<string, TreeEntry>;
}

export interface TreeEntry {
  /** Offset of the key. */
  readonly offset: number;
  readonly value: Tree;
}

export interface TreeList {
  readonly type: 'list';
  readonly offset: number;
  readonly items: readonly Tree[];
}

export type Tree = TreeScalar | TreeMap | TreeList;

export interface TreeFault {
  readonly code: ProblemCode;
  readonly offset: number;
  /** Field path within the document, empty when the fault has none. */
  readonly path: string;
  readonly message: string;
}

/** `document` as in `TreeDocument.index`. */
export interface SyntaxFault extends TreeFault {
  readonly document: number;
}

export interface TreeDocument {
  /** Counts from 1; empty documents count but are not delivered. */
  readonly index: number;
  readonly root: Tree;
  /** Faults that make this document unusable and leave the others alone. */
  readonly faults: readonly TreeFault[];
}
