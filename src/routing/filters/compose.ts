/**
 * Runs the filters of a rule and of one of its backendRefs in their order and keeps what they come to for a forwarded
 * request: one plan, the mirrors, and what CORS says of the response.
 *
 * Stage before: `rule.ts`, for each backendRef. Stage after: the decision of that share. Filters that answer a request
 * themselves are the business of `responder.ts`, filters that are not carried make `rule.ts` refuse.
 */
import type { HttpRouteFilter, HttpRouteMatch } from '../../gateway-api/types.ts';
import type { ForwardPlan } from '../decision.ts';
import { applyCors, CorsPolicy } from './cors.ts';
import { PlanBuilder } from './plan-builder.ts';
import { applyRequestModifier } from './request-header-modifier.ts';
import { compileMirror, type CompiledMirror, type MirrorContext } from './request-mirror.ts';
import { applyResponseModifier, replacedNames } from './response-header-modifier.ts';
import { applyUrlRewrite } from './url-rewrite.ts';

export interface ComposedFilters {
  /** Null when nothing is changed. */
  readonly plan: ForwardPlan | null;
  /** In their order, those that are dropped included. */
  readonly mirrors: readonly CompiledMirror[];
  /** Null when responses get no fields of their own. */
  readonly cors: CorsPolicy | null;
}

const NOTHING: ComposedFilters = { plan: null, mirrors: [], cors: null };

/** `filters`: the rule's, then the backendRef's. `matches`: the rule's. */
export function composeFilters(
  filters: readonly HttpRouteFilter[],
  matches: readonly HttpRouteMatch[],
  context: MirrorContext,
): ComposedFilters {
  if (filters.length === 0) return NOTHING;
  const plan = new PlanBuilder();
  const mirrors: CompiledMirror[] = [];
  let cors: Extract<HttpRouteFilter, { type: 'CORS' }> | null = null;
  const replaced = new Set<string>();
  for (const filter of filters) {
    switch (filter.type) {
      case 'RequestHeaderModifier':
        applyRequestModifier(plan, filter.requestHeaderModifier);
        break;
      case 'ResponseHeaderModifier':
        applyResponseModifier(plan, filter.responseHeaderModifier);
        if (cors !== null) for (const name of replacedNames(filter.responseHeaderModifier)) replaced.add(name);
        break;
      case 'URLRewrite':
        applyUrlRewrite(plan, filter.urlRewrite, matches);
        break;
      case 'RequestMirror':
        mirrors.push(compileMirror(filter.requestMirror, plan.buildForMirror(), context));
        break;
      case 'CORS':
        // The rule's answers the preflights, so the rule's also speaks for the requests that follow them.
        if (cors !== null) break;
        cors = filter;
        applyCors(plan.response);
        break;
      case 'RequestRedirect':
      case 'ExternalAuth':
      case 'ExtensionRef':
        break;
    }
  }
  return { plan: plan.build(), mirrors, cors: cors === null ? null : new CorsPolicy(cors.cors, replaced) };
}
