/**
 * Conditions on one value (a path, a header or a query parameter), with what is known about the values that match two
 * of them. Results are certain; otherwise they say that it is unknown.
 *
 * Used by `guards.ts`. Expressions match whole values, as in Istio, in Linkerd and here.
 */
import { compileRegex } from '../regex/regex.ts';

export interface ValueCondition {
  readonly type: 'Exact' | 'RegularExpression';
  readonly value: string;
}

/** The form of all expressions that require only presence. */
export const ANY_VALUE = '.*';

const SPECIAL = /[\\.+*?()|[\]{}^$]/g;

/** An expression that matches exactly this text. */
export function quoteRegex(text: string): string {
  return text.replace(SPECIAL, '\\$&');
}

/** The same, ignoring the case of ASCII letters. */
export function quoteRegexIgnoringCase(text: string): string {
  return quoteRegex(text).replace(/[a-zA-Z]/g, (letter) => `[${letter.toLowerCase()}${letter.toUpperCase()}]`);
}

export interface Head {
  /** Every matching value begins with this. */
  readonly text: string;
  /** What may follow: anything, nothing, or unknown. */
  readonly rest: 'any' | 'nothing' | 'unknown';
}

const heads = new Map<string, Head>();
/** Number of cached expressions; those of one input are compared with each other. */
const HEADS_KEPT = 16_384;

/** The literal prefix of an expression. */
export function headOf(regex: string): Head {
  const known = heads.get(regex);
  if (known !== undefined) return known;
  const head = readHead(regex);
  if (heads.size >= HEADS_KEPT) heads.clear();
  heads.set(regex, head);
  return head;
}

function readHead(regex: string): Head {
  if (regex.includes('|')) return { text: '', rest: 'unknown' };
  let text = '';
  let at = 0;
  while (at < regex.length) {
    const rest = regex.slice(at);
    if (rest === ANY_VALUE) return { text, rest: 'any' };
    const piece = /^(?:[^\\.+*?()|[\]{}^$]|\\[^a-zA-Z0-9])/su.exec(rest)?.[0];
    if (piece === undefined) break;
    // A repeated or optional part does not belong to the prefix.
    if (/^[*+?{]/.test(regex.slice(at + piece.length))) break;
    text += piece.startsWith('\\') ? piece.slice(1) : piece;
    at += piece.length;
  }
  return { text, rest: at === regex.length ? 'nothing' : 'unknown' };
}

function headOfCondition({ type, value }: ValueCondition): Head {
  return type === 'Exact' ? { text: value, rest: 'nothing' } : headOf(value);
}

/** True when the expression matches the whole value; false for an invalid expression, which is reported elsewhere. */
export function regexMatches(regex: string, value: string): boolean {
  try {
    return compileRegex(regex).matches(Buffer.from(value, 'utf8').toString('latin1'));
  } catch {
    return false;
  }
}

/** True when `a` matches every value that `b` matches. False: perhaps not. */
export function coversValue(a: ValueCondition, b: ValueCondition): boolean {
  if (a.type === b.type && a.value === b.value) return true;
  if (b.type === 'Exact') return a.type === 'RegularExpression' && regexMatches(a.value, b.value);
  if (a.type === 'Exact') return false;
  const [outer, inner] = [headOf(a.value), headOf(b.value)];
  return outer.rest === 'any' && inner.text.startsWith(outer.text);
}

/** True when no value matches both. False: perhaps one does. */
export function disjointValues(a: ValueCondition, b: ValueCondition): boolean {
  if (a.type === 'Exact' && b.type === 'Exact') return a.value !== b.value;
  if (a.type === 'Exact') return !regexMatches(b.value, a.value);
  if (b.type === 'Exact') return !regexMatches(a.value, b.value);
  const [one, other] = [headOfCondition(a), headOfCondition(b)];
  if (one.rest === 'nothing' && !one.text.startsWith(other.text)) return true;
  if (other.rest === 'nothing' && !other.text.startsWith(one.text)) return true;
  return !one.text.startsWith(other.text) && !other.text.startsWith(one.text);
}

/** The condition for exactly the values that match both; null when there are none, undefined when it is unknown. */
export function intersectValues<Condition extends ValueCondition>(
  a: Condition,
  b: Condition,
): Condition | null | undefined {
  if (coversValue(a, b)) return b;
  if (coversValue(b, a)) return a;
  return disjointValues(a, b) ? null : undefined;
}
