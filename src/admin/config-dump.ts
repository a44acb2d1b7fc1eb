/**
 * The configuration in force as JSON: files, problems, conditions of routes, frontends with their rules and backends.
 *
 * Stage before: the composition root, with everything of one moment. Stage after: `private-admin.ts`.
 *
 * Ten thousand rules are tens of megabytes and half a second of work on the loop that carries the traffic, so the text is
 * made and sent in slices (`json-stream.ts`). Tables and attachments never change, so that a dump that takes a while still is of one moment; addresses of backends are
 * those of the moment when their rule is written.
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
  /** The route set in the directory that is not whole. */
  readonly tornSet: TornSet | null;
  /** Of the attachment, with what is known of addresses now. */
  readonly conditions: readonly RouteCondition[];
  /** Of the files, of attaching and of addresses. */
  readonly problems: readonly Problem[];
  /** Of frontends by their ids. */
  readonly frontendKeys: readonly (string | null)[];
  /** Of all frontends. */
  readonly addresses: readonly FrontendAddress[];
  /** Frontends without an address, and why. */
  readonly unresolved: readonly { readonly key: string; readonly reason: string }[];
  /** Those of the table. `error`: why one is not resolved, or only with its last good addresses. */
  readonly backends: readonly { readonly backend: Backend; readonly error: string | null }[];
}

/** Entries looked at between two looks at the clock, where nothing is written. */
const STRIDE = 500;

/** Pieces of one JSON object, one item of each list on a line of its own. */
export function configDump(view: ConfigView): AsyncGenerator<string> {
  return inSlices(dumpItems(view));
}

/** An empty piece is a chance to pause. */
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

/** Items of a list are of one document. */
function routeKey({ source: { file, document }, routeKind, namespace, name }: RouteCondition): string {
  return [file, document, routeKind, namespace, name].join('\n');
}

interface DescribedParent {
  /** `namespace/name` of the Service, with `:port` when given; empty for a route that was refused as a whole. */
  readonly parent: string;
  readonly conditions: object[];
}

/** Each route document with its conditions by parent. */
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

/** In the order of their best matches. None of an opaque frontend: no request of it is ever read. */
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
      // `order`: position among all matches of the frontend; the lowest that holds wins.
      matches: matches.map(({ order, match }) => ({ order, ...match })),
      filters: rule.filters,
      backends: shares.map((share) => describeShare(share, errors)),
      timeouts: rule.timeouts,
      retry: rule.retry,
      refused: refused === null ? null : describeRefusal(refused),
    };
  }
}

/** `state`: of the address, or `refused` for a backend that can never be used, or `unused` for one that is never picked. */
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

/** `used`: null when no request goes there. */
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
    // What is spoken there whatever the caller speaks.
    protocol: used?.protocol ?? null,
    message: refused ?? (used === null ? null : (errors.get(used) ?? null)),
  };
}

function describeRefusal({ decision, message }: RuleRefusal): object {
  return { status: decision.status, reason: decision.reason, grpc: decision.grpc ?? null, message };
}
