/**
 * RequestHeaderModifier: edits of the forwarded head, and of Host, which is no ordinary field.
 *
 * Stage before: `compose.ts`, filter by filter. Stage after: the `ForwardPlan` it builds.
 */
import type { HeaderModifier } from '../../gateway-api/types.ts';
import { toWire } from '../predicates.ts';
import { applyModifier } from './field-edits.ts';
import type { PlanBuilder } from './plan-builder.ts';

/**
 * A request has exactly one Host: to set it is to rewrite the host name, and the later of the two wins. The reader has
 * refused to add or remove it.
 */
export function applyRequestModifier(plan: PlanBuilder, modifier: HeaderModifier): void {
  const host = modifier.set.find(({ name }) => isHost(name));
  if (host !== undefined) plan.host = toWire(host.value);
  applyModifier(plan.request, {
    set: modifier.set.filter(({ name }) => !isHost(name)),
    add: modifier.add.filter(({ name }) => !isHost(name)),
    remove: modifier.remove.filter((name) => !isHost(name)),
  });
}

function isHost(name: string): boolean {
  return name.toLowerCase() === 'host';
}
