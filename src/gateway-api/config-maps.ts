/**
 * ConfigMap documents with route files in them, for commands that are given manifests rather than what is mounted.
 *
 * Told by `foreign-kinds.ts` while a file is read, asked by whoever reads their files as the sidecar would find them.
 */
import { shardFile } from '../route-set/format.ts';
import { textOf, type Fields } from './fields.ts';
import type { Tree } from './tree.ts';
import type { ConfigMapDocument, ConfigMapFile } from './types.ts';

const ROUTE_DOCUMENT = /(?:^|[{,])[ \t]*"?kind"?[ \t]*:[ \t]*["']?(?:(?:HTTP|GRPC|TLS|TCP|UDP)Route|Service|List)\b/m;

/** A document that is read, somewhere in a text. */
export function looksLikeRoutes(text: string): boolean {
  return ROUTE_DOCUMENT.test(text);
}

/** The key of a ConfigMap or Secret whose value is a route document, or a shard of a route set; null when there is none. */
export function routeKeyOf(object: Fields): string | null {
  for (const [key, value] of entriesOf(object.tree('data'))) if (looksLikeRoutes(value.text)) return key;
  for (const [key] of entriesOf(object.tree('binaryData'))) if (shardFile(key) !== null) return key;
  return null;
}

/** Of a ConfigMap. */
export function hasNoFiles(object: Fields): boolean {
  return [object.tree('data'), object.tree('binaryData')].every((data) => entriesOf(data).length === 0);
}

/** Collects the ConfigMaps of one file. */
export class ConfigMapDocuments {
  readonly documents: ConfigMapDocument[] = [];
  readonly #text: string;

  /** `text`: of the file. */
  constructor(text: string) {
    this.#text = text;
  }

  add(object: Fields): void {
    const metadata = object.tree('metadata');
    const field = (name: string): string | null =>
      metadata?.type === 'map' ? textOf(metadata.entries.get(name)?.value ?? null) : null;
    const files = entriesOf(object.tree('data')).map(([name, { text, offset }]): ConfigMapFile => {
      // Only in literal style is each line of the value a line of the file.
      const literal = this.#text[offset] === '|';
      const line = literal ? object.report.location(offset).line! + 1 : null;
      return { name, content: Buffer.from(text, 'utf8'), line };
    });
    const binary = entriesOf(object.tree('binaryData')).map(([name, { text }]): ConfigMapFile => {
      return { name, content: Buffer.from(text, 'base64'), line: null };
    });
    this.documents.push({ name: field('name') ?? '', namespace: field('namespace'), files: [...files, ...binary] });
  }
}

/** Keys whose values are texts. */
function entriesOf(data: Tree | null): [string, { readonly text: string; readonly offset: number }][] {
  if (data?.type !== 'map') return [];
  return [...data.entries].flatMap(([key, { value }]) => {
    const text = textOf(value);
    return text === null ? [] : [[key, { text, offset: value.offset }]];
  });
}
