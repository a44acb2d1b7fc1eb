/**
 * One entry of `http[].match` of a VirtualService, as guards of entries.
 *
 * Used by `http-rule.ts`.
 */
import type { Fields } from '../gateway-api/fields.ts';
import type { HeaderMatch, PathMatch } from '../gateway-api/types.ts';
import { fieldCondition, pathCondition } from './conditions.ts';
import type { Findings } from './findings.ts';
import { EVERY_REQUEST, intersect, type Guard } from './guards.ts';
import { methodsOf } from './methods.ts';
import type { Rewrite } from './model.ts';
import { textMatch, type TextMatch } from './scalars.ts';
import { quoteRegex, regexMatches } from './values.ts';

export interface HttpMatch {
  /** One of them must match. */
  readonly guards: readonly Guard[];
  /** None of them may match. */
  readonly excludes: readonly Guard[];
  readonly port: number | null;
  readonly namespace: string | null;
  readonly rewrite: Rewrite | null;
}

const MATCH_FIELDS = [
  ...['name', 'uri', 'scheme', 'method', 'authority', 'headers', 'port', 'sourceLabels', 'gateways', 'queryParams'],
  ...['ignoreUriCase', 'withoutHeaders', 'sourceNamespace', 'statPrefix'],
];
/** Istio uses this prefix for claims of a token in place of header names. */
const CLAIMS = '@request.auth.claims';

/** `rewrite`: the replacement of the matched part of the path. Null for a match that is left out, which is reported. */
export function readHttpMatch(item: Fields, rewrite: string | null, findings: Findings): HttpMatch | null {
  const errors = item.report.errors.length;
  item.only(MATCH_FIELDS);
  const leave = (name: string, code: 'match-left-out' | 'source-labels', why: string): null => {
    findings.differs(
      code,
      item,
      name,
      `${why}; the match is left out, and its requests go where later rules send them`,
    );
    return null;
  };
  const gateways = item.textList('gateways', 1000).map(({ value }) => value);
  if (gateways.length > 0 && !gateways.includes('mesh')) {
    findings.note('gateway-only', item, 'gateways', 'the match is for ingress gateways alone, none of which is here');
    return null;
  }
  // When gateways are named, Istio does not check the client.
  if (gateways.length === 0 && (item.fields('sourceLabels')?.names().length ?? 0) > 0) {
    return leave('sourceLabels', 'source-labels', 'routes of Gateway API apply to every pod of a namespace');
  }
  for (const name of ['name', 'statPrefix']) {
    if (item.has(name)) findings.note('name', item, name, 'matches of Gateway API have no names');
  }
  const namespace = gateways.length > 0 ? null : item.string('sourceNamespace');
  const methods = item.has('method') ? textMatch(item, 'method', findings) : null;
  const uri = item.has('uri') ? textMatch(item, 'uri', findings) : { kind: 'present' as const };
  const headers = readHeaders(item, 'headers', findings);
  const without = readHeaders(item, 'withoutHeaders', findings);
  const queryParams = readQueryParams(item, findings);
  const scheme = item.has('scheme') ? textMatch(item, 'scheme', findings) : null;
  const port = item.has('port') ? item.port('port') : null;
  const ignoreCase = item.boolean('ignoreUriCase') ?? false;
  if (item.report.errors.length > errors) return null;
  if (headers === null || without === null)
    return leave('headers', 'match-left-out', 'claims of a token cannot be matched');
  if (uri === null || headers.includes(null) || without.includes(null)) return null;
  const fields = allOf(headers.filter((header) => header !== null));
  if (fields === undefined) return leave('headers', 'match-left-out', 'two expressions for one header cannot be said');
  if (fields === null) {
    findings.note('unreachable', item, 'headers', 'no header has two values at once: the match is left out');
    return null;
  }
  if (scheme !== null && !fits(scheme, 'http')) {
    findings.note(
      'unreachable',
      item,
      'scheme',
      'requests that can be read are http, never https: the match is left out',
    );
    return null;
  }
  const chosen = methods === null ? null : methodsOf(methods);
  if (chosen?.others === true) {
    const why = 'Gateway API has nine methods by name; requests of others go where later rules send them';
    findings.differs('match-left-out', item, 'method', why);
  }
  const { path, rewritten, excluded } = readPath(item, uri, ignoreCase, rewrite, findings);
  const guard = { ...fields, path, queryParams };
  const guards = chosen === null ? [guard] : chosen.methods.map((method) => ({ ...guard, method }));
  if (guards.length === 0) return null;
  const negated = without
    .filter((header) => header !== null)
    .map((header) => ({ ...EVERY_REQUEST, headers: [header] }));
  for (const header of without) {
    if (header === null || header.value === '.*' || !regexFitsNothing(header)) continue;
    const why = `a request without ${header.name} counts as one with an empty one, which is excluded as well: here it is not`;
    findings.differs('without-headers', item, 'withoutHeaders', why);
  }
  return { guards, excludes: [...negated, ...excluded], port, namespace, rewrite: rewritten };
}

