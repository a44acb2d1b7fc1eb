/**
 * Collects the regular expressions of one route while it is read. They are checked afterwards, one by one: compiling
 * one takes milliseconds, and the caller can pause in between.
 *
 * Filled by `matches.ts` and `grpc-route.ts`, run by `documents.ts`.
 */
import type { Steps } from '../slices.ts';
import type { Fields } from './fields.ts';
import { MAX_REGEX_SIZE_PER_ROUTE, quote } from './limits.ts';

/** The result of checking an expression, from the code that defines the dialect. */
export interface RegexVerdict {
  /** Why it cannot be used; null when it can. */
  readonly fault: string | null;
  /**
   * Constructs that other implementations may read differently, worded to complete "has ..."; null when there are none.
   */
  readonly unportable: string | null;
  /** Size of the compiled program, in instructions. */
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

  /** `item`: the mapping whose `field` contains the expression. */
  add(item: Fields, field: string, source: string): void {
    this.#places.push({ item, field, source });
  }

  /** Reports invalid expressions. Each expression is checked once, even when it occurs several times in the route. */
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
