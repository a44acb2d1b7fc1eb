/**
 * Converts texts to match into conditions of the Gateway API, for paths, headers and query parameters.
 *
 * Used by the readers of rules.
 */
import { literalPath } from '../gateway-api/limits.ts';
import type { HeaderMatch, PathMatch } from '../gateway-api/types.ts';
import { EVERY_PATH } from './paths.ts';
import type { TextMatch } from './scalars.ts';
import { ANY_VALUE, quoteRegex, quoteRegexIgnoringCase } from './values.ts';

/** A condition on the value of the named header or parameter. */
export function fieldCondition(name: string, match: TextMatch): HeaderMatch {
  const regex = (value: string): HeaderMatch => ({ type: 'RegularExpression', name, value });
  switch (match.kind) {
    case 'present':
      return regex(ANY_VALUE);
    case 'exact':
      // The Gateway API does not allow empty values.
      return match.value === '' ? regex('.{0}') : { type: 'Exact', name, value: match.value };
    case 'prefix':
      return regex(`${quoteRegex(match.value)}${ANY_VALUE}`);
    case 'regex':
      return regex(match.value);
  }
}

/**
 * Prefixes of Istio and Linkerd may end inside a path element. So they become regular expressions, except the prefix of
 * all paths.
 */
export function pathCondition(match: TextMatch, ignoreCase: boolean): PathMatch {
  const quote = ignoreCase ? quoteRegexIgnoringCase : quoteRegex;
  switch (match.kind) {
    case 'present':
      return EVERY_PATH;
    case 'exact':
      return ignoreCase || literalPath(match.value) !== null
        ? { type: 'RegularExpression', value: quote(match.value) }
        : { type: 'Exact', value: match.value };
    case 'prefix':
      return match.value === '/' || match.value === ''
        ? EVERY_PATH
        : { type: 'RegularExpression', value: `${quote(match.value)}${ANY_VALUE}` };
    case 'regex':
      return match.value === ANY_VALUE ? EVERY_PATH : { type: 'RegularExpression', value: match.value };
  }
}
