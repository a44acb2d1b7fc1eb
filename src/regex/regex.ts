/**
 * Regular expressions of route files, matched in linear time. The only importer of re2js, a port of RE2: no
 * backtracking, no look-around, no back references.
 *
 * Stage before: `gateway-api` (validation) and `routing/predicates.ts` (compilation). Stage after: none.
 *
 * Dialect: RE2 syntax, case-sensitive unless the pattern says `(?i)`; the whole value must match, as if written
 * `^(?:...)$`. Values are raw bytes; a value that is not ASCII is read as UTF-8.
 */
import type { RE2JS } from 're2js';
import type { RegexVerdict } from '../gateway-api/regex-checks.ts';
import { onDemand } from '../on-demand.ts';
import { canMatch, type PossibleValues, type Program } from './reach.ts';
import { scanRegex } from './syntax.ts';

const library = onDemand((load) => load('re2js') as typeof import('re2js'));

/**
 * Maximum size of a program in instructions: a literal of the longest header value in a match, with some reserve.
 * Linear time means program size times input size, and compiling takes up to a microsecond for each instruction without
 * a pause; so the size must be limited as well. For the same engine, Envoy's default is 100, and Istio sets 32,768.
 */
export const MAX_REGEX_PROGRAM = 4608;

/**
 * Maximum steps for one match in the worst case: 16 KiB of input for a program of 512 instructions, 1,820 bytes for the
 * largest one. Longer values, up to the factor below, are matched only by the deterministic automaton, which takes one
 * step for each byte unless its states have to be rebuilt all the time. When it gives up, the value does not match.
 */
export const MAX_REGEX_STEPS = 8 * 1024 * 1024;

const AUTOMATON_FACTOR = 8;

/**
 * Memory in bytes for the states that all expressions keep between matches, and limits for the share of one expression.
 */
const STATE_CACHE_BYTES = { all: 32 * 1024 * 1024, most: 256 * 1024, least: 8 * 1024 } as const;

/**
 * Size of the cache of compiled expressions: those of the current tables, so that a reload need not compile them again.
 * An instruction takes about a hundred bytes.
 */
const CACHE_INSTRUCTIONS = 256 * 1024;

const NOT_ASCII = /[^\0-\x7f]/;

export class Regex {
  readonly source: string;
  readonly size: number;
  readonly #program: RE2JS;
  readonly #maxLength: number;

  constructor(source: string, program: RE2JS) {
    this.source = source;
    this.size = program.programSize();
    this.#program = program;
    const maxSimulated = Math.floor(MAX_REGEX_STEPS / this.size);
    this.#maxLength = maxSimulated * AUTOMATON_FACTOR;
    const engine = program.re2();
    const simulate = engine.doExecuteNFA.bind(engine);
    engine.doExecuteNFA = (input: { endPos(): number }, ...rest: [unknown, unknown, unknown]): unknown =>
      input.endPos() > maxSimulated ? null : simulate(input, ...rest);
  }

  /** `bytes`: memory for remembered states. */
  limitStates(bytes: number): void {
    const engine = this.#program.re2();
    // These expressions are matched without the automaton.
    if (engine.prefixComplete || (engine.onepass as unknown) !== null) return;
    const { dfa } = engine;
    dfa.maxMem = bytes;
    dfa.stateBudget = bytes;
    dfa.clearCache();
  }

  /** True when it matches at least one of these values, and when this is unknown. */
  canMatch(values: PossibleValues): boolean {
    return canMatch((this.#program.re2() as unknown as { readonly prog: Program }).prog, values);
  }

  /** `value`: a Latin-1 view of raw bytes. Hot path: bench/micro/decide.ts. */
  matches(value: string): boolean {
    if (value.length > this.#maxLength) return false;
    return this.#program.testExact(NOT_ASCII.test(value) ? Buffer.from(value, 'latin1') : value);
  }
}

/** Cached expressions; the least recently used one is first. */
class RegexCache {
  readonly #regexes = new Map<string, Regex>();
  #instructions = 0;
  /** The number of expressions at the last division of the memory. */
  #shares = 1;

  get(source: string): Regex | undefined {
    const regex = this.#regexes.get(source);
    if (regex !== undefined) {
      this.#regexes.delete(source);
      this.#regexes.set(source, regex);
    }
    return regex;
  }

  add(regex: Regex): void {
    this.#regexes.set(regex.source, regex);
    this.#instructions += regex.size;
    for (const [source, oldest] of this.#regexes) {
      if (this.#instructions <= CACHE_INSTRUCTIONS) break;
      this.#regexes.delete(source);
      this.#instructions -= oldest.size;
    }
    if (this.#regexes.size <= this.#shares) {
      regex.limitStates(this.#share());
      return;
    }
    this.#shares *= 2;
    for (const each of this.#regexes.values()) each.limitStates(this.#share());
  }

  #share(): number {
    const { all, most, least } = STATE_CACHE_BYTES;
    return Math.min(Math.max(all / this.#shares, least), most);
  }
}

const cache = new RegexCache();

/** The fault of the expression, and what other implementations may read differently. For the validator. */
export function validateRegex(source: string): RegexVerdict {
  const { size, unportable } = scanRegex(source);
  try {
    compileRegex(source);
    return { fault: null, unportable, size };
  } catch (error) {
    if (error instanceof library().RE2JSException) {
      return { fault: error.message.replace(/^error parsing regexp: /, ''), unportable, size };
    }
    if (error instanceof RangeError) return { fault: error.message, unportable, size };
    throw error;
  }
}

/** Throws for an expression that `validateRegex` refuses. */
export function compileRegex(source: string): Regex {
  const known = cache.get(source);
  if (known !== undefined) return known;
  const { size } = scanRegex(source);
  if (size > MAX_REGEX_PROGRAM) {
    const limit = `at most ${MAX_REGEX_PROGRAM} are allowed`;
    throw new RangeError(`expression too large: about ${size} instructions, ${limit}; lower its repeat counts`);
  }
  const regex = new Regex(source, library().RE2JS.compile(source));
  cache.add(regex);
  return regex;
}
