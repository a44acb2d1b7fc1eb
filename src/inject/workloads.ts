/**
 * Finds the objects of a manifest that have pods, and their pod templates. All other objects pass through unchanged.
 *
 * Stage before: `manifest.ts`. Stage after: `inject.ts` and `uninject.ts`, for each workload.
 */
import type { ManifestDocument, MapNode, Node } from './manifest.ts';
import { fieldOf, isAlias, isMap, isSeq, Refusal } from './manifest.ts';

interface WorkloadKind {
  /** API groups. In another group, a kind with the same name is a different kind. */
  readonly groups: readonly string[];
  /** Field names from the object to the pod template. */
  readonly template: readonly string[];
  /** True when its pods are expected to end: a container that does not end would prevent this. */
  readonly endsByItself: boolean;
}

const APPS = ['apps', 'extensions'];
const TEMPLATE = ['spec', 'template'];

export const WORKLOAD_KINDS: Readonly<Record<string, WorkloadKind>> = {
  CronJob: { groups: ['batch'], template: ['spec', 'jobTemplate', 'spec', 'template'], endsByItself: true },
  DaemonSet: { groups: APPS, template: TEMPLATE, endsByItself: false },
  Deployment: { groups: APPS, template: TEMPLATE, endsByItself: false },
  Job: { groups: ['batch'], template: TEMPLATE, endsByItself: true },
  Pod: { groups: [''], template: [], endsByItself: false },
  ReplicaSet: { groups: APPS, template: TEMPLATE, endsByItself: false },
  StatefulSet: { groups: APPS, template: TEMPLATE, endsByItself: false },
};

export interface Workload {
  readonly document: ManifestDocument;
  readonly kind: string;
  readonly endsByItself: boolean;
  /** `Deployment shop/cart`. */
  readonly label: string;
  /** The object itself. */
  readonly object: MapNode;
  /** Names of the fields from the object to the pod template. */
  readonly steps: readonly string[];
  /** Path of the object in its document: empty, or `items[0].`. */
  readonly prefix: string;
  /** Path of the pod template with the following dot, `spec.template.`; for messages. */
  readonly templatePath: string;
}

/** @throws Refusal for an object of a known kind with a wrong structure */
export function findWorkloads(document: ManifestDocument): Workload[] {
  const root = document.resolve(document.root);
  if (!isMap(root)) return [];
  const kind = document.text(document.get(root, 'kind'));
  if (kind?.endsWith('List') !== true) return workloadOf(document, root, root, kind, null, '');
  // In a typed list from the API server, the items have neither `kind` nor `apiVersion`.
  const itemKind = kind === 'List' ? null : kind.slice(0, -'List'.length);
  const listVersion = document.text(document.get(root, 'apiVersion'));
  const list = document.get(root, 'items');
  const items = isSeq(list) ? (list.items as readonly Node[]) : [];
  return items.flatMap((item, index) => {
    const object = document.resolve(item);
    if (!isMap(object)) return [];
    const own = document.text(document.get(object, 'kind')) ?? itemKind;
    return workloadOf(document, object, item, own, listVersion, `items[${document.entriesBefore + index}].`);
  });
}

function workloadOf(
  document: ManifestDocument,
  object: MapNode,
  written: Node,
  kind: string | null,
  listVersion: string | null,
  prefix: string,
): Workload[] {
  const known = kind === null ? undefined : WORKLOAD_KINDS[kind];
  if (kind === null || known === undefined || !Object.hasOwn(WORKLOAD_KINDS, kind)) return [];
  const version = document.text(document.get(object, 'apiVersion')) ?? listVersion;
  if (version === null) {
    throw new Refusal('missing-field', `${prefix}apiVersion`, object.range[0], `is required for a ${kind}`);
  }
  const group = version.includes('/') ? version.slice(0, version.indexOf('/')) : '';
  if (!known.groups.includes(group)) return [];
  if (isAlias(written)) throw aliasRefusal(written, prefix.slice(0, -1));
  const name = document.text(document.get(object, 'metadata', 'name'));
  const generateName = document.text(document.get(object, 'metadata', 'generateName'));
  const namespace = document.text(document.get(object, 'metadata', 'namespace'));
  const shown = name ?? (generateName === null ? '(without a name)' : `${generateName}*`);
  const steps = known.template;
  return [
    {
      document,
      kind,
      endsByItself: known.endsByItself,
      label: `${kind} ${namespace === null ? '' : `${namespace}/`}${shown}`,
      object,
      steps,
      prefix,
      templatePath: `${prefix}${steps.map((step) => `${step}.`).join('')}`,
    },
  ];
}

export function aliasRefusal(node: Node, path: string): Refusal {
  const name = isAlias(node) ? node.source : '';
  return new Refusal('alias', path, node.range[0], `is an alias (*${name}) of another place: write it out here`);
}

/**
 * The mapping or list of a field, to be changed in place; a change must have no effect anywhere else. Null when the
 * field is absent.
 *
 * @throws Refusal when it is an alias, comes from a merge key, or is repeated by an alias elsewhere
 */
export function editableField(document: ManifestDocument, map: MapNode, name: string, path: string): Node | null {
  const field = fieldOf(map, name, path);
  if (field === null) {
    if (document.get(map, name) === null) return null;
    throw new Refusal('merged', path, map.range[0], 'comes from a merge key (<<): write it out here');
  }
  const { value } = field;
  if (value === null) return null;
  if (isAlias(value)) throw aliasRefusal(value, path);
  refuseShared(document, value, path);
  return value;
}

function refuseShared(document: ManifestDocument, node: Node, path: string): void {
  if (!document.isShared(node) || isAlias(node)) return;
  throw new Refusal(
    'shared',
    path,
    node.range[0],
    `is used elsewhere through its anchor (&${node.anchor ?? ''}), where it would change, too: write it out there`,
  );
}

/** The pod template and its spec, to be changed in place. @throws Refusal */
export function editableTemplate({ document, object, steps, prefix, templatePath }: Workload): {
  readonly template: MapNode;
  readonly spec: MapNode;
} {
  refuseShared(document, object, prefix.slice(0, -1));
  let current = object;
  let path = prefix;
  for (const name of steps) {
    path += name;
    current = mapping(editableField(document, current, name, path), path, current);
    path += '.';
  }
  const specPath = `${templatePath}spec`;
  const spec = mapping(editableField(document, current, 'spec', specPath), specPath, current);
  return { template: current, spec };
}

function mapping(node: Node | null, path: string, holder: MapNode): MapNode {
  if (isMap(node)) return node;
  if (node === null) throw new Refusal('missing-field', path, holder.range[0], 'is required');
  throw new Refusal('wrong-type', path, node.range[0], 'must be a mapping');
}
