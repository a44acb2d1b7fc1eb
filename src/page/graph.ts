/**
 * The Services this pod calls as a graph: Service ports with routes, their rules, the backends of these; which of them are drawn, and where.
 *
 * Stage before: `/config`, found by `model.ts`. Stage after: `graph-view.ts`. Pure, without a browser.
 */
import type { ConfigBackend, ConfigFrontend, ConfigRule, SeriesLabels } from './answers.ts';
import { targetKey, weightShares } from './format.ts';
import { labelsOf, type FoundFrontend } from './model.ts';

/** More cannot be told apart in a picture. */
const MAX_RULES = 30;
const MAX_RULES_EACH = 8;
const MAX_BACKENDS_EACH = 8;

export type Labels = Omit<SeriesLabels, 'id'>;

/** What stands where a backend would, when there is none. */
const OWN = 'answered by sideroute';
const TUNNEL = 'tunnelled unread';

export interface Edge {
  /** Index in `Graph.rules`; null: straight from a frontend whose connections are not read. */
  readonly rule: number | null;
  /** Index in `Graph.frontends`, as in `backend`. */
  readonly frontend: number;
  readonly backend: number;
  /** 0 to 1; null where no part is meant: a copy, or an answer of its own. */
  readonly share: number | null;
  readonly isMirror: boolean;
  readonly labels: Labels | null;
}

export interface FrontendNode {
  readonly frontend: ConfigFrontend;
  /** Rules that are not drawn. */
  readonly left: number;
}

export interface RuleNode {
  readonly frontend: number;
  readonly rule: ConfigRule;
  /** In the order of precedence, from 1. */
  readonly position: number;
  /** Backends that are not drawn. */
  readonly left: number;
}

export interface BackendNode {
  readonly key: string;
  /** Why it gets no requests: it has no address. */
  readonly fault: string | null;
  readonly isService: boolean;
}

export interface Graph {
  readonly frontends: readonly FrontendNode[];
  readonly rules: readonly RuleNode[];
  readonly backends: readonly BackendNode[];
  readonly edges: readonly Edge[];
  /** Frontends that are not drawn. */
  readonly left: number;
}

/** Those with most requests first, otherwise in their order; as many as there is room for, and at least one. */
export function graphOf(found: readonly FoundFrontend[], rateOf: (frontend: ConfigFrontend) => number): Graph {
  const rates = new Map(found.map((entry) => [entry, rateOf(entry.frontend)]));
  const sorted = [...found].sort((a, b) => rates.get(b)! - rates.get(a)!);
  const builder = new GraphBuilder();
  let room = MAX_RULES;
  let taken = 0;
  for (const entry of sorted) {
    const wanted = Math.max(1, Math.min(entry.rules.length, MAX_RULES_EACH));
    if (taken > 0 && wanted > room) break;
    builder.add(entry, wanted);
    room -= wanted;
    taken++;
  }
  return { ...builder.graph(), left: found.length - taken };
}

class GraphBuilder {
  readonly #frontends: FrontendNode[] = [];
  readonly #rules: RuleNode[] = [];
  readonly #backends: BackendNode[] = [];
  readonly #indices = new Map<string, number>();
  readonly #edges: Edge[] = [];

  add({ frontend, rules }: FoundFrontend, most: number): void {
    const index = this.#frontends.push({ frontend, left: Math.max(0, rules.length - most) }) - 1;
    if (frontend.mode === 'opaque') {
      const backend = this.#backend(TUNNEL, null, false);
      this.#edges.push({ rule: null, frontend: index, backend, share: null, isMirror: false, labels: null });
      return;
    }
    for (const rule of rules.slice(0, most)) this.#addRule(index, frontend, rule);
  }

  graph(): Omit<Graph, 'left'> {
    return { frontends: this.#frontends, rules: this.#rules, backends: this.#backends, edges: this.#edges };
  }

  #addRule(index: number, frontend: ConfigFrontend, rule: ConfigRule): void {
    const drawn = rule.backends.slice(0, MAX_BACKENDS_EACH);
    const left = rule.backends.length - drawn.length;
    const position = frontend.rules.indexOf(rule) + 1;
    const at = this.#rules.push({ frontend: index, rule, position, left }) - 1;
    const edge = { rule: at, frontend: index };
    const shares = weightShares(rule.backends);
    for (const [order, target] of drawn.entries()) {
      const labels = labelsOf(frontend, rule, target);
      const backend = this.#target(target);
      this.#edges.push({ ...edge, backend, share: shares[order]!, isMirror: false, labels });
      for (const mirror of target.mirrors) {
        const copy = labelsOf(frontend, rule, mirror);
        this.#edges.push({ ...edge, backend: this.#target(mirror), share: null, isMirror: true, labels: copy });
      }
    }
    if (drawn.length > 0) return;
    const labels = labelsOf(frontend, rule, null);
    this.#edges.push({ ...edge, backend: this.#backend(OWN, null, false), share: null, isMirror: false, labels });
  }

