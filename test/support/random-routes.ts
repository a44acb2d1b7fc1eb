/**
 * Seeded random route sets and requests. Alphabets are small and shared, so that rules collide, shadow each other and
 * are hit; paths use characters that path indexes often treat specially.
 *
 * Everything can be written to a file and sent over a wire: `documents` are what a user would write, `resources` what
 * the reader makes of them, and requests have valid targets and field values.
 */
import type {
  HttpMethod,
  HttpRoute,
  HttpRouteMatch,
  HttpRouteRule,
  ParentRef,
  PathMatchType,
  Resource,
  Service,
} from '../../src/gateway-api/types.ts';
import type { WireRequest } from './reference-matcher.ts';

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

class Dice {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  /** Integer in [0, limit). */
  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  chance(probability: number): boolean {
    return this.#random() < probability;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  some<T>(limit: number, make: () => T): T[] {
    return Array.from({ length: this.below(limit + 1) }, make);
  }
}

const SERVICE_NAMESPACE = 'prod';
const CLIENT_NAMESPACE = 'shop';
const SERVICE_NAME = 'web';

const SEGMENTS = [
  ...['a', 'b', 'ab', 'abc', 'A', '1', '*', 'x*', ':a', 'a:b', '::', 'a;b', ';', 'a%20b', '%61', 'caf%C3%A9', '%25'],
  ...['%3F', '%23', 'a+b', "(a)'", 'a@b', '~', '...', '$&', '=', 'a,b!'],
];
const PATH_EXPRESSIONS = [
  ...['/a/.*', '/(a|b)/[0-9]+', '/[ab]+', '/a.b', '.*', '/ab?/.*', '/a', '/[^/]*', '/(a|ab)(c|bc)?', '/.*%20.*'],
];
const HEADER_NAMES = ['X-A', 'x-b', 'Version', 'x_c'];
const FIELD_VALUES = ['1', '2', 'new', 'a b', 'old,new', 'N'];
const QUERY_NAMES = ['q', 'r', 'Q', 'q%20'];
const QUERY_VALUES = ['1', '2', 'a%20b', 'a+b', 'new'];
const FIELD_EXPRESSIONS = ['[0-9]+', 'n.*', '(1|2)', '.*', 'a[ %]?.*b'];
const RULE_METHODS: readonly HttpMethod[] = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'];
const REQUEST_METHODS = ['GET', 'GET', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'];
const TIMESTAMPS = ['2024-01-01T00:00:00Z', '2024-06-01T00:00:00Z', '2025-01-01T00:00:00Z'];

/** Route documents as plain objects: what `YAML.stringify` takes. */
interface RouteDocument {
  readonly apiVersion: 'gateway.networking.k8s.io/v1';
  readonly kind: 'HTTPRoute';
  readonly metadata: { readonly name: string; readonly namespace: string; readonly creationTimestamp?: string };
  readonly spec: { readonly parentRefs: readonly ParentDocument[]; readonly rules: readonly RuleDocument[] };
}

interface ParentDocument {
  readonly group: '';
  readonly kind: 'Service';
  readonly name: string;
  readonly namespace?: string;
  readonly port?: number;
  readonly sectionName?: string;
}

interface FieldDocument {
  readonly type?: 'Exact' | 'RegularExpression';
  readonly name: string;
  readonly value: string;
}

interface MatchDocument {
  readonly path?: { readonly type?: PathMatchType; readonly value?: string };
  readonly method?: HttpMethod;
  readonly headers?: readonly FieldDocument[];
  readonly queryParams?: readonly FieldDocument[];
}

interface RuleDocument {
  readonly name?: string;
  readonly matches?: readonly MatchDocument[];
  readonly backendRefs?: readonly {
    readonly name: string;
    readonly namespace: string;
    readonly port: number;
    readonly weight?: number;
  }[];
}

interface ServiceDocument {
  readonly apiVersion: 'v1';
  readonly kind: 'Service';
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: {
    readonly clusterIP: string;
    readonly ports: readonly { readonly name: string; readonly port: number; readonly protocol: 'TCP' }[];
  };
}

export interface GeneratedTable {
  /** HTTPRoute and Service documents as a user would write them, each YAML-able. */
  readonly documents: readonly (RouteDocument | ServiceDocument)[];
  /** The same after defaulting, as the reader should return them. */
  readonly resources: readonly Resource[];
  readonly clientNamespace: string;
  /** The parent of every route, and the ports it has. */
  readonly service: { readonly namespace: string; readonly name: string; readonly ports: readonly number[] };
}

/** The same table for the same seed. Backends are `prod/v1` to `prod/v4`, port 80; `v4` has no port 80. */
export function generateTable(seed: number): GeneratedTable {
  const dice = new Dice(seed);
  const parents = [
    service(SERVICE_NAME, '10.96.0.10', [
      { name: 'http', port: 80 },
      { name: 'alt', port: 8080 },
    ]),
    service('v4', '10.96.0.14', [{ name: 'other', port: 81 }]),
  ];
  const hasConsumers = dice.chance(0.25);
  const routes = Array.from({ length: 1 + dice.below(5) }, (_, index) => generateRoute(dice, index, hasConsumers));
  const documents = [...parents, ...routes];
  return {
    documents,
    resources: documents.map((document, index) =>
      document.kind === 'Service' ? readService(document, index + 1) : readRoute(document, index + 1),
    ),
    clientNamespace: CLIENT_NAMESPACE,
    service: { namespace: SERVICE_NAMESPACE, name: SERVICE_NAME, ports: [80, 8080] },
  };
}

function service(
  name: string,
  clusterIP: string,
  ports: readonly { readonly name: string; readonly port: number }[],
): ServiceDocument {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: SERVICE_NAMESPACE },
    spec: { clusterIP, ports: ports.map((port) => ({ ...port, protocol: 'TCP' })) },
  };
}

