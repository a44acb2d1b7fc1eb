/**
 * Like `t.match`, but a list in the pattern must match the whole list. tap's own passes if the found list is longer, so
 * `[]` matches every list and `{}` every object, and an extra problem goes unnoticed.
 */
import type { Test } from 'tap';

/** The path at which the found value has more or less than the pattern; null if there is none. */
function difference(found: unknown, wanted: unknown, path: string): string | null {
  if (typeof wanted !== 'object' || wanted === null || typeof found !== 'object' || found === null) return null;
  if (Array.isArray(wanted)) {
    if (!Array.isArray(found) || found.length !== wanted.length) return path;
  } else if (Object.getPrototypeOf(wanted) === Object.prototype && Object.keys(wanted).length === 0) {
    return Object.keys(found).length === 0 ? null : path;
  }
  for (const [key, value] of Object.entries(wanted)) {
    const below = difference((found as Record<string, unknown>)[key], value, `${path}.${key}`);
    if (below !== null) return below;
  }
  return null;
}

export function matches(t: Test, found: unknown, wanted: unknown, message = 'as it should be'): boolean {
  const place = difference(found, wanted, 'it');
  if (place === null) return t.match(found, wanted, message);
  return t.fail(`${message}: ${place} has another size`, { found, wanted });
}