function fits(match: TextMatch, text: string): boolean {
  if (match.kind === 'present') return true;
  if (match.kind === 'exact') return match.value === text;
  return match.kind === 'prefix' ? text.startsWith(match.value) : regexMatches(match.value, text);
}

/**
 * Combines all conditions; names are case-insensitive, and the host has two names. Null when no request fulfils all,
 * undefined when it is unknown.
 */
function allOf(headers: readonly HeaderMatch[]): Guard | null | undefined {
  let all: Guard | null | undefined = EVERY_REQUEST;
  for (const header of headers) all &&= intersect(all, { ...EVERY_REQUEST, headers: [header] });
  return all;
}

function regexFitsNothing({ type, value }: HeaderMatch): boolean {
  return type === 'RegularExpression' && regexMatches(value, '');
}

/** Conditions on headers; null for unreadable ones. The whole result is null when a claim is among them. */
function readHeaders(
  item: Fields,
  field: 'headers' | 'withoutHeaders',
  findings: Findings,
): (HeaderMatch | null)[] | null {
  const map = item.fields(field);
  const names = map?.names() ?? [];
  if (names.some((name) => name.startsWith(CLAIMS))) return null;
  const conditions = names.map((name) => {
    const match = textMatch(map!, name, findings);
    return match === null ? null : fieldCondition(name === ':authority' ? 'host' : name.toLowerCase(), match);
  });
  if (field === 'withoutHeaders' || !item.has('authority')) return conditions;
  const authority = textMatch(item, 'authority', findings);
  return [...conditions, authority === null ? null : fieldCondition('host', authority)];
}

function readQueryParams(item: Fields, findings: Findings): HeaderMatch[] {
  const map = item.fields('queryParams');
  return (map?.names() ?? []).flatMap((name) => {
    const match = textMatch(map!, name, findings);
    return match === null ? [] : [fieldCondition(name, match)];
  });
}

interface ReadPath {
  readonly path: PathMatch;
  readonly rewritten: Rewrite | null;
  readonly excluded: readonly Guard[];
}

function readPath(
  item: Fields,
  uri: TextMatch,
  ignoreCase: boolean,
  rewrite: string | null,
  findings: Findings,
): ReadPath {
  const path = pathCondition(uri, ignoreCase);
  if (rewrite === null) return { path, rewritten: null, excluded: [] };
  if (uri.kind === 'exact' || uri.kind === 'regex') {
    return { path, rewritten: { kind: 'full', to: rewrite }, excluded: [] };
  }
  const prefix = uri.kind === 'present' || uri.value === '' ? '/' : uri.value;
  const [from, to] = [prefix.replace(/\/$/, ''), rewrite.replace(/\/$/, '')];
  const rewritten = { kind: 'prefix', from, to } as const;
  if (prefix.endsWith('/') !== rewrite.endsWith('/')) {
    const [there, here] = [`${prefix}x`.replace(prefix, rewrite), `${to}/x`];
    const subject = prefix.endsWith('/') ? `${prefix}x becomes ${there}` : `${prefix}/x becomes ${rewrite}/x`;
    findings.differs(
      'rewrite-differs',
      item,
      'uri',
      `${subject} in Istio, and ${here} here: whole elements are replaced`,
    );
  }
  if (prefix === '/') return { path: pathCondition({ kind: 'present' }, false), rewritten, excluded: [] };
  if (ignoreCase) {
    const why = 'a prefix that is replaced is compared with regard to case here';
    findings.differs('rewrite-differs', item, 'ignoreUriCase', why);
  }
  // The path equal to the prefix without the slash, which `/x/` does not match in Istio.
  const alone = { ...EVERY_REQUEST, path: { type: 'Exact', value: from } } as const;
  if (!prefix.endsWith('/')) {
    const why =
      `a prefix that is replaced is one of whole elements here: paths such as ${prefix}x, which Istio takes for it, go where later ` +
      `rules send them (others match RegularExpression ${quoteRegex(prefix)}.*)`;
    findings.differs('path-differs', item, 'uri', why);
  }
  return { path: { type: 'PathPrefix', value: from }, rewritten, excluded: prefix.endsWith('/') ? [alone] : [] };
}
