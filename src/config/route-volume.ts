/**
 * The volume of ConfigMaps that pods mount as their route directory, and its number of parts for one ConfigMap.
 *
 * `routes export` writes up to this number of parts; `inject`, the chart and the kustomize component mount this number.
 * None of the parts has to exist.
 */

/** One ConfigMap holds 1 MiB. Three of them hold more routes than a sidecar of the default size should have. */
export const VOLUME_PARTS = 3;

/** `name`, `name-2`, `name-3`. `part` counts from 1. */
export function partName(name: string, part: number): string {
  return part === 1 ? name : `${name}-${part}`;
}

/** The parts that are mounted for a name by default. */
export function partNames(name: string): string[] {
  return Array.from({ length: VOLUME_PARTS }, (_, index) => partName(name, index + 1));
}
