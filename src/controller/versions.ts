/**
 * The order of resourceVersions, which the API server guarantees for objects of one kind: numbers that only grow.
 *
 * Used where what a write has answered may be newer than what the watch says next.
 */
export function isOlder(version: string, than: string): boolean {
  const numeric = /^[0-9]+$/;
  if (!numeric.test(version) || !numeric.test(than)) return false;
  if (version.length !== than.length) return version.length < than.length;
  return version < than;
}
