/**
 * Writes data as YAML, for `kubectl apply` and for people.
 *
 * Stage before: `config-maps.ts`, results of commands. The library is loaded for the first text.
 */
import { onDemand } from '../on-demand.ts';

const library = onDemand((load) => load('yaml') as typeof import('yaml'));

/** Texts of several lines are in block style; texts are quoted where YAML 1.1, which kubectl reads, requires it. */
export function yamlText(value: unknown): string {
  const { Document } = library();
  const document = new Document(value, { version: '1.1', aliasDuplicateObjects: false });
  // Without a directive, which would precede every document.
  return document.toString({ lineWidth: 0, directives: false });
}
