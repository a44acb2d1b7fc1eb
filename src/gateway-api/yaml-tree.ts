/**
 * YAML or JSON text to plain trees that remember where each value stands. The sole importer of `yaml`.
 *
 * Stage before: the text of a file. Stage after: `documents.ts`, through `fields.ts`. What YAML allows and a Kubernetes
 * object does not (duplicate or non-string keys, foreign tags, endless aliases) is settled here, so that later stages see
 * only mappings, lists and scalars. Aliases share the tree they name: nothing is copied, a bomb costs nothing.
 */
import { Composer, isAlias, isMap, isScalar, isSeq, Lexer, Parser } from 'yaml';
import type { Document, ParsedNode, Scalar, YAMLError, YAMLMap } from 'yaml';
import { NestingMeter } from './nesting.ts';
import { PARSE_LIMITS, quote } from './limits.ts';
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

export interface TreeDocument {
  /** Counts from 1; empty documents count but are not delivered. */
  readonly index: number;
  readonly root: Tree;
  /** Faults that make this document unusable and leave the others alone. */
  readonly faults: readonly TreeFault[];
}

export interface TreeFile {
  readonly documents: readonly TreeDocument[];
  /** Not empty: the text as a whole cannot be trusted. `document` as in `TreeDocument.index`. */
  readonly syntaxFaults: readonly (TreeFault & { readonly document: number })[];
}

const SYNTAX_FAULTS_PER_FILE = 20;

const COMPOSER_OPTIONS = {
  // Checked here instead: the library's check is quadratic and knows no field path.
  uniqueKeys: false,
  merge: false,
  schema: 'core',
  resolveKnownTags: false,
  prettyErrors: false,
  logLevel: 'silent',
} as const;

/** Never throws; the time is linear in the text, which the caller bounds. */
export function readTrees(text: string): TreeFile {
  const documents: TreeDocument[] = [];
  const syntaxFaults: (TreeFault & { document: number })[] = [];
  let index = 0;

  const fail = (code: ProblemCode, offset: number, message: string): void => {
    if (syntaxFaults.length < SYNTAX_FAULTS_PER_FILE) {
      syntaxFaults.push({ code, offset, path: '', message, document: Math.max(index, 1) });
    }
  };
  const take = (document: Document.Parsed): void => {
    index++;
    // The parser goes on after an error and finds others that only follow from it: one of a document is enough, and a
    // tab is more often the cause than the consequence.
    const error = document.errors.find(({ code }) => code === 'TAB_AS_INDENT') ?? document.errors[0];
    if (error?.code === 'TAB_AS_INDENT') {
      fail('tab-indentation', error.pos[0], `indent with spaces, not with tabs, at ${lineAt(text, error.pos[0])}`);
    } else if (error !== undefined) {
      fail('syntax-error', error.pos[0], syntaxMessage(error, text));
    }
    if (syntaxFaults.length > 0) return;
    const tree = new TreeBuilder().build(document);
    if (tree.root.type !== 'scalar' || tree.root.value !== null) documents.push({ index, ...tree });
  };

  const parser = new Parser();
  const composer = new Composer(COMPOSER_OPTIONS);
  const meter = new NestingMeter();
  let tokens = 0;
  try {
    for (const lexeme of new Lexer().lex(text)) {
      meter.observe(lexeme);
      // The composer recurses, and deep enough the regular expressions in it abort the whole process: stop before.
      if (meter.depth > PARSE_LIMITS.depth) {
        fail('too-deep', meter.offset, `nested deeper than ${PARSE_LIMITS.depth} levels`);
        return { documents: [], syntaxFaults };
      }
      if (++tokens > PARSE_LIMITS.tokens || index >= PARSE_LIMITS.documents) {
        const limits = `${PARSE_LIMITS.tokens} tokens or ${PARSE_LIMITS.documents} documents`;
        fail('too-large', meter.offset, `must have at most ${limits}; split the file`);
        return { documents: [], syntaxFaults };
      }
      for (const token of parser.next(lexeme)) for (const document of composer.next(token)) take(document);
    }
    for (const token of parser.end()) for (const document of composer.next(token)) take(document);
    for (const document of composer.end()) take(document);
    const [error] = composer.streamInfo().errors;
    if (error !== undefined) fail('syntax-error', error.pos[0], syntaxMessage(error, text));
  } catch (error) {
    fail('syntax-error', meter.offset, `cannot be parsed: ${error instanceof Error ? error.message : String(error)}`);
  }
  return { documents, syntaxFaults };
}

/** Builds the tree of one document. `path` mirrors the place in it and is worded only for a fault. */
class TreeBuilder {
  readonly #faults: TreeFault[] = [];
  readonly #anchors = new Map<string, { readonly tree: Tree; readonly size: number }>();
  readonly #path: (string | number)[] = [];
  /** Nodes built so far, those behind aliases counted each time; what a full expansion would take. */
  #size = 0;
  #aliasedSize = 0;

  build(document: Document.Parsed): { root: Tree; faults: readonly TreeFault[] } {
    for (const warning of document.warnings) {
      if (warning.code === 'TAG_RESOLVE_FAILED') this.#fail('unknown-tag', warning.pos[0], tagMessage(warning.message));
    }
    const root = this.#node(document.contents);
    return { root, faults: this.#faults };
  }

  #fail(code: ProblemCode, offset: number, message: string): void {
    let path = '';
    for (const step of this.#path) {
      if (typeof step === 'number') path += `[${step}]`;
      else path += path === '' ? step : `.${step}`;
    }
    this.#faults.push({ code, offset, path, message });
  }

