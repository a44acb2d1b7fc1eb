/** Route sets of namespaces, written by a controller through real HTTP to a stand-in API server. */
import t from 'tap';
import { serverOf, setOf, settled, startController } from '../../support/controller/harness.ts';
import { INJECTED, namespace, pod, route, service } from '../../support/controller/objects.ts';
import { eventually } from '../../support/eventually.ts';
import { matches } from '../../support/match.ts';

const SHOP: [string, object][] = [
  ['namespaces', namespace('shop', { labels: INJECTED })],
  ['namespaces', namespace('clients', { labels: INJECTED })],
  ['namespaces', namespace('plain')],
  ['services', service('my-server', 'shop')],
  ['services', service('my-server-v1', 'shop', '10.96.0.2')],
  ['services', service('unrelated', 'shop', '10.96.0.3')],
  ['httproutes', route('r', 'shop')],
];

t.test('a labelled namespace gets the routes of everybody and the Services that they name', async (t) => {
  const api = await serverOf(t, ...SHOP);
  const started = await startController(api.url);
  t.teardown(() => started.close());
  await settled(started);
  const expected = ['Service shop/my-server', 'Service shop/my-server-v1', 'HTTPRoute shop/r'];
  for (const name of ['shop', 'clients']) t.same(setOf(api, name)?.names, expected, name);
  t.equal(setOf(api, 'plain'), null, 'a namespace without label and without sidecars gets none');
  const [service, , route] = setOf(api, 'shop')!.items;
  t.same(service!['spec'], {
    type: 'ClusterIP',
    clusterIP: '10.96.0.1',
    clusterIPs: ['10.96.0.1'],
    ports: [{ name: 'p80', port: 80, protocol: 'TCP' }],
  });
  t.hasStrict(route!['metadata'], { creationTimestamp: '2026-11-28T10:00:00Z', generation: 1 });
});

t.test('a GRPCRoute goes where an HTTPRoute goes, with the Services that it names', async (t) => {
  const mirror = { type: 'RequestMirror', requestMirror: { backendRef: { name: 'unrelated', port: 80 } } };
  const match = { method: { service: 'shop.Cart' } };
  const rules = [{ matches: [match], filters: [mirror], backendRefs: [{ name: 'my-server-v1', port: 80 }] }];
  const calls: [string, object] = ['grpcroutes', route('g', 'shop', { kind: 'GRPCRoute', rules })];
  const api = await serverOf(t, ...SHOP.slice(0, -1), calls);
  const started = await startController(api.url);
  t.teardown(() => started.close());
  await settled(started);
  const expected = ['my-server', 'my-server-v1', 'unrelated'].map((name) => `Service shop/${name}`);
  for (const name of ['shop', 'clients']) t.same(setOf(api, name)?.names, [...expected, 'GRPCRoute shop/g'], name);
  matches(t, setOf(api, 'clients')!.items.at(-1), { kind: 'GRPCRoute', spec: { rules: [{ matches: [match] }] } });
  api.remove('grpcroutes', 'shop/g');
  await eventually('it is gone', () => setOf(api, 'clients')?.names.length === 0);
});

t.test('what changes nothing is not written', async (t) => {
  const api = await serverOf(t, ...SHOP);
  const started = await startController(api.url);
  t.teardown(() => started.close());
  await settled(started);
  const before = setOf(api, 'shop')!;
  const version = api.get('configmaps', 'shop/sideroute-set-0')!.metadata.resourceVersion;
  api.apply('services', { ...service('my-server', 'shop'), status: { loadBalancer: {} } });
  api.apply('services', service('unrelated', 'shop', '10.96.0.9'));
  await settled(started);
  t.equal(api.get('configmaps', 'shop/sideroute-set-0')!.metadata.resourceVersion, version);

  api.apply('services', service('my-server', 'shop', '10.96.0.77'));
  await eventually('the new address is in the set', () => setOf(api, 'clients')?.hash !== before.hash);
  t.equal(setOf(api, 'clients')!.generation, before.generation + 1);
  await settled(started);
});

t.test('a consumer route concerns its own namespace alone', async (t) => {
  const api = await serverOf(t, ...SHOP);
  const started = await startController(api.url);
  t.teardown(() => started.close());
  await settled(started);
  const writesBefore = api.seen.filter(({ method, path }) => method === 'PUT' && path.includes('configmaps')).length;
  const parents = [{ name: 'my-server', namespace: 'shop', port: 80 }];
  api.apply(
    'httproutes',
    route('mine', 'clients', { parents, backends: [{ name: 'my-server-v1', namespace: 'shop', port: 80 }] }),
  );
  await eventually('the set has it', () => setOf(api, 'clients')!.names.includes('HTTPRoute clients/mine'));
  await settled(started);
  t.notOk(setOf(api, 'shop')!.names.includes('HTTPRoute clients/mine'));
  const puts = api.seen
    .filter(({ method, path }) => method === 'PUT' && path.includes('configmaps'))
    .slice(writesBefore);
  t.same(
    puts.map(({ path }) => path),
    ['/api/v1/namespaces/clients/configmaps/sideroute-set-0'],
  );
});

