/**
 * Writes the status of routes: how each of their parents that is a Service fares here.
 *
 * Stage before: `route-conditions.ts` and `route-status.ts`. Stage after: the API server.
 *
 * HTTPRoute and GRPCRoute have it written. TLSRoute and TCPRoute only keep their ports from others.
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
  /** Comes back to the route after a time. */
  readonly later: (key: string, ms: number) => void;
}

const KINDS: Readonly<Record<string, string>> = { HTTPRoute: 'httproutes', GRPCRoute: 'grpcroutes' };

export class StatusWriter {
  readonly #options: StatusWriterOptions;
  readonly #guard = new RepeatGuard();
  writes = 0;
  conflicts = 0;
  /** Entries for which a route had no room. */
  leftOut = 0;
  /** By key, how many a route has no room for now. */
  readonly #leftOut = new Map<string, number>();

  constructor(options: StatusWriterOptions) {
    this.#options = options;
  }

  /** `key`: as in `RouteEntry`. One that is gone has nothing to be written. */
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
    // Also where nothing can be written at all: nobody would learn why.
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
        // Refused when the route is another one by now, or another controller has written its status.
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

  /** Once for each that is left out, however often the route is looked at. */
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
 * Of what this controller says, whenever it says it. Others may say something new each time they undo it, a counter in a message say:
 * that makes no new write of ours.
 */
function fingerprintOf({ parents }: StatusPlan, { generation }: RouteEntry, controllerName: string): string {
  const ours = parents.filter((entry) => textOf(entry, 'controllerName') === controllerName);
  const text = JSON.stringify(ours, (key, value: unknown) => (key === 'lastTransitionTime' ? undefined : value));
  return `${generation} ${createHash('sha256').update(text).digest('base64')}`;
}
