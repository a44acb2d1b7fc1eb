/**
 * Reads the resources of one document of a route file: kind, identity and validity.
 *
 * Stage before: `yaml-tree.ts`. Stage after: `parse.ts` combines the documents of a file. Lists are expanded here; each
 * item is accepted or refused separately.
 */
import type { Steps } from '../slices.ts';
import type { AssumedNamespace } from './assumed-namespace.ts';
import { Fields, textOf } from './fields.ts';
import { groupOf, isForeign, type IgnoredKinds } from './foreign-kinds.ts';
import { readGrpcRouteSpec } from './grpc-route.ts';
import { readHttpRouteSpec } from './http-route.ts';
import { dnsLabel, dnsSubdomain, quote, timestamp } from './limits.ts';
import type { ProblemCode } from './problem-codes.ts';
import { GATEWAY_GROUP, readParentRefs } from './references.ts';
import { RegexChecks, type ValidateRegex } from './regex-checks.ts';
import { type LineIndex, Report } from './report.ts';
import type { RouteSpec } from './route-rules.ts';
import { MANAGED_ANNOTATION, readServiceSpec } from './service.ts';
import type { CarriedRoute, OtherRoute, Problem, RefusedRoute, Resource, RouteOf } from './types.ts';
import type { Tree, TreeDocument, TreeFault } from './tree.ts';

export interface DocumentOptions {
  readonly defaultNamespace: string;
  readonly validateRegex: ValidateRegex;
}

/** Collects the contents of the documents of a file. */
export interface DocumentResult {
  readonly resources: Resource[];
  readonly problems: Problem[];
  /** Receives each resource without a namespace. */
  readonly assumed: AssumedNamespace;
  /** Receives each document of a kind that is not read. */
  readonly ignored: IgnoredKinds;
  /** Refused documents that leave no resource behind. */
  readonly lost: { readonly services: string[]; unidentified: boolean };
}

const OTHER_ROUTES: readonly OtherRoute['routeKind'][] = ['TLSRoute', 'TCPRoute', 'UDPRoute'];
export const KINDS = ['HTTPRoute', 'Service', 'GRPCRoute', ...OTHER_ROUTES];
const ROUTE_KINDS: readonly string[] = ['HTTPRoute', 'GRPCRoute', ...OTHER_ROUTES];
export const LIST_KINDS: readonly string[] = ['List', ...KINDS.map((kind) => `${kind}List`)];
const CORE_VERSION = 'v1';
/** The versions in which a cluster may serve them. */
const VERSIONS: Readonly<Record<CarriedRoute['kind'], readonly string[]>> = {
  HTTPRoute: [`${GATEWAY_GROUP}/v1`, `${GATEWAY_GROUP}/v1beta1`],
  GRPCRoute: [`${GATEWAY_GROUP}/v1`, `${GATEWAY_GROUP}/v1alpha2`],
};

const OBJECT_FIELDS = ['apiVersion', 'kind', 'metadata', 'spec', 'status'];
const LIST_FIELDS = ['apiVersion', 'kind', 'metadata', 'items'];
const SPEC_PLACES = ['spec.parentRefs', 'spec.hostnames', 'spec.rules', 'spec.ports', 'spec.clusterIP'];
const METADATA_PLACES = ['metadata.name', 'metadata.namespace', 'metadata.labels', 'metadata.annotations'];
const SPEC_OF_SERVICE = ['spec.selector', 'spec.type'];
const ELSEWHERE = [...SPEC_PLACES, ...METADATA_PLACES, ...SPEC_OF_SERVICE];

/** After these problems the content of a field is unknown, so checking it would only add misleading problems. */
const CONTENT_UNKNOWN: readonly ProblemCode[] = ['alias-expansion', 'unknown-anchor'];

/** More than the routes and Services of any cluster. */
const MAX_LIST_ITEMS = 100_000;

/** What an object inherits from the list that contains it. */
interface Surroundings {
  readonly path: string;
  readonly apiVersion: string | null;
  readonly kind: string | null;
}

