/** A kind of request together with what its requests have to come to. */
import type { KindRule } from './ledger.ts';
import { kind, type Kind } from './kinds.ts';

export interface Ingredient {
  readonly kind: Kind;
  readonly rule: KindRule;
}

/** Expects an answer of one of `backends`; a POST is not to be executed twice. */
export function ingredient(
  name: string,
  fields: Partial<Kind>,
  rule: Partial<Omit<KindRule, 'name'>> & Pick<KindRule, 'backends'>,
): Ingredient {
  const made = kind(name, fields);
  const { method, style, version } = made;
  const usual = { expected: /^answered 200$/, planted: null, once: method === 'POST', plain: false };
  return {
    kind: made,
    // Onward by what the client speaks, unless the rule says otherwise.
    rule: { name, ...usual, long: style === 'long', http2: version === 'http2', ...rule },
  };
}
