/** Status of routes, written by a controller through real HTTP to a stand-in API server. */
import t, { type Test } from 'tap';
import type { ApiServer } from '../../support/api-server.ts';
import { ask, METRICS, serverOf, settled, startController } from '../../support/controller/harness.ts';
import { namespace, route, service } from '../../support/controller/objects.ts';
import { eventually } from '../../support/eventually.ts';

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number;
  readonly lastTransitionTime: string;
}

interface ParentStatus {
  readonly parentRef: Record<string, unknown>;
  readonly controllerName: string;
  readonly conditions: readonly Condition[];
}

function parentsOf(api: ApiServer, key: string, plural = 'httproutes'): readonly ParentStatus[] {
  const status = api.get(plural, key)?.['status'] as { parents?: ParentStatus[] } | undefined;
  return status?.parents ?? [];
}

/** `Accepted=True Accepted`. */
function told(parent: ParentStatus | undefined): string[] {
  return (parent?.conditions ?? []).map(({ type, status, reason }) => `${type}=${status} ${reason}`);
}

function statusWrites(api: ApiServer): number {
  return api.seen.filter(({ method, path }) => method === 'PATCH' && path.endsWith('/status')).length;
}

const OURS = 'sideroute.dev/controller';
const SHOP: [string, object][] = [
  ['namespaces', namespace('shop')],
  ['services', service('my-server', 'shop')],
  ['services', service('my-server-v1', 'shop', '10.96.0.2')],
];

t.test(
  'SPEC S1-S3: a good route is accepted, with its references resolved, for the generation that was read',
  async (t) => {
    const api = await serverOf(t, ...SHOP, ['httproutes', route('r', 'shop')]);
    const started = await startController(api.url);
    t.teardown(() => started.close());
    await settled(started);
    const [parent, ...others] = parentsOf(api, 'shop/r');
    t.same(others, []);
    t.equal(parent!.controllerName, OURS);
    t.same(parent!.parentRef, { group: '', kind: 'Service', name: 'my-server', port: 80 });
    t.same(told(parent), ['Accepted=True Accepted', 'ResolvedRefs=True ResolvedRefs']);
    t.same(
      parent!.conditions.map(({ observedGeneration }) => observedGeneration),
      [1, 1],
    );

    const since = parent!.conditions[0]!.lastTransitionTime;
    api.apply('httproutes', route('r', 'shop', { backends: [{ name: 'nowhere', port: 80 }] }));
    await eventually(
      'the next generation is told of',
      () => parentsOf(api, 'shop/r')[0]!.conditions[0]!.observedGeneration === 2,
    );
    const next = parentsOf(api, 'shop/r')[0]!;
    t.same(told(next), ['Accepted=True Accepted', 'ResolvedRefs=False BackendNotFound']);
    t.match(next.conditions[1]!.message, /there is no such Service/);
    t.equal(next.conditions[0]!.lastTransitionTime, since, 'what has not changed keeps its time');

    api.apply('services', service('nowhere', 'shop', '10.96.0.9'));
    await eventually('it is resolved', () => told(parentsOf(api, 'shop/r')[0])[1] === 'ResolvedRefs=True ResolvedRefs');
    api.remove('services', 'shop/my-server');
    await eventually(
      'the parent is missed',
      () => told(parentsOf(api, 'shop/r')[0])[0] === 'Accepted=False NoMatchingParent',
    );
  },
);

t.test('SPEC S1, V8: entries of other controllers, and their order, are left alone', async (t) => {
  const foreign = {
    parentRef: { group: '', kind: 'Service', name: 'my-server', port: 80 },
    controllerName: 'example.com/mesh',
    conditions: [
      { type: 'Accepted', status: 'False', reason: 'Nope', message: 'm', lastTransitionTime: 'x', extra: 1 },
    ],
  };
  const api = await serverOf(t, ...SHOP, ['httproutes', { ...route('r', 'shop'), status: { parents: [foreign] } }]);
  const started = await startController(api.url);
  t.teardown(() => started.close());
  await settled(started);
  const parents = parentsOf(api, 'shop/r');
  t.same(parents[0], foreign);
  t.equal(parents[1]!.controllerName, OURS);

  api.apply(
    'httproutes',
    route('r', 'shop', { parents: [{ name: 'elsewhere', namespace: 'x', kind: 'Gateway', group: 'g' }] }),
  );
  await eventually('our entry has gone with the parent', () => parentsOf(api, 'shop/r').length === 1);
  t.same(parentsOf(api, 'shop/r'), [foreign]);
});

t.test('a route has room for 32 entries, and the others come first', async (t) => {
  const foreign = Array.from({ length: 31 }, (_, index) => ({
    parentRef: { name: `gateway-${index}` },
    controllerName: 'example.com/gateway',
    conditions: [],
  }));
  const parents = [
    { name: 'my-server', port: 80 },
    { name: 'my-server-v1', port: 80 },
  ];
  const api = await serverOf(t, ...SHOP, [
    'httproutes',
    { ...route('r', 'shop', { parents }), status: { parents: foreign } },
  ]);
  const started = await startController(api.url);
  t.teardown(() => started.close());
  await settled(started);
  const found = parentsOf(api, 'shop/r');
  t.equal(found.length, 32);
  t.equal(found[31]!.parentRef['name'], 'my-server');
});

