/**
 * The annotation of a pod that makes its kubelet update ConfigMaps: the beginning of the hash the pod should serve. So
 * every reader of the pod knows what it was last told.
 *
 * Used by `nudger.ts` and, after a change of leader, by `controller.ts`.
 */

/** Characters of the hash in the annotation. */
export const HASH_CHARS = 12;

/**
 * A kubelet does not notice an annotation that is set to its current value. So a repeated hash gets a number as suffix.
 */
export function nextValue(told: string, hash: string): string {
  const short = hash.slice(0, HASH_CHARS);
  const [before, count] = told.split('.');
  if (before !== short) return short;
  return `${short}.${(Number(count ?? '1') || 1) + 1}`;
}

/** True when the annotation refers to this set. */
export function isTold(told: string, hash: string): boolean {
  return told.split('.')[0] === hash.slice(0, HASH_CHARS);
}
