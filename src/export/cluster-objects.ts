/**
 * What `kubectl get -o yaml` or `-o json` prints, to the objects that routing needs, without everything that is noise to
 * it: status, managedFields, labels, what others have annotated.
 *
 * Stage before: `cli/manifest-input.ts`. Stage after: `route-export.ts`. One of the importers of the `yaml` library; the
 * text has been checked by the API server already, so it is only read, not judged.
 */
import { parseAllDocuments } from 'yaml';
import { ProxyError } from '../errors.ts';

export type Json = Readonly<Record<string, unknown>>;

export interface ClusterObject {
  readonly kind: 'HTTPRoute' | 'Service';
  readonly namespace: string;
  readonly name: string;
  /** In the order in which it is written: apiVersion, kind, metadata, spec. */
  readonly manifest: Json;
}

const GATEWAY_GROUP = 'gateway.networking.k8s.io/';
/** Metadata that routing depends on: the age and the name decide between equal matches. */
const METADATA_FIELDS = ['name', 'namespace', 'creationTimestamp', 'generation'];
const SERVICE_FIELDS = ['type', 'clusterIP', 'clusterIPs', 'externalName'];
const PORT_FIELDS = ['name', 'port', 'protocol', 'appProtocol'];

/** Of objects that name none, as kubectl has it without configuration. */
const DEFAULT_NAMESPACE = 'default';

/** HTTPRoutes and Services of a text; other kinds are left out. @throws ProxyError naming file and document */
export function readClusterObjects(file: string, text: string): ClusterObject[] {
  return readValues(file, text).flatMap((value, index) => {
    const place = `${file} (document ${index + 1})`;
    if (value === null) return [];
    if (!isObject(value)) throw new ProxyError('not-a-resource', `${place}: is no Kubernetes object`);
    const { kind, items } = value;
    if (typeof kind !== 'string') throw new ProxyError('not-a-resource', `${place}: has no kind`);
    if (!kind.endsWith('List') || !Array.isArray(items)) return objectOf(place, value, null, null);
    // The items of a typed list as the API server sends it do not repeat what they are.
    const itemKind = kind === 'List' ? null : kind.slice(0, -'List'.length);
    return items.flatMap((item: unknown, position) => {
      const itemPlace = `${place}: items[${position}]`;
      if (!isObject(item)) throw new ProxyError('not-a-resource', `${itemPlace}: is no Kubernetes object`);
      return objectOf(itemPlace, item, itemKind, itemKind === null ? null : textOf(value['apiVersion']));
    });
  });
}

function readValues(file: string, text: string): unknown[] {
  // The output for a whole cluster has many MiB, which JSON.parse reads in no time.
  if (/^\s*\{/.test(text)) {
    try {
      return [JSON.parse(text)];
    } catch {
      // YAML may begin with a brace, too.
    }
  }
  const documents = parseAllDocuments(text, { prettyErrors: true, uniqueKeys: false, merge: true, logLevel: 'silent' });
  return ('empty' in documents ? [] : documents).map((document, index) => {
    const [error] = document.errors;
    if (error === undefined) return document.toJS() as unknown;
    const [reason = ''] = error.message.split('\n');
    throw new ProxyError('syntax-error', `${file} (document ${index + 1}): ${reason}`);
  });
}

function objectOf(place: string, value: Json, listKind: string | null, listVersion: string | null): ClusterObject[] {
  const kind = textOf(value['kind']) ?? listKind;
  const apiVersion = textOf(value['apiVersion']) ?? listVersion ?? '';
  const isRoute = kind === 'HTTPRoute' && apiVersion.startsWith(GATEWAY_GROUP);
  if (!isRoute && !(kind === 'Service' && apiVersion === 'v1')) return [];
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
      manifest: { apiVersion, kind, metadata: kept, spec: isRoute ? spec : serviceSpec(spec) },
    },
  ];
}

/** Addresses and ports: what else a Service has changes without a meaning for routing. */
function serviceSpec(spec: Json): Json {
  const { ports } = spec;
  const kept = only(spec, SERVICE_FIELDS);
  if (!Array.isArray(ports)) return kept;
  return { ...kept, ports: ports.filter(isObject).map((port) => only(port, PORT_FIELDS)) };
}

/** The named fields that are there, in the order of the names. */
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
