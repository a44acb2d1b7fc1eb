/**
 * References from a route to other objects: parents, backends, extensions.
 *
 * Used by `route-rules.ts`, `documents.ts` and `filters.ts`.
 */
import { textOf, type Fields } from './fields.ts';
import { dnsLabel, dnsSubdomain, groupName, kindName, MAX_ITEMS } from './limits.ts';
import type { BackendObjectReference, ParentRef } from './types.ts';
import { exact, SharedObjects } from './shared-objects.ts';
import { sharedPlace } from './shared-texts.ts';
import { untilLoaded } from './until-loaded.ts';

export const GATEWAY_GROUP = 'gateway.networking.k8s.io';

const BACKEND_FIELDS = ['group', 'kind', 'namespace', 'name', 'port'];
const PARENT_FIELDS = ['group', 'kind', 'namespace', 'name', 'sectionName', 'port'];

/** The documentation calls the group with the empty name `core`. */
const coreGroup = (group: string): string => (group === 'core' ? '' : group);

function warnOfCore(item: Fields): void {
  if (textOf(item.tree('group')) !== 'core') return;
  item.warn('group', 'assumed-group', 'is "core", which an API server takes for a group of that name; write group: ""');
}

export function readParentRefs(spec: Fields, routeNamespace: string): readonly ParentRef[] {
  const items = spec.list('parentRefs', MAX_ITEMS.parentRefs);
  if (items.length === 0 && !spec.has('parentRefs')) {
    spec.warn('parentRefs', 'no-parent', 'no parent is named, so the route serves nothing; name a Service');
  }
  const parents = items.map((item) => readParentRef(item, routeNamespace));
  reportRepeatedParents(items, parents);
  return parents.length === 1 ? parentLists.of(JSON.stringify(parents), () => exact(parents)) : exact(parents);
}

function readParentRef(item: Fields, routeNamespace: string): ParentRef {
  item.only(PARENT_FIELDS);
  const kind = item.string('kind', kindName) ?? 'Gateway';
  if (kind === 'Service' && !item.has('group')) {
    const meaning = `to an API server it means ${GATEWAY_GROUP}, and the parentRef names nothing`;
    item.warn('group', 'assumed-group', `is not given: taken for the core group, but ${meaning}; write group: ""`);
  } else if (kind === 'Service') warnOfCore(item);
  // The API defaults the group to that of the Gateway API, but there is no Service in that group.
  const group = item.string('group', groupName) ?? (kind === 'Service' ? '' : GATEWAY_GROUP);
  const parent: ParentRef = {
    group: kind === 'Service' ? coreGroup(group) : group,
    kind,
    namespace: item.string('namespace', dnsLabel) ?? routeNamespace,
    name: item.requiredString('name', dnsSubdomain) ?? '',
    sectionName: item.string('sectionName', dnsSubdomain),
    port: item.port('port'),
    path: sharedPlace(item.path),
  };
  return parentRefs.of(JSON.stringify(Object.values(parent)), () => parent);
}

const parentRefs = untilLoaded(new SharedObjects<ParentRef>());
const parentLists = untilLoaded(new SharedObjects<readonly ParentRef[]>());

/** Entries for the same parent must all set the same fields among sectionName and port, with different values. */
function reportRepeatedParents(items: readonly Fields[], parents: readonly ParentRef[]): void {
  const firstOf = new Map<string, ParentRef>();
  const seen = new Map<string, ParentRef>();
  for (const [index, parent] of parents.entries()) {
    if (parent.name === '') continue;
    const key = `${parent.group}/${parent.kind}/${parent.namespace}/${parent.name}`;
    const place = `${key}/${parent.sectionName ?? ''}/${parent.port ?? ''}`;
    const first = firstOf.get(key);
    const same = seen.get(place);
    const { path, offset, report } = items[index]!;
    if (same !== undefined) {
      report.error('duplicate-parent', path, offset, `names the same parent, sectionName and port as ${same.path}`);
    } else if (
      first !== undefined &&
      ((first.sectionName === null) !== (parent.sectionName === null) ||
        (first.port === null) !== (parent.port === null))
    ) {
      const rule = 'both must set the same ones of sectionName and port';
      report.error('duplicate-parent', path, offset, `names the same parent as ${first.path}, so ${rule}`);
    }
    if (first === undefined) firstOf.set(key, parent);
    seen.set(place, parent);
  }
}

/** Reads the reference. `extra`: further fields allowed in the object that holds it. */
export function readBackendRef(
  item: Fields,
  routeNamespace: string,
  extra: readonly string[] = [],
): BackendObjectReference {
  item.only([...BACKEND_FIELDS, ...extra]);
  const kind = item.string('kind', kindName) ?? 'Service';
  const written = item.string('group', groupName) ?? '';
  const group = kind === 'Service' ? coreGroup(written) : written;
  if (kind === 'Service') warnOfCore(item);
  if (kind === 'Service' && group === '') item.require('port', ': the port of the Service (not its targetPort)');
  return {
    group,
    kind,
    namespace: item.string('namespace', dnsLabel) ?? routeNamespace,
    name: item.requiredString('name', dnsSubdomain) ?? '',
    port: item.port('port'),
  };
}

export function readExtensionRef(item: Fields): { group: string; kind: string; name: string } {
  item.only(['group', 'kind', 'name']);
  return {
    group: item.requiredString('group', groupName) ?? '',
    kind: item.requiredString('kind', kindName) ?? '',
    name: item.requiredString('name', dnsSubdomain) ?? '',
  };
}
