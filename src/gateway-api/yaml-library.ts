/**
 * Reads all of YAML with the `yaml` library, within limits, because the library has none. Route files reach the library
 * only here.
 *
 * Used by `yaml-tree.ts` for all that the fast reader of `plain-yaml.ts` does not handle, including faulty documents.
 */
import type { Document, ParsedNode, Scalar, YAMLError, YAMLMap } from 'yaml';
import { onDemand } from '../on-demand.ts';
import type { Steps } from '../slices.ts';
import { PARSE_LIMITS, quote } from './limits.ts';
import { NestingMeter } from './nesting.ts';
import type { ProblemCode } from './problem-codes.ts';
import type { SyntaxFault, Tree, TreeDocument, TreeEntry, TreeFault, TreeScalar } from './tree.ts';

const library = onDemand((load) => load('yaml') as typeof import('yaml'));

const COMPOSER_OPTIONS = {
  // Checked in this file instead: the library's check is quadratic and does not know field paths.
  uniqueKeys: false,
  merge: false,
  schema: 'core',
  resolveKnownTags: false,
  prettyErrors: false,
  logLevel: 'silent',
} as const;

const TOKENS_PER_STEP = 256;

/** Reads one stretch of the text with the library. */
export class LibraryReader {
  readonly documents: TreeDocument[] = [];
  /** After an error the parser continues and reports errors that only follow from it, so only the first one is kept. */
  fault: SyntaxFault | null = null;
  tokens = 0;
  index: number;
  readonly #text: string;
  readonly #start: number;
  readonly #tokensLeft: number;
  readonly #maxDocuments: number;

  constructor(
    text: string,
    start: number,
    index: number,
    tokensLeft: number,
    maxDocuments: number = PARSE_LIMITS.documents,
  ) {
    this.#text = text;
    this.#start = start;
    this.index = index;
    this.#tokensLeft = tokensLeft;
    this.#maxDocuments = maxDocuments;
  }

