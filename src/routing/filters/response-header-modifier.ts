/**
 * ResponseHeaderModifier: edits of what the backend answers, never of a reply made here.
 *
 * Stage before: `compose.ts`, filter by filter. Stage after: the `ForwardPlan` it builds.
 */
import type { HeaderModifier } from '../../gateway-api/types.ts';
import { applyModifier } from './field-edits.ts';
import type { PlanBuilder } from './plan-builder.ts';

export function applyResponseModifier(plan: PlanBuilder, modifier: HeaderModifier): void {
  applyModifier(plan.response, modifier);
}

/** Lower-case names that the filter decides about alone: what an earlier filter has put there is gone. */
export function replacedNames(modifier: HeaderModifier): string[] {
  return [...modifier.set.map(({ name }) => name), ...modifier.remove].map((name) => name.toLowerCase());
}
