/**
 * Determines whether a regular expression can match any possible value: a path begins with `/`, a query value contains
 * no `&`.
 *
 * Used by `regex.ts` for `check`. It looks only at the compiled program and takes every assertion as true. So "can
 * never match" is always correct, but not every such expression is found.
 */

/** The possible values. Non-ASCII characters may be anywhere after the first. */
export interface PossibleValues {
  /** Possible first characters. */
  readonly first: string;
  /** True when the first character may be non-ASCII. */
  readonly firstBeyondAscii: boolean;
  /** Possible further characters. */
  readonly rest: string;
  /** True when a value may be empty. */
  readonly empty: boolean;
}

/** The used parts of a program of RE2. */
export interface Program {
  readonly start: number;
  readonly inst: readonly Instruction[];
}

interface Instruction {
  readonly op: number;
  readonly out: number;
  readonly arg: number;
  readonly runes: ArrayLike<number>;
  matchRune(rune: number): boolean;
}

const ALTERNATIVE = [1, 2];
/** Opcodes without a character: captures, assertions, no-ops. */
const PASSED = [3, 4, 7];
const MATCH = 6;
const FIRST_RUNE = 8;
const LAST_RUNE = 11;
const ANY_RUNE = 10;

export function canMatch({ start, inst }: Program, values: PossibleValues): boolean {
  const [first, rest] = [values.first, values.rest].map((text) =>
    Array.from(text).map((character) => character.charCodeAt(0)),
  );
  const seen = new Set<number>();
  // A state is twice the instruction, plus one after the first character.
  const states = [start * 2];
  for (let state = states.pop(); state !== undefined; state = states.pop()) {
    if (seen.has(state)) continue;
    seen.add(state);
    const instruction = inst[state >> 1]!;
    const behind = state & 1;
    const { op, out, arg } = instruction;
    if (op === MATCH && (behind === 1 || values.empty)) return true;
    if (PASSED.includes(op) || ALTERNATIVE.includes(op)) states.push(out * 2 + behind);
    if (ALTERNATIVE.includes(op)) states.push(arg * 2 + behind);
    if (op > LAST_RUNE) return true;
    if (op < FIRST_RUNE) continue;
    const [codes, beyond] = behind === 1 ? [rest!, true] : [first!, values.firstBeyondAscii];
    if (takesAny(instruction, codes, beyond)) states.push(out * 2 + 1);
  }
  return false;
}

function takesAny(instruction: Instruction, codes: readonly number[], beyondAscii: boolean): boolean {
  if (instruction.op >= ANY_RUNE) return true;
  if (beyondAscii && Array.from(instruction.runes).some((rune) => rune > 0x7f)) return true;
  return codes.some((code) => instruction.matchRune(code));
}
