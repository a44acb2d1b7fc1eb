/** Requests and watches against servers that do not answer as they should, over real sockets. */
import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { KubeClient, KubeError } from '../../../src/kube/client.ts';
import { Reflector } from '../../../src/kube/reflector.ts';
import { createLogger } from '../../../src/log.ts';
import { eventually } from '../../support/eventually.ts';

async function clientOf(t: Test, serve: RequestListener): Promise<KubeClient> {
  const server = createServer(serve);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const access = {
    server: `http://127.0.0.1:${port}`,
    ca: null,
    cert: null,
    key: null,
    servername: null,
    verify: true,
  };
  const client = new KubeClient({ ...access, authorization: () => null, issuer: null, headers: {} }, 'test');
  t.teardown(async () => {
    client.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return client;
}

async function failureOf(work: Promise<unknown>): Promise<KubeError> {
  const failure = await work.then(
    () => null,
    (error: unknown) => error,
  );
  if (!(failure instanceof KubeError)) throw new Error(`expected a KubeError, got ${String(failure)}`);
  return failure;
}

const never = new AbortController().signal;

t.test('a watch that is neither taken nor refused ends, with its reason', async (t) => {
  const client = await clientOf(t, () => undefined);
  const watch = client.watch(
    { path: '/api/v1/services', headTimeoutMs: 20 },
    () => 60_000,
    never,
    () => undefined,
  );
  const { status, reason, message } = await failureOf(watch.next());
  t.same([status, reason], [0, 'Timeout']);
  t.match(message, /the watch of \/api\/v1\/services was neither taken nor refused in time/);
  t.equal(client.traffic.requests.get('GET 0'), 1, 'it is counted as a request without an answer');
});

t.test('a refusal whose text never ends is cut off as well', async (t) => {
  const client = await clientOf(t, (_, response) => void response.writeHead(500).write('{'));
  const watch = client.watch(
    { path: '/x', headTimeoutMs: 20 },
    () => 60_000,
    never,
    () => undefined,
  );
  t.equal((await failureOf(watch.next())).reason, 'Timeout');
});

t.test('a watch that is taken goes on, and ends with the signal', async (t) => {
  const events = ['{"type":"ADDED","object":{}}\n', '{"type":"DELETED","object":{}}\n'];
  let send: () => void = () => undefined;
  const client = await clientOf(t, (_, response) => {
    response.flushHeaders();
    send = () => void response.write(events.shift());
  });
  const ending = new AbortController();
  let opened = 0;
  const watch = client.watch(
    { path: '/x', headTimeoutMs: 60_000 },
    () => 60_000,
    ending.signal,
    () => opened++,
  );
  const first = watch.next();
  await eventually('it is taken', () => opened === 1);
  send();
  t.match(await first, { value: { type: 'ADDED' } });
  const second = watch.next();
  send();
  t.match(await second, { value: { type: 'DELETED' } });
  const third = watch.next();
  ending.abort(new KubeError(0, 'Ended', 'the end'));
  t.equal((await failureOf(third)).reason, 'Ended');
});

t.test('a request that was answered counts once, however its answer ends', async (t) => {
  let cut: () => void = () => undefined;
  const client = await clientOf(t, (_, response) => {
    response.flushHeaders();
    cut = () => void response.socket?.resetAndDestroy();
  });
  const counted = (): unknown => [...client.traffic.requests];
  let opened = 0;
  const broken = client.watch(
    { path: '/x' },
    () => 60_000,
    never,
    () => opened++,
  );
  const next = failureOf(broken.next());
  await eventually('it is taken', () => opened === 1);
  cut();
  await next;
  t.same(counted(), [['GET 200', 1]], 'a watch that breaks off');
  const silent = client.watch(
    { path: '/x' },
    () => 20,
    never,
    () => undefined,
  );
  t.equal((await failureOf(silent.next())).reason, 'Idle');
  t.same(counted(), [['GET 200', 2]], 'a watch that is silent for too long');
});

t.test('a reflector whose watch gets no answer says so, and asks again', async (t) => {
  const asked: string[] = [];
  let answers = false;
  const client = await clientOf(t, ({ url = '' }, response) => {
    asked.push(url);
    if (!url.includes('watch=1')) response.end('{"items":[],"metadata":{"resourceVersion":"7"}}');
    else if (answers) response.flushHeaders();
  });
  const ending = new AbortController();
  const log: string[] = [];
  const reflector = new Reflector({
    ...{ client, path: '/api/v1/services', apiVersion: 'v1', kind: 'Service', signal: ending.signal },
    sink: { upsert: () => undefined, remove: () => undefined, keys: () => [] },
    logger: createLogger('debug', (line) => log.push(line)),
    ...{ backoff: { firstMs: 1, mostMs: 5 }, watchHeadTimeoutMs: 20 },
  });
  const running = reflector.run();
  t.teardown(async () => {
    ending.abort();
    await running;
  });
  await eventually('it asks again', () => asked.filter((url) => url.includes('resourceVersion=7')).length > 2);
  t.match(reflector.error, /neither taken nor refused in time/);
  t.equal(log.filter((line) => line.includes('objects cannot be read')).length, 1);
  answers = true;
  await eventually('it is well again', () => reflector.error === null);
});

for (const [what, refuse] of [
  ['an event that is no object', (response) => void response.end('nonsense\n')],
  ['an event without end', (response) => void response.write('x'.repeat(17 * 1024 * 1024))],
  [
    'a version that the server does not know',
    (response) => void response.writeHead(504).end('{"reason":"Timeout","message":"Too large resource version: 9"}'),
  ],
  ['a resource that was away', (response) => void response.writeHead(404).end('{"reason":"NotFound"}')],
] satisfies [string, (response: ServerResponse) => void][]) {
  t.test(`${what} makes everything be listed anew, instead of being asked for without end`, async (t) => {
    let lists = 0;
    const watched: string[] = [];
    const client = await clientOf(t, ({ url = '' }, response) => {
      if (!url.includes('watch=1')) {
        response.end(`{"items":[],"metadata":{"resourceVersion":"${++lists}"}}`);
        return;
      }
      watched.push(new URL(url, 'http://x').searchParams.get('resourceVersion') ?? '');
      if (watched.at(-1) === '1') refuse(response);
      else response.flushHeaders();
    });
    const ending = new AbortController();
    const reflector = new Reflector({
      ...{ client, path: '/api/v1/services', apiVersion: 'v1', kind: 'Service', signal: ending.signal },
      sink: { upsert: () => undefined, remove: () => undefined, keys: () => [] },
      logger: createLogger('error', () => undefined),
      backoff: { firstMs: 1, mostMs: 5 },
    });
    const running = reflector.run();
    t.teardown(async () => {
      ending.abort();
      await running;
    });
    await eventually('it watches from the next list', () => watched.includes('2') && reflector.error === null);
    t.equal(watched.filter((version) => version === '1').length, 1);
  });
}

t.test('what a server asks to wait is kept, but not without bound', async (t) => {
  let retryAfter = '3';
  const client = await clientOf(
    t,
    (_, response) => void response.writeHead(429, { 'retry-after': retryAfter }).end('{}'),
  );
  const waits: (number | null)[] = [];
  // More than a timer of Node takes would be no wait at all.
  for (retryAfter of ['3', '86400', '99999999999', 'Wed, 21 Oct 2026 07:28:00 GMT', '-1', '0']) {
    waits.push((await failureOf(client.send({ method: 'GET', path: '/x' }))).retryAfterMs);
  }
  t.same(waits, [3_000, 120_000, 120_000, null, null, null]);
});