t.test('an annotation limits whose routes a namespace hears of; its own it always has', async (t) => {
  const api = await serverOf(
    t,
    ...SHOP,
    ['namespaces', namespace('other', { labels: INJECTED })],
    ['services', service('their-server', 'other')],
    ['httproutes', route('theirs', 'other', { parents: [{ name: 'their-server' }], backends: [] })],
    [
      'namespaces',
      namespace('picky', { labels: INJECTED, annotations: { 'sideroute.dev/routes-from': 'other, none' } }),
    ],
    ['services', service('own', 'picky')],
    ['httproutes', route('own', 'picky', { parents: [{ name: 'own' }], backends: [] })],
  );
  const started = await startController(api.url);
  t.teardown(() => started.close());
  await settled(started);
  const routes = (): string[] => setOf(api, 'picky')!.names.filter((name) => name.startsWith('HTTPRoute'));
  t.same(routes(), ['HTTPRoute other/theirs', 'HTTPRoute picky/own']);
  t.equal(setOf(api, 'shop')!.names.filter((name) => name.startsWith('HTTPRoute')).length, 3);
  api.apply(
    'namespaces',
    namespace('picky', { labels: INJECTED, annotations: { 'sideroute.dev/routes-from': 'shop' } }),
  );
  await eventually('it hears of others', () => routes().includes('HTTPRoute shop/r'));
  t.same(routes(), ['HTTPRoute picky/own', 'HTTPRoute shop/r']);
  api.apply('namespaces', namespace('picky', { labels: INJECTED }));
  await eventually('it hears of all', () => routes().length === 3);
});

t.test('a namespace with a sidecar has a set until it has had none for a while', async (t) => {
  const api = await serverOf(t, ...SHOP, ['pods', pod('a', 'plain', { injected: false })]);
  const started = await startController(api.url, { cleanupAfterMs: 300 });
  t.teardown(() => started.close());
  await settled(started);
  t.equal(setOf(api, 'plain'), null, 'a pod without a sidecar');
  api.apply('pods', pod('b', 'plain'));
  await eventually('there is a set', () => setOf(api, 'plain'));
  api.remove('pods', 'plain/b');
  await eventually('the set is gone', () => setOf(api, 'plain') === null);
  t.ok(setOf(api, 'shop'), 'others keep theirs');
});

t.test('what is to stay for longer than a timer counts is not looked at all the time', async (t) => {
  const overflows: string[] = [];
  const heard = ({ name }: Error): void => {
    if (name === 'TimeoutOverflowWarning') overflows.push(name);
  };
  process.on('warning', heard);
  t.teardown(() => process.off('warning', heard));
  const api = await serverOf(t, ...SHOP, ['pods', pod('b', 'plain')]);
  const started = await startController(api.url, { cleanupAfterMs: 30 * 86_400_000 });
  t.teardown(() => started.close());
  await settled(started);
  t.ok(setOf(api, 'plain'));
  api.remove('pods', 'plain/b');
  // The removal of the pod has been dealt with once something later has.
  api.apply('pods', pod('c', 'other'));
  api.apply('namespaces', namespace('other', { labels: INJECTED }));
  await eventually('there is a set', () => setOf(api, 'other'));
  await settled(started);
  t.ok(setOf(api, 'plain'));
  t.same(overflows, []);
});

t.test('kube-system gets a set only when it is labelled', async (t) => {
  const api = await serverOf(t, ...SHOP, ['namespaces', namespace('kube-system')], ['pods', pod('a', 'kube-system')]);
  const started = await startController(api.url);
  t.teardown(() => started.close());
  await settled(started);
  t.equal(setOf(api, 'kube-system'), null);
  api.apply('namespaces', namespace('kube-system', { labels: INJECTED }));
  await eventually('there is one', () => setOf(api, 'kube-system'));
});

t.test('ConfigMaps that somebody edits or removes are written again', async (t) => {
  const api = await serverOf(t, ...SHOP);
  const started = await startController(api.url);
  t.teardown(() => started.close());
  await settled(started);
  const { hash } = setOf(api, 'shop')!;
  const object = api.get('configmaps', 'shop/sideroute-set-0')!;
  const good = object['binaryData'];
  api.apply('configmaps', { ...object, binaryData: { 'sideroute-set-0.gz': 'AAAA' } });
  await eventually('the data is back', () => {
    return (
      JSON.stringify(api.get('configmaps', 'shop/sideroute-set-0')!['binaryData']).length >= JSON.stringify(good).length
    );
  });
  t.equal(setOf(api, 'shop')!.hash, hash);
  await settled(started);
  api.remove('configmaps', 'shop/sideroute-set-0');
  await eventually('it is back', () => setOf(api, 'shop'));
  t.equal(setOf(api, 'shop')!.hash, hash);
  await settled(started);
  const before = api.get('configmaps', 'shop/sideroute-set-0')!;
  api.apply('configmaps', { ...before, metadata: { ...before.metadata, labels: { some: 'thing' } } });
  await eventually('it is found again', () => {
    return JSON.stringify(api.get('configmaps', 'shop/sideroute-set-0')!.metadata['labels']).includes('managed-by');
  });
});

