/**
 * Data to YAML, for what `kubectl apply` and people read.
 *
 * Stage before: `config-maps.ts`, results of commands. The library is loaded with the first text.
 */
import { onDemand } from '../on-demand.ts';

const library = onDemand((load) => load('yaml') as typeof import('yaml'));

/** Texts in block style wherever they have several lines; quoted where YAML 1.1, which kubectl reads, would need it. */
export function yamlText(value: unknown): string {
  const { Document } = library();
  const document = new Document(value, { version: '1.1', aliasDuplicateObjects: false });
  // Without a directive, which would stand before every document.
  return document.toString({ lineWidth: 0, directives: false });
}
