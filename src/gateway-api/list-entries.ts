/**
 * Locates the entries of a List in its text, in the YAML or JSON layout that kubectl prints, so that a long List can be
 * read entry by entry.
 *
 * Used by `yaml-tree.ts` and by `inject/parts.ts`. It looks only at the layout; the reader of an entry must check that
 * it is one.
 */

export interface TextRange {
  readonly start: number;
  readonly end: number;
}

/** Entries of a block sequence below `items:` in the first column; null unless there is exactly one such sequence. */
export function yamlListEntries(text: string): TextRange[] | null {
  const [items, second] = text.matchAll(/(?:^|\n)items:[ \t]*\r?\n(?=( *)- )/g);
  if (items === undefined || second !== undefined) return null;
  const column = items[1]!.length;
  const starts: number[] = [];
  let end = text.length;
  for (let at = items.index + items[0].length; at < text.length;) {
    const next = text.indexOf('\n', at) + 1 || text.length;
    let content = at;
    while (text[content] === ' ') content++;
    const first = text[content];
    const isBlank = first === '\n' || first === '\r' || first === '#' || first === undefined;
    if (!isBlank && content - at <= column) {
      if (content - at < column || first !== '-' || !/[ \r\n]/.test(text[content + 1] ?? '\n')) {
        end = at;
        break;
      }
      starts.push(at);
    }
    at = next;
  }
  return starts.map((start, index) => ({ start, end: starts[index + 1] ?? end }));
}

/** Entries of `"items"` in JSON with each brace on its own line, with any indentation; null for other JSON. */
export function jsonListEntries(text: string): TextRange[] | null {
  const unit = /^\s*\{\r?\n([ \t]+)"/.exec(text)?.[1];
  if (unit === undefined) return null;
  const items = new RegExp(`\\n${unit}"items": ?\\[\\r?\\n(?=([ \\t]+)\\{\\r?\\n)`).exec(text);
  if (items === null) return null;
  const indent = items[1]!;
  const entries: TextRange[] = [];
  let start = -1;
  for (let at = items.index + items[0].length; at < text.length;) {
    const next = text.indexOf('\n', at) + 1 || text.length;
    const line = text.slice(at, next).trimEnd();
    if (start < 0) {
      if (line !== `${indent}{`) return line.trimStart().startsWith(']') ? entries : null;
      start = at;
    } else if (line === `${indent}}` || line === `${indent}},`) {
      entries.push({ start, end: at + indent.length + 1 });
      start = -1;
    }
    at = next;
  }
  return null;
}
