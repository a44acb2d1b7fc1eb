/**
 * The query of a request to the private endpoint, form-encoded as by browsers and `curl --data-urlencode`. A parameter
 * that is unknown, repeated or malformed is an error that names it.
 *
 * Stage before: `private-admin.ts` and its handlers. Stage after: the parsers of the values.
 */
import { ProxyError, unexpected } from '../errors.ts';

export class QueryParameters {
  readonly #parameters: URLSearchParams;

  /** @throws ProxyError `invalid-setting` for a name that is not one of `names` */
  constructor(query: string, names: readonly string[]) {
    this.#parameters = new URLSearchParams(query);
    for (const name of this.#parameters.keys()) {
      if (names.includes(name)) continue;
      const expected = names.length === 0 ? 'expected none' : `expected one of ${names.join(', ')}`;
      throw named(name, `no such parameter, ${expected}; an & in a value is written %26`);
    }
  }

  /** Null when it is not given. @throws ProxyError when it is given twice, and the errors of `parser` */
  one<T>(name: string, parser: (text: string) => T): T | null {
    const [value = null, ...more] = this.all(name, parser);
    if (more.length > 0) throw named(name, 'is given more than once');
    return value;
  }

  all<T>(name: string, parser: (text: string) => T): T[] {
    return this.#parameters.getAll(name).map((text) => parse(name, text, parser));
  }
}

/** A parser for a fixed set of words. */
export function oneOf<T extends string>(allowed: readonly T[]): (text: string) => T {
  return (text) => {
    const found = allowed.find((value) => value === text);
    if (found === undefined) throw unexpected(text, `one of ${allowed.join(', ')}`);
    return found;
  };
}

function parse<T>(name: string, text: string, parser: (text: string) => T): T {
  try {
    return parser(text);
  } catch (error) {
    if (error instanceof ProxyError) throw named(name, error.message);
    throw error;
  }
}

export function named(name: string, message: string): ProxyError {
  return new ProxyError('invalid-setting', `${name}: ${message}`);
}
