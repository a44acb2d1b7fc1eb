/**
 * What of a decision the `uws` engine cannot carry out. Its connections go to the native engine instead.
 *
 * Stage before: a route table, when connections are handed out; a decision, when a reload has brought what the connection
 * was not handed out for. Stage after: `proxy/proxy.ts`, `uws-engine.ts`.
 *
 * - Retries and mirrors: both need requests that are kept, which is the business of the native engine.
 * - `Date` in a response, which uWS writes itself.
 */
import type { HttpRouteFilter, HttpRouteRule } from '../../gateway-api/types.ts';
import type { ForwardDecision } from '../../routing/decision.ts';
import type { FrontendTable } from '../../routing/table.ts';

const DATE = 'date';
const known = new WeakMap<FrontendTable, boolean>();

/** Whether a rule of the frontend may ask for what `uws` cannot do. Looked up in the rules once for each table. */
export function exceedsUws(frontend: FrontendTable): boolean {
  let exceeds = known.get(frontend);
  if (exceeds === undefined) {
    exceeds = frontend.source.rules.some(({ rule }) => ruleExceeds(rule));
    known.set(frontend, exceeds);
  }
  return exceeds;
}

function ruleExceeds({ retry, filters, backendRefs }: HttpRouteRule): boolean {
  return retry !== null || filters.some(filterExceeds) || backendRefs.some((ref) => ref.filters.some(filterExceeds));
}

function filterExceeds(filter: HttpRouteFilter): boolean {
  switch (filter.type) {
    case 'RequestMirror':
      return true;
    case 'ResponseHeaderModifier': {
      const { set, add, remove } = filter.responseHeaderModifier;
      return [...set, ...add].some(({ name }) => isDate(name)) || remove.some(isDate);
    }
    default:
      return false;
  }
}

/** The same, of one decision. */
export function decisionExceedsUws({ plan, policy, mirrors }: ForwardDecision): boolean {
  if (policy?.retry != null || (mirrors != null && mirrors.length > 0)) return true;
  if (plan == null) return false;
  const { remove, append } = plan.response;
  return remove.includes(DATE) || append.some(({ name }) => isDate(name));
}

function isDate(name: string): boolean {
  return name.length === DATE.length && name.toLowerCase() === DATE;
}
