/**
 * What a check is, and what comes of it.
 *
 * Stage before: `snapshot.ts`, what was read. Stage after: `run.ts`. A check only judges: it asks nobody, so that a test gives it
 * the objects of a fault and looks what it says.
 */
import type { KindName } from './kinds.ts';
import type { At, ClusterView } from './view.ts';

/** From good to bad. `unknown` is not good: nobody has looked. */
export const RESULTS = ['ok', 'warning', 'unknown', 'error'] as const;
export type Result = (typeof RESULTS)[number];

/** How a fault is mended: by one line for a shell, or by what a person has to do. */
export type Mend = { readonly command: string } | { readonly sentence: string };

export interface Finding {
  readonly result: Exclude<Result, 'ok'>;
  /** `Kind namespace/name`; null: the cluster. */
  readonly object: string | null;
  /** Of the object, or that it is; null when it has none. */
  readonly namespace: string | null;
  readonly message: string;
  readonly mend: Mend;
}

export interface Outcome {
  /** `3 pods in labelled namespaces`. */
  readonly looked: string;
  readonly findings: readonly Finding[];
}

/** In the order in which they are shown. */
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
  /** What holds when nothing is found. */
  readonly title: string;
  /** For the documentation: why it matters, and how it is mended in general. */
  readonly why: string;
  readonly mend: string;
  /** Also before sideroute is installed. */
  readonly before: boolean;
  /** Without them nothing can be said. */
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