t.test(
  'a route whose status others have filled is counted and logged once, and has ours when there is room',
  async (t) => {
    const foreign = Array.from({ length: 32 }, (_, index) => ({
      parentRef: { name: `gateway-${index}` },
      controllerName: 'example.com/gateway',
      conditions: [],
    }));
    const full = { ...route('r', 'shop'), status: { parents: foreign } };
    const api = await serverOf(t, ...SHOP, ['httproutes', full]);
    const started = await startController(api.url, METRICS);
    t.teardown(() => started.close());
    await settled(started);
    const counted = () => ask(started, '/metrics');
    t.match(await counted(), /^sideroute_controller_status_left_out_total 1$/m);
    api.apply('httproutes', { ...full, metadata: { name: 'r', namespace: 'shop', annotations: { looked: 'again' } } });
    api.apply('services', service('my-server', 'shop', '10.96.0.9'));
    await settled(started);
    t.equal(statusWrites(api), 0);
    t.match(await counted(), /^sideroute_controller_status_left_out_total 1$/m);
    t.equal(started.log.filter(({ message }) => String(message).includes('some of ours are left out')).length, 1);
    api.apply('httproutes', { ...full, status: { parents: foreign.slice(1) } });
    await eventually('ours is there', () => parentsOf(api, 'shop/r').at(-1)?.controllerName === OURS);
  },
);

t.test('a route that only has Gateways as parents is left alone', async (t) => {
  const parents = [{ name: 'g', kind: 'Gateway', group: 'gateway.networking.k8s.io' }];
  const api = await serverOf(
    t,
    ...SHOP,
    ['httproutes', route('r', 'shop', { parents })],
    ['httproutes', route('s', 'shop')],
  );
  const started = await startController(api.url);
  t.teardown(() => started.close());
  await settled(started);
  t.equal(api.get('httproutes', 'shop/r')!['status'], undefined);
  t.equal(parentsOf(api, 'shop/s').length, 1);
});

t.test('SPEC P6, S1: kinds conflict, and both are told', async (t) => {
  const api = await serverOf(t, ...SHOP, ['httproutes', route('h', 'shop')]);
  const started = await startController(api.url);
  t.teardown(() => started.close());
  await settled(started);
  api.apply('grpcroutes', route('g', 'shop', { kind: 'GRPCRoute' }));
  await eventually(
    'the HTTPRoute has lost',
    () => told(parentsOf(api, 'shop/h')[0])[0] === 'Accepted=False Conflicted',
  );
  await settled(started);
  const grpc = parentsOf(api, 'shop/g', 'grpcroutes')[0];
  t.same(told(grpc), ['Accepted=True Accepted', 'ResolvedRefs=True ResolvedRefs']);
  api.remove('grpcroutes', 'shop/g');
  await eventually('it is accepted again', () => told(parentsOf(api, 'shop/h')[0])[0] === 'Accepted=True Accepted');
});

t.test('SPEC S1-S3, B3, G4: a GRPCRoute has the status that an HTTPRoute would have', async (t) => {
  const method = { service: 'shop.Cart', method: 'Get' };
  const rules = (more: object, backend = 'my-server-v1'): object[] => [
    { matches: [{ method }], backendRefs: [{ name: backend, port: 80 }], ...more },
  ];
  const calls = (ruleList: readonly object[]): object => route('g', 'shop', { kind: 'GRPCRoute', rules: ruleList });
  const api = await serverOf(t, ...SHOP, ['grpcroutes', calls(rules({}))]);
  const started = await startController(api.url);
  t.teardown(() => started.close());
  await settled(started);
  const now = (): readonly Condition[] => parentsOf(api, 'shop/g', 'grpcroutes')[0]?.conditions ?? [];
  const said = (): string[] => told(parentsOf(api, 'shop/g', 'grpcroutes')[0]);
  t.same(said(), ['Accepted=True Accepted', 'ResolvedRefs=True ResolvedRefs']);

  api.apply('grpcroutes', calls(rules({}, 'nowhere')));
  await eventually('the backend is missed', () => said()[1] === 'ResolvedRefs=False BackendNotFound');
  t.match(now()[1]!.message, /answered with UNAVAILABLE/);

  const extension = { type: 'ExtensionRef', extensionRef: { group: 'a.example', kind: 'K', name: 'n' } };
  api.apply('grpcroutes', calls([...rules({ filters: [extension] }), ...rules({})]));
  await eventually('a rule is told as dropped', () => said()[1] === 'PartiallyInvalid=True UnsupportedValue');
  t.match(now()[1]!.message, /^Dropped Rule: spec\.rules\[0\] answer UNIMPLEMENTED/);

  // What passes the API server: the dialect is ours.
  api.apply('grpcroutes', calls(rules({ matches: [{ method: { type: 'RegularExpression', service: '(' } }] })));
  await eventually('it is not accepted', () => said()[0] === 'Accepted=False UnsupportedValue');
  t.match(now()[0]!.message, /spec\.rules\[0\]\.matches\[0\]\.method\.service/);
});

