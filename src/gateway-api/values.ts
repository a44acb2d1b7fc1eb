/**
 * Trees of YAML or JSON text to plain values, for readers that do not need to know where something stands.
 *
 * Stage before: `yaml-tree.ts`.
 */
import type { Tree } from './tree.ts';

/** What JSON.parse would make of it. */
export function valueOf(tree: Tree): unknown {
  if (tree.type === 'scalar') return tree.value;
  if (tree.type === 'list') return tree.items.map(valueOf);
  return Object.fromEntries([...tree.entries].map(([name, { value }]) => [name, valueOf(value)]));
}
