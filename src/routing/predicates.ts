/**
 * Compiled predicates for headers and query parameters, and the reader that fetches each field of a request at most
 * once.
 *
 * Stage before: `routing/table.ts`. Stage after: `routing/match-list.ts`.
 */
import type { HeaderMatch, QueryParamMatch } from '../gateway-api/types.ts';
import { compileRegex, type Regex } from '../regex/regex.ts';
import type { RequestHead } from './decision.ts';

/**
 * Route files are text, requests are bytes. So a value is converted to the bytes of its UTF-8 form, in the Latin-1 view
 * that `RequestHead` gives of a request.
 */
export function toWire(text: string): string {
  // ASCII is the same in both forms; returning it as it is saves a copy.
  return ASCII.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1');
}

const ASCII = /^[\0-\x7f]*$/;

/** One header or query parameter that must have a value. */
export class FieldPredicate {
  /** Index of the field's name in the reader. */
  readonly slot: number;
  readonly source: HeaderMatch | QueryParamMatch;
  readonly #exact: string;
  readonly #regex: Regex | null;

  constructor(slot: number, source: HeaderMatch | QueryParamMatch) {
    this.slot = slot;
    this.source = source;
    this.#exact = toWire(source.value);
    this.#regex = source.type === 'RegularExpression' ? compileRegex(source.value) : null;
  }

  /** The value to look up in a map; null when the predicate is a regular expression. */
  get exact(): string | null {
    return this.#regex === null ? this.#exact : null;
  }

  /** `value`: null for an absent field, which never matches. Hot path: bench/micro/decide.ts. */
  test(value: string | null): boolean {
    if (value === null) return false;
    return this.#regex === null ? value === this.#exact : this.#regex.matches(value);
  }
}

/**
 * The first value of a query parameter, undecoded: between its `=` and the next `&`, empty without `=`; null when the
 * parameter is absent. Hot path: bench/micro/decide.ts.
 */
export function firstQueryValue(query: string, name: string): string | null {
  let start = 0;
  for (;;) {
    const at = query.indexOf(name, start);
    if (at === -1) return null;
    const after = at + name.length;
    if (at === 0 || query.charCodeAt(at - 1) === 0x26) {
      if (after === query.length) return '';
      const next = query.charCodeAt(after);
      if (next === 0x26) return '';
      if (next === 0x3d) {
        const end = query.indexOf('&', after);
        return query.slice(after + 1, end === -1 ? query.length : end);
      }
    }
    start = at + 1;
  }
}

const NO_REQUEST: RequestHead = { method: '', path: '', query: '', header: () => null };

/**
 * Reads the fields of consecutive requests, each at most once and only when a predicate asks. A value belongs to the
 * current request when its stamp is the number of that request. So nothing has to be cleared, not even after an
 * engine's `header` has thrown.
 */
export class RequestReader {
  head: RequestHead = NO_REQUEST;
  /** Lower-case names of the headers that some predicate looks at. */
  readonly headerNames: readonly string[];
  readonly queryNames: readonly string[];
  readonly #headerValues: (string | null)[];
  readonly #headerStamps: Float64Array;
  readonly #queryValues: (string | null)[];
  readonly #queryStamps: Float64Array;
  #request = 0;

  constructor(headerNames: readonly string[], queryNames: readonly string[]) {
    this.headerNames = headerNames;
    this.queryNames = queryNames;
    this.#headerValues = headerNames.map(() => null);
    this.#headerStamps = new Float64Array(headerNames.length);
    this.#queryValues = queryNames.map(() => null);
    this.#queryStamps = new Float64Array(queryNames.length);
  }

  begin(head: RequestHead): void {
    this.head = head;
    this.#request++;
  }

  /** Drops the reference to the request, because engines reuse the memory behind it. */
  end(): void {
    this.head = NO_REQUEST;
  }

  header(slot: number): string | null {
    if (this.#headerStamps[slot] === this.#request) return this.#headerValues[slot]!;
    const value = this.head.header(this.headerNames[slot]!);
    this.#headerValues[slot] = value;
    this.#headerStamps[slot] = this.#request;
    return value;
  }

  queryParam(slot: number): string | null {
    if (this.#queryStamps[slot] === this.#request) return this.#queryValues[slot]!;
    const value = firstQueryValue(this.head.query, this.queryNames[slot]!);
    this.#queryValues[slot] = value;
    this.#queryStamps[slot] = this.#request;
    return value;
  }
}

/** Gives each name one slot. */
export class SlotNames {
  readonly #slots = new Map<string, number>();

  slot(name: string): number {
    const wire = toWire(name);
    let slot = this.#slots.get(wire);
    if (slot === undefined) {
      slot = this.#slots.size;
      this.#slots.set(wire, slot);
    }
    return slot;
  }

  names(): readonly string[] {
    return [...this.#slots.keys()];
  }
}
