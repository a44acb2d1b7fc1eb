/**
 * ConfigMap documents that contain route files, for commands that read manifests instead of mounted files.
 *
 * Filled by `foreign-kinds.ts` while a file is read. Read by callers that process the files as a sidecar would.
 */
import { shardFile } from '../route-set/format.ts';
import { textOf, type Fields } from './fields.ts';
import type { Tree } from './tree.ts';
import type { ConfigMapDocument, ConfigMapFile } from './types.ts';

const ROUTE_DOCUMENT = /(?:^|[{,])[ \t]*"?kind"?[ \t]*:[ \t]*["']?(?:(?:HTTP|GRPC|TLS|TCP|UDP)Route|Service|List)\b/m;

/** Matches a text that contains a document of a kind that is read. */
export function looksLikeRoutes(text: string): boolean {
  return ROUTE_DOCUMENT.test(text);
}

/** The key of a ConfigMap or Secret whose value is a route document, or a shard of a route set; null when there is none. */
export function routeKeyOf(object: Fields): string | null {
  for (const [key, value] of entriesOf(object.tree('data'))) if (looksLikeRoutes(value.text)) return key;
  for (const [key] of entriesOf(object.tree('binaryData'))) if (shardFile(key) !== null) return key;
  return null;
}

/** True for a ConfigMap without files. */
export function hasNoFiles(object: Fields): boolean {
  return [object.tree('data'), object.tree('binaryData')].every((data) => entriesOf(data).length === 0);
}

/** Collects the ConfigMaps of one file. */
export class ConfigMapDocuments {
  readonly documents: ConfigMapDocument[] = [];
  readonly #text: string;

  /** `text`: the text of the file. */
  constructor(text: string) {
    this.#text = text;
  }

  add(object: Fields): void {
    const metadata = object.tree('metadata');
    const field = (name: string): string | null =>
      metadata?.type === 'map' ? textOf(metadata.entries.get(name)?.value ?? null) : null;
    const files = entriesOf(object.tree('data')).map(([name, { text, offset }]): ConfigMapFile => {
      // Only in a literal block scalar does each line of the value correspond to a line of the file.
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

/** The entries whose values are text. */
function entriesOf(data: Tree | null): [string, { readonly text: string; readonly offset: number }][] {
  if (data?.type !== 'map') return [];
  return [...data.entries].flatMap(([key, { value }]) => {
    const text = textOf(value);
    return text === null ? [] : [[key, { text, offset: value.offset }]];
  });
}
