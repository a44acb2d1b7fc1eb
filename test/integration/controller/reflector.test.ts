/** Lists and watches through real HTTP to a stand-in API server. */
import t, { type Test } from 'tap';
import { KubeClient } from '../../../src/kube/client.ts';
import type { Json } from '../../../src/kube/json.ts';
import { keyOf, Reflector, type ReflectorOptions } from '../../../src/kube/reflector.ts';
import { createLogger } from '../../../src/log.ts';
import { ApiServer } from '../../support/api-server.ts';
import { service } from '../../support/controller/objects.ts';
import { eventually } from '../../support/eventually.ts';

interface Started {
  readonly api: ApiServer;
  readonly reflector: Reflector;
  readonly objects: Map<string, Json>;
  readonly log: string[];
}

async function start(t: Test, services: number, options: Partial<ReflectorOptions> = {}): Promise<Started> {
  const api = new ApiServer();
  for (let index = 0; index < services; index++) api.apply('services', service(`s${index}`, 'ns'));
  await api.start();
  t.teardown(() => api.stop());
  const access = { server: api.url, ca: null, cert: null, key: null, servername: null, verify: true };
  const client = new KubeClient({ ...access, authorization: () => null, issuer: null, headers: {} }, 'test');
  t.teardown(() => client.close());
  const ending = new AbortController();
  const objects = new Map<string, Json>();
  const log: string[] = [];
  const reflector = new Reflector({
    ...{ client, path: '/api/v1/services', apiVersion: 'v1', kind: 'Service', signal: ending.signal },
    sink: {
      upsert: (object) => {
        if (keyOf(object) === 'ns/bad') throw new Error('nonsense');
        objects.set(keyOf(object), object);
      },
      remove: (key) => void objects.delete(key),
      keys: () => objects.keys(),
    },
    logger: createLogger('debug', (line) => log.push(line)),
    backoff: { firstMs: 1, mostMs: 5 },
    ...options,
  });
  const running = reflector.run();
  t.teardown(async () => {
    ending.abort();
    await running;
  });
  return { api, reflector, objects, log };
}

t.test('a list is read page by page, and says of each object what it is', async (t) => {
  const { api, objects, reflector } = await start(t, 25, { pageSize: 10 });
  await eventually('it is read', () => reflector.synced);
  t.equal(objects.size, 25);
  t.match(objects.get('ns/s24'), { apiVersion: 'v1', kind: 'Service' });
  const pages = api.seen.filter(({ query }) => query.get('limit') === '10');
  t.equal(pages.length, 3);
  api.remove('services', 'ns/s3');
  api.apply('services', service('new', 'ns'));
  await eventually('it follows', () => objects.has('ns/new') && !objects.has('ns/s3'));
});

t.test('what is removed while nobody watches is removed with the next list', async (t) => {
  const { api, objects, reflector } = await start(t, 5);
  await eventually('it is read', () => reflector.synced);
  await api.stop();
  api.remove('services', 'ns/s1');
  api.compact();
  await api.start();
  await eventually('it follows', () => !objects.has('ns/s1'));
  t.equal(objects.size, 4);
  await eventually('all is well', () => reflector.error === null);
});

t.test('after an outage what cannot be watched any more is listed at once', async (t) => {
  let away = false;
  // A refusal that is on its way while the server comes back would still be waited for.
  let refusals = 0;
  let waits = 0;
  const backoff = {
    // Once the server answers a wait is longer than the test.
    get firstMs() {
      waits++;
      return away ? 1 : 3_600_000;
    },
    get mostMs() {
      return away ? 1 : 3_600_000;
    },
  };
  const { api, objects, reflector } = await start(t, 5, { backoff });
  await eventually('it watches', () => reflector.watches > 0 && api.watching > 0);
  away = true;
  api.fault = () => {
    if (!away) return null;
    refusals++;
    return { status: 503 };
  };
  api.dropWatches();
  // The first wait is for the watch that was dropped.
  await eventually('it is noticed, and every refusal has been heard', () => refusals > 0 && waits === refusals + 1);
  api.apply('services', service('new', 'ns'));
  api.compact();
  away = false;
  await eventually('it follows', () => objects.has('ns/new'));
  await eventually('all is well', () => reflector.error === null);
  t.equal(waits, refusals + 1, 'without another wait');
});

t.test('a bookmark moves on what is watched from', async (t) => {
  const { api, objects, reflector } = await start(t, 1);
  await eventually('it watches', () => reflector.watches > 0 && api.seen.some(({ query }) => query.has('watch')));
  // Of other kinds: the version of this watch does not move by itself.
  for (let index = 0; index < 50; index++)
    api.apply('configmaps', { metadata: { name: `c${index}`, namespace: 'ns' } });
  const { version } = api;
  await eventually('it is told', () => {
    api.bookmark();
    api.endWatches();
    return api.seen.some(({ query }) => query.has('watch') && query.get('resourceVersion') === String(version));
  });
  t.equal(reflector.lists, 1);
  t.equal(objects.size, 1);
});

t.test('an object that cannot be taken is left out and counted', async (t) => {
  const { api, objects, reflector, log } = await start(t, 2);
  api.apply('services', service('bad', 'ns'));
  api.apply('services', service('good', 'ns'));
  await eventually('the others are there', () => objects.has('ns/good'));
  t.equal(objects.has('ns/bad'), false);
  t.equal(reflector.rejected, 1);
  t.match(log.join(''), /ns\/bad/);
});

t.test('a server that refuses is asked again, and an outage is told once', async (t) => {
  const { api, reflector, log } = await start(t, 1);
  await eventually('it is read', () => reflector.synced);
  let asked = 0;
  api.fault = () => ({ status: 503, reason: `ServiceUnavailable ${asked++}` });
  api.dropWatches();
  await eventually('it is asked again and again', () => asked > 5);
  t.ok(reflector.error);
  t.equal(log.filter((line) => line.includes('cannot be read')).length, 1);
  api.fault = null;
  await eventually('it is well again', () => reflector.error === null);
  t.match(log.join(''), /objects are read again/);
});
