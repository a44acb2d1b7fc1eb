/**
 * What is remembered while a configuration is read, so that equal parts of it are there once, and not beyond: in a sidecar that has nothing to
 * do it would be memory, and texts of routes that are long gone.
 *
 * Used where something is remembered for the whole module, and by `proxy/configuration.ts`, which knows when a configuration is in force.
 */

interface Remembering {
  forget(): void;
}

const all: Remembering[] = [];

/** The same, until `forgetShared` is called the next time. For what lives as long as its module. */
export function untilLoaded<T extends Remembering>(remembering: T): T {
  all.push(remembering);
  return remembering;
}

/** Whatever was shared stays so; equal parts that come later are others. */
export function forgetShared(): void {
  for (const each of all) each.forget();
}