  #node(node: ParsedNode | null, fallbackOffset = 0): Tree {
    this.#size++;
    if (node === null) return emptyScalar(fallbackOffset);
    if (isAlias(node)) return this.#alias(node.source, node.range[0]);
    const sizeBefore = this.#size;
    let tree: Tree;
    if (isScalar(node)) {
      tree = scalarTree(node);
    } else if (isSeq(node)) {
      tree = { type: 'list', offset: node.range[0], items: this.#items(node.items) };
    } else {
      tree = { type: 'map', offset: node.range[0], entries: this.#entries(node) };
    }
    // Registered only now: an anchor within its own value is not defined yet, so no tree contains itself.
    if (node.anchor) this.#anchors.set(node.anchor, { tree, size: this.#size - sizeBefore + 1 });
    return tree;
  }

  #alias(name: string, offset: number): Tree {
    const anchor = this.#anchors.get(name);
    if (anchor === undefined) {
      this.#fail('unknown-anchor', offset, `*${name} names an anchor that is not defined before it`);
      return emptyScalar(offset);
    }
    const withinLimit = this.#aliasedSize <= PARSE_LIMITS.aliasedNodes;
    this.#size += anchor.size;
    this.#aliasedSize += anchor.size;
    if (this.#aliasedSize <= PARSE_LIMITS.aliasedNodes) return anchor.tree;
    if (withinLimit) {
      this.#fail('alias-expansion', offset, `aliases expand to more than ${PARSE_LIMITS.aliasedNodes} values`);
    }
    return emptyScalar(offset);
  }

  #items(items: readonly ParsedNode[]): Tree[] {
    return items.map((item, index) => {
      this.#path.push(index);
      const tree = this.#node(item);
      this.#path.pop();
      return tree;
    });
  }

  #entries(map: YAMLMap.Parsed): ReadonlyMap<string, TreeEntry> {
    const entries = new Map<string, TreeEntry>();
    const merges: Tree[] = [];
    for (const { key, value } of map.items as readonly { key: ParsedNode | null; value: ParsedNode | null }[]) {
      const offset = key === null ? map.range[0] : key.range[0];
      const name = this.#keyName(key, offset);
      this.#path.push(name);
      const tree = this.#node(value, offset);
      if (name === '<<' && isScalar(key) && key.type === 'PLAIN') merges.push(tree);
      else if (!entries.has(name)) entries.set(name, { offset, value: tree });
      else this.#fail('duplicate-key', offset, `the key ${quote(name)} stands twice in one mapping; keep one`);
      this.#path.pop();
    }
    for (const tree of merges) this.#merge(entries, tree);
    return entries;
  }

  #keyName(key: ParsedNode | null, offset: number): string {
    // An alias to a scalar is a legal key, and as hard to read as it is rare.
    if (isScalar(key) && typeof key.value === 'string') return key.value;
    const written = isScalar(key) ? key.source : '';
    const found = isMap(key) ? 'a mapping' : isSeq(key) ? 'a list' : isAlias(key) ? 'an alias' : written || 'nothing';
    this.#fail('non-string-key', offset, `a key must be text, got ${found}${written ? '; quote it' : ''}`);
    return written;
  }

  /** YAML merge key: entries of the mapping itself win, then those of earlier sources. */
  #merge(entries: Map<string, TreeEntry>, source: Tree): void {
    for (const tree of source.type === 'list' ? source.items : [source]) {
      if (tree.type !== 'map') {
        this.#fail('bad-merge', tree.offset, '"<<" must name a mapping or a list of mappings');
        continue;
      }
      for (const [name, entry] of tree.entries) if (!entries.has(name)) entries.set(name, entry);
    }
  }
}

function scalarTree(node: Scalar.Parsed): TreeScalar {
  const { value } = node;
  const plain = node.type === 'PLAIN' && node.tag === undefined;
  const source = node.source;
  const offset = node.range[0];
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
    return { type: 'scalar', offset, value, source, plain };
  }
  return { type: 'scalar', offset, value: source, source, plain };
}

function emptyScalar(offset: number): TreeScalar {
  return { type: 'scalar', offset, value: null, source: '', plain: true };
}

/** What the usual causes are, where the library only names the rule that was broken. */
const SYNTAX_HINTS: Partial<Record<YAMLError['code'], string>> = {
  MULTILINE_IMPLICIT_KEY: 'is this "key: value", with a space behind the colon?',
  BAD_INDENT: 'check the indentation and the closing bracket',
  MISSING_CHAR: 'is a quote, bracket or colon missing?',
  BLOCK_AS_IMPLICIT_KEY: 'check the indentation; quote text that has ": " in it',
  UNEXPECTED_TOKEN: 'quote text that begins with a bracket, a brace or a quote',
  BAD_SCALAR_START: 'quote text that begins with this character',
};

function syntaxMessage(error: YAMLError, text: string): string {
  const hint = SYNTAX_HINTS[error.code];
  const rule = error.message.charAt(0).toLowerCase() + error.message.slice(1);
  return `${rule}, at ${lineAt(text, error.pos[0])}${hint === undefined ? '' : `; ${hint}`}`;
}

/** The line around an offset, in quotes. */
function lineAt(text: string, offset: number): string {
  const start = text.lastIndexOf('\n', Math.max(0, offset - 1)) + 1;
  const end = text.indexOf('\n', Math.max(start, offset));
  const line = text.slice(start, end < 0 ? undefined : end).trim();
  return line === '' ? 'an empty line or the end of the file' : quote(line);
}

function tagMessage(libraryMessage: string): string {
  const tag = libraryMessage.replace(/^Unresolved tag: /, '').replace('tag:yaml.org,2002:', '!!');
  return `the tag ${quote(tag)} has no meaning in a Kubernetes object; remove it`;
}
