/** Garbage collection on demand, for tests of what is kept. */
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { eventually } from './eventually.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Resolves when nobody has any of them any more; rejects when somebody still does after a while. */
export async function collected(objects: readonly WeakRef<object>[]): Promise<void> {
  await eventually('nobody has them', async () => {
    // What a promise or a handle of this turn refers to is let go with it.
    await turn();
    collect();
    return objects.every((each) => each.deref() === undefined);
  });
}
