/**
 * Routes and Services to ConfigMaps with a route file each, split where the limit of Kubernetes demands it.
 *
 * Stage before: `route-export.ts`. Stage after: text for `kubectl apply`, then a volume in the pods.
 */
import { partName, VOLUME_PARTS } from '../config/route-volume.ts';
import { ProxyError } from '../errors.ts';
import type { ClusterObject } from './cluster-objects.ts';
import { yamlText } from './yaml-text.ts';

/** Kubernetes takes 1 MiB of data; the rest is for names and labels. */
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

/** To find them. */
const LABELS = { 'app.kubernetes.io/managed-by': 'sideroute' };
const SEPARATOR = '---\n';

/**
 * The first has the name as given, the others a number behind it; file names differ too, because one projected volume may
 * hold all of them. A single one without data when there are no objects: so routes that are gone are gone from the pods.
 *
 * @throws ProxyError when one object alone is too large
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
 * The parts behind the first `count` that pods mount by default, without data: so what an earlier export has put there is gone.
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

/** The same object goes to many namespaces. */
function textOf(object: ClusterObject): string {
  const known = texts.get(object);
  if (known !== undefined) return known;
  const text = yamlText(object.manifest);
  texts.set(object, text);
  return text;
}
