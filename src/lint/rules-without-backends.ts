/**
 * Finds rules whose requests no backend gets: without backendRefs or with none of positive weight, and without a filter
 * that answers. This may be intended, so it is a note. But if such a rule is unfinished, the conditions of its route do
 * not show it.
 *
 * Used by `route-input.ts`.
 */
import { problemAt } from '../config/progress.ts';
import { answerOf, isCarriedFilter, isCarriedRoute } from '../config/support.ts';
import type { HttpRouteFilter, Problem, Resource, RouteRule } from '../gateway-api/types.ts';
import { NO_BACKEND_REFS } from '../grpc-status.ts';

export function rulesWithoutBackends(resources: readonly Resource[]): Problem[] {
  return resources.filter(isCarriedRoute).flatMap((route) => {
    const rules: readonly RouteRule[] = route.rules;
    return rules.filter(hasNone).map(({ index, backendRefs }): Problem => {
      const isEmpty = backendRefs.length === 0;
      const answer = isEmpty && route.kind === 'GRPCRoute' ? NO_BACKEND_REFS : answerOf(route.kind, 'no_backend');
      const why = isEmpty ? 'has no backendRefs' : 'has no backendRef with a weight above 0';
      const message = `${why}: its requests are answered with ${answer}`;
      return { ...problemAt(route, `spec.rules[${index}]`), severity: 'note', code: 'no-backend', message };
    });
  });
}

function hasNone({ backendRefs, filters }: RouteRule): boolean {
  return !backendRefs.some(({ weight }) => weight > 0) && !filters.some(answersInstead);
}

/** A filter that is not carried is reported separately. */
function answersInstead(filter: HttpRouteFilter): boolean {
  return filter.type === 'RequestRedirect' || !isCarriedFilter(filter);
}
