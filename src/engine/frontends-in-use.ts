/**
 * Frontends of open connections. Their ids must not be reused, because the requests of these connections are decided by
 * them.
 *
 * Stage before: acceptor and engines. Stage after: `cluster/frontends.ts`.
 */
import type { Acceptor } from '../addon/binding.ts';
import { everyState, readDetections } from '../addon/engine-state.ts';
import type { Engine } from './engine.ts';

export function frontendsInUse(engines: readonly Engine[], acceptor: Acceptor | null): Set<number> {
  const used = new Set(engines.flatMap((engine) => [...engine.frontendsInUse()]));
  if (acceptor === null) return used;
  const detections = everyState((after, max) => readDetections(acceptor.detections(after, max)));
  for (const { frontend } of detections) used.add(frontend);
  return used;
}
