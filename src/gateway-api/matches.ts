/**
 * Reads `rules[].matches`. Used by `http-route.ts`, and by `grpc-route.ts` for the parts that both kinds have.
 * `routing/` gives them their meaning.
 */
import type { Steps } from '../slices.ts';
import type { Fields } from './fields.ts';
import { HeaderNames } from './header-names.ts';
import {
  headerName,
  headerRegex,
  headerValue,
  literalPath,
  MAX_ITEMS,
  queryValue,
  quote,
  regexPath,
  type Check,
} from './limits.ts';
import type { RegexChecks } from './regex-checks.ts';
import type { HeaderMatch, HttpMethod, HttpRouteMatch, PathMatch, QueryParamMatch } from './types.ts';
import { exact } from './shared-objects.ts';

export const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'] as const;
METHODS satisfies readonly HttpMethod[];

const PATH_TYPES = ['Exact', 'PathPrefix', 'RegularExpression'] as const;
export const VALUE_TYPES = ['Exact', 'RegularExpression'] as const;
const MATCH_FIELDS = ['path', 'headers', 'queryParams', 'method'];
const VALUE_FIELDS = ['type', 'name', 'value'];

export const DEFAULT_PATH: PathMatch = { type: 'PathPrefix', value: '/' };
export const DEFAULT_MATCH: HttpRouteMatch = { path: DEFAULT_PATH, headers: [], queryParams: [], method: null };

/** Pauses between matches, because each has up to 32 conditions. */
export function* readMatches(rule: Fields, regexes: RegexChecks): Steps<readonly HttpRouteMatch[]> {
  const matches: HttpRouteMatch[] = [];
  for (const item of rule.list('matches', MAX_ITEMS.matches)) {
    item.only(MATCH_FIELDS);
    matches.push({
      path: readPath(item, regexes),
      headers: readHeaders(item, regexes),
      queryParams: readQueryParams(item, regexes),
      method: item.oneOf('method', METHODS),
    });
    yield;
  }
  return matches.length === 0 ? [DEFAULT_MATCH] : exact(matches);
}

function readPath(match: Fields, regexes: RegexChecks): PathMatch {
  const item = match.fields('path');
  if (item === null) return DEFAULT_PATH;
  item.only(['type', 'value']);
  const type = readType(item, PATH_TYPES, 'PathPrefix');
  if (type === null) return DEFAULT_PATH;
  const check: Check = type === 'RegularExpression' ? regexPath : literalPath;
  const value = item.string('value', check);
  if (type === 'RegularExpression' && value !== null) regexes.add(item, 'value', value);
  return { type, value: value ?? '/' };
}

export function readHeaders(match: Fields, regexes: RegexChecks): readonly HeaderMatch[] {
  const names = new HeaderNames();
  const headers = match.list('headers', MAX_ITEMS.headers).flatMap((item) => {
    const read = readValueMatch(item, regexes, headerValue, headerRegex);
    if (read === null || !names.add(read.name, item.report, item.pathOf('name'), item.offset)) return [];
    return [{ ...read, name: read.name.toLowerCase() }];
  });
  return exact(headers);
}

function readQueryParams(match: Fields, regexes: RegexChecks): readonly QueryParamMatch[] {
  const params = new Map<string, QueryParamMatch>();
  for (const item of match.list('queryParams', MAX_ITEMS.queryParams)) {
    const read = readValueMatch(item, regexes, queryValue, queryValue);
    if (read === null) continue;
    if (params.has(read.name)) item.error('name', 'duplicate-name', `${quote(read.name)} stands twice in this match`);
    params.set(read.name, read);
    warnOfUndecoded(item, read);
  }
  return exact([...params.values()]);
}

/** Characters that end the parameter or the query, or that are not allowed in a request line. */
const NOT_IN_QUERY = /[&#\s\u0000-\u001f\u007f]/;
/** Characters that browsers and libraries encode, but that a handwritten request may contain unencoded. */
const ENCODED_BY_MOST = /["<>\u0080-\uffff]/;

/** Names and values are compared as they are sent, and clients encode some characters. */
function warnOfUndecoded(item: Fields, { type, name, value }: QueryParamMatch): void {
  for (const [field, text] of [['name', name], ...(type === 'Exact' ? [['value', value]] : [])] as [string, string][]) {
    const never = NOT_IN_QUERY.exec(text)?.[0];
    const seldom = ENCODED_BY_MOST.exec(text)?.[0];
    const character = never ?? seldom;
    if (character === undefined) continue;
    const encoded = encodeURIComponent(character);
    const rule = `is compared as it travels, undecoded, and ${quote(character)} travels as ${encoded}`;
    if (never === undefined) item.note(field, 'undecoded-value', `${rule} from most clients`);
    else item.warn(field, 'never-matches', `can never match: it ${rule}; write ${encoded}`);
  }
}

function readValueMatch(item: Fields, regexes: RegexChecks, exact: Check, regex: Check): HeaderMatch | null {
  item.only(VALUE_FIELDS);
  const type = readType(item, VALUE_TYPES, 'Exact');
  const name = item.requiredString('name', headerName);
  const value = item.requiredString('value', type === 'Exact' ? exact : regex);
  if (type === 'RegularExpression' && value !== null) regexes.add(item, 'value', value);
  return type === null || name === null || value === null ? null : { type, name, value };
}

/** The type, defaulted when absent; null when it is unknown, because then the value cannot be checked. */
export function readType<Type extends string>(item: Fields, types: readonly Type[], absent: Type): Type | null {
  return item.has('type') ? item.oneOf('type', types) : absent;
}
