/**
 * What injection looks at of a pod, and the pod again from what it made of that. Everything else, of any size, is never written as a
 * manifest and read again: that costs the time of the event loop on which the controller holds its Lease.
 *
 * Used by `review.ts`. Whoever has `inject/` look at another field names it here; a test compares the two on every pod there is.
 */
import { ANNOTATION_PREFIX, INJECT_ANNOTATION } from '../inject/annotations.ts';
import { DEFAULT_CONTAINER_ANNOTATION } from '../inject/containers.ts';
import { MESHES } from '../inject/other-meshes.ts';

export type Json = Readonly<Record<string, unknown>>;

/** Of a container about 60 characters are left, of a port 30, of a volume 25. */
export const MAX_OUTLINE = 128 * 1024;

/** What says which entry of the pod an entry of the outline is; injection passes over it. */
const INDEX = 'index';

const LISTS = ['initContainers', 'containers', 'ephemeralContainers', 'volumes'] as const;
const MARKS = new Set([INJECT_ANNOTATION, ...MESHES.flatMap(({ marks }) => Object.keys(marks))]);
const PROMETHEUS = 'prometheus.io/';

/** A Pod as text in JSON. */
export function outlineOf(pod: Json): string {
  const { metadata, spec } = pod;
  return JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: within(metadata, head), spec: within(spec, body) });
}

/** What is new in an injected outline, by holder and field, with all that the pod has there. */
export function* additionsTo(pod: Json, outline: Json): Generator<readonly [string, string, unknown]> {
  const spec = objectOf(outline['spec']);
  const ownSpec = objectOf(pod['spec']);
  for (const list of LISTS) {
    const entries = listOf(spec[list]);
    const own = listOf(ownSpec[list]);
    if (entries.length === own.length) continue;
    const whole = entries.map((entry) => {
      const index = objectOf(entry)[INDEX];
      return typeof index === 'number' ? own[index] : entry;
    });
    yield ['spec', list, whole];
  }
  const own = objectOf(objectOf(pod['metadata'])['annotations']);
  const annotations = Object.entries(objectOf(objectOf(outline['metadata'])['annotations']));
  const added = annotations.filter(([name]) => !Object.hasOwn(own, name));
  if (added.length > 0) yield ['metadata', 'annotations', { ...Object.fromEntries(added), ...own }];
}

function head({ labels, annotations }: Json): Json {
  let scraped = false;
  const isRead = (name: string): boolean => {
    if (MARKS.has(name) || name === DEFAULT_CONTAINER_ANNOTATION || name.startsWith(ANNOTATION_PREFIX)) return true;
    // One of these is as good as all.
    if (scraped || !name.startsWith(PROMETHEUS)) return false;
    scraped = true;
    return true;
  };
  return {
    labels: within(labels, (all) => chosen(all, (name) => MARKS.has(name))),
    annotations: within(annotations, (all) => chosen(all, isRead)),
  };
}

function body(spec: Json): Json {
  const { hostNetwork, restartPolicy, terminationGracePeriodSeconds, os, securityContext } = spec;
  return {
    hostNetwork: scalar(hostNetwork),
    restartPolicy: scalar(restartPolicy),
    terminationGracePeriodSeconds: scalar(terminationGracePeriodSeconds),
    os: within(os, ({ name }) => ({ name: scalar(name) })),
    securityContext: within(securityContext, user),
    ...Object.fromEntries(LISTS.map((list) => [list, entriesOf(spec[list], list === 'volumes' ? volume : container)])),
  };
}

const user = ({ runAsUser }: Json): Json => ({ runAsUser: scalar(runAsUser) });
const volume = ({ name }: Json, index: number): Json => ({ [INDEX]: index, name: scalar(name) });

function container({ name, securityContext, ports }: Json, index: number): Json {
  const port = (own: Json) => ({
    name: scalar(own['name']),
    protocol: scalar(own['protocol']),
    containerPort: scalar(own['containerPort']),
  });
  return {
    [INDEX]: index,
    name: scalar(name),
    securityContext: within(securityContext, user),
    ports: entriesOf(ports, port),
  };
}

function entriesOf(value: unknown, outline: (entry: Json, index: number) => Json): unknown {
  if (!Array.isArray(value)) return scalar(value);
  return value.map((entry, index) => within(entry, (own) => outline(own, index)));
}

function chosen(all: Json, isRead: (name: string) => boolean): Json {
  const names = Object.keys(all).filter(isRead);
  return Object.fromEntries(names.map((name) => [name, scalar(all[name])]));
}

/** What is no mapping is left as wrong as it is. */
function within(value: unknown, outline: (own: Json) => Json): unknown {
  return isObject(value) ? outline(value) : scalar(value);
}

function scalar(value: unknown): unknown {
  if (Array.isArray(value)) return [];
  return isObject(value) ? {} : value;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function objectOf(value: unknown): Json {
  return isObject(value) ? value : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