t.test('a ConfigMap of that name that was there before is written over', async (t) => {
  const api = await serverOf(t, ...SHOP, [
    'configmaps',
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'sideroute-set-0', namespace: 'shop' }, data: { a: 'b' } },
  ]);
  const started = await startController(api.url);
  t.teardown(() => started.close());
  await eventually('it is a shard', () => api.get('configmaps', 'shop/sideroute-set-0')!['binaryData'] !== undefined);
  t.equal(setOf(api, 'shop')!.names.length, 3);
});

t.test('a write that a policy of the cluster refuses leaves the last set where it is', async (t) => {
  const api = await serverOf(t, ...SHOP);
  const started = await startController(api.url);
  t.teardown(() => started.close());
  await settled(started);
  const before = setOf(api, 'shop')!;
  const deleted = (): boolean => api.seen.some(({ method }) => method === 'DELETE');
  let refused = 0;
  api.fault = ({ method, path }) => {
    if (method !== 'PUT' || !path.includes('/configmaps/')) return null;
    refused++;
    return { status: 422, reason: 'Invalid', message: 'ValidatingAdmissionPolicy denied the request' };
  };
  api.apply('services', service('my-server', 'shop', '10.96.0.77'));
  await eventually('it was tried again', () => refused > 1 || deleted());
  t.notOk(deleted());
  t.equal(setOf(api, 'shop')?.hash, before.hash);
  api.fault = null;
  await eventually('it is written', () => setOf(api, 'shop')?.hash !== before.hash);
});

t.test('one that has been made immutable is made anew', async (t) => {
  const api = await serverOf(t, ...SHOP);
  const started = await startController(api.url);
  t.teardown(() => started.close());
  await settled(started);
  const before = setOf(api, 'shop')!;
  const key = 'shop/sideroute-set-0';
  api.apply('configmaps', { ...api.get('configmaps', key)!, immutable: true });
  api.fault = ({ method, path }) =>
    method === 'PUT' && path.endsWith(key.split('/')[1]!) && api.get('configmaps', key)?.['immutable'] === true
      ? { status: 422, reason: 'Invalid', message: 'field is immutable when `immutable` is set' }
      : null;
  api.apply('services', service('my-server', 'shop', '10.96.0.77'));
  await eventually('it is written', () => ![undefined, before.hash].includes(setOf(api, 'shop')?.hash));
  t.notOk(api.get('configmaps', key)!['immutable']);
});

t.test(
  'many routes are spread over shards, and one change writes one of them anew and shard 0, which comes last',
  async (t) => {
    const backendRefs = [{ name: 'my-server-v1', port: 80 }];
    const rules = Array.from({ length: 16 }, (_, index) => ({ name: `${'x'.repeat(200)}${index}`, backendRefs }));
    const many = Array.from({ length: 100 }, (_, index): [string, object] => [
      'httproutes',
      route(`many-${index}`, 'shop', { rules }),
    ]);
    const api = await serverOf(t, ...SHOP, ...many);
    const started = await startController(api.url, { cleanupAfterMs: 300 });
    t.teardown(() => started.close());
    await settled(started);
    const before = setOf(api, 'shop')!;
    t.equal(before.shards.length, 4);
    t.equal(before.names.length, 103);
    api.seen.length = 0;
    api.apply('httproutes', route('many-5', 'shop', { backends: [] }));
    await eventually('the set has it', () => setOf(api, 'shop')!.hash !== before.hash);
    await settled(started);
    const writes = api.seen.filter(
      ({ method, path }) => method !== 'GET' && path.startsWith('/api/v1/namespaces/shop/configmaps'),
    );
    t.equal(writes.length, 2);
    const data = writes[0]!.body as { metadata: { name: string } };
    t.notOk(before.shards.includes(data.metadata.name), 'nothing of the set that is there is written over');
    t.match(writes[1]!.path, /sideroute-set-0$/);

    for (let index = 0; index < 80; index++) api.remove('httproutes', `shop/many-${index}`);
    await eventually('it is one shard again', () => setOf(api, 'shop')!.shards.length === 1);
    await eventually('what is not needed is gone', () => {
      return api
        .all('configmaps')
        .every(({ metadata: { namespace, name } }) => namespace !== 'shop' || name.endsWith('-0'));
    });
  },
);

t.test('an object that cannot be read is left out, and nothing else', async (t) => {
  const api = await serverOf(t, ...SHOP);
  api.apply('httproutes', { ...route('bad', 'shop'), spec: { parentRefs: 'nonsense', rules: 7 } });
  api.apply('httproutes', {
    ...route('worse', 'shop'),
    spec: { parentRefs: [{ group: '', kind: 'Service', name: 'my-server', port: 'x' }, 5], rules: [null] },
  });
  const started = await startController(api.url);
  t.teardown(() => started.close());
  await settled(started);
  t.ok(setOf(api, 'shop')!.names.includes('HTTPRoute shop/r'));
  const worse = api.get('httproutes', 'shop/worse')!;
  matches(t, worse['status'], { parents: [{ conditions: [{ type: 'Accepted', status: 'False' }] }] });
});
