/**
 * Flow collections of the YAML subset that `plain-yaml.ts` reads: on one line, with simple keys and without a trailing
 * comma.
 */
import { isSimpleKey, OUTSIDE_SUBSET, plainScalar, quotedScalar } from './plain-scalars.ts';
import type { Tree, TreeEntry } from './tree.ts';

const SPACE = 32;
const DOUBLE_QUOTE = 34;
const QUOTE = 39;
const COMMA = 44;
const COLON = 58;
const OPENING_BRACKET = 91;
const CLOSING_BRACKET = 93;
const OPENING_BRACE = 123;
const CLOSING_BRACE = 125;

interface Read {
  readonly tree: Tree;
  /** Offset after the collection. */
  readonly end: number;
}

/** The collection whose bracket or brace is at `at`. `depth`: how many levels of collections are allowed. */
export function readPlainFlow(text: string, at: number, lineEnd: number, depth: number): Read {
  return new FlowReader(text, lineEnd).collection(at, depth);
}

class FlowReader {
  readonly #text: string;
  readonly #lineEnd: number;

  constructor(text: string, lineEnd: number) {
    this.#text = text;
    this.#lineEnd = lineEnd;
  }

  collection(at: number, depth: number): Read {
    if (depth <= 0) throw OUTSIDE_SUBSET;
    return this.#code(at) === OPENING_BRACE ? this.#map(at, depth) : this.#list(at, depth);
  }

  #map(offset: number, depth: number): Read {
    const entries = new Map<string, TreeEntry>();
    const end = this.#each(offset, CLOSING_BRACE, (at) => {
      let colon = at;
      while (colon < this.#lineEnd && this.#code(colon) !== COLON) colon++;
      const key = this.#text.slice(at, colon);
      if (!isSimpleKey(key) || entries.has(key) || this.#code(colon + 1) !== SPACE) throw OUTSIDE_SUBSET;
      const { tree, end } = this.#value(this.#skipSpaces(colon + 1), depth);
      entries.set(key, { offset: at, value: tree });
      return end;
    });
    return { tree: { type: 'map', offset, entries }, end };
  }

  #list(offset: number, depth: number): Read {
    const items: Tree[] = [];
    const end = this.#each(offset, CLOSING_BRACKET, (at) => {
      const { tree, end } = this.#value(at, depth);
      items.push(tree);
      return end;
    });
    return { tree: { type: 'list', offset, items }, end };
  }

  /** `member` reads one member and returns its end. Returns the end of the collection. */
  #each(offset: number, closing: number, member: (at: number) => number): number {
    let at = this.#skipSpaces(offset + 1);
    if (this.#code(at) === closing) return at + 1;
    for (;;) {
      at = this.#skipSpaces(member(at));
      const code = this.#code(at);
      if (code === closing) return at + 1;
      if (code !== COMMA) throw OUTSIDE_SUBSET;
      at = this.#skipSpaces(at + 1);
    }
  }

  #value(at: number, depth: number): Read {
    const first = this.#code(at);
    if (first === OPENING_BRACE || first === OPENING_BRACKET) return this.collection(at, depth - 1);
    if (first === QUOTE || first === DOUBLE_QUOTE) {
      const { scalar, end } = quotedScalar(this.#text, at, this.#lineEnd);
      return { tree: scalar, end };
    }
    let end = at;
    while (end < this.#lineEnd && !isIndicator(this.#code(end))) end++;
    const source = this.#text.slice(at, end).trimEnd();
    // A comment: nothing may follow it on this line.
    if (source.includes(' #')) throw OUTSIDE_SUBSET;
    return { tree: plainScalar(source, at), end };
  }

  /** NaN, which equals nothing, after the end of the line. */
  #code(at: number): number {
    return at < this.#lineEnd ? this.#text.charCodeAt(at) : Number.NaN;
  }

  #skipSpaces(from: number): number {
    let at = from;
    while (this.#code(at) === SPACE) at++;
    return at;
  }
}

function isIndicator(code: number): boolean {
  return (
    code === COMMA ||
    code === OPENING_BRACKET ||
    code === CLOSING_BRACKET ||
    code === OPENING_BRACE ||
    code === CLOSING_BRACE
  );
}
