/**
 * Writes routes and Services as ConfigMaps with one route file each, split at the size limit of Kubernetes.
 *
 * Stage before: `route-export.ts`. Stage after: text for `kubectl apply`, then a volume in the pods.
 */
import { partName, VOLUME_PARTS } from '../config/route-volume.ts';
import { ProxyError } from '../errors.ts';
import type { ClusterObject } from './cluster-objects.ts';
import { yamlText } from './yaml-text.ts';

/** Kubernetes allows 1 MiB of data; the rest is for names and labels. */
export const MAX_DATA_BYTES = 1_000_000;

export interface ConfigMap {
  readonly apiVersion: 'v1';
  readonly kind: 'ConfigMap';
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels: Readonly<Record<string, string>>;
  };
  readonly data: Readonly<Record<string, string>>;
}

/** To select them. */
const LABELS = { 'app.kubernetes.io/managed-by': 'sideroute' };
const SEPARATOR = '---\n';

/**
 * The first one has the given name, the others a number as suffix. File names differ too, because one projected volume
 * may contain all of them. Without objects, there is one ConfigMap without data, so that removed routes also disappear
 * from the pods.
 *
 * @throws ProxyError when a single object is too large
 */
export function configMapsFor(
  namespace: string,
  name: string,
  objects: readonly ClusterObject[],
  maxBytes: number,
): ConfigMap[] {
  const files: string[] = [];
  let file = '';
  let bytes = 0;
  for (const object of objects) {
    const text = textOf(object);
    const size = Buffer.byteLength(text) + SEPARATOR.length;
    if (size > maxBytes) {
      throw new ProxyError(
        'too-large',
        `${object.kind} ${object.namespace}/${object.name} has ${size} bytes, more than the ${maxBytes} of a ConfigMap`,
      );
    }
    if (bytes + size > maxBytes) {
      files.push(file);
      file = '';
      bytes = 0;
    }
    file += (file === '' ? '' : SEPARATOR) + text;
    bytes += size;
  }
  if (file !== '' || files.length === 0) files.push(file);
  return files.map((text, index) => configMap(namespace, name, index + 1, text));
}

/**
 * The parts after the first `count` that pods mount by default, without data, so that data of an earlier export is
 * removed.
 */
export function emptyParts(namespace: string, name: string, count: number): ConfigMap[] {
  const parts = Math.max(0, VOLUME_PARTS - count);
  return Array.from({ length: parts }, (_, index) => configMap(namespace, name, count + index + 1, ''));
}

function configMap(namespace: string, name: string, part: number, text: string): ConfigMap {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: partName(name, part), namespace, labels: LABELS },
    data: text === '' ? {} : { [`${partName('routes', part)}.yaml`]: text },
  };
}

const texts = new WeakMap<ClusterObject, string>();

/** Cached, because an object is written for many namespaces. */
function textOf(object: ClusterObject): string {
  const known = texts.get(object);
  if (known !== undefined) return known;
  const text = yamlText(object.manifest);
  texts.set(object, text);
  return text;
}
