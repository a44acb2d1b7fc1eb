/**
 * What a conformance test is here: route files, requests with what has to become of each, and the conditions of the routes.
 * The cases stand in `*-cases.ts` beside this file; `mesh.ts` runs them; scripts/conformance-table.ts tells of them.
 */
import type { Test } from 'tap';
import type { Mesh } from './mesh.ts';

export interface Send {
  /** `GET` unless given. */
  readonly method?: string;
  /** Path with query, `/` unless given. */
  readonly target?: string;
  /** Of the Service unless given. */
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** `echo:80` unless given. */
  readonly to?: string;
  /** Namespace of the client, `mesh` unless given. */
  readonly from?: 'mesh' | 'consumer';
}

export interface Expected {
  /** 200 unless given. */
  readonly status?: number;
  /** The pod that answers; one of them, where either may. Absent: sideroute answers. */
  readonly pod?: string | readonly string[];
  /** The path that reaches the pod, when it is another than the client's. */
  readonly path?: string;
  /** The Host that reaches the pod, when it is another than the client's. */
  readonly host?: string;
  /** Fields that reach the pod otherwise than the client sent them: the values, or null for none. */
  readonly seen?: Readonly<Record<string, readonly string[] | null>>;
  /** Fields of the response, null for none. */
  readonly headers?: Readonly<Record<string, string | null>>;
  /** What the pod is spoken to in, where it is not what the client speaks. */
  readonly proto?: string;
  /** `x-sideroute-reason`. */
  readonly reason?: string;
}

export interface Exchange {
  readonly send: Send;
  readonly expect: Expected;
}

export interface ConformanceCase {
  /** Names of the official tests that this one stands for. */
  readonly tests: readonly string[];
  /** With the numbers of the rules it proves. */
  readonly title: string;
  /** test/fixtures/conformance/NAME.yaml; null: no routes. */
  readonly routes: string | null;
  readonly requests: readonly Exchange[];
  /**
   * `NAMESPACE/ROUTE PARENT TYPE=STATUS REASON` of every route; absent: all are accepted and resolved.
   */
  readonly conditions?: readonly string[];
  /** What a list of requests cannot say. */
  readonly also?: (t: Test, mesh: Mesh) => Promise<void>;
}

/** A request that `pod` answers. */
export function served(pod: string | readonly string[], send: Send, expect: Expected = {}): Exchange {
  return { send, expect: { pod, ...expect } };
}

/** A request that sideroute answers itself. */
export function answered(status: number, reason: string, send: Send, headers: Expected['headers'] = {}): Exchange {
  return { send, expect: { status, reason, headers } };
}

export function unmatched(send: Send): Exchange {
  return answered(404, 'no_route', send);
}

export function redirected(status: number, location: string, send: Send): Exchange {
  return answered(status, 'redirect', send, { location });
}
