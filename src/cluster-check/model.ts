/**
 * The model of a check and of its result.
 *
 * Stage before: `snapshot.ts`, the objects read. Stage after: `run.ts`. A check makes no requests, so a test can pass
 * it the objects of a fault and examine the result.
 */
import type { KindName } from './kinds.ts';
import type { At, ClusterView } from './view.ts';

/** From best to worst. `unknown` is not good: it was not checked. */
export const RESULTS = ['ok', 'warning', 'unknown', 'error'] as const;
export type Result = (typeof RESULTS)[number];

/** The remedy: a shell command on one line, or an instruction for a person. */
export type Mend = { readonly command: string } | { readonly sentence: string };

export interface Finding {
  readonly result: Exclude<Result, 'ok'>;
  /** `Kind namespace/name`; null: the whole cluster. */
  readonly object: string | null;
  /** Namespace of the object, or its name when it is a namespace; null when it has none. */
  readonly namespace: string | null;
  readonly message: string;
  readonly mend: Mend;
}

export interface Outcome {
  /** `3 pods in labelled namespaces`. */
  readonly looked: string;
  readonly findings: readonly Finding[];
}

/** In display order. */
export const GROUPS = {
  api: 'API server',
  gatewayApi: 'Gateway API',
  network: 'Network',
  controller: 'Controller',
  injection: 'Injection',
  pods: 'Namespaces and pods',
  routeSets: 'Route sets',
  routes: 'Routes',
} as const;
export type Group = keyof typeof GROUPS;

export interface Check {
  /** Kebab-case; stable. */
  readonly id: string;
  readonly group: Group;
  /** The statement that holds when nothing is found. */
  readonly title: string;
  /** For the documentation: why it matters, and the general remedy. */
  readonly why: string;
  readonly mend: string;
  /** True when it is also run before sideroute is installed. */
  readonly before: boolean;
  /** Kinds without which the check has no result. */
  readonly needs: readonly KindName[];
  judge(view: ClusterView): Outcome;
}

export function inShell(command: string): Mend {
  return { command };
}

export function byHand(sentence: string): Mend {
  return { sentence };
}

export function findingAt(result: Finding['result'], at: At, message: string, mend: Mend): Finding {
  const { kind, namespace: within, name } = at;
  const object = `${kind} ${within === null ? '' : `${within}/`}${name}`;
  const namespace = kind === 'Namespace' ? name : within;
  return { result, object, namespace, message, mend };
}

export function findingOf(result: Finding['result'], message: string, mend: Mend): Finding {
  return { result, object: null, namespace: null, message, mend };
}

/** `1 pod`, `2 pods`. */
export function counted(count: number, one: string, several = `${one}s`): string {
  return `${count} ${count === 1 ? one : several}`;
}
