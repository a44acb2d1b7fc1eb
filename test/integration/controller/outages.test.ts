/** Several replicas, and an API server that fails, through real HTTP to a stand-in API server. */
import t, { type Test } from 'tap';
import { ApiServer } from '../../support/api-server.ts';
import { ask, makeController, METRICS, setOf, settled, startController } from '../../support/controller/harness.ts';
import { INJECTED, namespace, route, service } from '../../support/controller/objects.ts';
import { eventually } from '../../support/eventually.ts';

async function shop(t: Test): Promise<ApiServer> {
  const api = new ApiServer();
  api.apply('namespaces', namespace('shop', { labels: INJECTED }));
  api.apply('services', service('my-server', 'shop'));
  api.apply('services', service('my-server-v1', 'shop', '10.96.0.2'));
  api.apply('httproutes', route('r', 'shop'));
  await api.start();
  t.teardown(() => api.stop());
  return api;
}

const OK = 'ok\nno election\n';

function hasRoute(api: ApiServer, name: string): boolean {
  return setOf(api, 'shop')?.names.includes(`HTTPRoute shop/${name}`) ?? false;
}

t.test('one of two replicas writes; when it ends the other goes on at once', async (t) => {
  const api = await shop(t);
  // Longer than the test: the next leader must not have to wait for it.
  const lease = { leaderElection: true, leaseDurationMs: 600_000, renewDeadlineMs: 400_000, retryPeriodMs: 50 };
  const first = await startController(api.url, { ...lease, identity: 'first' });
  t.teardown(() => first.close());
  await settled(first);
  const second = await startController(api.url, { ...lease, identity: 'second' });
  t.teardown(() => second.close());
  await eventually('the second has read everything', () => second.controller.synced);
  t.equal(second.controller.leading, false);
  api.apply('httproutes', route('next', 'shop'));
  await eventually('the first writes it', () => hasRoute(api, 'next'));
  const writers = api.seen.filter(({ method, path }) => method !== 'GET' && path.includes('configmaps')).length;
  await first.close();
  t.match(api.get('leases', 'sideroute/sideroute-controller')!['spec'], { holderIdentity: '' });
  await eventually('the second leads', () => second.controller.leading);
  await settled(second);
  t.equal(
    api.seen.filter(({ method, path }) => method !== 'GET' && path.includes('configmaps')).length,
    writers,
    'what is right already is not written again',
  );
  api.apply('httproutes', route('third', 'shop'));
  await eventually('the second writes', () => hasRoute(api, 'third'));
  t.match(api.get('leases', 'sideroute/sideroute-controller')!['spec'], {
    holderIdentity: 'second',
    leaseTransitions: 1,
  });
});

t.test('what changes while the API server is away is written when it is back', async (t) => {
  const api = await shop(t);
  const started = await startController(api.url);
  t.teardown(() => started.close());
  await settled(started);
  await api.stop();
  await eventually('it is noticed', () =>
    started.log.some(({ message }) => String(message).startsWith('objects cannot be read')),
  );
  api.apply('httproutes', route('meanwhile', 'shop'));
  api.remove('httproutes', 'shop/r');
  // As after a restart of etcd: the versions that were watched are gone.
  api.compact();
  await api.start();
  await eventually('it is written', () => hasRoute(api, 'meanwhile') && !hasRoute(api, 'r'));
  t.ok(started.controller.synced);
  t.equal(started.log.filter(({ level }) => level === 'error').length, 0);
});

t.test('a watch that breaks off goes on where it was; a version that is gone is read anew', async (t) => {
  const api = await shop(t);
  const started = await startController(api.url);
  t.teardown(() => started.close());
  await settled(started);
  const lists = (): number =>
    api.seen.filter(({ path, query }) => path.endsWith('/httproutes') && !query.has('watch')).length;
  const before = lists();
  api.dropWatches();
  api.apply('httproutes', route('after', 'shop'));
  await eventually('it is written', () => hasRoute(api, 'after'));
  t.equal(lists(), before, 'nothing is listed again');
  api.dropWatches();
  api.compact();
  api.apply('httproutes', route('later', 'shop'));
  api.compact();
  await eventually('it is written', () => hasRoute(api, 'later'));
  t.equal(lists(), before + 1);
});

