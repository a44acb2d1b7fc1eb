/**
 * RequestMirror: where copies of requests go, and which requests have one.
 *
 * Stage before: `compose.ts`. Stage after: `ForwardDecision.mirrors`.
 */
import { refuseBackend, type CarriedKind } from '../../config/support.ts';
import type { BackendObjectReference, HttpRouteFilter, Service } from '../../gateway-api/types.ts';
import type { CompileDeps, ForwardDecision, ForwardPlan, MirrorTarget, SeriesLabels } from '../decision.ts';
import { gcd, type Random } from '../picker.ts';

type RequestMirror = Extract<HttpRouteFilter, { type: 'RequestMirror' }>['requestMirror'];

export interface CompiledMirror {
  readonly ref: BackendObjectReference;
  /** `numerator` of `denominator` requests are mirrored; 0: none. */
  readonly numerator: number;
  readonly denominator: number;
  /** Null when no request is mirrored: the share is 0, or `refused` gives the reason. */
  readonly target: MirrorTarget | null;
  readonly refused: string | null;
}

/** What compiling the mirrors of a rule needs to know. */
export interface MirrorContext {
  /** Kind of the route. */
  readonly kind: CarriedKind;
  /** Labels of the rule. */
  readonly labels: SeriesLabels;
  readonly services: ReadonlyMap<string, Service>;
  readonly deps: CompileDeps;
}

/** `plan`: of the filters listed before the mirror. An unusable backend drops the mirror, not the request. */
export function compileMirror(mirror: RequestMirror, plan: ForwardPlan | null, context: MirrorContext): CompiledMirror {
  const { backendRef: ref, numerator, denominator } = mirror;
  const refused = refuseBackend(ref, context.services, context.kind)?.message ?? null;
  if (refused !== null || ref.port === null || numerator === 0) {
    return { ref, numerator, denominator, target: null, refused };
  }
  const { labels, deps } = context;
  const backend = deps.internBackend(ref.namespace, ref.name, ref.port);
  const series = deps.internSeries({
    ...labels,
    backendNamespace: ref.namespace,
    backendName: ref.name,
    backendPort: ref.port,
  });
  return { ref, numerator, denominator, target: { backend, plan, series }, refused: null };
}

/** State of a mirror that gets only some of the requests. */
class Accumulator {
  readonly step: number;
  readonly sum: number;
  /** In [0, sum): the request is mirrored when adding `step` overflows `sum`. */
  phase: number;

  constructor({ numerator, denominator }: CompiledMirror, random: Random) {
    const divisor = gcd(numerator, denominator);
    this.step = numerator / divisor;
    this.sum = denominator / divisor;
    this.phase = Math.floor(random() * this.sum);
  }
}

/**
 * Chooses the mirrors of consecutive requests: of any `denominator` consecutive requests each mirror gets exactly
 * `numerator`, evenly spread. The start is random, as in `picker.ts`, so that many short-lived proxies together mirror
 * the right share.
 *
 * There is one decision for each choice, made once and reused, so that engines recognise the list of mirrors by
 * identity. Only choices that occur are stored: with percentages, at most 100.
 */
export class MirrorRotation {
  readonly #forward: ForwardDecision;
  /** In filter order; null where every request is mirrored. */
  readonly #accumulators: readonly (Accumulator | null)[];
  readonly #targets: readonly MirrorTarget[];
  /** Key: the set of chosen mirrors, one bit for each. */
  readonly #variants = new Map<number, ForwardDecision>();

  /** `mirrors`: at most `MAX_MIRRORS`, each with a target. `forward`: the decision without mirrors. */
  constructor(forward: ForwardDecision, mirrors: readonly CompiledMirror[], random: Random) {
    this.#forward = forward;
    this.#targets = mirrors.map((mirror) => mirror.target!);
    this.#accumulators = mirrors.map((mirror) =>
      mirror.numerator === mirror.denominator ? null : new Accumulator(mirror, random),
    );
  }

  /** Hot path: bench/micro/decide.ts. Allocates only when a choice occurs for the first time. */
  next(): ForwardDecision {
    const accumulators = this.#accumulators;
    let chosen = 0;
    for (let i = 0; i < accumulators.length; i++) {
      const accumulator = accumulators[i] ?? null;
      if (accumulator === null) {
        chosen |= 1 << i;
        continue;
      }
      const phase = accumulator.phase + accumulator.step;
      if (phase >= accumulator.sum) {
        accumulator.phase = phase - accumulator.sum;
        chosen |= 1 << i;
      } else {
        accumulator.phase = phase;
      }
    }
    return this.#variants.get(chosen) ?? this.#makeVariant(chosen);
  }

  #makeVariant(chosen: number): ForwardDecision {
    const mirrors = this.#targets.filter((_, index) => (chosen & (1 << index)) !== 0);
    const variant = { ...this.#forward, mirrors: mirrors.length === 0 ? null : mirrors };
    this.#variants.set(chosen, variant);
    return variant;
  }
}
