/**
 * Documents that are not meant for sideroute: kinds that it does not read, and kinds of other API groups with the same
 * name as one that it reads. One note lists all of them for a file; a likely mistake gets its own problem.
 *
 * Filled by `documents.ts`, read by `parse.ts`.
 */
import { hasNoFiles, routeKeyOf, type ConfigMapDocuments } from './config-maps.ts';
import type { Fields } from './fields.ts';
import { quote } from './limits.ts';
import { GATEWAY_GROUP } from './references.ts';
import { distance, suggest } from './suggest.ts';
import type { Problem } from './types.ts';

/** Kinds of the Gateway API's group whose names resemble those of kinds that are read. */
const GATEWAY_KINDS: readonly string[] = [
  'ListenerSet',
  'Gateway',
  'GatewayClass',
  'ReferenceGrant',
  'BackendTLSPolicy',
];

/**
 * API groups of Kubernetes. Only the Gateway API's group has routes, so a route of another one of these groups is a
 * mistake.
 */
const KUBERNETES_GROUP = /(?:^|\.)(?:x-)?k8s\.io$/;

/** Maximum edit distance of a misspelt group. */
const MAX_SLIPS = 2;

/** The group of an apiVersion; empty for core. */
export function groupOf(apiVersion: string | null): string {
  return apiVersion?.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
}

/**
 * True when a kind with the name of one that is read belongs to another project, such as the HTTPRoute of
 * policy.linkerd.io.
 */
export function isForeign(kind: string, group: string): boolean {
  if (!group.includes('.')) return false;
  if (kind === 'Service') return true;
  return !KUBERNETES_GROUP.test(group) && distance(group, GATEWAY_GROUP) > MAX_SLIPS;
}

/** The documents of one file that are ignored. */
export class IgnoredKinds {
  readonly #counts = new Map<string, number>();
  #first: Fields | null = null;
  /** Names of the kinds that are read, for messages. */
  readonly #read: readonly string[];
  /** Kinds that are read, and the lists of them. */
  readonly #known: readonly string[];
  readonly #configMaps: ConfigMapDocuments | null;
  readonly #mounted: boolean;

  /**
   * `configMaps` receives the ConfigMaps with routes. `mounted`: the file is one that a sidecar reads, where such a
   * ConfigMap is a mistake.
   */
  constructor(
    read: readonly string[],
    known: readonly string[],
    configMaps: ConfigMapDocuments | null,
    mounted: boolean,
  ) {
    this.#read = read;
    this.#known = known;
    this.#configMaps = configMaps;
    this.#mounted = mounted;
  }

  /** Only the kind and, for ConfigMaps and Secrets, the data of `object` are read. */
  add(object: Fields, kind: string, group: string): void {
    const near = suggest(kind, this.#known);
    const ourGroup = group === '' || group === GATEWAY_GROUP;
    if (near !== null && near !== kind && ourGroup && !GATEWAY_KINDS.includes(kind)) {
      object.error('kind', 'unknown-kind', `no such kind ${quote(kind)}; did you mean "${near}"?`);
      return;
    }
    const holder = group === '' && ['ConfigMap', 'Secret'].includes(kind) ? routeKeyOf(object) : null;
    if (holder !== null && kind === 'ConfigMap') this.#configMaps?.add(object);
    if (holder !== null && (kind === 'Secret' || this.#mounted)) {
      const advice = `its key ${quote(holder)} looks like a route file: mount the ${kind} and point sideroute at the mounted directory`;
      object.warn('kind', 'unsupported-kind', `${kind} is ignored; ${advice}`);
    }
    // A ConfigMap without data is not counted either: it is a shard that is not needed.
    if (holder !== null || (kind === 'ConfigMap' && this.#configMaps !== null && hasNoFiles(object))) return;
    this.#first ??= object;
    const name = group === '' ? kind : `${kind}.${group}`;
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  note(): readonly Problem[] {
    if (this.#first === null) return [];
    const total = [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
    const kinds = [...this.#counts].map(([name, count]) => (count === 1 ? name : `${name} (${count})`)).join(', ');
    const subject = total === 1 ? `${kinds} is ignored` : `${total} documents are ignored: ${kinds}`;
    const own = this.#first.detached();
    own.note('kind', 'unsupported-kind', `${subject}; sideroute reads ${this.#read.join(', ')}`);
    return own.report.problems;
  }
}
