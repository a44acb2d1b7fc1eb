/**
 * Scalars of the YAML subset that `plain-yaml.ts` reads, and code that its files share.
 */
import { SharedTexts } from './shared-texts.ts';
import { untilLoaded } from './until-loaded.ts';
import type { TreeScalar } from './tree.ts';

const SIMPLE_KEY = /^[A-Za-z][A-Za-z0-9_./-]*$/;
/** Words that YAML does not read as text, neither as keys nor as scalars. */
const WORD_WITH_TYPE = /^(?:null|Null|NULL|true|True|TRUE|false|False|FALSE)$/;
const PRINTABLE = /^[ -~]*$/;
const PLAIN_START = /[A-Za-z0-9/._^$(+-]/;
const DECIMAL = /^-?[0-9]{1,15}$/;
/** Less usual spellings of numbers, which are left to the library. */
const UNUSUAL_NUMBER =
  /^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|0o[0-7]+|0x[0-9a-fA-F]+|[-+]?\.(?:inf|nan))$/i;

/** Thrown to end the attempt from any depth; `readPlainYaml` catches it. */
export const OUTSIDE_SUBSET = new Error('outside the subset');

export const COMMENT_OR_NOTHING = /^ *(?: #.*)?$/;

/** Shared by all documents, because their texts recur. */
const texts = untilLoaded(new SharedTexts());

export function isSimpleKey(text: string): boolean {
  return SIMPLE_KEY.test(text) && !WORD_WITH_TYPE.test(text);
}

/** `source`: the whole scalar, without a comment or spaces after it. */
export function plainScalar(source: string, offset: number): TreeScalar {
  const isDash = source.startsWith('-') && (source.length === 1 || source.startsWith('- '));
  if (!PLAIN_START.test(source.charAt(0)) || isDash || !PRINTABLE.test(source)) throw OUTSIDE_SUBSET;
  if (source.includes(': ') || source.endsWith(':')) throw OUTSIDE_SUBSET;
  const shared = texts.of(source);
  return { type: 'scalar', offset, value: plainValue(shared), source: shared, plain: true };
}

/** The scalar whose opening quote is at `at`, in a line that ends at `lineEnd`, and its end. */
export function quotedScalar(text: string, at: number, lineEnd: number): { scalar: TreeScalar; end: number } {
  const rest = text.slice(at, lineEnd);
  const quote = rest.charAt(0);
  let close = rest.indexOf(quote, 1);
  if (quote === "'") while (close >= 0 && rest[close + 1] === "'") close = rest.indexOf("'", close + 2);
  if (close < 0) throw OUTSIDE_SUBSET;
  const inner = rest.slice(1, close);
  if ((quote === '"' && inner.includes('\\')) || !PRINTABLE.test(inner)) throw OUTSIDE_SUBSET;
  const value = texts.of(quote === "'" ? inner.replaceAll("''", "'") : inner);
  return { scalar: { type: 'scalar', offset: at, value, source: value, plain: false }, end: at + close + 1 };
}

/** The value of a plain scalar in the YAML 1.2 core schema. */
function plainValue(source: string): string | number | boolean | null {
  if (DECIMAL.test(source)) return Number(source);
  if (UNUSUAL_NUMBER.test(source)) throw OUTSIDE_SUBSET;
  if (!WORD_WITH_TYPE.test(source)) return source;
  const word = source.toLowerCase();
  return word === 'null' ? null : word === 'true';
}
