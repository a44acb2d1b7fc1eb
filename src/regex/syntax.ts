/**
 * Reads a regular expression once, without compiling it: estimates the size of its program, and finds constructs that
 * other implementations of the Gateway API may read differently.
 *
 * Used by `regex.ts`, which passes only sufficiently small expressions to the library. Invalid expressions are not
 * refused here, but by the library.
 */

export interface RegexSyntax {
  /**
   * Size in instructions of the compiled program, including a charge for constructs that are slow to compile. An upper
   * bound, except for rounding.
   */
  readonly size: number;
  /** The first construct outside GEP-4359, worded to complete "has ..."; null when there is none. */
  readonly unportable: string | null;
}

/** Charged for each occurrence, because the library builds its table anew. */
const UNICODE_CLASS_SIZE = 64;
/** Charged for each repetition, because of its several hundred ranges. */
const UNICODE_CLASS_COPY_SIZE = 14;
const RANGES_PER_INSTRUCTION = 50;
const NOT_ASCII_SIZE = 4;
/** When case is ignored, the library visits every character of a range between these two. */
const FIRST_FOLDED = 0x41;
const LAST_FOLDED = 0x1e943;
const FOLDED_PER_INSTRUCTION = 20;

/** The limit that POSIX guarantees. */
const PORTABLE_REPEATS = 255;

const FOLDS_CASE = /\(\?[a-zA-Z]*i/;
const REPEAT = /\{(\d+)(,(\d*)?)?\}/y;
const OPEN_REPEAT = /\{,\d*\}/y;
const GROUP_START = /\(\?(?:P?<[^>)]*>|[a-zA-Z^-]*[:)]|[=!]|<[=!])?/y;
const UNICODE_NAME = /[pP](?:\{[^}]*\}|.)?/suy;
const HEXADECIMAL = /x(?:\{([0-9a-fA-F]*)\}|([0-9a-fA-F]{0,2}))/y;
const POSIX_CLASS = /\[:\^?[a-z]*:\]/y;

/** An open group, with the sizes of its content. */
interface Group {
  /** Size of the completed alternatives. */
  alternatives: number;
  /** Size of the current alternative without its last piece. */
  pieces: number;
  /** Size of the piece that a quantifier would repeat; null when there is none. */
  last: number | null;
  readonly captures: number;
}

class RegexScanner {
  unportable: string | null = null;
  readonly #source: string;
  readonly #foldsCase: boolean;
  readonly #groups: Group[] = [];
  #group: Group = { alternatives: 0, pieces: 0, last: null, captures: 0 };
  #at = 0;
  #extra = 0;
  #quantified = false;

  constructor(source: string) {
    this.#source = source;
    this.#foldsCase = FOLDS_CASE.test(source);
  }

  scan(): number {
    while (this.#at < this.#source.length) this.#next();
    while (this.#groups.length > 0) this.#close();
    return Math.ceil(this.#sizeOf(this.#group) + this.#extra) + 2;
  }

  #note(what: string): void {
    this.unportable ??= what;
  }

  /** Matches at the current position, and moves past the match. */
  #take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#source);
    if (found !== null) this.#at = pattern.lastIndex;
    return found;
  }

  #next(): void {
    const character = this.#source[this.#at]!;
    const quantified = this.#quantified;
    this.#quantified = false;
    switch (character) {
      case '(':
        this.#open();
        return;
      case ')':
        this.#at++;
        this.#close();
        return;
      case '|':
        this.#at++;
        this.#endAlternative();
        return;
      case '*':
      case '+':
      case '?':
        this.#at++;
        if (quantified) this.#note(`two quantifiers in a row, "${this.#source[this.#at - 2]!}${character}"`);
        else if (this.#group.last !== null) this.#group.last += character === '?' ? 1 : 2;
        this.#quantified = true;
        return;
      case '{':
        this.#brace(quantified);
        return;
      case '[':
        this.#atom(this.#class());
        return;
      case '\\':
        this.#at++;
        this.#atom(this.#escape());
        return;
      default:
        this.#atom(this.#literal() > 0x7f ? NOT_ASCII_SIZE : 1);
    }
  }

  #atom(size: number): void {
    this.#group.pieces += this.#group.last ?? 0;
    this.#group.last = size;
  }

