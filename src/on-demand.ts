/**
 * Libraries that a sidecar may never need, loaded at their first use: regular expressions, full YAML, the radix tree of
 * paths. They are most of the code, and loaded code stays in memory.
 *
 * This is for synchronous callers; where a promise can be awaited, `import()` does the same. In dist/bin/ each of these
 * libraries is a file below node_modules/.
 */
import { createRequire } from 'node:module';

/** Not named `require`, because bundlers would process that. */
const requireModule = createRequire(import.meta.url);

/** Returns a function that returns the library; its first call loads it. The type is not checked. */
export function onDemand<T>(load: (requireOf: NodeJS.Require) => T): () => T {
  let loaded: T | undefined;
  return () => (loaded ??= load(requireModule));
}
