/**
 * The regular expressions of one match of any kind of route, for callers that count or compile them in advance.
 *
 * Used by `config/regex-budget.ts` and `routing/table.ts`.
 */
import type { RouteMatch } from './types.ts';

export function regexesOf(match: RouteMatch): string[] {
  if ('path' in match) return valuesOf([match.path, ...match.headers, ...match.queryParams]);
  const { method, headers } = match;
  const names = method?.type === 'RegularExpression' ? [method.service, method.method] : [];
  return [...names.filter((name) => name !== null), ...valuesOf(headers)];
}

function valuesOf(conditions: readonly { readonly type: string; readonly value: string }[]): string[] {
  return conditions.filter(({ type }) => type === 'RegularExpression').map(({ value }) => value);
}
