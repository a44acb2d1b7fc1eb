/**
 * Reads manifest text into documents whose nodes know their position, so that the text around them can be changed.
 *
 * Stage before: `cli/manifest-input.ts` has read the files. Stage after: `workloads.ts` finds the pod templates,
 * `text-patch.ts` changes the text. The only importer of the `yaml` library here. Reads YAML 1.1 like kubectl: `yes` is
 * true, `02471` is octal, `<<` merges.
 */
import { Composer, isAlias, isMap, isScalar, isSeq, Lexer, Parser, visit } from 'yaml';
import type { CST, Document, Pair, ParsedNode, Scalar, YAMLMap, YAMLSeq } from 'yaml';
import { PARSE_LIMITS } from '../gateway-api/limits.ts';
import { NestingMeter } from '../gateway-api/nesting.ts';

export type Node = ParsedNode;
export type MapNode = YAMLMap.Parsed;
export type ListNode = YAMLSeq.Parsed;

const COMPOSER_OPTIONS = {
  version: '1.1',
  merge: true,
  keepSourceTokens: true,
  // The library's check is quadratic; `fieldsOf` finds duplicates where they matter.
  uniqueKeys: false,
  prettyErrors: false,
  logLevel: 'silent',
} as const;

/** The lexer's marker before a scalar: the next lexeme is not a comment, whatever its first character. */
const SCALAR_FOLLOWS = '\u001f';

/** Why a manifest or a workload is not changed. Caught where the problems of a file are collected. */
export class Refusal extends Error {
  readonly code: string;
  /** Field path in the document; empty for the whole document. */
  readonly path: string;
  readonly offset: number;

  constructor(code: string, path: string, offset: number, message: string) {
    super(message);
    this.name = 'Refusal';
    this.code = code;
    this.path = path;
    this.offset = offset;
  }
}

export interface Manifest {
  readonly text: string;
  readonly documents: readonly ManifestDocument[];
  /** Offsets of comments. */
  readonly comments: ReadonlySet<number>;
  /** True when every alias refers to an anchor in this text. */
  readonly complete: boolean;
}

/** What precedes a text that is a part of another one. */
interface Before {
  readonly documents: number;
  /** Entries of the List, when the text is one of its entries. */
  readonly entries: number;
}

const NOTHING_BEFORE: Before = { documents: 0, entries: 0 };

/**
 * All documents of a text.
 *
 * @throws SyntaxRefusal, which also names the document
 */
export function readManifest(text: string, before = NOTHING_BEFORE): Manifest {
  const meter = new NestingMeter();
  const parser = new Parser();
  const composer = new Composer(COMPOSER_OPTIONS);
  const comments = new Set<number>();
  const anchors = new Set<string>();
  const aliases = new Set<string>();
  const documents: ManifestDocument[] = [];
  const take = (document: Document.Parsed): void => {
    const index = before.documents + documents.length + 1;
    const [error] = document.errors;
    if (error !== undefined) throw new SyntaxRefusal(index, error.pos[0], lowerFirst(error.message));
    documents.push(new ManifestDocument(index, document, before.entries));
  };
  let previous = '';
  for (const lexeme of new Lexer().lex(text)) {
    if (previous !== SCALAR_FOLLOWS) {
      if (lexeme.startsWith('#')) comments.add(meter.offset);
      else if (lexeme.startsWith('&')) anchors.add(lexeme.slice(1));
      else if (lexeme.startsWith('*')) aliases.add(lexeme.slice(1));
    }
    previous = lexeme;
    meter.observe(lexeme);
    // The composer is recursive, so a deep text could overflow the stack.
    if (meter.depth > PARSE_LIMITS.depth) {
      throw new SyntaxRefusal(
        before.documents + documents.length + 1,
        meter.offset,
        `nested deeper than ${PARSE_LIMITS.depth} levels`,
        'too-deep',
      );
    }
    for (const token of parser.next(lexeme)) for (const document of composer.next(token)) take(document);
  }
  for (const token of parser.end()) for (const document of composer.next(token)) take(document);
  for (const document of composer.end()) take(document);
  const [error] = composer.streamInfo().errors;
  if (error !== undefined) throw new SyntaxRefusal(before.documents + 1, error.pos[0], lowerFirst(error.message));
  const complete = [...aliases].every((name) => anchors.has(name));
  return { text, documents, comments, complete };
}

export class SyntaxRefusal extends Refusal {
  readonly document: number;

  constructor(document: number, offset: number, message: string, code = 'syntax-error') {
    super(code, '', offset, message);
    this.document = document;
  }
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/** One entry of a mapping as written. */
export interface Field {
  readonly name: string;
  /** Start of the entry, including its anchor or `?`. */
  readonly start: number;
  readonly keyEnd: number;
  /** Null when not even an empty value is written (`{name}`). */
  readonly value: Node | null;
}

/** A field as a reader of the manifest sees it. */
export interface Member {
  readonly offset: number;
  readonly value: Node | null;
}

export class ManifestDocument {
  /** Counted from 1. */
  readonly index: number;
  readonly root: Node | null;
  /** Number of entries of the List before those of this document. */
  readonly entriesBefore: number;
  readonly #document: Document.Parsed;
  #aliases: ReadonlySet<string> | null = null;

  constructor(index: number, document: Document.Parsed, entriesBefore: number) {
    this.index = index;
    this.entriesBefore = entriesBefore;
    this.root = document.contents;
    this.#document = document;
  }