  /** One literal character. */
  #literal(): number {
    const code = this.#source.codePointAt(this.#at)!;
    this.#at += code > 0xffff ? 2 : 1;
    if (code > 0x7e || (code < 0x20 && code !== 0x09)) this.#note('characters that are not printable ASCII');
    return code;
  }

  #open(): void {
    const special = this.#take(GROUP_START);
    if (special === null) this.#at++;
    else this.#note(`"${special[0]}"`);
    // Flags alone, such as `(?i)`, do not open a group.
    if (special?.[0].endsWith(')') === true) return;
    this.#groups.push(this.#group);
    const captures = special === null || special[0].endsWith('>') ? 2 : 0;
    this.#group = { alternatives: 0, pieces: 0, last: null, captures };
  }

  #close(): void {
    const outer = this.#groups.pop();
    if (outer === undefined) return;
    const size = this.#sizeOf(this.#group) + this.#group.captures;
    this.#group = outer;
    this.#atom(size);
  }

  #endAlternative(): void {
    const group = this.#group;
    group.alternatives += Math.max(group.pieces + (group.last ?? 0), 1) + 1;
    group.pieces = 0;
    group.last = null;
  }

  #sizeOf({ alternatives, pieces, last }: Group): number {
    return alternatives + Math.max(pieces + (last ?? 0), 1);
  }

  #brace(quantified: boolean): void {
    const repeat = this.#take(REPEAT);
    if (repeat === null) {
      // The library reads both as literal text.
      const open = this.#take(OPEN_REPEAT);
      this.#note(open === null ? '"{" that begins no repetition' : 'a repetition without its first number');
      if (open === null) this.#at++;
      this.#atom(open?.[0].length ?? 1);
      return;
    }
    const [written, from, comma, to] = repeat;
    const min = Number(from);
    const max = comma === undefined ? min : to ? Number(to) : null;
    if (quantified) this.#note(`two quantifiers in a row, the second "${written}"`);
    if (Math.max(min, max ?? 0) > PORTABLE_REPEATS) this.#note(`more than ${PORTABLE_REPEATS} repetitions`);
    const { last } = this.#group;
    if (last !== null) {
      const optional = max === null ? 2 : Math.max(max - min, 0) * (last + 1);
      this.#group.last = Math.max(min, max === null ? 1 : 0) * last + optional + 1;
    }
    this.#quantified = true;
  }

  /** After a backslash, outside and inside brackets. Returns the size of its meaning. */
  #escape(): number {
    const character = this.#source[this.#at];
    if (character === undefined) return 1;
    if (character === 'p' || character === 'P') {
      this.#note(`"\\${this.#take(UNICODE_NAME)?.[0] ?? character}"`);
      this.#extra += UNICODE_CLASS_SIZE;
      return UNICODE_CLASS_COPY_SIZE;
    }
    if (character === 'Q') return this.#quotation();
    if (/[0-9a-zA-Z]/.test(character) && !'dwWs'.includes(character)) this.#note(`"\\${character}"`);
    if (character === 'x' && this.#take(HEXADECIMAL) !== null) return 1;
    return this.#literal() > 0x7f ? NOT_ASCII_SIZE : 1;
  }

  /** `\Q...\E` is literal text. */
  #quotation(): number {
    this.#note('"\\Q"');
    const start = this.#at + 1;
    const end = this.#source.indexOf('\\E', start);
    this.#at = end < 0 ? this.#source.length : end + 2;
    return ((end < 0 ? this.#source.length : end) - start) * NOT_ASCII_SIZE + 1;
  }

  /** From `[` to its `]`, or to the end. */
  #class(): number {
    this.#at++;
    if (this.#source[this.#at] === '^') this.#at++;
    if (this.#source[this.#at] === ']') {
      this.#note('"]" as the first character in brackets');
      this.#at++;
    }
    let ranges = 1;
    let copies = 1;
    while (this.#at < this.#source.length && this.#source[this.#at] !== ']') {
      ranges++;
      if (this.#take(POSIX_CLASS) !== null) {
        this.#note('"[" in brackets');
        continue;
      }
      const low = this.#classCharacter();
      if (low === null) {
        copies += UNICODE_CLASS_COPY_SIZE;
        continue;
      }
      if (this.#source[this.#at] !== '-' || this.#source[this.#at + 1] === ']') continue;
      this.#at++;
      if (this.#at < this.#source.length) this.#range(low, this.#classCharacter());
    }
    this.#at++;
    return copies + Math.floor(ranges / RANGES_PER_INSTRUCTION);
  }

  /** Null for a class inside the class. */
  #classCharacter(): number | null {
    const character = this.#source[this.#at]!;
    if (character === '[') this.#note('"[" in brackets');
    if (character !== '\\') return this.#literal();
    this.#at++;
    const start = this.#at;
    this.#escape();
    const written = this.#source.slice(start, this.#at);
    if (/^[pP]/.test(written)) return null;
    HEXADECIMAL.lastIndex = 0;
    const hexadecimal = HEXADECIMAL.exec(written);
    if (hexadecimal !== null) return Number.parseInt(hexadecimal[1] ?? hexadecimal[2] ?? '0', 16) || 0;
    return written.codePointAt(0) ?? 0;
  }

  #range(low: number, high: number | null): void {
    if (!this.#foldsCase || high === null || (low <= FIRST_FOLDED && high >= LAST_FOLDED)) return;
    const folded = Math.min(high, LAST_FOLDED) - Math.max(low, FIRST_FOLDED) + 1;
    this.#extra += Math.max(folded, 0) / FOLDED_PER_INSTRUCTION;
  }
}

export function scanRegex(source: string): RegexSyntax {
  const scanner = new RegexScanner(source);
  const size = scanner.scan();
  return { size, unportable: scanner.unportable };
}
