/**
 * Filters of a rule or of a backendRef. Used by `route-rules.ts`.
 */
import { readCors } from './cors.ts';
import type { Fields } from './fields.ts';
import { readHeaderModifier } from './header-modifier.ts';
import { headerName, MAX_INT32, MAX_ITEMS, pathPrefix, preciseHostname, replacementPath } from './limits.ts';
import { readBackendRef, readExtensionRef } from './references.ts';
import type { ExternalAuth, GrpcRouteFilter, HttpRouteFilter, PathModifier } from './types.ts';

export type FilterType = HttpRouteFilter['type'];
export type FilterOf<Type extends FilterType> = Extract<HttpRouteFilter, { readonly type: Type }>;

/** The field that holds the settings of each type. */
const PAYLOAD_FIELD = {
  RequestHeaderModifier: 'requestHeaderModifier',
  ResponseHeaderModifier: 'responseHeaderModifier',
  RequestMirror: 'requestMirror',
  RequestRedirect: 'requestRedirect',
  URLRewrite: 'urlRewrite',
  CORS: 'cors',
  ExternalAuth: 'externalAuth',
  ExtensionRef: 'extensionRef',
} as const satisfies Readonly<Record<FilterType, string>>;

/** The filters of an HTTPRoute. */
export const HTTP_FILTER_TYPES = Object.keys(PAYLOAD_FIELD) as FilterType[];
/** The filters of a GRPCRoute. */
export const GRPC_FILTER_TYPES = [
  'RequestHeaderModifier',
  'ResponseHeaderModifier',
  'RequestMirror',
  'ExtensionRef',
] as const satisfies readonly GrpcRouteFilter['type'][];
const REPEATABLE: readonly FilterType[] = ['RequestMirror', 'ExtensionRef'];

/** A filter with its position, for problems found later. */
export interface FilterItem<Type extends FilterType = FilterType> {
  readonly filter: FilterOf<Type>;
  readonly fields: Fields;
}

/** `holder`: the rule or the backendRef. `types`: the filters that the kind of route allows. */
export function readFilters<Type extends FilterType>(
  holder: Fields,
  routeNamespace: string,
  types: readonly Type[],
): FilterItem<Type>[] {
  const items: FilterItem<Type>[] = [];
  const payloads: readonly string[] = types.map((type) => PAYLOAD_FIELD[type]);
  const known = ['type', ...payloads];
  const firstOfType = new Map<FilterType, string>();
  for (const item of holder.list('filters', MAX_ITEMS.filters)) {
    item.only(known);
    const type = item.require('type') ? item.oneOf('type', types) : null;
    if (type === null) continue;
    reportRepeated(item, type, firstOfType);
    const payload = readPayload(item, type, payloads);
    if (payload === null) continue;
    items.push({ filter: readFilter(type, payload, routeNamespace) as FilterOf<Type>, fields: item });
  }
  return items;
}

/** Most types may occur only once; a redirect and a rewrite exclude each other. */
function reportRepeated(item: Fields, type: FilterType, firstOfType: Map<FilterType, string>): void {
  const first = firstOfType.get(type);
  if (first === undefined) {
    firstOfType.set(type, item.path);
    const other = type === 'URLRewrite' ? 'RequestRedirect' : type === 'RequestRedirect' ? 'URLRewrite' : null;
    const excluded = other === null ? undefined : firstOfType.get(other);
    if (excluded === undefined) return;
    item.error('type', 'incompatible-filters', `${type} excludes the ${other} of ${excluded}; keep one of them`);
  } else if (!REPEATABLE.includes(type)) {
    item.error('type', 'duplicate-filter', `${type} may stand once in a list, and stands already at ${first}`);
  }
}

/** Only the settings of the filter's own type are allowed. */
function readPayload(item: Fields, type: FilterType, payloads: readonly string[]): Fields | null {
  const field = PAYLOAD_FIELD[type];
  for (const other of payloads) {
    if (other === field || !item.has(other)) continue;
    item.error(other, 'filter-mismatch', `must not be set when type is ${type}`);
  }
  if (item.has(field)) return item.fields(field);
  item.error(field, 'filter-mismatch', `is required when type is ${type}`);
  return null;
}

function readFilter(type: FilterType, payload: Fields, routeNamespace: string): HttpRouteFilter {
  switch (type) {
    case 'RequestHeaderModifier':
      return { type, requestHeaderModifier: readHeaderModifier(payload, 'request') };
    case 'ResponseHeaderModifier':
      return { type, responseHeaderModifier: readHeaderModifier(payload, 'response') };
    case 'RequestMirror':
      return readMirror(payload, routeNamespace);
    case 'RequestRedirect':
      return readRedirect(payload);
    case 'URLRewrite':
      payload.only(['hostname', 'path']);
      return {
        type,
        urlRewrite: { hostname: payload.string('hostname', preciseHostname), path: readPathModifier(payload) },
      };
    case 'CORS':
      return { type, cors: readCors(payload) };
    case 'ExternalAuth':
      return { type, externalAuth: readExternalAuth(payload, routeNamespace) };
    case 'ExtensionRef':
      return { type, extensionRef: readExtensionRef(payload) };
  }
}

const PATH_MODIFIERS = {
  ReplaceFullPath: 'replaceFullPath',
  ReplacePrefixMatch: 'replacePrefixMatch',
} as const satisfies Readonly<Record<PathModifier['type'], string>>;

