/**
 * Matches that no request can have, and those that an earlier one of the same route takes all requests from: a rule behind
 * them never serves any.
 *
 * Used by `route-input.ts`. Exact values are judged where they are read, in `gateway-api/matches.ts`; regular expressions here,
 * because to go through one takes longer than a sidecar should spend on it.
 */
import { problemAt } from '../config/progress.ts';
import type { HttpRoute, HttpRouteMatch, Problem, Resource } from '../gateway-api/types.ts';
import type { PossibleValues } from '../regex/reach.ts';
import { compileRegex } from '../regex/regex.ts';

const VISIBLE = Array.from({ length: 94 }, (_, index) => String.fromCharCode(0x21 + index)).join('');

const without = (characters: string): string =>
  Array.from(VISIBLE)
    .filter((one) => !characters.includes(one))
    .join('');

/** What the parser of requests lets through. */
const PATHS: PossibleValues = { first: '/', firstBeyondAscii: false, rest: without('#?'), empty: false };
const HEADER_VALUES: PossibleValues = {
  first: VISIBLE,
  firstBeyondAscii: true,
  rest: `${VISIBLE} \t`,
  empty: true,
};
const QUERY_VALUES: PossibleValues = {
  first: without('#&'),
  firstBeyondAscii: true,
  rest: without('#&'),
  empty: true,
};

export function deadMatches(resources: readonly Resource[]): Problem[] {
  return resources.flatMap((resource) => (resource.kind === 'HTTPRoute' ? deadMatchesOf(resource) : []));
}

function deadMatchesOf(route: HttpRoute): Problem[] {
  const problems: Problem[] = [];
  const first = new Map<string, string>();
  for (const rule of route.rules) {
    for (const [index, match] of rule.matches.entries()) {
      const path = `spec.rules[${rule.index}].matches[${index}]`;
      reportRegexes(match, path, (place, what) => {
        const message = `can never match: ${what}`;
        problems.push({ ...problemAt(route, place), severity: 'warning', code: 'never-matches', message });
      });
      const key = keyOf(match);
      const earlier = first.get(key);
      if (earlier === undefined) {
        first.set(key, path);
        continue;
      }
      const message = `is the same as ${earlier}, which comes first and takes all its requests`;
      problems.push({ ...problemAt(route, path), severity: 'warning', code: 'shadowed-match', message });
    }
  }
  return problems;
}

function reportRegexes(match: HttpRouteMatch, path: string, report: (place: string, what: string) => void): void {
  const isDead = ({ type, value }: { readonly type: string; readonly value: string }, values: PossibleValues) =>
    type === 'RegularExpression' && !compileRegex(value).canMatch(values);
  if (isDead(match.path, PATHS)) {
    const rule = 'it must match a whole path, which begins with "/" and has neither a query nor white space';
    report(`${path}.path.value`, rule);
  }
  for (const [index, header] of match.headers.entries()) {
    if (isDead(header, HEADER_VALUES)) {
      const rule = 'it must match a whole value, which has no control characters and no white space in front';
      report(`${path}.headers[${index}].value`, rule);
    }
  }
  for (const [index, parameter] of match.queryParams.entries()) {
    if (isDead(parameter, QUERY_VALUES)) {
      const rule =
        'it must match a whole value as it travels, undecoded, in which white space, "&" and "#" are %20, %26 and %23';
      report(`${path}.queryParams[${index}].value`, rule);
    }
  }
}

/** Equal for matches of the same requests. */
function keyOf({ path, headers, queryParams, method }: HttpRouteMatch): string {
  const value = path.type === 'PathPrefix' ? path.value.replace(/(?<=.)\/$/, '') : path.value;
  const fields = (list: HttpRouteMatch['headers']) =>
    list.map(({ type, name, value }) => JSON.stringify([name, type, value])).sort();
  return JSON.stringify([path.type, value, method, fields(headers), fields(queryParams)]);
}
