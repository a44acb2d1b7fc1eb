/**
 * RequestHeaderModifier: edits of the forwarded head. Host is a special case.
 *
 * Stage before: `compose.ts`, filter by filter. Stage after: the `ForwardPlan` it builds.
 */
import type { HeaderModifier } from '../../gateway-api/types.ts';
import { toWire } from '../predicates.ts';
import { applyModifier } from './field-edits.ts';
import type { PlanBuilder } from './plan-builder.ts';

/**
 * A request has exactly one Host, so setting it is the same as rewriting the hostname; the later filter wins. The
 * reader of the route refuses to add or remove Host.
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
