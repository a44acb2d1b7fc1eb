/**
 * The limits on downstream connections count all of them, whoever holds them: HTTP connections that were handed to the
 * engine, tunnels, and those whose protocol is not known yet. And nobody is accepted who would lack a descriptor later.
 */
import { spawnSync } from 'node:child_process';
import t, { type Test } from 'tap';
import { AcceptorProcess } from '../../support/acceptor.ts';
import { inPod, PROXY_UID, SERVICE, type PodContext } from '../../support/pod-test.ts';
import { eventually } from '../../support/eventually.ts';
import { dial, listen, type WireEnd } from '../../support/wire-end.ts';
import { withoutUws } from '../../support/uws-loads.ts';
import { matches } from '../../support/match.ts';

const [PORT, TUNNELLED] = [8080, 9000];
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const FRONTENDS = [{ address: SERVICE.v4, port: PORT, id: 1, mode: 'http' }] as const;
/** To the native engine within the addon, as in the sidecar, and through JavaScript. */
const WAYS = ['within', 'engine'] as const;

/** `count` connections that have each sent a request. */
async function callers(t: Test, count: number): Promise<WireEnd[]> {
  const clients = await Promise.all(Array.from({ length: count }, () => dial(t, SERVICE.v4, PORT)));
  await Promise.all(clients.map((client) => client.write(GET)));
  return clients;
}

interface Backend {
  readonly requests: () => number;
  readonly answer: () => void;
}

/** A server that answers a request when it is told to, and from then on each at once. */
async function startBackend(t: Test, pod: PodContext): Promise<Backend> {
  let answering = false;
  let requests = 0;
  const waiting: (() => void)[] = [];
  await listen(t, pod.v4, PORT, (end) => {
    end.socket.on('data', () => {
      requests++;
      const reply = (): void => void end.socket.write(OK);
      if (answering) reply();
      else waiting.push(reply);
    });
  });
  return {
    requests: () => requests,
    answer: () => {
      answering = true;
      for (const reply of waiting.splice(0)) reply();
    },
  };
}

/** The clock of the engine counts milliseconds; what is ordered by it must not fall into the same one. */
async function later(): Promise<void> {
  const sinceMs = performance.now();
  await eventually('another millisecond', () => performance.now() > sinceMs + 20);
}

const answered = (clients: readonly WireEnd[]): number => clients.filter((client) => client.text.includes('ok')).length;

