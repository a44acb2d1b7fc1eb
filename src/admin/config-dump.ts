/**
 * The configuration in force as JSON: files, problems, conditions of routes, frontends with their rules, and backends.
 *
 * Stage before: the composition root, with data of one moment. Stage after: `private-admin.ts`.
 *
 * Ten thousand rules are tens of megabytes and half a second of work on the event loop that carries the traffic, so the
 * text is built and sent in slices (`json-stream.ts`). Tables and attachments never change, so even a slow dump shows
 * one moment. Only the addresses of backends are those of the moment when their rule is written.
 */
import type { FrontendAddress } from '../addon/binding.ts';
import type { RouteCondition } from '../config/attachment.ts';
import type { TornSet } from '../config/route-set-files.ts';
import type { BackendObjectReference, Problem } from '../gateway-api/types.ts';
import type { Configuration } from '../routing/configuration.ts';
import type { Backend } from '../routing/decision.ts';
import type { CompiledMatch } from '../routing/match-list.ts';
import type { CompiledRule, RuleRefusal, Share } from '../routing/rule.ts';
import type { FrontendTable } from '../routing/table.ts';
import { inSlices, listText } from './json-stream.ts';

export interface ConfigView extends Pick<Configuration, 'snapshot' | 'attachment' | 'table' | 'valid'> {
  /** The route set in the directory that is incomplete. */
  readonly tornSet: TornSet | null;
  /** The conditions of the attachment, updated with the addresses known now. */
  readonly conditions: readonly RouteCondition[];
  /** Problems of the files, the attachment and addresses. */
  readonly problems: readonly Problem[];
  /** By frontend id. */
  readonly frontendKeys: readonly (string | null)[];
  /** Addresses of all frontends. */
  readonly addresses: readonly FrontendAddress[];
  /** Frontends without an address, and the reasons. */
  readonly unresolved: readonly { readonly key: string; readonly reason: string }[];
  /** Backends of the table. `error`: why one is not resolved, or only with its last good addresses. */
  readonly backends: readonly { readonly backend: Backend; readonly error: string | null }[];
}

/** Number of entries between two checks of the clock when nothing is written. */
const STRIDE = 500;

/** Pieces of one JSON object. Each item of a list is on its own line. */
export function configDump(view: ConfigView): AsyncGenerator<string> {
  return inSlices(dumpItems(view));
}

/** An empty piece is an opportunity to pause. */
function* dumpItems(view: ConfigView): Generator<string> {
  const { snapshot, attachment, table, valid, problems } = view;
  const head = {
    generation: snapshot?.generation ?? 0,
    hash: snapshot?.hash ?? '',
    valid,
    routeSet: snapshot?.routeSet ?? null,
    tornSet: view.tornSet,
    heldFiles: snapshot?.heldFiles ?? [],
    heldRoutes: snapshot?.heldRoutes ?? [],
  };
  yield `${JSON.stringify(head).slice(0, -1)},\n"problems":`;
  yield* listText(problems);
  yield ',\n"routes":';
  yield* listText(describeRoutes(view.conditions));
  yield ',\n"frontends":[';
  const addresses = new Map<string, string[]>();
  for (const { id, address } of view.addresses) {
    const key = view.frontendKeys[id] ?? '';
    const known = addresses.get(key);
    if (known === undefined) addresses.set(key, [address]);
    else known.push(address);
  }
  const tables = new Map(table.frontends.map((frontend) => [frontend?.source.key, frontend]));
  const unresolved = new Map(view.unresolved.map(({ key, reason }) => [key, reason]));
  const errors = new Map(view.backends.map(({ backend, error }) => [backend, error]));
  yield '';
  let separator = '\n';
  for (const frontend of attachment.frontends) {
    const { key, namespace, name, port, mode, routeKind, consumer } = frontend;
    const described = {
      ...{ key, namespace, name, port, mode, routeKind, consumer },
      addresses: addresses.get(key) ?? [],
      unresolved: unresolved.get(key) ?? null,
    };
    yield `${separator}${JSON.stringify(described).slice(0, -1)},"rules":`;
    yield* listText(describeRules(tables.get(key), errors));
    yield '}';
    separator = ',\n';
  }
  yield ']}\n';
}

