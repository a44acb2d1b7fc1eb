/**
 * Whether a regular expression can match any of the values that there are: a path begins with `/`, a query value has no `&`.
 *
 * Used by `regex.ts` for `check`. Looks at the compiled program alone, with every assertion taken for true: who is told that
 * an expression can never match is told right, and not everyone is told.
 */

/** The values there are. Characters beyond ASCII may stand anywhere behind the first. */
export interface PossibleValues {
  /** Characters that may stand first. */
  readonly first: string;
  /** Whether one beyond ASCII may, too. */
  readonly firstBeyondAscii: boolean;
  /** And those behind it. */
  readonly rest: string;
  /** Whether a value may be empty. */
  readonly empty: boolean;
}

/** What this needs to know of a program of RE2. */
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
/** Captures, assertions, nothing at all. */
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
  // A state is twice the instruction, one more behind the first character.
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
