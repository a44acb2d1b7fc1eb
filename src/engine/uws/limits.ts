/**
 * The part of a decision that the `uws` engine cannot carry out: edits of `Date` in a response, because uWS writes that
 * field itself. Connections to a Service with such a rule go to the native engine. When a reload adds such a rule for
 * an open connection, the addon refuses the next request and closes the connection
 * (native/src/binding/outer_streams.cc).
 *
 * Stage before: a route table, when connections are handed out. Stage after: `proxy/engines.ts`.
 */
import type { HttpRouteFilter, RouteRule } from '../../gateway-api/types.ts';
import type { FrontendTable } from '../../routing/table.ts';

const DATE = 'date';
const known = new WeakMap<FrontendTable, boolean>();

/** True when a rule of the frontend may need what `uws` cannot do. The rules are searched once for each table. */
export function exceedsUws(frontend: FrontendTable): boolean {
  let exceeds = known.get(frontend);
  if (exceeds === undefined) {
    exceeds = frontend.source.rules.some(({ rule }) => ruleExceeds(rule));
    known.set(frontend, exceeds);
  }
  return exceeds;
}

function ruleExceeds({ filters, backendRefs }: RouteRule): boolean {
  return filters.some(filterExceeds) || backendRefs.some((ref) => ref.filters.some(filterExceeds));
}

function filterExceeds(filter: HttpRouteFilter): boolean {
  if (filter.type !== 'ResponseHeaderModifier') return false;
  const { set, add, remove } = filter.responseHeaderModifier;
  return [...set, ...add].some(({ name }) => isDate(name)) || remove.some(isDate);
}

function isDate(name: string): boolean {
  return name.length === DATE.length && name.toLowerCase() === DATE;
}
