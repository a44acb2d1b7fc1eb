/**
 * Writes the additions into one pod template, and adds an annotation that records the previous state.
 *
 * Stage before: `inject.ts` has found no reason against it. Stage after: `text-patch.ts`.
 */
import { DEFAULT_CONTAINER_ANNOTATION, PROMETHEUS_ANNOTATIONS, type Additions } from './containers.ts';
import type { Field, ManifestDocument, MapNode, Node } from './manifest.ts';
import { fieldOf, isFlow, isMap, isScalar, isSeq, Refusal } from './manifest.ts';
import { INJECTED_ANNOTATION, recordText, type Holder, type InjectionRecord } from './record.ts';
import type { TextPatch } from './text-patch.ts';
import { editableField, type Workload } from './workloads.ts';
import type { WrittenFields, Value } from './written-yaml.ts';

/** The state of a field that gets additions. */
type Place =
  | { readonly state: 'absent' }
  | { readonly state: 'null'; readonly field: Field }
  | { readonly state: 'present'; readonly node: Node };

const LISTS = ['initContainers', 'containers', 'volumes'] as const;

export class Injection {
  readonly #patch: TextPatch;
  readonly #document: ManifestDocument;
  readonly #path: string;
  readonly #mode: string;
  readonly #version: string;
  readonly #created: Holder[] = [];
  readonly #nulls: Partial<Record<Holder, string>> = {};
  #names: Pick<InjectionRecord, (typeof LISTS)[number]> = { initContainers: [], containers: [], volumes: [] };

  constructor(patch: TextPatch, { document, templatePath }: Workload, mode: string, version: string) {
    this.#patch = patch;
    this.#document = document;
    this.#path = templatePath;
    this.#mode = mode;
    this.#version = version;
  }

  /**
   * Call this first. Native: rules, sidecar, then the pod's own init containers, which get the network of the
   * application. Classic: the sidecar is the first container, and the rules come last among the init containers, when
   * none of them needs the network any more.
   */
  addToSpec(spec: MapNode, { initContainer, sidecar, volumes }: Additions): void {
    const native = this.#mode === 'native';
    const additions = {
      initContainers: native ? [initContainer, sidecar] : [initContainer],
      containers: native ? [] : [sidecar],
      volumes,
    };
    const created: Record<string, Value> = {};
    for (const holder of LISTS) {
      // The types of the API allow an explicit undefined, but there is none.
      const items = additions[holder] as unknown as readonly WrittenFields[];
      if (items.length === 0) continue;
      const place = this.#place(spec, holder, `spec.${holder}`);
      const path = `${this.#path}spec.${holder}`;
      if (place.state === 'absent') created[holder] = items;
      else if (place.state === 'null') this.#patch.fill(place.field, items, isFlow(spec), path);
      else if (!isSeq(place.node)) throw this.#wrongType(place.node, `spec.${holder}`, 'a list');
      else this.#patch.addItems(place.node, items, holder === 'initContainers' && !native ? 'last' : 'first', path);
    }
    if (Object.keys(created).length > 0) this.#patch.addFields(spec, created, `${this.#path}spec`, 'containers');
    const names = (items: readonly { readonly name: string }[]) => items.map(({ name }) => name);
    this.#names = {
      initContainers: names(additions.initContainers),
      containers: names(additions.containers),
      volumes: names(additions.volumes),
    };
  }

  /** Call this last, because the record covers all changes before. */
  addToMetadata(template: MapNode, spec: MapNode): void {
    const metadata = this.#place(template, 'metadata', 'metadata');
    if (metadata.state !== 'present') {
      this.#created.push('annotations');
      const fields = { annotations: this.#annotations(null, spec) };
      const path = `${this.#path}metadata`;
      if (metadata.state === 'null') this.#patch.fill(metadata.field, fields, isFlow(template), path);
      else this.#patch.addFields(template, { metadata: fields }, path, 'spec');
      return;
    }
    const { node } = metadata;
    if (!isMap(node)) throw this.#wrongType(node, 'metadata', 'a mapping');
    const path = `${this.#path}metadata.annotations`;
    const annotations = this.#place(node, 'annotations', 'metadata.annotations');
    if (annotations.state === 'absent') {
      this.#patch.addFields(node, { annotations: this.#annotations(null, spec) }, path);
    } else if (annotations.state === 'null') {
      this.#patch.fill(annotations.field, this.#annotations(null, spec), isFlow(node), path);
    } else if (!isMap(annotations.node)) {
      throw this.#wrongType(annotations.node, 'metadata.annotations', 'a mapping');
    } else {
      this.#patch.addFields(annotations.node, this.#annotations(annotations.node, spec), path);
    }
  }

  /** @throws Refusal when the field cannot be changed in place */
  #place(map: MapNode, holder: Holder, path: string): Place {
    const node = editableField(this.#document, map, holder, this.#path + path);
    const field = fieldOf(map, holder, this.#path + path);
    if (field === null) {
      this.#created.push(holder);
      return { state: 'absent' };
    }
    if (node !== null && !(isScalar(node) && node.value === null)) return { state: 'present', node };
    const spelling = this.#patch.nullText(field);
    if (spelling !== '') this.#nulls[holder] = spelling;
    return { state: 'null', field };
  }

  /** `existing`: the present annotations, if any. */
  #annotations(existing: MapNode | null, spec: MapNode): WrittenFields {
    const present = [...this.#document.members(existing).keys()];
    const added: Record<string, string> = {};
    // One of these means that Prometheus scrapes the application already, and they can name only one port.
    if (!present.some((name) => name.startsWith('prometheus.io/'))) Object.assign(added, PROMETHEUS_ANNOTATIONS);
    if (this.#mode === 'classic' && !present.includes(DEFAULT_CONTAINER_ANNOTATION)) {
      const [first = null] = this.#document.items(this.#document.get(spec, 'containers'));
      const name = this.#document.text(this.#document.get(first, 'name'));
      if (name !== null) added[DEFAULT_CONTAINER_ANNOTATION] = name;
    }
    const record = recordText({
      version: this.#version,
      mode: this.#mode,
      ...this.#names,
      annotations: Object.keys(added),
      created: this.#created,
      nulls: this.#nulls,
    });
    return { ...added, [INJECTED_ANNOTATION]: record };
  }

  #wrongType(node: Node, path: string, expected: string): Refusal {
    return new Refusal('wrong-type', this.#path + path, node.range[0], `must be ${expected}`);
  }
}
