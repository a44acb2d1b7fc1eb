/**
 * Extracts the parts of a pod that injection reads (the outline), and applies the result to the pod. Everything else,
 * of any size, is not converted to a manifest and back: this would block the event loop on which the controller renews
 * its Lease.
 *
 * Used by `review.ts`. A further field that `inject/` reads must be added here; a test compares the two on many pods.
 */
import { ANNOTATION_PREFIX, INJECT_ANNOTATION } from '../inject/annotations.ts';
import { DEFAULT_CONTAINER_ANNOTATION } from '../inject/containers.ts';
import { MESHES } from '../inject/other-meshes.ts';

export type Json = Readonly<Record<string, unknown>>;

/** About 60 characters remain of a container, 30 of a port, 25 of a volume. */
export const MAX_OUTLINE = 128 * 1024;

/** The field that links an entry of the outline to the entry of the pod; injection ignores it. */
const INDEX = 'index';

const LISTS = ['initContainers', 'containers', 'ephemeralContainers', 'volumes'] as const;
const MARKS = new Set([INJECT_ANNOTATION, ...MESHES.flatMap(({ marks }) => Object.keys(marks))]);
const PROMETHEUS = 'prometheus.io/';

/** The outline of a Pod as JSON text. */
export function outlineOf(pod: Json): string {
  const { metadata, spec } = pod;
  return JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: within(metadata, head), spec: within(spec, body) });
}

/** The new parts of an injected outline, by holder and field, together with all that the pod has there. */
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
    // A single one of these is enough.
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

/** A value that is not a mapping keeps its wrong type. */
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
