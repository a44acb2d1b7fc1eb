/**
 * Converts trees of YAML or JSON text to plain values, for readers that do not need positions.
 *
 * Stage before: `yaml-tree.ts`.
 */
import type { Tree } from './tree.ts';

/** The value that JSON.parse would return. */
export function valueOf(tree: Tree): unknown {
  if (tree.type === 'scalar') return tree.value;
  if (tree.type === 'list') return tree.items.map(valueOf);
  return Object.fromEntries([...tree.entries].map(([name, { value }]) => [name, valueOf(value)]));
}
