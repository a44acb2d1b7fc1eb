/**
 * Checks of the ConfigMaps that carry routes to sidecars: whether each namespace has them, complete and not too large.
 */
import { assessSet, type ShardDamage, type ShardHeader } from '../../route-set/decode.ts';
import { MAX_SHARD_BYTES, MAX_TEXT_BYTES, shardName } from '../../route-set/format.ts';
import { byHand, counted, findingAt, inShell, type Check, type Finding } from '../model.ts';
import { routesOf } from '../routes.ts';
import type { ShardThere } from '../snapshot.ts';
import type { ClusterView } from '../view.ts';

/** Fraction of the maximum size of a shard. */
const NEAR = 0.8;

function setsOf(view: ClusterView): ReadonlyMap<string, readonly ShardThere[]> {
  return view.once('route sets', () => {
    const sets = new Map<string, ShardThere[]>();
    for (const shard of view.snapshot.shards) {
      const own = sets.get(shard.namespace);
      if (own === undefined) sets.set(shard.namespace, [shard]);
      else own.push(shard);
    }
    return sets;
  });
}

const whole: Check = {
  id: 'route-set-whole',
  group: 'routeSets',
  title: 'the route set of each namespace is whole',
  why: 'A sidecar takes all shards of a set or none. A torn or damaged set keeps what pods serve, and a pod that starts has no routes at all.',
  mend: 'Delete the ConfigMap that is at fault: the controller writes it again.',
  before: false,
  needs: ['routeSets'],
  judge(view) {
    const sets = setsOf(view);
    const findings = [...sets].flatMap(([namespace, shards]): Finding[] => {
      const current = new Map<number, ShardHeader | ShardDamage>();
      for (const { header, previous } of shards) if (!previous) current.set(header.index, header);
      const state = assessSet(current, shards.find(({ previous }) => previous)?.header ?? null);
      if (state.state !== 'torn' && state.state !== 'damaged') return [];
      const name = shardName(state.shard);
      const there = shards.some((shard) => shard.name === name);
      // A missing ConfigMap cannot be deleted; without shard 0 the controller writes all of them again.
      const mend = inShell(`kubectl -n ${namespace} delete configmap ${there ? name : shardName(0)}`);
      const place = { kind: 'ConfigMap', namespace, name };
      return [findingAt('error', place, `the route set is ${state.state}: ${name} ${state.message}`, mend)];
    });
    return { looked: counted(sets.size, 'route set'), findings };
  },
};

const size: Check = {
  id: 'route-set-size',
  group: 'routeSets',
  title: 'route sets are far from what a ConfigMap takes',
  why: `A shard has ${MAX_SHARD_BYTES / 1024} KiB at most, compressed. The controller cannot write a larger one, and routes stay as they are.`,
  mend: 'Say with `sideroute.dev/routes-from` whose routes the namespace needs.',
  before: false,
  needs: ['routeSets'],
  judge(view) {
    const { shards } = view.snapshot;
    const findings = shards.flatMap(({ namespace, name, bytes, textBytes, previous }): Finding[] => {
      const part = Math.max(bytes / MAX_SHARD_BYTES, textBytes / MAX_TEXT_BYTES);
      if (previous || part < NEAR) return [];
      const message = `has ${Math.round(part * 100)} % of what a shard may have (${bytes} bytes, ${textBytes} decompressed)`;
      const mend = inShell(
        `kubectl annotate namespace ${namespace} sideroute.dev/routes-from=${namespace} --overwrite`,
      );
      return [findingAt(part >= 1 ? 'error' : 'warning', { kind: 'ConfigMap', namespace, name }, message, mend)];
    });
    return { looked: counted(shards.length, 'shard'), findings };
  },
};

const present: Check = {
  id: 'route-set-present',
  group: 'routeSets',
  title: 'each namespace with sidecars has a route set',
  why: 'Without it its sidecars have no routes, and pass everything on unrouted.',
  mend: 'See whether the controller runs and may write ConfigMaps there.',
  before: false,
  needs: ['routeSets', 'pods', 'deployments', 'namespaces'],
  judge(view) {
    if (view.controller === null) return { looked: 'no controller', findings: [] };
    const { index } = routesOf(view);
    const namespaces = [...index.clients.keys()];
    const findings = namespaces.flatMap((namespace): Finding[] => {
      if (view.find('routeSets', namespace, shardName(0)) !== null || !view.covers('routeSets', namespace)) return [];
      const mend = byHand('see the checks controller-ready, controller-lease and controller-permissions');
      const place = { kind: 'Namespace', namespace: null, name: namespace };
      return [findingAt('error', place, `has sidecars, and no ConfigMap ${shardName(0)}`, mend)];
    });
    return { looked: counted(namespaces.length, 'namespace'), findings };
  },
};

export const ROUTE_SET_CHECKS: readonly Check[] = [present, whole, size];
