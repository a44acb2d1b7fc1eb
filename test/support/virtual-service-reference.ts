/**
 * What Istio does with a request by a VirtualService, written as plainly as possible: the rules in order, the first
 * match wins. And random rules with few and similar values, so that rules overlap and requests hit them.
 */
import fc from 'fast-check';

type TextMatch =
  | { readonly exact: string }
  | { readonly prefix: string }
  | { readonly regex: string }
  | Readonly<Record<string, never>>;

export interface MatchDocument {
  readonly uri?: TextMatch;
  readonly ignoreUriCase?: boolean;
  readonly method?: TextMatch;
  readonly headers?: Readonly<Record<string, TextMatch>>;
  readonly withoutHeaders?: Readonly<Record<string, TextMatch>>;
  readonly queryParams?: Readonly<Record<string, TextMatch>>;
}

export interface HttpDocument {
  readonly match?: readonly MatchDocument[];
  readonly rewrite?: { readonly uri: string };
  readonly route: readonly {
    readonly destination: { readonly host: string; readonly port: { readonly number: number } };
  }[];
}

export interface Request {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly queryParams: Readonly<Record<string, string>>;
}

export interface Outcome {
  /** Index of the rule. */
  readonly rule: number;
  /** As the backend sees it. */
  readonly path: string;
}

function matchesText(match: TextMatch, value: string | undefined): boolean {
  if (value === undefined) return false;
  if ('exact' in match) return value === match.exact;
  if ('prefix' in match) return value.startsWith(match.prefix);
  if ('regex' in match) return match.regex === '*' || new RegExp(`^(?:${match.regex})$`).test(value);
  return true;
}

function isPresence(match: TextMatch): boolean {
  return Object.keys(match).length === 0 || ('regex' in match && match.regex === '*');
}

function matchesPath(match: MatchDocument, path: string): boolean {
  const { uri = { prefix: '/' }, ignoreUriCase = false } = match;
  const lower = (text: string): string => (ignoreUriCase ? text.toLowerCase() : text);
  if ('exact' in uri) return lower(path) === lower(uri.exact);
  if ('prefix' in uri) return lower(path).startsWith(lower(uri.prefix));
  return matchesText(uri, path);
}

export function matchesRequest(match: MatchDocument, { method, path, headers, queryParams }: Request): boolean {
  if (!matchesPath(match, path)) return false;
  if (match.method !== undefined && !matchesText(match.method, method)) return false;
  const all = (wanted: Readonly<Record<string, TextMatch>> = {}, there: Readonly<Record<string, string>>): boolean =>
    Object.entries(wanted).every(([name, text]) => matchesText(text, there[name]));
  // A missing value counts as empty, unless the match is for absence.
  const none = Object.entries(match.withoutHeaders ?? {}).every(([name, text]) =>
    isPresence(text) ? headers[name] === undefined : !matchesText(text, headers[name] ?? ''),
  );
  return none && all(match.headers, headers) && all(match.queryParams, queryParams);
}

/** Replaces the matched part of the path as text. */
function rewritten(match: MatchDocument, to: string | undefined, path: string): string {
  if (to === undefined) return path;
  const { uri = { prefix: '/' } } = match;
  return 'prefix' in uri ? `${to}${path.slice(uri.prefix.length)}` : to;
}

/** Null: no rule matches, which is 404. */
export function referenceOutcome(
  rules: readonly Pick<HttpDocument, 'match' | 'rewrite'>[],
  request: Request,
): Outcome | null {
  for (const [rule, { match, rewrite }] of rules.entries()) {
    const found = (match ?? [{}]).find((each) => matchesRequest(each, request));
    if (found !== undefined) return { rule, path: rewritten(found, rewrite?.uri, request.path) };
  }
  return null;
}

const oneOf = <T>(...values: readonly T[]) => fc.constantFrom(...values);

