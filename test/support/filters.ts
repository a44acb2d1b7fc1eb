/**
 * Short ways to write filters with their defaults filled in, and to ask a rule that has them.
 */
import { attach } from '../../src/config/attach.ts';
import type {
  BackendObjectReference,
  HeaderModifier,
  HttpRouteFilter,
  HttpRouteRule,
  PathModifier,
  Resource,
} from '../../src/gateway-api/types.ts';
import { decide } from '../../src/routing/decide.ts';
import type { Decision, FieldLine, ForwardDecision, LocalDecision } from '../../src/routing/decision.ts';
import { compileTable } from '../../src/routing/table.ts';
import { backend, httpRoute, requestHead, rule, service, testDeps, type HeadOptions, type TestDeps } from './routes.ts';

type FilterOf<Type extends HttpRouteFilter['type']> = Extract<HttpRouteFilter, { type: Type }>;
type Headers = Readonly<Record<string, string>>;

interface Modifier {
  readonly set?: Headers;
  readonly add?: Headers;
  /** Lower case, as the reader leaves them. */
  readonly remove?: readonly string[];
}

function modifier({ set = {}, add = {}, remove = [] }: Modifier): HeaderModifier {
  const headers = (fields: Headers) => Object.entries(fields).map(([name, value]) => ({ name, value }));
  return { set: headers(set), add: headers(add), remove };
}

export function requestHeaders(edits: Modifier): HttpRouteFilter {
  return { type: 'RequestHeaderModifier', requestHeaderModifier: modifier(edits) };
}

export function responseHeaders(edits: Modifier): HttpRouteFilter {
  return { type: 'ResponseHeaderModifier', responseHeaderModifier: modifier(edits) };
}

export const fullPath = (replaceFullPath: string): PathModifier => ({ type: 'ReplaceFullPath', replaceFullPath });
export const prefixPath = (replacePrefixMatch: string): PathModifier => ({
  type: 'ReplacePrefixMatch',
  replacePrefixMatch,
});

export function urlRewrite(rewrite: Partial<FilterOf<'URLRewrite'>['urlRewrite']>): HttpRouteFilter {
  return { type: 'URLRewrite', urlRewrite: { hostname: null, path: null, ...rewrite } };
}

export function redirect(fields: Partial<FilterOf<'RequestRedirect'>['requestRedirect']> = {}): HttpRouteFilter {
  const defaults = { scheme: null, hostname: null, path: null, port: null, statusCode: 302 } as const;
  return { type: 'RequestRedirect', requestRedirect: { ...defaults, ...fields } };
}

/** `ns/name:port`; mirrors every request if no share is given. */
export function mirror(
  key: string,
  share: { readonly numerator?: number; readonly denominator?: number } = {},
  ref: Partial<BackendObjectReference> = {},
): FilterOf<'RequestMirror'> {
  const { group, kind, namespace, name, port } = backend(key);
  const backendRef = { group, kind, namespace, name, port, ...ref };
  return { type: 'RequestMirror', requestMirror: { backendRef, numerator: 100, denominator: 100, ...share } };
}

export function cors(fields: Partial<FilterOf<'CORS'>['cors']>): HttpRouteFilter {
  const defaults = {
    allowOrigins: [],
    allowCredentials: false,
    allowMethods: [],
    allowHeaders: [],
    exposeHeaders: [],
    maxAge: 5,
  };
  return { type: 'CORS', cors: { ...defaults, ...fields } };
}

export const extension: FilterOf<'ExtensionRef'> = {
  type: 'ExtensionRef',
  extensionRef: { group: 'example.com', kind: 'Limit', name: 'a' },
};

interface RuleSetup {
  /** Default: a Service with port 80. */
  readonly resources?: readonly Resource[];
  /** Service port the requests go to. Default 80. */
  readonly port?: number;
  readonly deps?: TestDeps;
}

/** One rule attached to every port of ns/web; it forwards to v/v1:80 by default. */
export class OneRule {
  readonly deps: TestDeps;
  readonly #table;
  readonly #frontend: number;

  constructor(options: Partial<HttpRouteRule>, { resources, port = 80, deps = testDeps() }: RuleSetup = {}) {
    const entry = rule({ name: 'only', backendRefs: [backend('v/v1:80')], ...options });
    const attachment = attach({
      resources: [...(resources ?? [service('ns/web', [port])]), httpRoute('ns/r', ['ns/web'], [entry])],
      namespace: 'ns',
    });
    this.deps = deps;
    this.#table = compileTable(attachment, deps);
    this.#frontend = deps.frontendId(attachment.frontends[0]!.key);
  }

  decide(head: HeadOptions | string = '/'): Decision {
    return decide(this.#table, this.#frontend, requestHead(typeof head === 'string' ? { target: head } : head));
  }

  forward(head: HeadOptions | string = '/'): ForwardDecision {
    const decision = this.decide(head);
    if (decision.kind !== 'forward') throw new Error(`not forwarded: ${JSON.stringify(decision)}`);
    return decision;
  }

  local(head: HeadOptions | string = '/'): LocalDecision {
    const decision = this.decide(head);
    if (decision.kind !== 'local') throw new Error(`not answered here: ${JSON.stringify(decision)}`);
    return decision;
  }
}

/** `Name: value`, one line per field. */
export function lines(fields: readonly FieldLine[] | null | undefined): string[] {
  return (fields ?? []).map(({ name, value }) => `${name}: ${value}`);
}
