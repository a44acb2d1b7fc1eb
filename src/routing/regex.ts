/**
 * Regular expressions of route files, matched in time linear in the input (SPEC M5). The only importer of re2js, a port
 * of RE2: no backtracking, no look-around, no back references.
 *
 * Stage before: `gateway-api` (validation) and `routing/predicates.ts` (compilation). Stage after: none.
 *
 * Dialect: RE2 syntax, case-sensitive unless the pattern says `(?i)`; the whole value must match, as if written
 * `^(?:...)$`. Values are raw bytes; a value that is not ASCII is read as UTF-8.
 */
import { RE2JS, RE2JSException } from 're2js';

/**
 * Largest compiled program, in instructions: `a{500}` has about 500. Linear time means program times input, so the
 * program has to be bounded as well; Envoy's default for the same engine is 100.
 */
export const MAX_REGEX_PROGRAM = 512;

/**
 * Most instruction steps one match may take in the worst case: 16 KiB of input for the largest program, 64 KiB for one
 * of 128 instructions. A longer value does not match.
 */
export const MAX_REGEX_STEPS = 8 * 1024 * 1024;

/** Bytes each expression may spend on the states it remembers between matches. */
const STATE_CACHE_BYTES = 256 * 1024;

/** Expressions kept compiled: those of the tables in use, so that a reload finds them warm. */
const CACHE_ENTRIES = 2048;

const NOT_ASCII = /[^\0-\x7f]/;

export class Regex {
  readonly source: string;
  readonly #program: RE2JS;
  readonly #maxLength: number;

  constructor(source: string, program: RE2JS) {
    this.source = source;
    this.#program = program;
    this.#maxLength = Math.floor(MAX_REGEX_STEPS / program.programSize());
    const states = program.re2().dfa;
    states.maxMem = STATE_CACHE_BYTES;
    states.stateBudget = STATE_CACHE_BYTES;
    states.memBudget = STATE_CACHE_BYTES;
  }

  /** `value`: a Latin-1 view of raw bytes. Hot path: bench/micro/decide.ts. */
  matches(value: string): boolean {
    if (value.length > this.#maxLength) return false;
    return this.#program.testExact(NOT_ASCII.test(value) ? Buffer.from(value, 'latin1') : value);
  }
}

const cache = new Map<string, Regex>();

/** A message that says what is wrong with the expression, null when it can be used. For the validator. */
export function validateRegex(source: string): string | null {
  try {
    compileRegex(source);
    return null;
  } catch (error) {
    if (error instanceof RE2JSException) return error.message.replace(/^error parsing regexp: /, '');
    if (error instanceof RangeError) return error.message;
    throw error;
  }
}

/** Throws for an expression that `validateRegex` refuses. */
export function compileRegex(source: string): Regex {
  const known = cache.get(source);
  if (known !== undefined) {
    // Move to the end: the first entry is the one not asked for longest.
    cache.delete(source);
    cache.set(source, known);
    return known;
  }
  const program = RE2JS.compile(source);
  const size = program.programSize();
  if (size > MAX_REGEX_PROGRAM) {
    throw new RangeError(
      `expression too large: ${size} instructions, at most ${MAX_REGEX_PROGRAM} are allowed; lower its repeat counts`,
    );
  }
  const regex = new Regex(source, program);
  cache.set(source, regex);
  if (cache.size > CACHE_ENTRIES) {
    const oldest = cache.keys().next();
    if (oldest.done !== true) cache.delete(oldest.value);
  }
  return regex;
}
