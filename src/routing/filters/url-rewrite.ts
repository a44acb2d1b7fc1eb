/**
 * URLRewrite, and the path modifiers that it shares with RequestRedirect.
 *
 * Stage before: `compose.ts` and `request-redirect.ts`. Stage after: the `ForwardPlan` of a decision, or a Location.
 */
import type { HttpRouteFilter, HttpRouteMatch, PathModifier } from '../../gateway-api/types.ts';
import type { PathRewrite } from '../decision.ts';
import { normalizePrefix } from '../precedence.ts';
import { toWire } from '../predicates.ts';
import type { PlanBuilder } from './plan-builder.ts';

type UrlRewrite = Extract<HttpRouteFilter, { type: 'URLRewrite' }>['urlRewrite'];

/**
 * Each part that the filter sets replaces that of an earlier filter. A path modifier of a backendRef replaces that of
 * the rule: both refer to the prefix that the rule has matched.
 */
export function applyUrlRewrite(plan: PlanBuilder, rewrite: UrlRewrite, matches: readonly HttpRouteMatch[]): void {
  if (rewrite.hostname !== null) plan.host = toWire(rewrite.hostname);
  if (rewrite.path !== null) plan.path = compilePathModifier(rewrite.path, matches);
}

/**
 * `matches`: of the rule. The reader of the route ensures that there is exactly one PathPrefix when a prefix is to be
 * replaced.
 */
export function compilePathModifier(modifier: PathModifier, matches: readonly HttpRouteMatch[]): PathRewrite {
  if (modifier.type === 'ReplaceFullPath') return { kind: 'full', path: toWire(modifier.replaceFullPath) };
  const prefix = matches[0]?.path.type === 'PathPrefix' ? matches[0].path.value : '/';
  return {
    kind: 'prefix',
    length: normalizePrefix(toWire(prefix)).length,
    replacement: toWire(modifier.replacePrefixMatch).replace(/\/+$/, ''),
  };
}

/** The rewritten path. The targets of `OPTIONS *` and `CONNECT host:port` are no paths and stay unchanged. */
export function rewritePath(rewrite: PathRewrite | null, path: string): string {
  if (rewrite === null || !path.startsWith('/')) return path;
  if (rewrite.kind === 'full') return rewrite.path;
  const result = rewrite.replacement + path.slice(rewrite.length);
  return result === '' ? '/' : result;
}