  /**
   * Both the library's composing and the rebuilding here handle a document without pauses. Pauses are between documents
   * and lexemes.
   */
  *read(stretch: string): Steps<void> {
    const { Composer, Lexer, Parser } = library();
    const meter = new NestingMeter();
    const parser = new Parser();
    const composer = new Composer(COMPOSER_OPTIONS);
    try {
      for (const lexeme of new Lexer().lex(stretch)) {
        meter.observe(lexeme);
        // The composer is recursive. At great depth the regular expressions in it abort the whole process, so stop
        // earlier.
        if (meter.depth > PARSE_LIMITS.depth) {
          this.#fail('too-deep', meter.offset, `nested deeper than ${PARSE_LIMITS.depth} levels`);
          return;
        }
        if (++this.tokens > this.#tokensLeft || this.index > this.#maxDocuments) {
          const limits = `${PARSE_LIMITS.tokens} tokens and ${PARSE_LIMITS.documents} documents`;
          this.#fail('too-large', meter.offset, `must have at most ${limits}; split the file`);
          return;
        }
        for (const token of parser.next(lexeme)) for (const document of composer.next(token)) this.#take(document);
        if (this.tokens % TOKENS_PER_STEP === 0) yield;
      }
      for (const token of parser.end()) for (const document of composer.next(token)) this.#take(document);
      for (const document of composer.end()) this.#take(document);
      this.#failWith(composer.streamInfo().errors);
    } catch (error) {
      this.#fail(
        'syntax-error',
        meter.offset,
        `cannot be parsed: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }

  #take(document: Document.Parsed): void {
    this.index++;
    this.#failWith(document.errors);
    if (this.fault !== null) return;
    const tree = new TreeBuilder(this.#start).build(document);
    if (tree.root.type !== 'scalar' || tree.root.value !== null) this.documents.push({ index: this.index, ...tree });
  }

  /** A tab is more often the cause of the other errors than their consequence. */
  #failWith(errors: readonly YAMLError[]): void {
    const error = errors.find(({ code }) => code === 'TAB_AS_INDENT') ?? errors[0];
    if (error === undefined) return;
    const [offset] = error.pos;
    const line = lineAt(this.#text, this.#start + offset);
    if (error.code === 'TAB_AS_INDENT') {
      this.#fail('tab-indentation', offset, `indent with spaces, not with tabs, at ${line}`);
    } else {
      this.#fail('syntax-error', offset, syntaxMessage(error, line));
    }
  }

  #fail(code: ProblemCode, offset: number, message: string): void {
    this.fault ??= { code, offset: this.#start + offset, path: '', message, document: Math.max(this.index, 1) };
  }
}

/** Builds the tree of one document. `path` follows the current place and is formatted only for a fault. */
class TreeBuilder {
  readonly #faults: TreeFault[] = [];
  readonly #anchors = new Map<string, { readonly tree: Tree; readonly size: number }>();
  readonly #path: (string | number)[] = [];
  /** Nodes built so far. Nodes behind aliases count each time: this is the size of a full expansion. */
  #size = 0;
  #aliasedSize = 0;
  readonly #start: number;

  /** `start`: offset at which the text given to the library begins. */
  constructor(start: number) {
    this.#start = start;
  }

  build(document: Document.Parsed): { root: Tree; faults: readonly TreeFault[] } {
    for (const warning of document.warnings) {
      if (warning.code === 'TAG_RESOLVE_FAILED')
        this.#fail('unknown-tag', this.#start + warning.pos[0], tagMessage(warning.message));
    }
    const root = this.#node(document.contents, this.#start);
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

  /** `holder`: offset of the key or list that contains the node, because an empty node has no offset of its own. */
  #node(node: ParsedNode | null, holder: number): Tree {
    const { isAlias, isScalar, isSeq } = library();
    this.#size++;
    if (node === null || (isScalar(node) && node.value === null && node.source === '')) return emptyScalar(holder);
    const offset = this.#start + node.range[0];
    if (isAlias(node)) return this.#alias(node.source, offset);
    const sizeBefore = this.#size;
    let tree: Tree;
    if (isScalar(node)) {
      tree = scalarTree(node, offset);
    } else if (isSeq(node)) {
      tree = { type: 'list', offset, items: this.#items(node.items, offset) };
    } else {
      tree = { type: 'map', offset, entries: this.#entries(node, offset) };
    }
    // Registered only now, because an anchor is not defined inside its own value. So no tree contains itself.
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

  #items(items: readonly ParsedNode[], holder: number): Tree[] {
    return items.map((item, index) => {
      this.#path.push(index);
      const tree = this.#node(item, holder);
      this.#path.pop();
      return tree;
    });
  }

  #entries(map: YAMLMap.Parsed, holder: number): ReadonlyMap<string, TreeEntry> {
    const { isScalar } = library();
    const entries = new Map<string, TreeEntry>();
    const merges: Tree[] = [];
    for (const { key, value } of map.items as readonly { key: ParsedNode | null; value: ParsedNode | null }[]) {
      const offset = key === null ? holder : this.#start + key.range[0];
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
    const { isAlias, isMap, isScalar, isSeq } = library();
    // YAML allows an alias to a scalar as a key. It is rare and hard to read, so it is refused here.
    if (isScalar(key) && typeof key.value === 'string') return key.value;
    const written = isScalar(key) ? key.source : '';
    const found = isMap(key) ? 'a mapping' : isSeq(key) ? 'a list' : isAlias(key) ? 'an alias' : written || 'nothing';
    this.#fail('non-string-key', offset, `a key must be text, got ${found}${written ? '; quote it' : ''}`);
    return written;
  }

  /** YAML merge key: entries of the mapping itself take precedence, then those of earlier sources. */
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

function scalarTree(node: Scalar.Parsed, offset: number): TreeScalar {
  const { value } = node;
  const plain = node.type === 'PLAIN' && node.tag === undefined;
  const source = node.source;
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
    return { type: 'scalar', offset, value, source, plain };
  }
  return { type: 'scalar', offset, value: source, source, plain };
}

function emptyScalar(offset: number): TreeScalar {
  return { type: 'scalar', offset, value: null, source: '', plain: true };
}

/** Usual causes of errors for which the library only names the violated rule. */
const SYNTAX_HINTS: Partial<Record<YAMLError['code'], string>> = {
  MULTILINE_IMPLICIT_KEY: 'is this "key: value", with a space behind the colon?',
  BAD_INDENT: 'check the indentation and the closing bracket',
  MISSING_CHAR: 'is a quote, bracket or colon missing?',
  BLOCK_AS_IMPLICIT_KEY: 'check the indentation; quote text that has ": " in it',
  UNEXPECTED_TOKEN: 'quote text that begins with a bracket, a brace or a quote',
  BAD_SCALAR_START: 'quote text that begins with this character',
};

function syntaxMessage(error: YAMLError, line: string): string {
  const hint = SYNTAX_HINTS[error.code];
  const rule = error.message.charAt(0).toLowerCase() + error.message.slice(1);
  return `${rule}, at ${line}${hint === undefined ? '' : `; ${hint}`}`;
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
