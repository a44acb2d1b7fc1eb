/**
 * Runs the filters of a rule and of one of its backendRefs in their order. The result for a forwarded request is one
 * plan, the mirrors, and the CORS policy of the response.
 *
 * Stage before: `rule.ts`, for each backendRef. Stage after: the decision of that share. `responder.ts` handles the
 * filters that answer a request themselves; `rule.ts` refuses filters that are not carried.
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
  /** In filter order, dropped ones included. */
  readonly mirrors: readonly CompiledMirror[];
  /** Null when no CORS filter adds fields to responses. */
  readonly cors: CorsPolicy | null;
}

const NOTHING: ComposedFilters = { plan: null, mirrors: [], cors: null };

/** `filters`: those of the rule, then those of the backendRef. `matches`: those of the rule. */
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
        // The first CORS filter, the rule's if it has one, answers the preflights. So the same filter must also decide
        // for the requests that follow them.
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