function generateRoute(dice: Dice, index: number, hasConsumers: boolean): RouteDocument {
  const consumer = hasConsumers && dice.chance(0.4);
  const parent: ParentDocument = {
    group: '',
    kind: 'Service',
    name: SERVICE_NAME,
    ...(consumer ? { namespace: SERVICE_NAMESPACE } : {}),
  };
  const choice = dice.below(6);
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: {
      // Names are not in the order of the documents.
      name: `${dice.pick(['b', 'a', 'a-a', 'z'])}${index}`,
      namespace: consumer ? CLIENT_NAMESPACE : SERVICE_NAMESPACE,
      ...(dice.chance(0.6) ? { creationTimestamp: dice.pick(TIMESTAMPS) } : {}),
    },
    spec: {
      parentRefs:
        choice === 0 ? [{ ...parent, port: 80 }] : choice === 1 ? [{ ...parent, sectionName: 'alt' }] : [parent],
      rules: Array.from({ length: 1 + dice.below(4) }, () => generateRule(dice)),
    },
  };
}

function generateRule(dice: Dice): RuleDocument {
  const backendRefs = dice.some(3, () => ({
    name: dice.chance(0.1) ? 'v4' : dice.pick(['v1', 'v2', 'v3']),
    namespace: SERVICE_NAMESPACE,
    port: 80,
    ...(dice.chance(0.7) ? { weight: dice.below(4) } : {}),
  }));
  return {
    ...(dice.chance(0.1) ? {} : { matches: Array.from({ length: 1 + dice.below(4) }, () => generateMatch(dice)) }),
    ...(dice.chance(0.05) ? {} : { backendRefs }),
  };
}