  #target(target: Pick<ConfigBackend, 'kind' | 'namespace' | 'name' | 'port' | 'state'>): number {
    const key = target.kind === 'Service' ? targetKey(target) : `${target.kind} ${targetKey(target)}`;
    const fault =
      target.state === 'resolved' ? null : target.state === 'pending' ? 'address not known yet' : 'no address';
    return this.#backend(key, fault, true);
  }

  #backend(key: string, fault: string | null, isService: boolean): number {
    const known = this.#indices.get(key);
    if (known !== undefined) return known;
    const index = this.#backends.push({ key, fault, isService }) - 1;
    this.#indices.set(key, index);
    return index;
  }
}

/** Of a node: its upper edge and its height. */
export interface Place {
  readonly y: number;
  readonly height: number;
}

export interface Layout {
  readonly height: number;
  readonly frontends: readonly Place[];
  readonly rules: readonly Place[];
  readonly backends: readonly Place[];
  /** By edge: where it leaves its rule, or frontend, and where it comes in. */
  readonly ends: readonly { readonly from: number; readonly to: number }[];
}

const NODE = 44;
/** Between the ends of two edges at one node, so that what is written there has room. */
const PORT = 18;
const GAP = 10;
const FRONTEND_GAP = 18;

/** Three columns: rules below each other, each frontend in the middle of its own, backends near the rules that lead there. */
export function layOut({ frontends, rules, backends, edges }: Graph): Layout {
  const out = rules.map((_, rule) => edges.filter((edge) => edge.rule === rule).length);
  const ruleHeights = out.map((count) => Math.max(NODE, count * PORT + 8));
  const rulePlaces: Place[] = [];
  const frontendPlaces: Place[] = [];
  let y = 0;
  for (const index of frontends.keys()) {
    const start = y;
    for (const [rule, node] of rules.entries()) {
      if (node.frontend !== index) continue;
      rulePlaces[rule] = { y, height: ruleHeights[rule]! };
      y += ruleHeights[rule]! + GAP;
    }
    if (y === start) y += NODE + GAP;
    frontendPlaces.push({ y: (start + y - GAP - NODE) / 2, height: NODE });
    y += FRONTEND_GAP - GAP;
  }
  const from = edges.map((edge, index) => {
    if (edge.rule === null) return frontendPlaces[edge.frontend]!.y + NODE / 2;
    const place = rulePlaces[edge.rule]!;
    const order = edges.slice(0, index).filter(({ rule }) => rule === edge.rule).length;
    return place.y + place.height / 2 + (order - (out[edge.rule]! - 1) / 2) * PORT;
  });
  const backendPlaces = placeBackends(backends.length, edges, from);
  const ends = edges.map((edge, index) => ({ from: from[index]!, to: inEnd(edge, index) }));
  const height = Math.max(y - FRONTEND_GAP, ...backendPlaces.map((place) => place.y + place.height), NODE);
  return { height, frontends: frontendPlaces, rules: rulePlaces, backends: backendPlaces, ends };

  /** Edges come in above each other as they left. */
  function inEnd({ backend }: Edge, index: number): number {
    const all = [...edges.keys()].filter((other) => edges[other]!.backend === backend);
    const sorted = all.sort((a, b) => from[a]! - from[b]!);
    const place = backendPlaces[backend]!;
    return place.y + (place.height * (sorted.indexOf(index) + 1)) / (all.length + 1);
  }
}

function placeBackends(count: number, edges: readonly Edge[], from: readonly number[]): Place[] {
  const means = Array.from({ length: count }, (_, backend) => {
    const ends = from.filter((_, index) => edges[index]!.backend === backend);
    return ends.reduce((all, end) => all + end, 0) / ends.length;
  });
  const places: Place[] = [];
  let y = 0;
  for (const backend of [...means.keys()].sort((a, b) => means[a]! - means[b]!)) {
    y = Math.max(y, means[backend]! - NODE / 2);
    places[backend] = { y, height: NODE };
    y += NODE + GAP;
  }
  return places;
}