void inPod(t, import.meta.url, (pod) => {
  for (const http of WAYS)
    t.test(
      `requests in progress count; who waits is served when a response has ended a connection (${http})`,
      async (t) => {
        const acceptor = await AcceptorProcess.start(t, { http, maxConnections: 4, frontends: FRONTENDS });
        const backend = await startBackend(t, pod);
        const clients = await callers(t, 8);
        await eventually('a pause', async () => (await acceptor.counters()).acceptPauses.connections > 0);
        await eventually('four requests', () => backend.requests() === 4);
        t.match(await acceptor.counters(), { accepted: 4, maxConnections: 4 });
        matches(t, (await acceptor.events()).paused, ['connections']);
        backend.answer();
        await eventually('all responses', () => answered(clients) === 8);
        // Kept alive they would have kept the others out.
        t.ok(clients.filter((client) => /^Connection: close\r$/im.test(client.text)).length >= 4);
        t.match(await acceptor.counters(), { accepted: 8, connections: { accept_limit: 0 } });
      },
    );

  for (const http of WAYS)
    t.test(`the connection that has waited longest for a request makes room, the others stay (${http})`, async (t) => {
      const acceptor = await AcceptorProcess.start(t, { http, maxConnections: 3, frontends: FRONTENDS });
      const backend = await startBackend(t, pod);
      backend.answer();
      const clients: WireEnd[] = [];
      for (let i = 0; i < 3; i++) {
        clients.push(...(await callers(t, 1)));
        await clients[i]!.until('ok');
        await later();
      }
      const [first, second, third] = clients;
      // The first one is used again, so that the second has waited longest.
      first!.forget();
      await first!.write(GET);
      await first!.until('ok');
      const [late] = await callers(t, 1);
      await late!.until('ok');
      await second!.untilFin();
      t.equal(second!.errorCode, null, 'with a FIN');
      t.same([first!.state, third!.state], ['open', 'open']);
      t.match(await acceptor.counters(), { accepted: 4 });
      t.match(await acceptor.call('engineCounters'), { idleClosed: 1 });
    });

  for (const http of WAYS)
    t.test(`tunnels, upgraded connections, and those that have said nothing count (${http})`, async (t) => {
      const acceptor = await AcceptorProcess.start(t, { http, maxConnections: 3, frontends: FRONTENDS });
      await listen(t, pod.v4, TUNNELLED, (end) => void end.write('hello'));
      await listen(t, pod.v4, PORT, (end) => {
        end.socket.once('data', () =>
          end.socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'),
        );
      });
      const tunnel = await dial(t, SERVICE.v4, TUNNELLED);
      await tunnel.until('hello');
      const upgraded = await dial(t, SERVICE.v4, PORT);
      await upgraded.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
      await upgraded.until('101');
      const silent = await dial(t, SERVICE.v4, PORT);
      await eventually('the silent one', async () => (await acceptor.counters()).detectingOpen === 1);
      const late = await dial(t, SERVICE.v4, TUNNELLED);
      await eventually('a pause', async () => (await acceptor.counters()).acceptPauses.connections === 1);
      t.match(await acceptor.counters(), { accepted: 3, tunnelsOpen: 1 });
      t.equal(late.text, '');
      silent.socket.destroy();
      await late.until('hello');
    });

  t.test('connections of the engine uws count', { skip: withoutUws }, async (t) => {
    const acceptor = await AcceptorProcess.start(t, { http: 'uws', maxConnections: 2, frontends: FRONTENDS });
    const backend = await startBackend(t, pod);
    backend.answer();
    const clients = await callers(t, 2);
    await eventually('both responses', () => answered(clients) === 2);
    const [late] = await callers(t, 1);
    await eventually('a pause', async () => (await acceptor.counters()).acceptPauses.connections > 0);
    t.match(await acceptor.counters(), { accepted: 2 });
    clients[0]!.socket.destroy();
    await late!.until('ok');
  });

  t.test('short of descriptors, whoever is accepted has one for its dial, too', async (t) => {
    for (const http of WAYS)
      await t.test(http, async (t) => {
        const wrapper = ['prlimit', '--nofile=200:200'];
        const acceptor = await AcceptorProcess.start(t, { http, frontends: FRONTENDS, wrapper });
        const backend = await startBackend(t, pod);
        const clients = await callers(t, 200);
        await eventually('a pause', async () => (await acceptor.counters()).acceptPauses.descriptors > 0);
        const { maxConnections } = await acceptor.counters();
        t.ok(maxConnections >= 50 && maxConnections < 100, `${maxConnections} connections at a time`);
        await eventually('the requests of those', () => backend.requests() === maxConnections);
        backend.answer();
        await eventually('all responses', () => answered(clients) === 200, 60_000);
        t.same(
          clients.filter((client) => !client.text.startsWith('HTTP/1.1 200 ')).map((client) => client.text),
          [],
        );
        matches(t, (await acceptor.events()).dropped, []);
      });
  });

  // The dial, or the connection and its dial, or neither of them has a descriptor at first.
  for (const free of [0, 1, 2, 3])
    t.test(`accepting goes on after the limit was lowered while connections were open, to ${free} more`, async (t) => {
      const acceptor = await AcceptorProcess.start(t, { wrapper: ['prlimit', '--nofile=1000:1000'] });
      await listen(t, pod.v4, TUNNELLED, (end) => void end.write('hello'));
      const greeted = (clients: readonly WireEnd[]): boolean => clients.every((client) => client.text === 'hello');
      const dialled = (count: number): Promise<WireEnd[]> =>
        Promise.all(Array.from({ length: count }, () => dial(t, SERVICE.v4, TUNNELLED)));
      const early = await dialled(20);
      await eventually('their tunnels', () => greeted(early));
      const { fds } = await acceptor.state();
      // As its own user may.
      const asItself = ['--reuid', String(PROXY_UID), '--regid', String(PROXY_UID), '--clear-groups'];
      const limit = ['prlimit', '--pid', String(acceptor.child.pid), `--nofile=${fds + free}:1000`];
      t.equal(spawnSync('setpriv', [...asItself, ...limit]).status, 0);
      // One may be accepted and have no descriptor for its dial: reset, perhaps before its client has seen it connected. Whoever comes after it
      // waits, also where each comes by itself. Pipes that tunnels have left idle give way to dials, so that some are served before that.
      const paused = async (): Promise<boolean> => (await acceptor.counters()).acceptPauses.descriptors > 0;
      const told = (client: WireEnd): boolean => client.closed || client.text === 'hello';
      for (let i = 0; i < 60 && !(await paused()); i++) {
        const client = await dial(t, SERVICE.v4, TUNNELLED).catch(() => undefined);
        if (client) await eventually('its end, or a pause', async () => told(client) || (await paused()));
      }
      t.ok(await paused(), 'accepting has paused');
      const short = (await acceptor.events()).dropped.filter(({ reason }) => reason === 'accept_limit');
      t.ok(short.length <= 1, `${short.length} were reset`);
      const another = await dialled(1);
      for (const client of early) client.reset();
      await eventually('another one', () => greeted(another));
    });

  t.test('short of descriptors, tunnels move on', async (t) => {
    const acceptor = await AcceptorProcess.start(t, { wrapper: ['prlimit', '--nofile=100:100'] });
    await listen(t, pod.v4, TUNNELLED, (end) => void end.socket.pipe(end.socket));
    const clients = await Promise.all(Array.from({ length: 60 }, () => dial(t, SERVICE.v4, TUNNELLED)));
    await eventually('a pause', async () => (await acceptor.counters()).acceptPauses.descriptors > 0);
    const body = 'x'.repeat(100_000);
    await Promise.all(
      clients.map(async (client) => {
        void client.write(body).catch(() => undefined);
        await eventually('all of it', () => client.length === body.length, 60_000);
        client.socket.destroy();
      }),
    );
    t.match(await acceptor.counters(), { accepted: 60, connections: { unrouted: 60, accept_limit: 0 } });
  });
});
