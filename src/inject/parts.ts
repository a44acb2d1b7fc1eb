/**
 * Cuts a manifest into parts that can be changed one by one, so that a text of any size takes the memory of one part: its
 * documents, and of a long List its entries, each with the head and the foot of the List around it.
 *
 * Stage before: `cli/inject.ts` has the text. Stage after: `by-parts.ts` has each part changed and puts the text together.
 */
import { jsonListEntries, yamlListEntries } from '../gateway-api/list-entries.ts';

/** A manifest by itself. */
export interface Part {
  readonly text: string;
  /** Where in it stands what is of this part alone. */
  readonly start: number;
  readonly end: number;
  /** How many documents stand before it. */
  readonly documents: number;
  /** How many entries of its List do. */
  readonly entries: number;
  /** Where an offset of it is in the whole text. */
  readonly offsetOf: (offset: number) => number;
}

/** One document, or a text that is not cut. */
export interface DocumentPart extends Part {
  /** Where it begins in the whole text. */
  readonly at: number;
}

/** Markers that make it harder to tell where documents begin: directives, and the explicit end of a document. */
const OTHER_MARKERS = /(?:^|\n)(?:%|\.\.\.)/;
/** YAML takes such a line for the beginning of a document wherever it stands. */
const DOCUMENT_MARKER = /\n(?=---(?:[ \t\r\n]|$))/g;
/** A line with more than a comment. */
const CONTENT = /^\ufeff?(?:[ \t]*(?:#[^\n]*)?\r?\n)*[ \t]*[^ \t\r\n#]/;

/** Every part but that of an empty text is one document, where the text is cut at all. */
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

/** The entries of a document that is a List, as kubectl prints it in YAML or JSON; null for any other document. */
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