t.test('SPEC V8: two controllers of different names write once each and then rest', async (t) => {
  const api = await serverOf(t, ...SHOP, ['httproutes', route('r', 'shop')]);
  const one = await startController(api.url);
  const other = await startController(api.url, { controllerName: 'example.com/second' });
  t.teardown(() => one.close());
  t.teardown(() => other.close());
  await settled(one);
  await settled(other);
  t.same(
    parentsOf(api, 'shop/r')
      .map(({ controllerName }) => controllerName)
      .sort(),
    ['example.com/second', OURS],
  );
  const before = statusWrites(api);
  // Somebody else's change makes both look again.
  api.apply('httproutes', {
    ...api.get('httproutes', 'shop/r')!,
    metadata: { name: 'r', namespace: 'shop', labels: { a: 'b' } },
  });
  await settled(one);
  await settled(other);
  t.equal(statusWrites(api), before, 'nothing is written');
});

t.test('a write that meets another version reads the route again', async (t) => {
  const api = await serverOf(t, ...SHOP, ['httproutes', route('r', 'shop')]);
  let conflicts = 0;
  api.fault = ({ method, path }) => {
    if (method !== 'PATCH' || !path.endsWith('/status') || conflicts >= 2) return null;
    conflicts++;
    return { status: 409, reason: 'Conflict' };
  };
  const started = await startController(api.url);
  t.teardown(() => started.close());
  await eventually('the status is there', () => parentsOf(api, 'shop/r').length === 1);
  t.equal(conflicts, 2);
  t.same(told(parentsOf(api, 'shop/r')[0]), ['Accepted=True Accepted', 'ResolvedRefs=True ResolvedRefs']);
});

/** Writes of a controller whose status is undone in the moment in which it is written, `status(n)` being what is there then. */
async function writesWhileUndone(t: Test, status: (undone: number) => object): Promise<number> {
  const api = await serverOf(t, ...SHOP, ['httproutes', route('r', 'shop')]);
  const started = await startController(api.url);
  t.teardown(() => started.close());
  let undone = 0;
  const undo = setInterval(() => {
    if (!parentsOf(api, 'shop/r').some(({ controllerName }) => controllerName === OURS)) return;
    undone++;
    api.apply('httproutes', { ...api.get('httproutes', 'shop/r')!, status: status(undone) });
  }, 1);
  t.teardown(() => clearInterval(undo));
  await eventually('it is undone a few times', () => undone >= 3);
  await settled(started);
  clearInterval(undo);
  return statusWrites(api);
}

t.test('somebody who undoes our entries without end is answered a few times, and then seldom', async (t) => {
  const writes = await writesWhileUndone(t, () => ({ parents: [] }));
  t.ok(writes <= 6, `${writes} writes`);
});

t.test('nor does it help somebody who undoes them to say something else of his own each time', async (t) => {
  // Another controller that takes the status for its own alone, and counts.
  const writes = await writesWhileUndone(t, (undone) => {
    const conditions = [{ type: 'Programmed', status: 'True', reason: 'Done', message: `${undone} times` }];
    const parentRef = { group: '', kind: 'Service', name: 'my-server', port: 80 };
    return { parents: [{ parentRef, controllerName: 'example.com/mesh', conditions }] };
  });
  t.ok(writes <= 6, `${writes} writes`);
});

t.test('an entry that another controller rewrites all the time makes us write nothing', async (t) => {
  const api = await serverOf(t, ...SHOP, ['httproutes', route('r', 'shop')]);
  const one = await startController(api.url);
  const other = await startController(api.url, { controllerName: 'example.com/second' });
  t.teardown(() => one.close());
  t.teardown(() => other.close());
  await settled(one);
  await settled(other);
  const before = statusWrites(api);
  const parentRef = { group: '', kind: 'Service', name: 'my-server', port: 80 };
  for (let time = 1; time <= 50; time++) {
    const conditions = [{ type: 'Accepted', status: 'True', reason: 'Accepted', message: `looked ${time} times` }];
    const theirs = { parentRef, controllerName: 'example.com/mesh', conditions };
    const others = parentsOf(api, 'shop/r').filter(({ controllerName }) => controllerName !== 'example.com/mesh');
    api.apply('httproutes', { ...api.get('httproutes', 'shop/r')!, status: { parents: [theirs, ...others] } });
    await new Promise((resolve) => setImmediate(resolve));
  }
  await settled(one);
  await settled(other);
  t.equal(statusWrites(api), before);
  t.same(
    parentsOf(api, 'shop/r')
      .map(({ controllerName }) => controllerName)
      .sort(),
    ['example.com/mesh', 'example.com/second', OURS],
  );
});
