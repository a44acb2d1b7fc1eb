/**
 * The structure of a YAML or JSON document: plain trees with the position of each value.
 *
 * Built by `yaml-tree.ts`, read by `fields.ts`. What YAML allows and a Kubernetes object does not (duplicate or
 * non-string keys, foreign tags, endless aliases) is a fault of the document, so later stages see only mappings, lists
 * and scalars. An alias refers to the tree it names without a copy, so an alias bomb takes no memory.
 */
import type { ProblemCode } from './problem-codes.ts';

export interface TreeScalar {
  readonly type: 'scalar';
  /** Offset in the text, like all offsets here. */
  readonly offset: number;
  readonly value: string | number | boolean | null;
  /** As written, without quotes; empty for an absent value. */
  readonly source: string;
  /** True when the value is neither quoted nor a block scalar nor tagged: its type was derived from its spelling. */
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
  /** Field path in the document; empty when the fault has none. */
  readonly path: string;
  readonly message: string;
}

/** `document`: see `TreeDocument.index`. */
export interface SyntaxFault extends TreeFault {
  readonly document: number;
}

export interface TreeDocument {
  /** Counted from 1. Empty documents are counted but not delivered. */
  readonly index: number;
  readonly root: Tree;
  /** Faults that make only this document unusable. */
  readonly faults: readonly TreeFault[];
}
