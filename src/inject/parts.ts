/**
 * Divides a manifest into parts that can be changed separately, so that a text of any size takes only the memory of one
 * part. Parts are documents, and in a long List its entries, each with the head and foot of the List around it.
 *
 * Stage before: `cli/inject.ts` has the text. Stage after: `by-parts.ts` changes each part and combines the texts.
 */
import { jsonListEntries, yamlListEntries } from '../gateway-api/list-entries.ts';

/** A manifest that can be read by itself. */
export interface Part {
  readonly text: string;
  /** Range of the content that belongs to this part only. */
  readonly start: number;
  readonly end: number;
  /** Number of documents before it. */
  readonly documents: number;
  /** Number of entries before it in its List. */
  readonly entries: number;
  /** Converts an offset in the part to one in the whole text. */
  readonly offsetOf: (offset: number) => number;
}

/** One document, or a text that is not divided. */
export interface DocumentPart extends Part {
  /** Its offset in the whole text. */
  readonly at: number;
}

/** Markers that make the beginnings of documents uncertain: directives, and the explicit end of a document. */
const OTHER_MARKERS = /(?:^|\n)(?:%|\.\.\.)/;
/** In YAML such a line begins a document wherever it occurs. */
const DOCUMENT_MARKER = /\n(?=---(?:[ \t\r\n]|$))/g;
/** Matches a text with a line that has more than a comment. */
const CONTENT = /^\ufeff?(?:[ \t]*(?:#[^\n]*)?\r?\n)*[ \t]*[^ \t\r\n#]/;

/** If the text can be divided, each part is one document; only an empty text has none. */
export function documentParts(text: string): DocumentPart[] {
  const starts = [0];
  if (!OTHER_MARKERS.test(text)) {
    for (const { index } of text.matchAll(DOCUMENT_MARKER)) {
      // Comments above the first marker belong to the first document.
      if (starts.length > 1 || CONTENT.test(text.slice(0, index + 1))) starts.push(index + 1);
    }
  }
  return starts.map((at, index) => {
    const own = text.slice(at, starts[index + 1]);
    const offsetOf = (offset: number) => at + offset;
    return { text: own, start: 0, end: own.length, documents: index, entries: 0, at, offsetOf };
  });
}

/** The entries of a List in the YAML or JSON layout of kubectl; null for any other document. */
export function entryParts({ text, documents, at }: DocumentPart): Part[] | null {
  const entries = yamlListEntries(text) ?? jsonListEntries(text);
  const [first] = entries ?? [];
  if (entries === null || first === undefined) return null;
  const head = text.slice(0, first.start);
  const footStart = entries.at(-1)!.end;
  const foot = text.slice(footStart);
  return entries.map((entry, index) => {
    const end = head.length + entry.end - entry.start;
    const offsetOf = (offset: number): number => {
      if (offset < head.length) return at + offset;
      return at + (offset < end ? entry.start + offset - head.length : footStart + offset - end);
    };
    const own = text.slice(entry.start, entry.end);
    return { text: head + own + foot, start: head.length, end, documents, entries: index, offsetOf };
  });
}
