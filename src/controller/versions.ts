/**
 * The order of resourceVersions: numbers that only grow, which the API server guarantees for objects of one kind.
 *
 * Used where the answer to a write may be newer than the next event of the watch.
 */
export function isOlder(version: string, than: string): boolean {
  const numeric = /^[0-9]+$/;
  if (!numeric.test(version) || !numeric.test(than)) return false;
  if (version.length !== than.length) return version.length < than.length;
  return version < than;
}
