/**
 * Where JSON stands in a line of a log: behind a level, before a mark, more than once. Brackets that do not begin JSON are passed over.
 *
 * Stage before: `redact-value.ts`, which parses what was found. The work is linear in the length of the text, whatever its brackets are.
 */
export interface Span {
  readonly start: number;
  readonly end: number;
}

const NOT_JSON = -1;
const SPACE = /[ \t\r\n]*/y;
const SCALAR = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const HEX = /[\dA-Fa-f]{4}/y;
/** How many times a character may be looked at: a quote may begin a string or end one. */
const MAX_LOOKS = 4;

/** Objects and arrays that are not part of another one, in turn. */
export function jsonSpans(text: string): Span[] {
  const spans: Span[] = [];
  let at = nextBracket(text, 0);
  if (at === -1) return spans;
  /** By the place of a bracket: where its JSON ends, NOT_JSON, or 0 if nobody has looked. */
  const ends = new Int32Array(text.length);
  let looks = MAX_LOOKS * text.length;
  let reached = 0;
  while (at !== -1) {
    if (ends[at] === 0 && (looks > 0 || at >= reached)) {
      const stop = scan(text, at, ends);
      looks -= stop - at;
      reached = Math.max(reached, stop);
    }
    const end = ends[at]!;
    if (end > 0) spans.push({ start: at, end });
    at = nextBracket(text, end > 0 ? end : at + 1);
  }
  return spans;
}

function nextBracket(text: string, from: number): number {
  for (let at = from; at < text.length; at++) if (text[at] === '[' || text[at] === '{') return at;
  return -1;
}

/** Fills `ends` for the bracket at `start` and those within it. Returns where it stopped. */
function scan(text: string, start: number, ends: Int32Array): number {
  /** Of the brackets that are open. */
  const open: number[] = [];
  let at = start;
  /** Whether a value may stand here, or only what follows one. */
  let isBefore = true;
  while (isBefore || open.length > 0) {
    at = after(SPACE, text, at);
    const char = text[at] ?? '';
    const isObject = text[open.at(-1) ?? -1] === '{';
    let next = NOT_JSON;
    if (!isBefore) {
      if (char === ',') {
        isBefore = true;
        next = isObject ? afterName(text, at + 1) : at + 1;
      } else if (char === (isObject ? '}' : ']')) next = close(open, at, ends);
    } else if (char === '[' || char === '{') {
      const known = ends[at]!;
      if (known > 0) {
        isBefore = false;
        next = known;
      } else if (known === 0) {
        open.push(at);
        next = after(SPACE, text, at + 1);
        if (text[next] === (char === '{' ? '}' : ']')) {
          isBefore = false;
          next = close(open, next, ends);
        } else if (char === '{') next = afterName(text, next);
      }
    } else {
      isBefore = false;
      next = char === '"' ? afterString(text, at) : after(SCALAR, text, at);
      if (next === at) next = NOT_JSON;
    }
    if (next === NOT_JSON) {
      // Each of them would come to the same place.
      for (const each of open) ends[each] = NOT_JSON;
      break;
    }
    at = next;
  }
  return at;
}

function close(open: number[], at: number, ends: Int32Array): number {
  ends[open.pop()!] = at + 1;
  return at + 1;
}

function after(token: RegExp, text: string, at: number): number {
  token.lastIndex = at;
  return token.test(text) ? token.lastIndex : at;
}

/** Of a field, with its colon. */
function afterName(text: string, from: number): number {
  const at = after(SPACE, text, from);
  const end = text[at] === '"' ? afterString(text, at) : NOT_JSON;
  if (end === NOT_JSON) return NOT_JSON;
  const colon = after(SPACE, text, end);
  return text[colon] === ':' ? colon + 1 : NOT_JSON;
}

/** `from`: of the quote before it. */
function afterString(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at++) {
    const char = text[at]!;
    if (char === '"') return at + 1;
    if (char < ' ') return NOT_JSON;
    if (char !== '\\') continue;
    at++;
    const escaped = text[at] ?? '';
    if (escaped === 'u' ? after(HEX, text, at + 1) === at + 1 : !/["\\/bfnrt]/.test(escaped)) return NOT_JSON;
  }
  return NOT_JSON;
}