/** Adds the contents of the document to `found`. Pauses between the items of a list and between regular expressions. */
export function* readDocument(
  file: string,
  document: TreeDocument,
  lines: LineIndex,
  options: DocumentOptions,
  found: DocumentResult,
): Steps<void> {
  const newReport = (): Report => new Report(file, document.index, lines);
  const { root } = document;
  const kind = root.type === 'map' ? textOf(root.entries.get('kind')?.value ?? null) : null;
  if (root.type === 'map' && kind !== null && LIST_KINDS.includes(kind)) {
    const list = new Fields(newReport(), root, '', root.offset);
    yield* readList(list, kind, document.faults, newReport, options, found);
    return;
  }
  const around: Surroundings = { path: '', apiVersion: null, kind: null };
  yield* readObject(newReport(), root, root.offset, around, document.faults, options, found);
  yield;
}

function* readList(
  list: Fields,
  kind: string,
  faults: readonly TreeFault[],
  newReport: () => Report,
  options: DocumentOptions,
  found: DocumentResult,
): Steps<void> {
  const { report } = list;
  list.only(LIST_FIELDS);
  for (const fault of faults) {
    if (!fault.path.startsWith('items[')) report.error(fault.code, fault.path, fault.offset, fault.message);
  }
  const items = list.tree('items');
  if (items !== null && items.type !== 'list') list.error('items', 'wrong-type', 'must be a list');
  found.problems.push(...report.problems);
  if (report.errors.length > 0) found.lost.unidentified = true;
  if (items?.type !== 'list' || report.errors.length > 0) return;

  // In a typed list from the API server, the items have neither `kind` nor `apiVersion`.
  const itemKind = kind === 'List' ? null : kind.slice(0, -'List'.length);
  const apiVersion = itemKind === null ? null : list.string('apiVersion');
  for (const [index, item] of items.items.slice(0, MAX_LIST_ITEMS).entries()) {
    const path = `items[${index}]`;
    const own = faults.filter((fault) => fault.path === path || fault.path.startsWith(`${path}.`));
    yield* readObject(newReport(), item, item.offset, { path, apiVersion, kind: itemKind }, own, options, found);
    yield;
  }
}

function* readObject(
  report: Report,
  tree: Tree,
  offset: number,
  around: Surroundings,
  faults: readonly TreeFault[],
  options: DocumentOptions,
  found: DocumentResult,
): Steps<void> {
  const identity = identify(tree, around, options);
  report.resource = identity.label;
  for (const fault of faults) report.error(fault.code, fault.path, fault.offset, fault.message);
  const object = Fields.of(report, tree, around.path, offset);
  let resource: Resource | null = null;
  if (object !== null && !faults.some(({ code }) => CONTENT_UNKNOWN.includes(code))) {
    resource = yield* readKind(object, identity, around, options, found.ignored);
  } else if (object !== null && identity.kind !== null && ROUTE_KINDS.includes(identity.kind)) {
    resource = refuse(report, identity.kind, identity, object);
  }
  if (resource !== null) {
    found.resources.push(resource);
    if (!identity.namespaced) found.assumed.add(report, offset);
  }
  if (report.errors.length > 0) noteLoss(identity, resource, found, report);
  found.problems.push(...report.problems);
}

/** A document that is not meant for sideroute is not a loss. */
function noteLoss(
  { kind, label, namespace, name }: Identity,
  resource: Resource | null,
  found: DocumentResult,
  report: Report,
): void {
  const isOurs = kind !== null && KINDS.includes(kind);
  const isNamed = dnsSubdomain(name) === null && dnsLabel(namespace) === null;
  if (isOurs && isNamed && label !== null) {
    if (resource === null) found.lost.services.push(label);
  } else if (isOurs || kind === null || report.errors.some(({ code }) => code === 'unknown-kind')) {
    found.lost.unidentified = true;
  }
}

/** What a document states about itself, read before any check; for messages and refused routes. */
interface Identity {
  readonly kind: string | null;
  readonly namespace: string;
  /** False when the document has no `namespace`. */
  readonly namespaced: boolean;
  readonly name: string;
  readonly label: string | null;
}

