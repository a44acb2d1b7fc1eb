/**
 * Caches that find equal parts of a configuration while it is read, so that each part is stored once. They are emptied when the configuration is
 * in force. Otherwise they would cost memory in an idle sidecar, and keep texts of deleted routes.
 *
 * Used by modules with such a cache, and by `proxy/configuration.ts`, which knows when a configuration is in force.
 */

interface Remembering {
  forget(): void;
}

const all: Remembering[] = [];

/** Returns the cache, which `forgetShared` empties from now on. For caches that live as long as their module. */
export function untilLoaded<T extends Remembering>(remembering: T): T {
  all.push(remembering);
  return remembering;
}

/** Empties all caches. Parts that are shared stay shared; equal parts that are read later are new objects. */
export function forgetShared(): void {
  for (const each of all) each.forget();
}
