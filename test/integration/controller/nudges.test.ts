/** Pods are told of their routes, through real HTTP to a stand-in API server and to sidecars that say what they serve. */
import t, { type Test } from 'tap';
import { ApiServer } from '../../support/api-server.ts';
import { FakeSidecar, setOf, settled, startController } from '../../support/controller/harness.ts';
import { INJECTED, namespace, pod, route, service } from '../../support/controller/objects.ts';
import { eventually } from '../../support/eventually.ts';

async function shop(t: Test): Promise<ApiServer> {
  const api = new ApiServer();
  api.apply('namespaces', namespace('shop', { labels: INJECTED }));
  api.apply('services', service('my-server', 'shop'));
  api.apply('httproutes', route('r', 'shop'));
  await api.start();
  t.teardown(() => api.stop());
  return api;
}

/** Value of the annotation. */
function told(api: ApiServer, name: string): string | undefined {
  return (api.get('pods', `shop/${name}`)!.metadata['annotations'] as Record<string, string>)['sideroute.dev/routes'];
}

function patches(api: ApiServer): number {
  return api.seen.filter(({ method, path }) => method === 'PATCH' && path.includes('/pods/')).length;
}

async function sidecarAt(t: Test, address: string, port = 0): Promise<{ sidecar: FakeSidecar; port: number }> {
  const sidecar = new FakeSidecar(address);
  const listening = await sidecar.listen(port);
  t.teardown(() => sidecar.close());
  return { sidecar, port: listening };
}

t.test('a pod is told of a change until its sidecar serves it', async (t) => {
  const api = await shop(t);
  const { sidecar, port } = await sidecarAt(t, '127.66.0.1');
  api.apply('pods', pod('one', 'shop', { ip: sidecar.address }));
  const started = await startController(api.url, { nudge: true, servedPort: port });
  t.teardown(() => started.close());
  await eventually('it is told again', () => told(api, 'one')?.endsWith('.2'), 20_000);
  const { hash } = setOf(api, 'shop')!;
  t.equal(told(api, 'one'), `${hash.slice(0, 12)}.2`);
  sidecar.hash = hash;
  await settled(started);

  const before = patches(api);
  api.apply('httproutes', route('r', 'shop', { backends: [] }));
  await eventually('the set is another one', () => setOf(api, 'shop')!.hash !== hash);
  sidecar.hash = setOf(api, 'shop')!.hash;
  await settled(started);
  t.equal(told(api, 'one'), sidecar.hash.slice(0, 12));
  t.equal(patches(api), before + 1);
});

t.test('who leads next asks the pods that were not told, and tells none that has its routes', async (t) => {
  const api = await shop(t);
  const { sidecar, port } = await sidecarAt(t, '127.66.0.2');
  const first = await startController(api.url);
  await settled(first);
  await first.close();
  api.apply('pods', pod('has', 'shop', { ip: sidecar.address }));
  sidecar.hash = setOf(api, 'shop')!.hash;
  const { sidecar: behind } = await sidecarAt(t, '127.66.0.3', port);
  api.apply('pods', pod('lacks', 'shop', { ip: behind.address }));
  api.apply('pods', pod('away', 'shop', { ip: '127.66.0.4' }));
  const second = await startController(api.url, { nudge: true, servedPort: port });
  t.teardown(() => second.close());
  await eventually('one is told', () => told(api, 'lacks') !== undefined, 20_000);
  behind.hash = sidecar.hash;
  await eventually('one that does not answer is told twice', () => told(api, 'away')?.endsWith('.2'), 20_000);
  await settled(second);
  t.equal(told(api, 'has'), undefined);
  t.equal(told(api, 'lacks'), behind.hash.slice(0, 12));
});

t.test('who leads next asks the pods as well that were told and have not been heard of', async (t) => {
  const api = await shop(t);
  const { sidecar, port } = await sidecarAt(t, '127.66.0.6');
  api.apply('pods', pod('one', 'shop', { ip: sidecar.address }));
  const first = await startController(api.url, { nudge: true, servedPort: port });
  await eventually('it is told', () => told(api, 'one') !== undefined);
  await first.close();
  const before = told(api, 'one')!;
  const second = await startController(api.url, { nudge: true, servedPort: port });
  t.teardown(() => second.close());
  await eventually('it is told again', () => told(api, 'one') !== before);
  sidecar.hash = setOf(api, 'shop')!.hash;
  await settled(second);
});

t.test('for a while after the API server was away pods that do not answer are told more than twice', async (t) => {
  const api = await shop(t);
  api.apply('pods', pod('away', 'shop', { ip: '127.66.0.7' }));
  const { port } = await sidecarAt(t, '127.66.0.8');
  const started = await startController(api.url, { nudge: true, servedPort: port });
  t.teardown(() => started.close());
  await settled(started);
  const { hash } = setOf(api, 'shop')!;
  t.equal(told(api, 'away'), `${hash.slice(0, 12)}.2`);
  await api.stop();
  const said = (text: string) => started.log.some(({ message, path }) => message === text && path === '/api/v1/pods');
  await eventually('it is noticed', () => said('objects cannot be read; what was read last is used'), 20_000);
  await api.start();
  await eventually('it is back', () => said('objects are read again'), 20_000);
  // The kubelet may be back much later.
  api.apply('httproutes', route('r', 'shop', { backends: [] }));
  await eventually('it is told on', () => told(api, 'away')?.endsWith('.4'), 30_000);
});

t.test('without nudging no pod is written', async (t) => {
  const api = await shop(t);
  api.apply('pods', pod('one', 'shop', { ip: '127.66.0.5' }));
  const started = await startController(api.url, { nudge: false });
  t.teardown(() => started.close());
  await settled(started);
  t.ok(setOf(api, 'shop'));
  t.equal(patches(api), 0);
  t.equal(api.seen.filter(({ path }) => /\/pods\/./.test(path)).length, 0, 'nor read');
});