function identify(tree: Tree, around: Surroundings, options: DocumentOptions): Identity {
  const field = (of: Tree | null, name: string): Tree | null =>
    of?.type === 'map' ? (of.entries.get(name)?.value ?? null) : null;
  const metadata = field(tree, 'metadata');
  const kind = textOf(field(tree, 'kind')) ?? around.kind;
  const name = textOf(field(metadata, 'name')) ?? '';
  const written = textOf(field(metadata, 'namespace'));
  const namespace = written ?? options.defaultNamespace;
  const apiVersion = textOf(field(tree, 'apiVersion')) ?? around.apiVersion;
  // For other kinds it is unknown whether they are namespaced.
  const assumed = kind !== null && KINDS.includes(kind) && !isForeign(kind, groupOf(apiVersion)) ? namespace : null;
  const shown = written ?? assumed;
  const full = shown === null ? name : `${shown}/${name}`;
  return {
    kind,
    name,
    namespace,
    namespaced: written !== null,
    label: kind === null || name === '' ? null : `${kind} ${full}`,
  };
}

function* readKind(
  object: Fields,
  identity: Identity,
  around: Surroundings,
  options: DocumentOptions,
  ignored: IgnoredKinds,
): Steps<Resource | null> {
  const apiVersion = object.string('apiVersion') ?? around.apiVersion;
  const kind = object.string('kind') ?? around.kind;
  const group = groupOf(apiVersion);
  if (kind === null) {
    if (!object.has('kind')) object.require('kind', `; sideroute reads ${KINDS.join(', ')} and lists of them`);
    return null;
  }
  if (LIST_KINDS.includes(kind)) {
    object.error('kind', 'nested-list', `must not be ${kind} within a list`);
    return null;
  }
  const otherRoute = OTHER_ROUTES.find((route) => route === kind);
  if (!KINDS.includes(kind) || isForeign(kind, group)) {
    ignored.add(object, kind, group);
    return null;
  }
  if (apiVersion === null && !object.has('apiVersion')) {
    const version = kind === 'Service' ? CORE_VERSION : `${GATEWAY_GROUP}/v1`;
    object.require('apiVersion', `; for ${kind} it is ${version}`);
  }
  if (kind === 'Service') return readService(object, apiVersion, options);
  if (otherRoute !== undefined) return readOtherRoute(object, otherRoute, group, identity, options);
  return kind === 'GRPCRoute'
    ? yield* readRoute(kind, readGrpcRouteSpec, object, apiVersion, identity, options)
    : yield* readRoute('HTTPRoute', readHttpRouteSpec, object, apiVersion, identity, options);
}

function* readRoute<Kind extends CarriedRoute['kind'], Rule>(
  kind: Kind,
  readSpec: (spec: Fields, routeNamespace: string, regexes: RegexChecks) => Steps<RouteSpec<Rule>>,
  object: Fields,
  apiVersion: string | null,
  identity: Identity,
  options: DocumentOptions,
): Steps<RouteOf<Kind, Rule> | RefusedRoute> {
  const { report } = object;
  if (apiVersion !== null && !VERSIONS[kind].includes(apiVersion)) {
    const message = `must be ${VERSIONS[kind].join(' or ')} for ${kind === 'HTTPRoute' ? 'an' : 'a'} ${kind}, got ${quote(apiVersion)}`;
    object.error('apiVersion', 'unsupported-version', message);
  }
  object.only(OBJECT_FIELDS, ELSEWHERE);
  const metadata = readMetadata(object, dnsSubdomain, options);
  const spec = object.requiredFields('spec');
  const regexes = new RegexChecks(options.validateRegex);
  const read = spec === null ? null : yield* readSpec(spec, metadata.namespace, regexes);
  yield* regexes.run();
  const source = report.location(object.offset);
  if (read === null || report.errors.length > 0) return refuse(report, kind, identity, object);
  const { namespace, name, generation, creationTimestamp } = metadata;
  const { parentRefs, hostnames, rules } = read;
  // No spread here: V8 stores properties added to a copy outside of the object, with spare space.
  return { kind, namespace, name, generation, creationTimestamp, parentRefs, hostnames, rules, source };
}

