/**
 * The regular expressions of one route, collected while it is read and looked at afterwards, one by one: to compile one takes
 * milliseconds, and the caller can pause between them.
 *
 * Filled by `matches.ts` and `grpc-route.ts`, run by `documents.ts`.
 */
import type { Steps } from '../slices.ts';
import type { Fields } from './fields.ts';
import { MAX_REGEX_SIZE_PER_ROUTE, quote } from './limits.ts';

/** What the part that owns the dialect says of an expression. */
export interface RegexVerdict {
  /** Why it cannot be used, null when it can. */
  readonly fault: string | null;
  /** What other implementations may read differently, to complete "has ..."; null when there is nothing. */
  readonly unportable: string | null;
  /** Of its program. */
  readonly size: number;
}

export type ValidateRegex = (source: string) => RegexVerdict;

interface Place {
  readonly item: Fields;
  readonly field: string;
  readonly source: string;
}

export class RegexChecks {
  readonly #places: Place[] = [];
  readonly #validate: ValidateRegex;

  constructor(validate: ValidateRegex) {
    this.#validate = validate;
  }

  /** `item`: the mapping in whose `field` the expression stands. */
  add(item: Fields, field: string, source: string): void {
    this.#places.push({ item, field, source });
  }

  /** Reports what is wrong with them. Each expression is looked at once, however often it stands in the route. */
  *run(): Steps<void> {
    const verdicts = new Map<string, RegexVerdict>();
    let size = 0;
    for (const { item, field, source } of this.#places) {
      const known = verdicts.get(source);
      const verdict = known ?? this.#validate(source);
      verdicts.set(source, verdict);
      if (verdict.fault !== null) {
        item.error(field, 'bad-regex', `must be a regular expression, got ${quote(source)}: ${verdict.fault}`);
      } else if (verdict.unportable !== null && known === undefined) {
        const message = `works here, but other implementations may read it differently: it has ${verdict.unportable}`;
        item.warn(field, 'unportable-regex', message);
      }
      if (known === undefined) size += verdict.size;
      if (size > MAX_REGEX_SIZE_PER_ROUTE) {
        const message = `the regular expressions of a route must have at most ${MAX_REGEX_SIZE_PER_ROUTE} instructions together`;
        item.error(field, 'bad-regex', `${message}, and this one goes beyond; split the route`);
        return;
      }
      yield;
    }
  }
}
