/**
 * Texts to match, as conditions of Gateway API: on a path, or on the value of a header or a query parameter.
 *
 * Used by the readers of rules.
 */
import { literalPath } from '../gateway-api/limits.ts';
import type { HeaderMatch, PathMatch } from '../gateway-api/types.ts';
import { EVERY_PATH } from './paths.ts';
import type { TextMatch } from './scalars.ts';
import { ANY_VALUE, quoteRegex, quoteRegexIgnoringCase } from './values.ts';

/** The value of the named header or parameter. */
export function fieldCondition(name: string, match: TextMatch): HeaderMatch {
  const regex = (value: string): HeaderMatch => ({ type: 'RegularExpression', name, value });
  switch (match.kind) {
    case 'present':
      return regex(ANY_VALUE);
    case 'exact':
      // Gateway API has no empty values.
      return match.value === '' ? regex('.{0}') : { type: 'Exact', name, value: match.value };
    case 'prefix':
      return regex(`${quoteRegex(match.value)}${ANY_VALUE}`);
    case 'regex':
      return regex(match.value);
  }
}

/** Prefixes of Istio and Linkerd end anywhere, also within an element: they are expressions here, all but that of every path. */
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
