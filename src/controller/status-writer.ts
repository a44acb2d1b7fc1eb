/**
 * Writes the status of routes: the conditions for each parent that is a Service.
 *
 * Stage before: `route-conditions.ts` and `route-status.ts`. Stage after: the API server.
 *
 * Only HTTPRoute and GRPCRoute get a status. TLSRoute and TCPRoute only block ports for other kinds.
 */
import { createHash } from 'node:crypto';
import { KubeError, type KubeClient } from '../kube/client.ts';
import { isObject, textOf, type Json } from '../kube/json.ts';
import type { Logger } from '../log.ts';
import type { ClusterState } from './cluster-state.ts';
import { FIELD_MANAGER, type RouteEntry } from './objects.ts';
import { RepeatGuard } from './repeat-guard.ts';
import { conditionsOf } from './route-conditions.ts';
import { leftOutOf, planStatus, type StatusPlan } from './route-status.ts';
import { AgainError } from './work-queue.ts';

export interface StatusWriterOptions {
  readonly client: KubeClient;
  readonly state: ClusterState;
  readonly controllerName: string;
  readonly logger: Logger;
  /** Processes the route again after a time. */
  readonly later: (key: string, ms: number) => void;
}

const KINDS: Readonly<Record<string, string>> = { HTTPRoute: 'httproutes', GRPCRoute: 'grpcroutes' };

export class StatusWriter {
  readonly #options: StatusWriterOptions;
  readonly #guard = new RepeatGuard();
  writes = 0;
  conflicts = 0;
  /** Total of entries for which a route had no room. */
  leftOut = 0;
  /** By key: the current number of entries without room. */
  readonly #leftOut = new Map<string, number>();

  constructor(options: StatusWriterOptions) {
    this.#options = options;
  }

  /** `key`: as in `RouteEntry`. Does nothing for a route that is gone. */
  async write(key: string, signal: AbortSignal): Promise<void> {
    const { client, state, controllerName, logger } = this.#options;
    const route = state.index.routes.get(key);
    const plural = route === undefined ? undefined : KINDS[route.kind];
    if (route === undefined || plural === undefined) {
      this.#leftOut.delete(key);
      return;
    }
    const input = {
      current: currentOf(route),
      wanted: conditionsOf(route, state.index),
      ...{ controllerName, namespace: route.namespace, generation: route.generation, now: new Date() },
    };
    // Counted even when nothing can be written, because otherwise the reason would be invisible.
    this.#countLeftOut(key, leftOutOf(input));
    const plan = planStatus(input);
    if (plan === null) return;
    const fingerprint = fingerprintOf(plan, route, controllerName);
    const waitMs = this.#guard.waitMs(key, fingerprint);
    if (waitMs > 0) {
      this.#options.later(key, waitMs);
      return;
    }
    const { namespace, name, resourceVersion } = route;
    const path = `/apis/${route.apiVersion}/namespaces/${namespace}/${plural}/${name}`;
    try {
      const answer = await client.send({
        ...{ method: 'PATCH', path: `${path}/status`, signal, query: { fieldManager: FIELD_MANAGER } },
        contentType: 'application/merge-patch+json',
        // The API server refuses the write when the route has changed or another controller has written its status.
        body: { metadata: { resourceVersion }, status: { parents: plan.parents } },
      });
      this.writes++;
      this.#guard.written(key, fingerprint);
      state.takeAnswer(key, answer);
      logger.debug('a status is written', { route: key, generation: route.generation });
    } catch (error) {
      if (!(error instanceof KubeError)) throw error;
      if (error.status === 404) return;
      if (error.status !== 409) throw error;
      this.conflicts++;
      try {
        state.takeAnswer(key, await client.send({ method: 'GET', path, signal }));
      } catch (failure) {
        if (failure instanceof KubeError && failure.status === 404) return;
        throw failure;
      }
      throw new AgainError(error.message);
    }
  }

  /** Counts each left-out entry once, however often the route is processed. */
  #countLeftOut(key: string, count: number): void {
    const before = this.#leftOut.get(key) ?? 0;
    if (count === before) return;
    if (count === 0) this.#leftOut.delete(key);
    else this.#leftOut.set(key, count);
    if (count < before) return;
    this.leftOut += count - before;
    this.#options.logger.warn('a route has more parents in its status than fit; some of ours are left out', {
      ...{ route: key, leftOut: count },
    });
  }
}

function currentOf(route: RouteEntry): Json[] {
  const parents = JSON.parse(route.status) as unknown;
  return Array.isArray(parents) ? parents.filter(isObject) : [];
}

/**
 * Covers only what this controller writes. Other controllers may write something new each time they undo it, for
 * instance a counter in a message; this does not make our write a new one.
 */
function fingerprintOf({ parents }: StatusPlan, { generation }: RouteEntry, controllerName: string): string {
  const ours = parents.filter((entry) => textOf(entry, 'controllerName') === controllerName);
  const text = JSON.stringify(ours, (key, value: unknown) => (key === 'lastTransitionTime' ? undefined : value));
  return `${generation} ${createHash('sha256').update(text).digest('base64')}`;
}