t.test('a write that fails comes again, and holds up no other', async (t) => {
  const api = await shop(t);
  api.apply('namespaces', namespace('poor', { labels: INJECTED }));
  let failing = true;
  api.fault = ({ method, path }) =>
    failing && method === 'POST' && path.includes('/poor/')
      ? { status: 403, reason: 'Forbidden', message: 'quota' }
      : null;
  const started = await startController(api.url);
  t.teardown(() => started.close());
  await eventually('the others have theirs', () => setOf(api, 'shop'));
  t.equal(setOf(api, 'poor'), null);
  await eventually('it is told', () =>
    started.log.some(({ key, error }) => key === 'poor' && String(error).includes('quota')),
  );
  failing = false;
  await eventually('it has its set', () => setOf(api, 'poor'));
});

t.test('nothing is written before everything has been read', async (t) => {
  const api = await shop(t);
  api.fault = ({ path }) => (path.endsWith('/services') ? { status: 500 } : null);
  const started = makeController(api.url);
  const { controller } = started;
  t.teardown(() => started.close());
  await controller.start();
  await eventually(
    'Services are asked for again',
    () => api.seen.filter(({ path }) => path.endsWith('/services')).length > 2,
  );
  t.equal(setOf(api, 'shop'), null);
  t.equal(controller.synced, false);
  api.fault = null;
  await eventually('the set is there', () => setOf(api, 'shop')?.names.length === 3);
});

t.test('a kind of route that is served in another version from now on is followed there', async (t) => {
  const api = await shop(t);
  const started = await startController(api.url, METRICS);
  t.teardown(() => started.close());
  await settled(started);
  api.gatewayVersion = 'v1beta1';
  api.dropWatches();
  await eventually('the sets say so', () =>
    setOf(api, 'shop')?.items.some(({ apiVersion }) => apiVersion === 'gateway.networking.k8s.io/v1beta1'),
  );
  t.ok(started.controller.synced, 'what was read in the other version held meanwhile');
  api.apply('httproutes', route('next', 'shop'));
  await eventually('changes arrive', () => hasRoute(api, 'next'));
  await settled(started);
  const status = (name: string) => api.get('httproutes', `shop/${name}`)!['status'] as { parents?: unknown[] };
  t.equal(status('next').parents?.length, 1, 'and are answered there');
  t.equal(await ask(started, '/readyz'), OK);
});

t.test('a kind of route that is not served any more stays as it was read, and that is told', async (t) => {
  const api = await shop(t);
  const started = await startController(api.url, METRICS);
  t.teardown(() => started.close());
  await settled(started);
  api.absent.add('HTTPRoute');
  api.dropWatches();
  await eventually('it is told', async () =>
    (await ask(started, '/readyz')).includes(
      'HTTPRoute: the cluster does not serve it any more; what was read last is used',
    ),
  );
  t.ok(hasRoute(api, 'r'), 'traffic goes on');
  t.match(await ask(started, '/metrics'), /sideroute_controller_watch_current\{kind="HTTPRoute"\} 0/);
  api.absent.delete('HTTPRoute');
  api.apply('httproutes', route('next', 'shop'));
  await eventually('it is followed again', () => hasRoute(api, 'next'));
  await eventually('nothing is wrong any more', async () => (await ask(started, '/readyz')) === OK);
});

t.test('a kind of route that the cluster does not have is not waited for', async (t) => {
  const api = await shop(t);
  api.absent.add('GRPCRoute');
  const started = await startController(api.url);
  t.teardown(() => started.close());
  await settled(started);
  t.ok(hasRoute(api, 'r'), 'GRPCRoute is not needed');
});

t.test('a kind of route that goes before it could be read is not waited for either', async (t) => {
  const api = await shop(t);
  api.fault = ({ path }) => (path.endsWith('/grpcroutes') ? { status: 404, reason: 'NotFound' } : null);
  const started = makeController(api.url, METRICS);
  const { controller } = started;
  t.teardown(() => started.close());
  const endpoints = await controller.start();
  await eventually('it is asked for', () => api.seen.some(({ path }) => path.endsWith('/grpcroutes')));
  t.equal(controller.synced, false, 'what is said to be there is waited for');
  api.absent.add('GRPCRoute');
  await eventually('the set is there', () => hasRoute(api, 'r'));
  t.equal(await ask({ ...started, endpoints }, '/readyz'), OK, 'nothing is missing');
  api.fault = null;
  api.absent.delete('GRPCRoute');
});