/** All items of a list belong to one document. */
function routeKey({ source: { file, document }, routeKind, namespace, name }: RouteCondition): string {
  return [file, document, routeKind, namespace, name].join('\n');
}

interface DescribedParent {
  /** `namespace/name` of the Service, with `:port` when given. Empty for a route that was refused as a whole. */
  readonly parent: string;
  readonly conditions: object[];
}

/** Each route document, with its conditions by parent. */
function* describeRoutes(conditions: readonly RouteCondition[]): Generator<object | null> {
  let seen = 0;
  const routes = new Map<string, { first: RouteCondition; parents: Map<string, DescribedParent> }>();
  for (const condition of conditions) {
    if (++seen % STRIDE === 0) yield null;
    const key = routeKey(condition);
    let route = routes.get(key);
    if (route === undefined) routes.set(key, (route = { first: condition, parents: new Map() }));
    let parent = route.parents.get(condition.parent);
    if (parent === undefined) {
      parent = { parent: condition.parent, conditions: [] };
      route.parents.set(condition.parent, parent);
    }
    const { type, status, reason, message } = condition;
    parent.conditions.push({ type, status, reason, message });
  }
  for (const { first, parents } of routes.values()) {
    const { routeKind: kind, namespace, name, observedGeneration, source } = first;
    yield { kind, namespace, name, observedGeneration, source, parents: [...parents.values()] };
  }
}

/** Rules in the order of their best matches. Empty for an opaque frontend, because its requests are never read. */
function* describeRules(
  frontend: FrontendTable | undefined,
  errors: ReadonlyMap<Backend, string | null>,
): Generator<object | null> {
  const rules = new Map<CompiledRule, CompiledMatch[]>();
  let seen = 0;
  for (const match of frontend?.matches ?? []) {
    if (++seen % STRIDE === 0) yield null;
    const known = rules.get(match.rule);
    if (known === undefined) rules.set(match.rule, [match]);
    else known.push(match);
  }
  for (const [compiled, matches] of rules) {
    const { route, rule, refused, shares } = compiled;
    yield {
      kind: route.kind,
      route: `${route.namespace}/${route.name}`,
      rule: rule.index,
      name: rule.name,
      // `order`: position among all matches of the frontend. The lowest one that holds wins.
      matches: matches.map(({ order, match }) => ({ order, ...match })),
      filters: rule.filters,
      backends: shares.map((share) => describeShare(share, errors)),
      timeouts: rule.timeouts,
      retry: rule.retry,
      refused: refused === null ? null : describeRefusal(refused),
    };
  }
}

/**
 * `state`: that of the address; `refused` for a backend that can never be used; `unused` for one that is never picked.
 */
function describeShare(share: Share, errors: ReadonlyMap<Backend, string | null>): object {
  const { ref, forward, refused, mirrors } = share;
  const { weight, filters } = ref;
  return {
    ...describeBackend(ref, forward?.backend ?? null, refused?.message ?? null, errors),
    ...{ weight, filters },
    mirrors: mirrors.map(({ ref, numerator, denominator, target, refused }) => ({
      ...describeBackend(ref, target?.backend ?? null, refused, errors),
      ...{ numerator, denominator },
    })),
  };
}

/** `used`: null when it receives no requests. */
function describeBackend(
  { group, kind, namespace, name, port }: BackendObjectReference,
  used: Backend | null,
  refused: string | null,
  errors: ReadonlyMap<Backend, string | null>,
): object {
  const unusable = refused === null ? 'unused' : 'refused';
  return {
    ...{ group, kind, namespace, name, port },
    state: used === null ? unusable : used.state,
    addresses: used?.addresses ?? [],
    // The protocol towards the backend, independent of the caller.
    protocol: used?.protocol ?? null,
    message: refused ?? (used === null ? null : (errors.get(used) ?? null)),
  };
}

function describeRefusal({ decision, message }: RuleRefusal): object {
  return { status: decision.status, reason: decision.reason, grpc: decision.grpc ?? null, message };
}