  /** The node an alias refers to; other nodes are returned unchanged. */
  resolve(node: Node | null | undefined): Node | null {
    if (!isAlias(node)) return node ?? null;
    return (node.resolve(this.#document) as Node | undefined) ?? null;
  }

  /** The value at `path` below `node` as a reader of the manifest sees it, with aliases and merge keys resolved. */
  get(node: Node | null | undefined, ...path: readonly string[]): Node | null {
    let current = this.resolve(node);
    for (const name of path) current = this.#member(current, name);
    return current;
  }

  /** Entries of a list with aliases resolved; empty when it is not a list. */
  items(node: Node | null | undefined): readonly (Node | null)[] {
    const list = this.resolve(node);
    return isSeq(list) ? list.items.map((item) => this.resolve(item)) : [];
  }

  /** Value of a scalar; undefined when it is not a scalar. */
  scalar(node: Node | null | undefined): unknown {
    const scalar = this.resolve(node);
    return isScalar(scalar) ? scalar.value : undefined;
  }

  text(node: Node | null | undefined): string | null {
    const value = this.scalar(node);
    return typeof value === 'string' ? value : null;
  }

  /** True when an alias refers to the node, so that a change would also appear there. */
  isShared(node: Node): boolean {
    const anchor = isAlias(node) ? undefined : node.anchor;
    if (anchor === undefined) return false;
    if (this.#aliases === null) {
      const names = new Set<string>();
      visit(this.#document, { Alias: (_key, alias) => void names.add(alias.source) });
      this.#aliases = names;
    }
    return this.#aliases.has(anchor);
  }

  /** Fields of a mapping as a reader of the manifest sees them, with aliases and merge keys resolved. */
  members(node: Node | null | undefined): ReadonlyMap<string, Member> {
    const members = new Map<string, Member>();
    this.#collect(this.resolve(node), members, new Set());
    return members;
  }

  #member(node: Node | null, name: string): Node | null {
    return this.members(node).get(name)?.value ?? null;
  }

  /** `seen`: a mapping may merge itself, or the same one many times. */
  #collect(node: Node | null, members: Map<string, Member>, seen: Set<Node>): void {
    if (!isMap(node) || seen.has(node)) return;
    seen.add(node);
    const fields = fieldsOf(node);
    for (const { name, start, value } of fields) {
      if (name !== '<<' && !members.has(name)) members.set(name, { offset: start, value: this.resolve(value) });
    }
    for (const { name, value } of fields) {
      if (name !== '<<') continue;
      const source = this.resolve(value);
      for (const map of isSeq(source) ? this.items(source) : [source]) this.#collect(map, members, seen);
    }
  }
}

const BLANK: readonly string[] = ['space', 'newline', 'comment', 'comma'];

/** Offset of the first token that is not white space, a comment or a comma. */
export function firstToken(tokens: readonly CST.SourceToken[]): number | null {
  return tokens.find(({ type }) => !BLANK.includes(type))?.offset ?? null;
}

/** The entries of a mapping without those of merge keys. Entries whose key is not a scalar are left out. */
export function fieldsOf(map: MapNode): Field[] {
  const fields: Field[] = [];
  for (const pair of map.items as readonly Pair<Node | null, Node | null>[]) {
    const { key, value } = pair;
    if (!isScalar(key)) continue;
    const [keyStart, keyEnd] = key.range;
    const start = firstToken(pair.srcToken?.start ?? []) ?? keyStart;
    fields.push({ name: keyText(key), start, keyEnd, value });
  }
  return fields;
}

/** YAML 1.1 reads `on`, `y` and similar words as booleans, also as keys. */
function keyText(key: Scalar.Parsed): string {
  if (typeof key.value === 'symbol') return '<<';
  return typeof key.value === 'string' ? key.value : key.source;
}

/** The field of a mapping; null when absent. @throws Refusal when it occurs twice */
export function fieldOf(map: MapNode, name: string, path: string): Field | null {
  const [field, second] = fieldsOf(map).filter((candidate) => candidate.name === name);
  if (second !== undefined) {
    throw new Refusal('duplicate-key', path, second.start, `the key "${name}" stands twice in one mapping; keep one`);
  }
  return field ?? null;
}

/** Offset after the last character of the node; after the line end for a block scalar. */
export function contentEnd(node: Node): number {
  if (!isFlow(node)) {
    const last = isMap(node) || isSeq(node) ? node.items.at(-1) : undefined;
    if (isMap(node) && last !== undefined) {
      const { key, value } = last as Pair<Node, Node | null>;
      return value === null ? key.range[1] : contentEnd(value);
    }
    if (isSeq(node) && last !== undefined) return contentEnd(last as Node);
  }
  return node.range[1];
}

export function isFlow(node: Node): boolean {
  return (isMap(node) || isSeq(node)) && node.srcToken?.type === 'flow-collection';
}

/** Offset of each entry of a list: its dash in block style, its first token in flow style. */
export function itemStarts(list: ListNode): readonly number[] {
  const flow = isFlow(list);
  const starts: number[] = [];
  for (const { start, key, value } of list.srcToken?.items ?? []) {
    const first = firstToken(start);
    if (!flow) {
      // The library stores comments after the last entry in an extra entry without a dash.
      if (first !== null) starts.push(first);
    } else if (value !== undefined || key !== undefined) {
      starts.push(first ?? key?.offset ?? value!.offset);
    }
  }
  return starts;
}

export { isAlias, isMap, isScalar, isSeq };
