/**
 * Finds JSON in a line of a log. It may follow a level, precede other words, or occur several times. Brackets that do not begin JSON are skipped.
 *
 * Used by `redact-value.ts`, which parses the spans. The work is linear in the length of the text, whatever brackets it has.
 */
export interface Span {
  readonly start: number;
  readonly end: number;
}

const NOT_JSON = -1;
const SPACE = /[ \t\r\n]*/y;
const SCALAR = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const HEX = /[\dA-Fa-f]{4}/y;
/** How often a character may be looked at on average. More than once is needed, because a quote may begin or end a string. */
const MAX_LOOKS = 4;

/** The outermost objects and arrays, in their order. */
export function jsonSpans(text: string): Span[] {
  const spans: Span[] = [];
  let at = nextBracket(text, 0);
  if (at === -1) return spans;
  /** By the position of a bracket: the end of its JSON, NOT_JSON, or 0 if it was not scanned yet. */
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
  /** Positions of the open brackets. */
  const open: number[] = [];
  let at = start;
  /** True where a value may begin; false where a value has just ended. */
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
      // A scan from any of these brackets would stop at the same place.
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

/** Skips the name of a field and its colon. */
function afterName(text: string, from: number): number {
  const at = after(SPACE, text, from);
  const end = text[at] === '"' ? afterString(text, at) : NOT_JSON;
  if (end === NOT_JSON) return NOT_JSON;
  const colon = after(SPACE, text, end);
  return text[colon] === ':' ? colon + 1 : NOT_JSON;
}

/** `from`: position of the opening quote. */
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
