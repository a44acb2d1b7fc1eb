/**
 * Extracts from the output of `kubectl get -o yaml` or `-o json` the objects that routing needs, without the parts it
 * does not need: status, managedFields, labels, annotations of others.
 *
 * Stage before: `cli/manifest-input.ts`. Stage after: `route-export.ts`. The API server has validated the objects, so
 * they are not validated again.
 */
import { ProxyError } from '../errors.ts';
import { groupOf } from '../gateway-api/foreign-kinds.ts';
import { NO_TEXT_LIMITS } from '../gateway-api/limits.ts';
import { GATEWAY_GROUP } from '../gateway-api/references.ts';
import { valueOf } from '../gateway-api/values.ts';
import { readTrees } from '../gateway-api/yaml-tree.ts';
import { finish } from '../slices.ts';

export type Json = Readonly<Record<string, unknown>>;

/** All kinds that claim a Service port, even if they only block it for others. */
const ROUTE_KINDS = ['HTTPRoute', 'GRPCRoute', 'TLSRoute', 'TCPRoute'] as const;

export interface ClusterObject {
  readonly kind: (typeof ROUTE_KINDS)[number] | 'Service';
  readonly namespace: string;
  readonly name: string;
  /** In this order: apiVersion, kind, metadata, spec. */
  readonly manifest: Json;
}

/** Metadata that routing depends on: age and name decide between equal matches. */
const METADATA_FIELDS = ['name', 'namespace', 'creationTimestamp', 'generation'];
const SERVICE_FIELDS = ['type', 'clusterIP', 'clusterIPs', 'externalName'];
const PORT_FIELDS = ['name', 'port', 'protocol', 'appProtocol'];

/** Namespace of objects without one, as in kubectl without configuration. */
const DEFAULT_NAMESPACE = 'default';

/**
 * Routes and Services of a text. Other kinds are left out and counted in `others`, by their names in kubectl.
 *
 * @throws ProxyError naming file and document
 */
export function readClusterObjects(
  file: string,
  text: string,
  others: Map<string, number> = new Map<string, number>(),
): ClusterObject[] {
  const objectOf = (place: string, value: Json, listKind: string | null, listVersion: string | null) =>
    readObject(place, value, listKind, listVersion, others);
  return readValues(file, text).flatMap(({ value, index }) => {
    const place = `${file} (document ${index})`;
    if (value === null) return [];
    if (!isObject(value)) throw new ProxyError('not-a-resource', `${place}: is no Kubernetes object`);
    const { kind, items } = value;
    if (typeof kind !== 'string') throw new ProxyError('not-a-resource', `${place}: has no kind`);
    if (!kind.endsWith('List') || !Array.isArray(items)) return objectOf(place, value, null, null);
    // In a typed list from the API server, the items have neither `kind` nor `apiVersion`.
    const itemKind = kind === 'List' ? null : kind.slice(0, -'List'.length);
    return items.flatMap((item: unknown, position) => {
      const itemPlace = `${place}: items[${position}]`;
      if (!isObject(item)) throw new ProxyError('not-a-resource', `${itemPlace}: is no Kubernetes object`);
      return objectOf(itemPlace, item, itemKind, itemKind === null ? null : textOf(value['apiVersion']));
    });
  });
}

interface DocumentValue {
  /** Counts from 1. */
  readonly index: number;
  readonly value: unknown;
}

function readValues(file: string, text: string): DocumentValue[] {
  // The output for a whole cluster may have many MiB, and JSON.parse is fast.
  if (/^\s*\{/.test(text)) {
    try {
      return [{ index: 1, value: JSON.parse(text) as unknown }];
    } catch {
      // YAML may begin with a brace, too.
    }
  }
  const values: DocumentValue[] = [];
  const refuse = (
    document: number,
    { code, path, message }: { code: string; path: string; message: string },
  ): never => {
    const where = path === '' ? '' : `${path}: `;
    throw new ProxyError(code, `${file} (document ${document}): ${where}${message}`);
  };
  const faults = finish(
    readTrees(
      text,
      function* ({ index, root, faults: [fault] }) {
        if (fault !== undefined) refuse(index, fault);
        values.push({ index, value: valueOf(root) });
        yield;
      },
      undefined,
      NO_TEXT_LIMITS,
    ),
  );
  for (const fault of faults) refuse(fault.document, fault);
  return values;
}

/** One object as the API server sends it; null for a kind that routing does not need. @throws ProxyError when it has no name */
export function clusterObjectOf(value: Json): ClusterObject | null {
  return readObject('the object', value, null, null, new Map())[0] ?? null;
}

function readObject(
  place: string,
  value: Json,
  listKind: string | null,
  listVersion: string | null,
  others: Map<string, number>,
): ClusterObject[] {
  const written = textOf(value['kind']) ?? listKind;
  const apiVersion = textOf(value['apiVersion']) ?? listVersion ?? '';
  const group = groupOf(apiVersion);
  const route = group === GATEWAY_GROUP ? ROUTE_KINDS.find((candidate) => candidate === written) : undefined;
  const kind = route ?? (written === 'Service' && apiVersion === 'v1' ? written : undefined);
  if (kind === undefined) {
    const name = `${written ?? 'objects without a kind'}${group === '' ? '' : `.${group}`}`;
    others.set(name, (others.get(name) ?? 0) + 1);
    return [];
  }
  const metadata = isObject(value['metadata']) ? value['metadata'] : {};
  const name = textOf(metadata['name']);
  if (name === null) throw new ProxyError('missing-field', `${place}: ${kind}: metadata.name is required`);
  const namespace = textOf(metadata['namespace']) ?? DEFAULT_NAMESPACE;
  const spec = isObject(value['spec']) ? value['spec'] : {};
  const kept = { ...only(metadata, METADATA_FIELDS), namespace };
  return [
    {
      kind,
      namespace,
      name,
      manifest: { apiVersion, kind, metadata: kept, spec: route === undefined ? serviceSpec(spec) : spec },
    },
  ];
}

/** Only addresses and ports: changes of other fields do not affect routing. */
function serviceSpec(spec: Json): Json {
  const { ports } = spec;
  const kept = only(spec, SERVICE_FIELDS);
  if (!Array.isArray(ports)) return kept;
  return { ...kept, ports: ports.filter(isObject).map((port) => only(port, PORT_FIELDS)) };
}

/** The named fields that are present, in the order of the names. */
function only(object: Json, names: readonly string[]): Json {
  const present = names.filter((name) => object[name] !== undefined && object[name] !== null);
  return Object.fromEntries(present.map((name) => [name, object[name]]));
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
