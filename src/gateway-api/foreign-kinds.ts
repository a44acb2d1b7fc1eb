/**
 * Documents that are not for sideroute: kinds that it does not read, and kinds of other API groups that only bear the name of
 * one that it reads. All of a file's are told in one note; what looks like a mistake is reported by itself.
 *
 * Told by `documents.ts`, asked by `parse.ts`.
 */
import { hasNoFiles, routeKeyOf, type ConfigMapDocuments } from './config-maps.ts';
import type { Fields } from './fields.ts';
import { quote } from './limits.ts';
import { GATEWAY_GROUP } from './references.ts';
import { distance, suggest } from './suggest.ts';
import type { Problem } from './types.ts';

/** Kinds of the Gateway API's group that happen to be spelled a little like one of those that are read. */
const GATEWAY_KINDS: readonly string[] = [
  'ListenerSet',
  'Gateway',
  'GatewayClass',
  'ReferenceGrant',
  'BackendTLSPolicy',
];

/** Kubernetes' own groups: none but the Gateway API's has routes, so that a route of another one is a slip. */
const KUBERNETES_GROUP = /(?:^|\.)(?:x-)?k8s\.io$/;

/** Letters in which a misspelt group may differ. */
const MAX_SLIPS = 2;

/** The group of an apiVersion; empty for core. */
export function groupOf(apiVersion: string | null): string {
  return apiVersion?.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
}

/** Whether a kind that bears the name of one that is read is somebody else's, as the HTTPRoute of policy.linkerd.io. */
export function isForeign(kind: string, group: string): boolean {
  if (!group.includes('.')) return false;
  if (kind === 'Service') return true;
  return !KUBERNETES_GROUP.test(group) && distance(group, GATEWAY_GROUP) > MAX_SLIPS;
}

/** The documents of one file that are ignored. */
export class IgnoredKinds {
  readonly #counts = new Map<string, number>();
  #first: Fields | null = null;
  /** Kinds that are read, for people. */
  readonly #read: readonly string[];
  /** These and the lists of them. */
  readonly #known: readonly string[];
  readonly #configMaps: ConfigMapDocuments | null;
  readonly #mounted: boolean;

  /**
   * `configMaps`: told of those with routes in them. `mounted`: the file is one that a sidecar reads, for which such a
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

  /** `object` is not looked at further. */
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
    // Nor is one without data worth a word, which a part that is not needed is.
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
