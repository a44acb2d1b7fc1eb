/**
 * Path rewrites as filters of the Gateway API; the form depends on the match.
 *
 * Used by `order.ts`, which may add only matches that work with the rewrite, and by `routes.ts`.
 */
import type { Guard } from './guards.ts';
import type { Json, Rewrite } from './model.ts';
import { elementsOf } from './paths.ts';

/** A prefix can be replaced only when the match determines its length. */
export function isSayable(rewrite: Rewrite | null, { path }: Guard): boolean {
  return rewrite?.kind !== 'prefix' || rewrite.from === rewrite.to || path.type !== 'RegularExpression';
}

/** The path modifier of a filter; null when there is nothing to change. */
export function pathModifier(rewrite: Rewrite | null, { path }: Guard): Json | null {
  if (rewrite === null) return null;
  if (rewrite.kind === 'full') return { type: 'ReplaceFullPath', replaceFullPath: rewrite.to };
  const { from, to } = rewrite;
  if (from === to) return null;
  const replaced = `${to}${elementsOf(path).slice(from.length)}`;
  if (path.type === 'Exact') {
    const rest = path.value.slice(from.length);
    return { type: 'ReplaceFullPath', replaceFullPath: `${to}${rest}` || '/' };
  }
  return { type: 'ReplacePrefixMatch', replacePrefixMatch: replaced || '/' };
}
