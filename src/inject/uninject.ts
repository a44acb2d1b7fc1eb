/**
 * Removes from a manifest what `inject.ts` added, according to its record: the text is restored to the byte.
 *
 * Stage before: `workloads.ts`. Stage after: text. Later changes and additions by others stay.
 */
import type { ManifestDocument, MapNode, Node } from './manifest.ts';
import { fieldsOf, isMap, isSeq, Refusal } from './manifest.ts';
import { annotationPath } from './annotations.ts';
import { changeByParts, type PartsOptions } from './by-parts.ts';
import type { Part } from './parts.ts';
import { POD_MESSAGES } from './pod-messages.ts';
import { INJECTED_ANNOTATION, parseRecord, type InjectionRecord } from './record.ts';
import type { ManifestResult, ManifestRun } from './result.ts';
import { TextPatch } from './text-patch.ts';
import { editableField, editableTemplate, type Workload } from './workloads.ts';

export function uninjectManifest(file: string, text: string, options?: PartsOptions): ManifestResult {
  return changeByParts(file, text, uninjectPart, options);
}

function uninjectPart(run: ManifestRun, { text }: Part): string | null {
  const changed = uninjectText(run, text, (workload, removed) => {
    run.report(workload, removed ? 'uninjected' : 'untouched', removed ? '' : 'not injected');
  });
  return run.failed ? null : changed;
}

/** `report` is called for each workload: was there something to remove? */
export function uninjectText(
  run: ManifestRun,
  text: string,
  report: (workload: Workload, removed: boolean) => void = () => undefined,
): string | null {
  const manifest = run.parse(text);
  if (manifest === null) return null;
  const patch = new TextPatch(manifest);
  for (const document of manifest.documents) {
    for (const workload of run.workloadsOf(document)) {
      run.attempt(workload, () => report(workload, removeInjection(patch, workload)));
    }
  }
  return patch.changed ? patch.apply() : text;
}

/** The record of an earlier injection in the pod template; null when there is none. @throws Refusal */
export function injectionOf({ document, object, steps, templatePath }: Workload): InjectionRecord | null {
  const node = document.get(object, ...steps, 'metadata', 'annotations', INJECTED_ANNOTATION);
  if (node === null) return null;
  const record = parseRecord(document.text(node) ?? '');
  if (record !== null) return record;
  const path = annotationPath(`${templatePath}metadata.annotations`, INJECTED_ANNOTATION);
  throw new Refusal('bad-record', path, node.range[0], POD_MESSAGES.record);
}

/** Plans the removal; false when there is nothing to remove. @throws Refusal */
export function removeInjection(patch: TextPatch, workload: Workload): boolean {
  const record = injectionOf(workload);
  if (record === null) return false;
  const { document, templatePath } = workload;
  const { template, spec } = editableTemplate(workload);
  const removal = new Removal(patch, document, record);
  const emptied = (['initContainers', 'containers', 'volumes'] as const).filter((holder) =>
    removal.items(spec, holder, `${templatePath}spec.${holder}`),
  );
  removal.fields(spec, emptied);
  removal.annotations(template, `${templatePath}metadata`);
  return true;
}

class Removal {
  readonly #patch: TextPatch;
  readonly #document: ManifestDocument;
  readonly #record: InjectionRecord;

  constructor(patch: TextPatch, document: ManifestDocument, record: InjectionRecord) {
    this.#patch = patch;
    this.#document = document;
    this.#record = record;
  }

  fields(map: MapNode, names: readonly string[]): void {
    if (names.length > 0) this.#patch.removeFields(map, new Set(names));
  }

  /** True when the list was created for our entries and has no others, so that the whole field is removed. */
  items(spec: MapNode, holder: 'initContainers' | 'containers' | 'volumes', path: string): boolean {
    const list = this.#record[holder].length === 0 ? null : editableField(this.#document, spec, holder, path);
    if (!isSeq(list)) return false;
    const ours = this.#document
      .items(list)
      .map((item) => this.#record[holder].includes(this.#document.text(this.#document.get(item, 'name')) ?? ''));
    const fate = this.#fate(holder, list, ours.every(Boolean));
    if (fate === 'entries') this.#patch.removeItems(list, ours);
    return fate === 'whole';
  }

  annotations(template: MapNode, path: string): void {
    const metadata = editableField(this.#document, template, 'metadata', path);
    if (!isMap(metadata)) return;
    const map = editableField(this.#document, metadata, 'annotations', `${path}.annotations`);
    if (!isMap(map)) return;
    const names = [...this.#record.annotations, INJECTED_ANNOTATION];
    const ours = fieldsOf(map).every(({ name }) => names.includes(name));
    let fate = this.#fate('annotations', map, ours);
    if (fate === 'entries') this.fields(map, names);
    if (fate !== 'whole') return;
    fate = this.#fate('metadata', metadata, fieldsOf(metadata).length === 1);
    if (fate === 'entries') this.fields(metadata, ['annotations']);
    if (fate === 'whole') this.fields(template, ['metadata']);
  }

  /** What to remove: our entries, the whole field, or nothing more, because the field has been reset to null. */
  #fate(holder: string, node: Node, onlyOurs: boolean): 'entries' | 'whole' | 'restored' {
    if (!onlyOurs) return 'entries';
    const spelling = this.#record.nulls[holder];
    if (spelling === undefined) return this.#record.created.includes(holder) ? 'whole' : 'entries';
    this.#patch.replace(node, spelling);
    return 'restored';
  }
}
