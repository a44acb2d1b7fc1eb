/**
 * Reads YAML or JSON text into trees, document by document: with the fast readers where possible, otherwise with the
 * library. In a long List, the library reads only the entries that need it.
 *
 * Stage before: the text of a file. Stage after: `documents.ts`.
 */
import type { Steps } from '../slices.ts';
import { PARSE_LIMITS, type TextLimits } from './limits.ts';
import { yamlListEntries } from './list-entries.ts';
import { readPlainJson } from './plain-json.ts';
import { readPlainYaml } from './plain-yaml.ts';
import type { SyntaxFault, Tree, TreeDocument, TreeMap } from './tree.ts';
import { LibraryReader } from './yaml-library.ts';

/** How a text is divided into documents: by markers, or one on each line between the first and the last line. */
export type TextLayout = 'documents' | 'route-set';

/** Enough to act on. A file of another format has a fault in nearly every document. */
const SYNTAX_FAULTS_PER_FILE = 20;

/** Thrown for a stretch of text that only the library can read and that is longer than the caller allows. */
export class LongStretch extends Error {}

/**
 * Calls `visit` with each document as soon as it is read, so the trees of a whole file are never in memory together.
 * Discard the results of `visit` when syntax faults are returned.
 *
 * Throws only for stretches longer than `maxStretch`, because the library cannot pause within them. The time is linear
 * in the length of the text, which the caller limits.
 */
export function* readTrees(
  text: string,
  visit: (document: TreeDocument) => Steps<void>,
  maxStretch = Number.POSITIVE_INFINITY,
  limits: TextLimits = PARSE_LIMITS,
  layout: TextLayout = 'documents',
): Steps<readonly SyntaxFault[]> {
  const syntaxFaults: SyntaxFault[] = [];
  const marked = layout === 'documents' && OTHER_MARKER.test(text);
  yield;
  const whole = [{ start: 0, end: text.length }];
  const stretches = layout === 'route-set' ? splitItems(text) : marked ? whole : splitDocuments(text);
  yield;
  let index = 0;
  let tokensLeft = limits.tokens;
  for (const { start, end } of stretches) {
    if (index >= limits.documents) {
      const message = `must have at most ${limits.documents} documents; split the file`;
      return [{ code: 'too-large', offset: start, path: '', message, document: index }];
    }
    const root = marked ? null : yield* readQuickly(text, start, end, maxStretch);
    if (root !== null) {
      yield* visit({ index: ++index, root, faults: [] });
      continue;
    }
    if (end - start > maxStretch) throw new LongStretch();
    const reader = new LibraryReader(text, start, index, tokensLeft, limits.documents);
    yield* reader.read(text.slice(start, end));
    for (const document of reader.documents) yield* visit(document);
    if (reader.fault !== null && syntaxFaults.length < SYNTAX_FAULTS_PER_FILE) syntaxFaults.push(reader.fault);
    tokensLeft -= reader.tokens;
    // Text before the first marker is a document only when it has content. After a marker there always is a document.
    index = reader.index === index && start > 0 ? index + 1 : reader.index;
    yield;
  }
  return syntaxFaults;
}

/** From this length on, reading a List entry by entry is worth the effort. */
const LONG_LIST = 8 * 1024;

/** Null when the library has to read the whole document. */
function* readQuickly(text: string, start: number, end: number, maxStretch: number): Steps<Tree | null> {
  const plain = (yield* readPlainYaml(text, start, end)) ?? (yield* readPlainJson(text, start, end));
  if (plain !== null || end - start < LONG_LIST) return plain;
  return yield* readList(text, start, end, maxStretch);
}

/**
 * A List in block style; null for anything else, and when an entry cannot be read by itself, for instance because of
 * aliases.
 */
function* readList(text: string, start: number, end: number, maxStretch: number): Steps<TreeMap | null> {
  const entries = yamlListEntries(text.slice(start, end));
  if (entries === null || entries.length < 2) return null;
  const [first] = entries;
  const headEnd = start + first!.start;
  const footStart = start + entries.at(-1)!.end;
  const head = yield* readAlone(text, start, headEnd, maxStretch);
  const hasFoot = /[^\s]/.test(text.slice(footStart, end));
  const foot = hasFoot ? yield* readAlone(text, footStart, end, maxStretch) : null;
  if (head?.type !== 'map' || !head.entries.has('items') || (hasFoot && foot?.type !== 'map')) return null;
  // A mapping in braces is valid by itself, but not as part of another mapping.
  if (foot !== null && text[foot.offset] === '{') return null;
  const items: Tree[] = [];
  for (const entry of entries) {
    const list = yield* readAlone(text, start + entry.start, start + entry.end, maxStretch);
    if (list?.type !== 'list' || list.items.length !== 1) return null;
    items.push(list.items[0]!);
  }
  const fields = new Map(head.entries);
  const { offset } = fields.get('items')!;
  const list = { type: 'list', offset: text.indexOf('-', headEnd), items } as const;
  fields.set('items', { offset, value: list });
  if (foot?.type === 'map') {
    for (const [name, field] of foot.entries) {
      if (fields.has(name)) return null;
      fields.set(name, field);
    }
  }
  return { type: 'map', offset: head.offset, entries: fields };
}

/** A stretch of a document that is valid YAML by itself; null when it is not. */
function* readAlone(text: string, start: number, end: number, maxStretch: number): Steps<Tree | null> {
  const plain = yield* readPlainYaml(text, start, end);
  if (plain !== null) return plain;
  if (end - start > maxStretch) throw new LongStretch();
  const reader = new LibraryReader(text, start, 0, PARSE_LIMITS.tokens);
  yield* reader.read(text.slice(start, end));
  const [document, ...others] = reader.documents;
  if (reader.fault !== null || document === undefined || others.length + document.faults.length > 0) return null;
  return document.root;
}

/** A line with a special meaning in YAML, other than a bare `---`. */
const OTHER_MARKER = /^(?:---[^\n]|\.\.\.|%)/m;

/**
 * The stretches of text between lines that are exactly `---`: YAML ends a document at such a line wherever it occurs.
 * With other markers this is not true, and the library divides the text.
 */
function splitDocuments(text: string): { start: number; end: number }[] {
  const stretches: { start: number; end: number }[] = [];
  let start = 0;
  for (const { index } of text.matchAll(/^---$/gm)) {
    stretches.push({ start, end: index });
    start = Math.min(index + 4, text.length);
  }
  stretches.push({ start, end: text.length });
  return stretches;
}

/** The items of a shard of a route set, without the commas between them. */
function splitItems(text: string): { start: number; end: number }[] {
  const items: { start: number; end: number }[] = [];
  const last = text.lastIndexOf('\n]');
  for (let start = text.indexOf('\n') + 1; start > 0 && start < last;) {
    const end = text.indexOf('\n', start);
    items.push({ start, end: end < last && text[end - 1] === ',' ? end - 1 : end });
    start = end + 1;
  }
  return items;
}
