/** Garbage collection on demand, for tests of what is retained. */
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { eventually } from './eventually.ts';

setFlagsFromString('--expose-gc');
/** A full collection. */
export const collect = runInNewContext('gc') as () => void;

/** Resolves when none of the objects is referenced any more; rejects if one still is after a while. */
export async function collected(objects: readonly WeakRef<object>[]): Promise<void> {
  await eventually('nobody has them', async () => {
    // References by promises or handles of this turn end with it.
    await turn();
    collect();
    return objects.every((each) => each.deref() === undefined);
  });
}