function readOtherRoute(
  object: Fields,
  routeKind: OtherRoute['routeKind'],
  group: string,
  identity: Identity,
  options: DocumentOptions,
): Resource {
  const { report } = object;
  if (object.has('apiVersion') && group !== GATEWAY_GROUP) {
    object.error('apiVersion', 'unsupported-version', `must be of the group ${GATEWAY_GROUP} for a ${routeKind}`);
  }
  const { namespace, name, generation } = readMetadata(object, dnsSubdomain, options);
  // Nothing else of the specification is read.
  const spec = object.fields('spec');
  const parentRefs = spec === null ? [] : readParentRefs(spec, namespace);
  if (report.errors.length > 0) return refuse(report, routeKind, identity, object);
  const source = report.location(object.offset);
  return { kind: 'OtherRoute', routeKind, namespace, name, generation, parentRefs, source };
}

function readService(object: Fields, apiVersion: string | null, options: DocumentOptions): Resource | null {
  const { report } = object;
  if (apiVersion !== null && apiVersion !== CORE_VERSION) {
    object.error(
      'apiVersion',
      'unsupported-version',
      `must be ${CORE_VERSION} for a Service, got ${quote(apiVersion)}`,
    );
  }
  object.only(OBJECT_FIELDS, ELSEWHERE);
  const { namespace, name } = readMetadata(object, dnsLabel, options);
  const spec = object.requiredFields('spec');
  const read = spec === null ? null : readServiceSpec(spec);
  if (read === null || report.errors.length > 0) return null;
  const managed = isManaged(object.tree('metadata'));
  return { kind: 'Service', namespace, name, managed, ...read, source: report.location(object.offset) };
}

/** Other annotations are ignored. */
function isManaged(metadata: Tree | null): boolean {
  const annotations = metadata?.type === 'map' ? (metadata.entries.get('annotations')?.value ?? null) : null;
  const value = annotations?.type === 'map' ? annotations.entries.get(MANAGED_ANNOTATION)?.value : undefined;
  return textOf(value ?? null) === 'true';
}

interface Metadata {
  readonly namespace: string;
  readonly name: string;
  readonly generation: number | null;
  readonly creationTimestamp: number | null;
}

/** Fields without a meaning here are ignored: an object copied from a cluster has many. */
function readMetadata(object: Fields, nameCheck: typeof dnsLabel, options: DocumentOptions): Metadata {
  const metadata = object.requiredFields('metadata');
  const created = metadata?.string('creationTimestamp', timestamp) ?? null;
  return {
    name: metadata?.requiredString('name', nameCheck) ?? '',
    namespace: metadata?.string('namespace', dnsLabel) ?? options.defaultNamespace,
    generation: metadata?.integer('generation', 0, Number.MAX_SAFE_INTEGER) ?? null,
    creationTimestamp: created === null ? null : Date.parse(created),
  };
}

const FILTER_CODES: readonly string[] = ['incompatible-filters', 'duplicate-filter'];

/** The reason for the conditions: the one that fits all errors, otherwise `Invalid`. */
function refuse(report: Report, routeKind: string, identity: Identity, object: Fields): RefusedRoute {
  const { errors } = report;
  const first = errors[0]!;
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  const reason = errors.every(({ code }) => code === 'unsupported-value')
    ? 'UnsupportedValue'
    : errors.every(({ code }) => FILTER_CODES.includes(code))
      ? 'IncompatibleFilters'
      : 'Invalid';
  return {
    kind: 'RefusedRoute',
    routeKind,
    namespace: identity.namespace,
    name: identity.name,
    ...readForConditions(identity, object),
    reason,
    message: `${first.path === '' ? '' : `${first.path}: `}${first.message}${more}`,
    source: report.location(object.offset),
  };
}

/** Reads the fields that the conditions of a refused route need. Its problems are already reported. */
function readForConditions(identity: Identity, object: Fields): Pick<RefusedRoute, 'generation' | 'parentRefs'> {
  const report = object.report.detached();
  const part = (name: string): Fields | null => {
    const tree = object.tree(name);
    return tree === null ? null : Fields.of(report, tree, name, object.offset);
  };
  const generation = part('metadata')?.integer('generation', 0, Number.MAX_SAFE_INTEGER) ?? null;
  const spec = part('spec');
  const parentRefs = spec === null ? [] : readParentRefs(spec, identity.namespace);
  return { generation, parentRefs: report.errors.length === 0 ? parentRefs : [] };
}