function generateMatch(dice: Dice): MatchDocument {
  const choice = dice.below(10);
  const path =
    choice === 0
      ? {}
      : choice < 3
        ? { path: { type: 'RegularExpression' as const, value: dice.pick(PATH_EXPRESSIONS) } }
        : choice < 5
          ? { path: { type: 'Exact' as const, value: generatePath(dice) } }
          : { path: { ...(dice.chance(0.7) ? { type: 'PathPrefix' as const } : {}), value: generatePath(dice) } };
  const headers = distinct(dice.some(2, () => generateField(dice, HEADER_NAMES, FIELD_VALUES)));
  // An equivalent name again; only the first counts.
  if (headers.length > 0 && dice.chance(0.1)) {
    headers.push({ name: swapCase(headers[0]!.name), value: dice.pick(FIELD_VALUES) });
  }
  const queryParams = distinct(dice.some(2, () => generateField(dice, QUERY_NAMES, QUERY_VALUES)));
  return {
    ...path,
    ...(dice.chance(0.3) ? { method: dice.pick(RULE_METHODS) } : {}),
    ...(headers.length > 0 && dice.chance(0.6) ? { headers } : {}),
    ...(queryParams.length > 0 && dice.chance(0.4) ? { queryParams } : {}),
  };
}

function generateField(dice: Dice, names: readonly string[], values: readonly string[]): FieldDocument {
  const name = dice.pick(names);
  if (dice.chance(0.25)) return { type: 'RegularExpression', name, value: dice.pick(FIELD_EXPRESSIONS) };
  return { ...(dice.chance(0.5) ? { type: 'Exact' as const } : {}), name, value: dice.pick(values) };
}

function distinct(fields: readonly FieldDocument[]): FieldDocument[] {
  return fields.filter((field, index) => fields.findIndex(({ name }) => name === field.name) === index);
}

function swapCase(text: string): string {
  return text === text.toLowerCase() ? text.toUpperCase() : text.toLowerCase();
}

/** Valid as the path of a match: no empty segment except the last. */
function generatePath(dice: Dice): string {
  // Mostly from the beginning of the alphabet, so that paths collide.
  const segments = dice.some(3, () => (dice.chance(0.6) ? dice.pick(SEGMENTS.slice(0, 4)) : dice.pick(SEGMENTS)));
  return `/${segments.join('/')}${segments.length > 0 && dice.chance(0.25) ? '/' : ''}`;
}

function readService(document: ServiceDocument, position: number): Service {
  return {
    kind: 'Service',
    namespace: document.metadata.namespace,
    name: document.metadata.name,
    type: 'ClusterIP',
    headless: false,
    clusterIPs: [document.spec.clusterIP],
    managed: false,
    ports: document.spec.ports.map((port) => ({ ...port, appProtocol: null })),
    source: { file: 'routes.yaml', document: position, line: null },
  };
}

function readRoute({ metadata, spec }: RouteDocument, position: number): HttpRoute {
  return {
    kind: 'HTTPRoute',
    namespace: metadata.namespace,
    name: metadata.name,
    generation: null,
    creationTimestamp: metadata.creationTimestamp === undefined ? null : Date.parse(metadata.creationTimestamp),
    parentRefs: spec.parentRefs.map((parent, index): ParentRef => ({
      group: '',
      kind: 'Service',
      namespace: parent.namespace ?? metadata.namespace,
      name: parent.name,
      sectionName: parent.sectionName ?? null,
      port: parent.port ?? null,
      path: `spec.parentRefs[${index}]`,
    })),
    hostnames: [],
    rules: spec.rules.map(readRule),
    source: { file: 'routes.yaml', document: position, line: null },
  };
}

function readRule(document: RuleDocument, index: number): HttpRouteRule {
  return {
    index,
    name: document.name ?? null,
    matches: (document.matches ?? [{}]).map(readMatch),
    filters: [],
    backendRefs: (document.backendRefs ?? []).map((ref, position) => ({
      group: '',
      kind: 'Service',
      namespace: ref.namespace,
      name: ref.name,
      port: ref.port,
      weight: ref.weight ?? 1,
      filters: [],
      path: `spec.rules[${index}].backendRefs[${position}]`,
    })),
    timeouts: { requestMs: null, backendRequestMs: null },
    retry: null,
  };
}

