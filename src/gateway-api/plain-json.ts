/**
 * Reads JSON much faster than the full YAML parser.
 *
 * Used by `yaml-tree.ts`, which passes everything that is not plain JSON to the `yaml` library: a repeated key, a tab
 * or a carriage return between values, and everything that only YAML allows. The tree equals the library's tree,
 * including offsets; a test compares the two.
 */
import type { Steps } from '../slices.ts';
import { SharedTexts } from './shared-texts.ts';
import { untilLoaded } from './until-loaded.ts';
import type { Tree, TreeEntry, TreeScalar } from './tree.ts';

const MAX_DEPTH = 32;
/** YAML does not allow longer implicit keys. */
const MAX_KEY_LENGTH = 1_000;
/** Values read between two pauses. */
const VALUES_PER_STEP = 256;

const SPACE = 32;
const NEWLINE = 10;
const QUOTE = 34;
const COMMA = 44;
const COLON = 58;
const OPEN_LIST = 91;
const BACKSLASH = 92;
const CLOSE_LIST = 93;
const OPEN_MAP = 123;
const CLOSE_MAP = 125;

const LITERAL = /(?:true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)(?=[ \n,\]}]|$)/y;
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufeff]/;

/** Thrown to end the attempt from any depth; caught in this file. */
const NOT_PLAIN = new Error('not plain JSON');

/** Shared by all documents, because their texts recur. */
const texts = untilLoaded(new SharedTexts());

/** The tree of `text.slice(start, end)`, one document without its markers; null when it is not plain JSON. */
export function* readPlainJson(text: string, start: number, end: number): Steps<Tree | null> {
  const reader = new JsonReader(text, start, end);
  if (!reader.beginsWithBrace()) return null;
  try {
    return yield* reader.read();
  } catch (error) {
    if (error === NOT_PLAIN) return null;
    throw error;
  }
}

class JsonReader {
  readonly #text: string;
  readonly #end: number;
  #at: number;
  #valuesUntilPause = VALUES_PER_STEP;

  constructor(text: string, start: number, end: number) {
    this.#text = text;
    this.#end = end;
    this.#at = start;
  }

  beginsWithBrace(): boolean {
    return this.#next() === OPEN_MAP;
  }

  *read(): Steps<Tree> {
    const tree = yield* this.#value(MAX_DEPTH);
    if (!Number.isNaN(this.#next())) throw NOT_PLAIN;
    return tree;
  }

  /** Moves to the next character that is not white space and returns it; NaN at the end. */
  #next(): number {
    while (this.#at < this.#end) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== SPACE && code !== NEWLINE) return code;
      this.#at++;
    }
    return NaN;
  }

  #take(code: number): void {
    if (this.#next() !== code) throw NOT_PLAIN;
    this.#at++;
  }

  *#value(depth: number): Steps<Tree> {
    if (depth === 0) throw NOT_PLAIN;
    if (--this.#valuesUntilPause === 0) {
      this.#valuesUntilPause = VALUES_PER_STEP;
      yield;
    }
    const code = this.#next();
    if (code === OPEN_MAP) return yield* this.#map(depth);
    if (code === OPEN_LIST) return yield* this.#list(depth);
    return code === QUOTE ? this.#string() : this.#literal();
  }

  *#map(depth: number): Steps<Tree> {
    const offset = this.#at++;
    const entries = new Map<string, TreeEntry>();
    if (this.#next() !== CLOSE_MAP) {
      for (;;) {
        this.#next();
        const key = this.#string();
        if (entries.has(key.source) || this.#at - key.offset > MAX_KEY_LENGTH) throw NOT_PLAIN;
        this.#take(COLON);
        entries.set(key.source, { offset: key.offset, value: yield* this.#value(depth - 1) });
        if (this.#next() !== COMMA) break;
        this.#at++;
      }
    }
    this.#take(CLOSE_MAP);
    return { type: 'map', offset, entries };
  }

  *#list(depth: number): Steps<Tree> {
    const offset = this.#at++;
    const items: Tree[] = [];
    if (this.#next() !== CLOSE_LIST) {
      for (;;) {
        items.push(yield* this.#value(depth - 1));
        if (this.#next() !== COMMA) break;
        this.#at++;
      }
    }
    this.#take(CLOSE_LIST);
    return { type: 'list', offset, items };
  }

  #string(): TreeScalar {
    const offset = this.#at;
    if (this.#text.charCodeAt(offset) !== QUOTE) throw NOT_PLAIN;
    let close = offset + 1;
    let escaped = false;
    for (; ; close++) {
      if (close >= this.#end) throw NOT_PLAIN;
      const code = this.#text.charCodeAt(close);
      if (code === QUOTE) break;
      if (code !== BACKSLASH) continue;
      escaped = true;
      close++;
    }
    const inner = this.#text.slice(offset + 1, close);
    if (CONTROL.test(inner)) throw NOT_PLAIN;
    this.#at = close + 1;
    const value = escaped ? unescaped(inner) : texts.of(inner);
    return { type: 'scalar', offset, value, source: value, plain: false };
  }

  #literal(): TreeScalar {
    const offset = this.#at;
    LITERAL.lastIndex = offset;
    const source = LITERAL.exec(this.#text)?.[0];
    if (source === undefined || offset + source.length > this.#end) throw NOT_PLAIN;
    this.#at += source.length;
    return { type: 'scalar', offset, value: JSON.parse(source) as TreeScalar['value'], source, plain: true };
  }
}

function unescaped(inner: string): string {
  try {
    return JSON.parse(`"${inner}"`) as string;
  } catch {
    throw NOT_PLAIN;
  }
}
