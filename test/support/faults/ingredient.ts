/** A kind of request, with the expected results. */
import type { KindRule } from './ledger.ts';
import { kind, type Kind } from './kinds.ts';

export interface Ingredient {
  readonly kind: Kind;
  readonly rule: KindRule;
}

/** Expects a response of one of `backends`; a POST must not be executed twice. */
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
    // Forwarded with the client's protocol, unless the rule says otherwise.
    rule: { name, ...usual, long: style === 'long', http2: version === 'http2', ...rule },
  };
}
