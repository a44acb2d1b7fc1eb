/**
 * The volume of ConfigMaps that pods mount as their route directory: how many parts of one ConfigMap it has places for.
 *
 * `routes export` writes as many parts, `inject`, the chart and the kustomize components mount as many; none has to exist.
 */

/** One ConfigMap holds 1 MiB. Three are more routes than a sidecar of the default size should have. */
export const VOLUME_PARTS = 3;

/** `name`, `name-2`, `name-3`. `part` counts from 1. */
export function partName(name: string, part: number): string {
  return part === 1 ? name : `${name}-${part}`;
}

/** Those that are mounted for a name without more ado. */
export function partNames(name: string): string[] {
  return Array.from({ length: VOLUME_PARTS }, (_, index) => partName(name, index + 1));
}
