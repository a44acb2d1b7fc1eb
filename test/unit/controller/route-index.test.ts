/** What a change concerns, and what a namespace needs. */
import t from 'tap';
import { ClusterState } from '../../../src/controller/cluster-state.ts';
import { shardEntry } from '../../../src/controller/objects.ts';
import { decodeSet } from '../../../src/route-set/decode.ts';
import { encodeRoot } from '../../../src/route-set/encode.ts';
import { MAX_GENERATION } from '../../../src/route-set/format.ts';
import { RouteSets } from '../../../src/controller/route-sets.ts';
import { neededBy } from '../../../src/export/route-export.ts';
import { clusterObjectOf } from '../../../src/export/cluster-objects.ts';
import type { Json } from '../../../src/kube/json.ts';
import { INJECTED, namespace, pod, route, service } from '../../support/controller/objects.ts';

interface Told {
  readonly state: ClusterState;
  /** What has been told since the last call, sorted. */
  readonly told: () => string[];
}

function state(): Told {
  let concerns: string[] = [];
  const listener = {
    namespaceChanged: (name: string) => void concerns.push(name),
    routeChanged: (key: string) => void concerns.push(key),
    podAdded: () => undefined,
    podRemoved: () => undefined,
  };
  return {
    state: new ClusterState('sideroute.dev/controller', listener),
    told: () => {
      const found = [...new Set(concerns)].sort();
      concerns = [];
      return found;
    },
  };
}

let version = 0;
function versioned(object: object): Json {
  const { metadata } = object as { metadata: object };
  return { ...object, metadata: { ...metadata, resourceVersion: String(++version) } };
}

/** Clients everywhere: a, b, c; `d` hears of a alone. */
function clients(state: ClusterState): void {
  for (const name of ['a', 'b', 'c']) state.namespaces().upsert(versioned(namespace(name, { labels: INJECTED })));
  const annotations = { 'sideroute.dev/routes-from': 'a' };
  state.namespaces().upsert(versioned(namespace('d', { labels: INJECTED, annotations })));
}

t.test('a change concerns the namespaces that see it and the routes that it may turn', async (t) => {
  const { state: cluster, told } = state();
  clients(cluster);
  t.same(told(), ['a', 'b', 'c', 'd']);
  const routes = cluster.routes('HTTPRoute');
  routes.upsert(versioned(route('p', 'b')));
  t.same(told(), ['HTTPRoute b/p', 'a', 'b', 'c'], 'a producer route of b');
  routes.upsert(versioned(route('p', 'a')));
  t.same(told(), ['HTTPRoute a/p', 'a', 'b', 'c', 'd'], 'a producer route of a');
  const parents = [{ name: 'my-server', namespace: 'a' }];
  routes.upsert(versioned(route('q', 'c', { parents, backends: [{ name: 'own', port: 80 }] })));
  t.same(told(), ['HTTPRoute c/q', 'c'], 'a consumer route');
  cluster.services().upsert(versioned(service('own', 'c')));
  t.same(told(), ['HTTPRoute c/q', 'c'], 'a Service that it alone names');
  cluster.services().upsert(versioned({ ...service('own', 'c'), status: {} }));
  cluster.services().upsert(versioned(service('nobody', 'c')));
  t.same(told(), [], 'nothing that routing sees');
  cluster.services().upsert(versioned(service('my-server', 'a')));
  t.same(told(), ['HTTPRoute a/p', 'HTTPRoute c/q', 'a', 'b', 'c', 'd']);
  cluster.routes('GRPCRoute').upsert(versioned(route('g', 'b', { kind: 'GRPCRoute' })));
  t.same(told(), ['GRPCRoute b/g', 'HTTPRoute b/p', 'a', 'b', 'c'], 'a rival');
  routes.remove('b/p');
  t.same(told(), ['GRPCRoute b/g', 'HTTPRoute b/p', 'a', 'b', 'c']);
});

t.test('a status that somebody writes concerns the route alone, an unchanged object nothing', async (t) => {
  const { state: cluster, told } = state();
  clients(cluster);
  const routes = cluster.routes('HTTPRoute');
  const object = versioned(route('p', 'a'));
  routes.upsert(object);
  told();
  routes.upsert(object);
  t.same(told(), []);
  routes.upsert(versioned({ ...object, status: { parents: [{ controllerName: 'x/y', parentRef: { name: 'z' } }] } }));
  t.same(told(), ['HTTPRoute a/p']);
});

