/**
 * The annotation of a pod that makes its kubelet look: the beginning of the hash that the pod is to serve, so that everybody who reads
 * the pod knows what it was told last.
 *
 * Used by `nudger.ts` and, after a change of leader, by `controller.ts`.
 */

/** Of the hash, in the annotation. */
export const HASH_CHARS = 12;

/** A kubelet does not see an annotation that is set to what it is: the same hash has a number behind it, from the second time on. */
export function nextValue(told: string, hash: string): string {
  const short = hash.slice(0, HASH_CHARS);
  const [before, count] = told.split('.');
  if (before !== short) return short;
  return `${short}.${(Number(count ?? '1') || 1) + 1}`;
}

/** Whether the annotation is about this set. */
export function isTold(told: string, hash: string): boolean {
  return told.split('.')[0] === hash.slice(0, HASH_CHARS);
}
