/**
 * Like `api-server-cases.ts`, for a GRPCRoute: the rows that both kinds of routes have, without those that only an
 * HTTPRoute can match, and rows of its own.
 */
import {
  ABSENT,
  answering,
  BACKEND_ROWS,
  casesOf,
  COMMON_FILTER_ROWS,
  COMMON_ROWS,
  copying,
  editing,
  FULL_RULES,
  HEADER_VALUES_REFUSED,
  HEADER_VALUES_STRICTER,
  HEADER_VALUES_TAKEN,
  letters,
  MATCH,
  named,
  row,
  rule,
  SPELLINGS,
  times,
  TOKENS_REFUSED,
  TOKENS_TAKEN,
  TWICE,
  withBackend,
  WRONG_TYPES,
  type ApiServerCase,
  type Json,
  type Row,
  type Values,
} from './api-server-cases.ts';

/** Removes paths from the matches of rows that are about something else. */
function withoutPaths(each: Row): Row {
  const { rules } = each.spec;
  if (!Array.isArray(rules)) return each;
  const kept = (rules as Json[]).map(({ matches, ...others }) =>
    matches === undefined ? others : { ...others, matches: [{}] },
  );
  return { ...each, spec: { ...each.spec, rules: kept } };
}

const calls = rule({
  matches: [
    {
      method: { type: 'Exact', service: 'shop.Cart', method: 'Get' },
      headers: [{ type: 'Exact', name: 'x', value: '1' }],
    },
  ],
});
const patterns = rule({ matches: [{ method: { type: 'RegularExpression', service: 'shop', method: 'Get' } }] });

const SERVICES_TAKEN: Values = [
  'a',
  'A',
  '_',
  'a1',
  'a.b',
  'shop.v1.Cart',
  '.a',
  '.shop.Cart',
  letters(1024),
  ABSENT,
  null,
];
const SERVICES_REFUSED: Values = [
  ...['', '.', '1a', 'a.1b', 'a.', '..a', 'a..b', 'a/b', '/a', 'a-b', 'a b', 'ä', 'a*', letters(1025)],
  ...WRONG_TYPES,
];
const METHODS_TAKEN: Values = ['a', 'A', '_', 'Get', 'get_1', letters(1024), ABSENT, null];
const METHODS_REFUSED: Values = [
  ...['', '1a', '.', 'a.b', 'a/b', '/a', 'a-b', 'a b', 'ä', 'a*', letters(1025)],
  ...WRONG_TYPES,
];
const NAMES_TAKEN: Values = ['', 'a', '.*', 'a|b', 'shop[.](Cart|Order)', '/', letters(1024), ABSENT, null];
const NAMES_REFUSED: Values = [letters(1025), ...WRONG_TYPES];
const NOT_REGEXES: Values = ['(', '*', 'a{1001}'];

const FILTER_LISTS: Values = [[], null, times(16, () => copying), [editing, answering, copying]];
const NOT_FILTER_LISTS: Values = [
  ...[editing, answering].map((item) => [item, copying, item]),
  times(17, () => copying),
  [{ ...editing, type: 'ResponseHeaderModifier' }],
  [{ ...editing, ...answering }],
  [{ type: 'RequestMirror' }],
  [{ requestHeaderModifier: {} }],
  [{ ...editing, zzz: 1 }],
  // Filters that only an HTTPRoute has.
  [{ type: 'URLRewrite', urlRewrite: {} }],
  [{ type: 'RequestRedirect', requestRedirect: {} }],
  [{ type: 'CORS', cors: {} }],
  [{ ...editing, urlRewrite: {} }],
  'x',
];

const OWN_ROWS: readonly Row[] = [
  // Missing rules or matches get no defaults.
  row(rule({}), 'rules', [[], [...FULL_RULES, {}], [...FULL_RULES, { matches: [] }]], []),
  row(calls, MATCH, [{}], [null, 'x', { zzz: 1 }, { path: { value: '/a' } }, { queryParams: [] }]),
  row(
    calls,
    `${MATCH}.method`,
    [
      ABSENT,
      null,
      { service: 'a' },
      { method: 'a' },
      { type: 'Exact', method: 'a' },
      { type: 'RegularExpression', service: 'a' },
      { type: 'RegularExpression', service: '', method: '' },
    ],
    [
      'Get',
      [],
      {},
      { type: 'Exact' },
      { type: 'RegularExpression' },
      { service: null, method: null },
      { service: 'a', zzz: 1 },
    ],
  ),
  row(
    calls,
    `${MATCH}.method.type`,
    ['Exact', 'RegularExpression', ABSENT, null],
    ['', 'Prefix', 'exact', ...WRONG_TYPES],
  ),
  row(calls, `${MATCH}.method.service`, SERVICES_TAKEN, SERVICES_REFUSED),
  row(calls, `${MATCH}.method.method`, METHODS_TAKEN, METHODS_REFUSED),
  row(patterns, `${MATCH}.method.service`, NAMES_TAKEN, NAMES_REFUSED, NOT_REGEXES),
  row(patterns, `${MATCH}.method.method`, NAMES_TAKEN, NAMES_REFUSED, NOT_REGEXES),
  row(calls, `${MATCH}.headers`, [[], null, SPELLINGS, times(16, named)], [TWICE, times(17, named), 'x', ['x']]),
  row(calls, `${MATCH}.headers.0.type`, ['Exact', 'RegularExpression', ABSENT], ['', 'Prefix', 7]),
  row(calls, `${MATCH}.headers.0.name`, TOKENS_TAKEN, TOKENS_REFUSED),
  row(calls, `${MATCH}.headers.0.value`, HEADER_VALUES_TAKEN, HEADER_VALUES_REFUSED, HEADER_VALUES_STRICTER),
  row(rule({}), 'rules.0.timeouts', [], [{ request: '1s' }]),
  row(rule({}), 'rules.0.retry', [], [{ attempts: 1 }]),
  row(rule({}), 'rules.0.filters', FILTER_LISTS, NOT_FILTER_LISTS),
  row(
    withoutPaths(row(withBackend({}), '', [], [])).spec,
    'rules.0.backendRefs.0.filters',
    FILTER_LISTS,
    NOT_FILTER_LISTS,
  ),
];

export const GRPC_ROUTE_CASES: readonly ApiServerCase[] = [
  ...[...COMMON_ROWS, ...BACKEND_ROWS, ...COMMON_FILTER_ROWS].map(withoutPaths),
  ...OWN_ROWS,
].flatMap((each) => casesOf('GRPCRoute', each));