t.test('what a write has answered is not undone by what the watch says of the time before', async (t) => {
  const { state: cluster, told } = state();
  clients(cluster);
  const routes = cluster.routes('HTTPRoute');
  const older = versioned(route('p', 'a'));
  const newer = versioned({ ...route('p', 'a', { backends: [] }) });
  cluster.takeRoute(newer);
  told();
  routes.upsert(older);
  t.same(told(), []);
  t.notMatch(cluster.index.routes.get('HTTPRoute a/p')!.text, /my-server-v1/);
});

t.test('what a write has answered does not bring back a route that has been deleted meanwhile', async (t) => {
  const { state: cluster, told } = state();
  clients(cluster);
  const routes = cluster.routes('HTTPRoute');
  routes.upsert(versioned(route('p', 'a')));
  const answer = versioned({ ...route('p', 'a'), status: {} });
  routes.remove('a/p');
  told();
  cluster.takeAnswer('HTTPRoute a/p', answer);
  t.same(told(), []);
  t.equal(cluster.index.routes.size, 0);
});

t.test('what a write has answered does not hide an edit that the watch has told of before', async (t) => {
  const { state: cluster } = state();
  const name = 'sideroute-set-0';
  const shard = (hash: string): Json =>
    versioned({ metadata: { name, namespace: 'a', annotations: { 'sideroute.dev/text-hash': hash } } });
  const answer = shard('ours');
  cluster.shardSink().upsert(shard('of somebody else'));
  cluster.takeShard(shardEntry(answer));
  t.equal(cluster.shardsOf('a').get(name)?.textHash, 'of somebody else');
});

t.test('a namespace is a client by its label or its pods', async (t) => {
  const { state: cluster, told } = state();
  cluster.namespaces().upsert(versioned(namespace('x')));
  t.same(told(), []);
  cluster.podSink().upsert(versioned(pod('one', 'x')));
  t.same(told(), ['x']);
  cluster.podSink().upsert(versioned(pod('two', 'x')));
  cluster.podSink().remove('x/one');
  t.same(told(), []);
  const ending = pod('two', 'x') as { metadata: object };
  cluster.podSink().upsert(versioned({ ...ending, metadata: { ...ending.metadata, deletionTimestamp: 'now' } }));
  t.same(told(), ['x'], 'the last one ends');
  t.equal(cluster.index.clients.size, 0);
});

t.test('sets are what routes export makes, however they are put together', async (t) => {
  const { state: cluster } = state();
  clients(cluster);
  const objects: object[] = [];
  const names = ['a', 'b', 'c', 'd', 'e'];
  for (const of of names) {
    for (let index = 0; index < 6; index++) {
      objects.push(service(`s${index}`, of, `10.96.${names.indexOf(of)}.${index}`));
      const to = names[(names.indexOf(of) + index) % names.length]!;
      // Some are producer routes, some consumer routes, some name Services that nobody else does or that are not there.
      objects.push(
        route(`r${index}`, of, {
          parents: [{ name: `s${index % 3}`, namespace: to }],
          backends: [
            { name: `s${index}`, port: 80 },
            { name: 's9', namespace: to, port: 80 },
          ],
        }),
      );
    }
  }
  for (const object of objects) {
    const sink = 'rules' in (object as { spec: object }).spec ? cluster.routes('HTTPRoute') : cluster.services();
    sink.upsert(versioned(object));
  }
  const exported = objects.map((object) => clusterObjectOf(object as Json)!);
  const sets = new RouteSets(cluster.index);
  for (const name of ['a', 'b', 'c']) {
    const expected = neededBy(name, exported).map(({ manifest }) => JSON.stringify(manifest));
    t.same(sets.itemsOf(name), expected, name);
  }
  const ofA = exported.filter(({ kind, namespace: of }) => kind === 'Service' || of === 'a' || of === 'd');
  const expected = neededBy('d', ofA).map(({ manifest }) => JSON.stringify(manifest));
  t.same(sets.itemsOf('d'), expected, 'd hears of a alone');
});

t.test('a generation that somebody wrote by hand does not make the next set one that no sidecar reads', async (t) => {
  const written = (generation: number) =>
    shardEntry({ metadata: { annotations: { 'sideroute.dev/generation': String(generation) } } }).generation;
  t.equal(written(7), 7);
  for (const [before, is] of [
    [MAX_GENERATION - 1, MAX_GENERATION - 1],
    [MAX_GENERATION, 0],
    [Number.MAX_SAFE_INTEGER, 0],
  ] as const) {
    const next = written(before) + 1;
    t.equal(next, is + 1);
    t.match(await decodeSet(new Map([[0, encodeRoot([], []).bytes(next)]])), { state: 'complete', generation: next });
  }
});
