/**
 * ResponseHeaderModifier: edits of responses of the backend, never of local replies.
 *
 * Stage before: `compose.ts`, filter by filter. Stage after: the `ForwardPlan` it builds.
 */
import type { HeaderModifier } from '../../gateway-api/types.ts';
import { applyModifier } from './field-edits.ts';
import type { PlanBuilder } from './plan-builder.ts';

export function applyResponseModifier(plan: PlanBuilder, modifier: HeaderModifier): void {
  applyModifier(plan.response, modifier);
}

/** Lower-case names of the fields that only this filter decides: values of earlier filters are removed. */
export function replacedNames(modifier: HeaderModifier): string[] {
  return [...modifier.set.map(({ name }) => name), ...modifier.remove].map((name) => name.toLowerCase());
}