function readPathModifier(payload: Fields): PathModifier | null {
  const item = payload.fields('path');
  if (item === null) return null;
  item.only(['type', 'replaceFullPath', 'replacePrefixMatch']);
  const type = item.require('type') ? item.oneOf('type', ['ReplaceFullPath', 'ReplacePrefixMatch']) : null;
  if (type === null) return null;
  const field = PATH_MODIFIERS[type];
  const other = type === 'ReplaceFullPath' ? 'replacePrefixMatch' : 'replaceFullPath';
  if (item.has(other)) item.error(other, 'filter-mismatch', `must not be set when type is ${type}`);
  if (!item.has(field)) {
    item.error(field, 'filter-mismatch', `is required when type is ${type}`);
    return null;
  }
  const value = item.string(field, replacementPath);
  if (value === null) return null;
  // No request has an empty path: replacing the full path by an empty one gives `/`.
  const absolute = value.startsWith('/') ? value : `/${value}`;
  if (type === 'ReplaceFullPath') return { type, replaceFullPath: absolute };
  return { type, replacePrefixMatch: value === '' ? value : absolute };
}

const STATUS_CODES = [301, 302, 303, 307, 308] as const;

function readRedirect(payload: Fields): HttpRouteFilter {
  payload.only(['scheme', 'hostname', 'path', 'port', 'statusCode']);
  const code = payload.integer('statusCode', 0, MAX_INT32);
  const statusCode = code === null ? 302 : STATUS_CODES.find((known) => known === code);
  if (statusCode === undefined) {
    payload.error('statusCode', 'unsupported-value', `must be one of ${STATUS_CODES.join(', ')}; got ${code ?? ''}`);
  }
  return {
    type: 'RequestRedirect',
    requestRedirect: {
      scheme: payload.oneOf('scheme', ['http', 'https']),
      hostname: payload.string('hostname', preciseHostname),
      path: readPathModifier(payload),
      port: payload.port('port'),
      statusCode: statusCode ?? 302,
    },
  };
}

/** The share is a percentage or a fraction. Without either, all requests are mirrored. */
function readMirror(payload: Fields, routeNamespace: string): HttpRouteFilter {
  payload.only(['backendRef', 'percent', 'fraction']);
  const backend = payload.requiredFields('backendRef');
  const percent = payload.integer('percent', 0, 100);
  const fraction = payload.fields('fraction');
  if (payload.has('percent') && payload.has('fraction')) {
    payload.error('fraction', 'conflicting-fields', 'must not be set together with percent');
  }
  let numerator = percent ?? 100;
  let denominator = 100;
  if (fraction !== null) {
    fraction.only(['numerator', 'denominator']);
    fraction.require('numerator');
    numerator = fraction.integer('numerator', 0, MAX_INT32) ?? 0;
    denominator = fraction.integer('denominator', 1, MAX_INT32) ?? 100;
    if (numerator > denominator) {
      fraction.error('numerator', 'out-of-range', `must be at most the denominator ${denominator}, got ${numerator}`);
    }
  }
  const backendRef =
    backend === null
      ? { group: '', kind: 'Service', namespace: routeNamespace, name: '', port: null }
      : readBackendRef(backend, routeNamespace);
  return { type: 'RequestMirror', requestMirror: { backendRef, numerator, denominator } };
}

/** Only its shape is checked: it is not carried yet. */
function readExternalAuth(payload: Fields, routeNamespace: string): ExternalAuth {
  payload.only(['protocol', 'backendRef', 'http', 'grpc', 'forwardBody']);
  const backend = payload.requiredFields('backendRef');
  const protocol = payload.require('protocol') ? payload.oneOf('protocol', ['HTTP', 'GRPC']) : null;
  for (const [name, field] of [['HTTP', 'http'] as const, ['GRPC', 'grpc'] as const]) {
    if (protocol === null || payload.has(field) === (protocol === name)) continue;
    const message =
      protocol === name ? `is required when protocol is ${name}` : `must not be set when protocol is ${protocol}`;
    payload.error(field, 'filter-mismatch', message);
  }
  const http = payload.fields('http');
  const grpc = payload.fields('grpc');
  http?.only(['path', 'allowedHeaders', 'allowedResponseHeaders']);
  grpc?.only(['allowedHeaders']);
  const forwardBody = payload.fields('forwardBody');
  forwardBody?.only(['maxSize']);
  const headers = (fields: Fields | null, name: string): string[] =>
    (fields?.textSet(name, MAX_ITEMS.allowedHeaders, headerName) ?? []).map((header) => header.toLowerCase());
  return {
    protocol: protocol ?? 'HTTP',
    backendRef:
      backend === null
        ? { group: '', kind: 'Service', namespace: routeNamespace, name: '', port: null }
        : readBackendRef(backend, routeNamespace),
    path: http?.string('path', pathPrefix) ?? '',
    allowedHeaders: headers(protocol === 'GRPC' ? grpc : http, 'allowedHeaders'),
    allowedResponseHeaders: headers(http, 'allowedResponseHeaders'),
    forwardBodyMaxSize: forwardBody === null ? null : (forwardBody.integer('maxSize', 0, MAX_INT32) ?? 0),
  };
}
