/**
 * Libraries that a sidecar may never need, loaded by who needs them first, while it needs them: regular expressions, all of YAML, the
 * radix tree of paths. Their code is most of what there is, and code that has been read stays in memory.
 *
 * Where a promise can be waited for, `import()` does the same. In dist/bin/ each of these is a file of its own below node_modules/.
 */
import { createRequire } from 'node:module';

/** Not named `require`, which bundlers take for theirs. */
const requireModule = createRequire(import.meta.url);

/** Returns what returns the library, which is loaded by the first call. The type is that of the package; nothing checks it. */
export function onDemand<T>(load: (requireOf: NodeJS.Require) => T): () => T {
  let loaded: T | undefined;
  return () => (loaded ??= load(requireModule));
}