function readMatch(document: MatchDocument): HttpRouteMatch {
  const headers = (document.headers ?? []).map((header) => ({
    type: header.type ?? 'Exact',
    name: header.name.toLowerCase(),
    value: header.value,
  }));
  return {
    path: { type: document.path?.type ?? 'PathPrefix', value: document.path?.value ?? '/' },
    method: document.method ?? null,
    headers: headers.filter((header, index) => headers.findIndex(({ name }) => name === header.name) === index),
    queryParams: (document.queryParams ?? []).map((param) => ({
      type: param.type ?? 'Exact',
      name: param.name,
      value: param.value,
    })),
  };
}

/** Requests for a table, most of them close to one of its matches. The same for the same seed. */
export function generateRequests(table: GeneratedTable, seed: number, count: number): WireRequest[] {
  const dice = new Dice(seed);
  const matches = table.resources
    .filter((resource): resource is HttpRoute => resource.kind === 'HTTPRoute')
    .flatMap((route) => route.rules.flatMap((rule) => rule.matches));
  return Array.from({ length: count }, () => generateRequest(dice, dice.pick(matches), dice.pick(matches)));
}

/** Aims at `match`, with parts of `other`. */
function generateRequest(dice: Dice, match: HttpRouteMatch, other: HttpRouteMatch): WireRequest {
  const path = nearPath(dice, dice.chance(0.9) ? match : other);
  const query = [
    ...[...match.queryParams, ...(dice.chance(0.3) ? other.queryParams : [])].map(
      (param) => `${param.name}=${nearValue(dice, param, QUERY_VALUES)}`,
    ),
    ...(dice.chance(0.2) ? [dice.pick(['q', 'q=', 'q=1=2', '', 'Q=1', 'xq=1', 'q%20=2', '&', 'r=2&r=1', '?q=1'])] : []),
  ];
  const headers = [...match.headers, ...(dice.chance(0.3) ? other.headers : [])].map((header): [string, string] => [
    dice.chance(0.5) ? header.name : swapCase(header.name),
    nearValue(dice, header, FIELD_VALUES),
  ]);
  if (dice.chance(0.1)) headers.push([dice.pick(HEADER_NAMES), dice.pick(FIELD_VALUES)]);
  return {
    method: match.method !== null && dice.chance(0.8) ? match.method : dice.pick(REQUEST_METHODS),
    target: query.length === 0 ? path : `${path}?${query.join('&')}`,
    headers: dice.chance(0.95) ? headers : headers.slice(1),
  };
}

function nearValue(
  dice: Dice,
  field: { readonly type: string; readonly value: string },
  values: readonly string[],
): string {
  return field.type === 'Exact' && dice.chance(0.85) ? field.value : dice.pick(values);
}

function nearPath(dice: Dice, match: HttpRouteMatch): string {
  const base = match.path.type === 'RegularExpression' ? generatePath(dice) : match.path.value;
  switch (dice.below(14)) {
    case 0:
      return `${base}/`;
    case 1:
    case 2:
      return `${base}/${dice.pick(SEGMENTS)}`;
    case 3:
      return base + dice.pick(SEGMENTS);
    case 4:
      return base.length > 1 ? base.slice(0, -1) : base;
    case 5:
      return swapCase(base);
    case 6:
      return `${base}${dice.pick(['//', '/../a', '/./a', '/%2Fa', '%2F', '%zz', '%', '/%2e%2e/a', ';v=1', ':', '*'])}`;
    case 7:
      return percentEncodeOne(dice, base);
    case 8:
      return decodeEscapes(base);
    case 9:
      return generatePath(dice);
    case 10:
      return base.length > 1 ? base.replace(/.\//, (text) => `${text}/`) : base;
    default:
      return base;
  }
}

function percentEncodeOne(dice: Dice, path: string): string {
  const at = 1 + dice.below(Math.max(1, path.length - 1));
  if (at >= path.length || path[at] === '%') return path;
  return `${path.slice(0, at)}%${path.charCodeAt(at).toString(16).toUpperCase()}${path.slice(at + 1)}`;
}

/** Only for letters, which may be unescaped in a target. */
function decodeEscapes(path: string): string {
  return path.replace(/%61/g, 'a').replace(/%25/g, '%');
}
