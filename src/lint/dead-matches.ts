/**
 * Finds matches that no request can fulfil, and matches whose requests are all taken by an earlier one of the same
 * route: a rule with only such matches never serves a request.
 *
 * Used by `route-input.ts`. Exact values are checked when they are read, in `gateway-api/matches.ts`. Regular
 * expressions are checked here, because analysing them takes too long for a sidecar.
 */
import { problemAt } from '../config/progress.ts';
import { isCarriedRoute } from '../config/support.ts';
import type { CarriedRoute, HeaderMatch, Problem, Resource, RouteMatch } from '../gateway-api/types.ts';
import type { PossibleValues } from '../regex/reach.ts';
import { compileRegex } from '../regex/regex.ts';

const VISIBLE = Array.from({ length: 94 }, (_, index) => String.fromCharCode(0x21 + index)).join('');

const without = (characters: string): string =>
  Array.from(VISIBLE)
    .filter((one) => !characters.includes(one))
    .join('');

/** The values that the request parser accepts. */
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

/** Names of gRPC services, as part of a path. */
const SERVICES: PossibleValues = {
  first: without('/#?'),
  firstBeyondAscii: false,
  rest: without('/#?'),
  empty: false,
};
const METHODS: PossibleValues = { first: without('#?'), firstBeyondAscii: false, rest: without('#?'), empty: true };

export function deadMatches(resources: readonly Resource[]): Problem[] {
  return resources.flatMap((resource) => (isCarriedRoute(resource) ? deadMatchesOf(resource) : []));
}

function deadMatchesOf(route: CarriedRoute): Problem[] {
  const problems: Problem[] = [];
  const first = new Map<string, string>();
  for (const rule of route.rules) {
    for (const [index, match] of rule.matches.entries()) {
      const path = `spec.rules[${rule.index}].matches[${index}]`;
      reportRegexes(match, path, (place, what) => {
        const message = `can never match: ${what}`;
        problems.push({ ...problemAt(route, place), severity: 'warning', code: 'never-matches', message });
      });
      const key = matchKey(match);
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

/** A regular expression of a match, and the values it can be compared with. */
interface RegexPlace {
  /** Field path below the match. */
  readonly place: string;
  readonly source: string;
  readonly values: PossibleValues;
  /** The condition under which it could match. */
  readonly rule: string;
}

const PATH_RULE = 'it must match a whole path, which begins with "/" and has neither a query nor white space';
const HEADER_RULE = 'it must match a whole value, which has no control characters and no white space in front';
const QUERY_RULE =
  'it must match a whole value as it travels, undecoded, in which white space, "&" and "#" are %20, %26 and %23';
const SERVICE_RULE = 'it must match a whole name as it stands in a path, without "/" and white space';
const METHOD_RULE = 'it must match the whole rest of a path, which has neither a query nor white space';

function reportRegexes(match: RouteMatch, path: string, report: (place: string, what: string) => void): void {
  for (const { place, source, values, rule } of regexPlaces(match)) {
    if (!compileRegex(source).canMatch(values)) report(`${path}.${place}`, rule);
  }
}

function regexPlaces(match: RouteMatch): RegexPlace[] {
  const fields = (name: string, list: readonly HeaderMatch[], values: PossibleValues, rule: string): RegexPlace[] =>
    list.flatMap(({ type, value: source }, index) =>
      type === 'RegularExpression' ? [{ place: `${name}[${index}].value`, source, values, rule }] : [],
    );
  const headers = fields('headers', match.headers, HEADER_VALUES, HEADER_RULE);
  if ('path' in match) {
    const { type, value: source } = match.path;
    const paths = { place: 'path.value', source, values: PATHS, rule: PATH_RULE };
    return [
      ...(type === 'RegularExpression' ? [paths] : []),
      ...headers,
      ...fields('queryParams', match.queryParams, QUERY_VALUES, QUERY_RULE),
    ];
  }
  const { type, service, method } = match.method ?? { type: 'Exact', service: null, method: null };
  const names: RegexPlace[] = [
    ...(service === null ? [] : [{ place: 'method.service', source: service, values: SERVICES, rule: SERVICE_RULE }]),
    ...(method === null ? [] : [{ place: 'method.method', source: method, values: METHODS, rule: METHOD_RULE }]),
  ];
  return [...(type === 'RegularExpression' ? names : []), ...headers];
}

/** Equal for matches of the same requests. */
export function matchKey(match: RouteMatch): string {
  const fields = (list: readonly HeaderMatch[]) =>
    list.map(({ type, name, value }) => JSON.stringify([name, type, value])).sort();
  if (!('path' in match)) {
    const { type, service, method } = match.method ?? { type: null, service: null, method: null };
    return JSON.stringify([type, service, method, fields(match.headers)]);
  }
  const { path, headers, queryParams, method } = match;
  const value = path.type === 'PathPrefix' ? path.value.replace(/(?<=.)\/$/, '') : path.value;
  return JSON.stringify([path.type, value, method, fields(headers), fields(queryParams)]);
}