const uri = fc.oneof(
  oneOf('/a', '/a/b', '/b', '/').map((exact) => ({ exact })),
  oneOf('/', '/a', '/a/', '/a/b', '/ab', '/b').map((prefix) => ({ prefix })),
  oneOf('/a.*', '/(a|b)', '/a/[a-z0-9]+', '.*', '/a', '/.*b').map((regex) => ({ regex })),
);
const field: fc.Arbitrary<TextMatch> = fc.oneof(
  oneOf('1', '2', '12').map((exact) => ({ exact })),
  oneOf('1', '12').map((prefix) => ({ prefix })),
  oneOf('[0-9]+', '1.*', '(1|2)', '*').map((regex) => ({ regex })),
  fc.constant({}),
);
const sayableMethod = fc.oneof(
  oneOf('GET', 'POST').map((exact) => ({ exact })),
  oneOf('GET|POST', '(PUT|GET)').map((regex) => ({ regex })),
);
const anyMethod = fc.oneof(sayableMethod, fc.constant({ regex: 'P.*' }));
const named = (...names: readonly string[]) => fc.dictionary(oneOf(...names), field, { minKeys: 1, maxKeys: 2 });

const sayable = {
  uri,
  ignoreUriCase: oneOf(false, false, true),
  method: sayableMethod,
  headers: named('x', 'y'),
  queryParams: named('q'),
};

const rewrite = fc.option(fc.record({ uri: oneOf('/', '/new', '/new/') }), { nil: undefined, freq: 4 });

/** Up to five rules; the destination of each is a Service of its own, `v0` and so on. */
function rulesOf(match: fc.Arbitrary<MatchDocument>, rewrites: typeof rewrite): fc.Arbitrary<readonly HttpDocument[]> {
  const rule = fc.record(
    { match: fc.array(match, { minLength: 1, maxLength: 3 }), rewrite: rewrites },
    { requiredKeys: [] },
  );
  return fc.array(rule, { minLength: 1, maxLength: 5 }).map(withDestinations);
}

type RuleWithoutDestination = Partial<Pick<HttpDocument, 'match'>> & { readonly rewrite?: { uri: string } | undefined };

function withDestinations(rules: readonly RuleWithoutDestination[]): readonly HttpDocument[] {
  return rules.map(({ match, rewrite: to }, index) => ({
    ...(match === undefined ? {} : { match }),
    ...(to === undefined ? {} : { rewrite: to }),
    route: [{ destination: { host: `v${index}`, port: { number: 80 } } }],
  }));
}

/** Only matches that Gateway API can express, in any order. */
export const sayableRules = rulesOf(fc.record(sayable, { requiredKeys: [] }), fc.constant(undefined));

/** With negations, each of one text, and a last rule for the rest, which can be expressed too. */
export const negatedRules = rulesOf(
  fc.record(
    {
      ...{ uri: sayable.uri, method: sayableMethod, headers: named('y') },
      withoutHeaders: fc.dictionary(
        oneOf('x', 'z'),
        fc.oneof(
          oneOf('1', '2').map((exact) => ({ exact })),
          fc.constant({}),
        ),
        {
          minKeys: 1,
        },
      ),
    },
    { requiredKeys: [] },
  ),
  fc.constant(undefined),
).map((rules) => withDestinations([...rules, {}]));

/** Any match. */
export const anyRules = rulesOf(
  fc.record({ ...sayable, method: anyMethod, withoutHeaders: named('x', 'z') }, { requiredKeys: [] }),
  rewrite,
);

const value = oneOf('1', '2', '12', '3', '');

export const requests: fc.Arbitrary<readonly Request[]> = fc.array(
  fc.record({
    method: oneOf('GET', 'POST', 'PUT', 'PROPFIND'),
    path: oneOf('/', '/a', '/a/', '/ab', '/a/b', '/a/1', '/abc', '/b', '/A', '/b/c', '/a/b/c', '/A/B'),
    headers: fc.dictionary(oneOf('x', 'y', 'z'), value, { maxKeys: 3 }),
    queryParams: fc.dictionary(fc.constant('q'), value, { maxKeys: 1 }),
  }),
  { minLength: 20, maxLength: 40 },
);
