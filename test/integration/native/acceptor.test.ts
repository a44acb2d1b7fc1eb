/** Limits and faults of the acceptor itself: loops, descriptors, its own callbacks, bad arguments, closing. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { AcceptorProcess, LISTEN, wrapperCommand } from '../../support/acceptor.ts';
import { CAPTURE_PORT, inPod, SERVICE } from '../../support/pod-test.ts';
import { eventually, within } from '../../support/eventually.ts';
import { attempt, dial, listen } from '../../support/wire-end.ts';

/** The state once its descriptors no longer change: what start-up opened for a moment is not part of a comparison. */
async function settled(acceptor: AcceptorProcess): ReturnType<AcceptorProcess['state']> {
  let last = await acceptor.state();
  for (let same = 0; same < 5;) {
    const next = await acceptor.state();
    same = next.fds === last.fds ? same + 1 : 0;
    last = next;
  }
  return last;
}

const PORT = 8080;
const HEAD = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const HTTP_FRONTEND = [{ address: SERVICE.v4, port: PORT, id: 1, mode: 'http' }] as const;

void inPod(t, import.meta.url, (pod) => {
  t.test('a destination that is the proxy itself is refused and counted, and no descriptor grows', async (t) => {
    const acceptor = await AcceptorProcess.start(t);
    const before = await settled(acceptor);
    for (let i = 0; i < 50; ++i) {
      for (const host of ['127.0.0.1', '::1']) await attempt(t, host, CAPTURE_PORT).untilFin();
    }
    t.match(await acceptor.counters(), { accepted: 100, connections: { loop: 100 }, tunnelsOpen: 0 });
    t.equal((await acceptor.state()).fds, before.fds);
    const { dropped } = await acceptor.events();
    t.match(dropped[0], { reason: 'loop', address: '127.0.0.1', port: CAPTURE_PORT });
    t.match(dropped[1], { reason: 'loop', address: '::1', port: CAPTURE_PORT });
  });

  t.test('maxConnections: accepting pauses, and goes on when a connection ends', async (t) => {
    const acceptor = await AcceptorProcess.start(t, { maxConnections: 4 });
    await listen(t, pod.v4, PORT, (end) => void end.write('hello'));
    const clients = await Promise.all(Array.from({ length: 8 }, () => dial(t, SERVICE.v4, PORT)));
    await eventually('four tunnels', () => clients.filter((client) => client.text === 'hello').length === 4);
    t.match(await acceptor.counters(), { accepted: 4, tunnelsOpen: 4, acceptPauses: { connections: 1 } });
    for (const client of clients.filter((client) => client.text === 'hello')) client.socket.resetAndDestroy();
    await eventually('the other four', () => clients.every((client) => client.text === 'hello'));
  });

  t.test('with 64 descriptors accepting pauses, CPU stays low, all are served', async (t) => {
    const acceptor = await AcceptorProcess.start(t, { wrapper: ['prlimit', '--nofile=64:64'] });
    await listen(t, pod.v4, PORT, (end) => void end.write('hello'));
    const clients = await Promise.all(Array.from({ length: 100 }, () => dial(t, SERVICE.v4, PORT)));
    await eventually('a pause', async () => (await acceptor.counters()).acceptPauses.descriptors > 0);
    const served = (): number => clients.filter((client) => client.text === 'hello').length;
    await eventually('the first tunnels', () => served() > 0);
    const before = await settled(acceptor);
    await new Promise((resolve) => setTimeout(resolve, 500)); // a span to measure CPU over, not a synchronisation
    const after = await acceptor.state();
    t.ok(after.fds <= 64);
    t.ok(after.cpuMs - before.cpuMs < 100, `CPU while exhausted: ${after.cpuMs - before.cpuMs} ms of 500`);
    t.ok(served() < 100, `${served()} of 100 fit`);
    // Each that is served makes room for another.
    await eventually('all 100', () => {
      for (const client of clients) if (client.text === 'hello') client.socket.resetAndDestroy();
      return served() === 100;
    });
    t.same(
      clients.filter((client) => client.errorCode !== null).map((client) => client.errorCode),
      [],
    );
    t.match(await acceptor.counters(), { connections: { accept_limit: 0, unrouted: 100 } });
  });

  t.test('a receiver that throws loses its connection, not the process', async (t) => {
    for (const [catchErrors, report] of [
      [true, 'caught: Error: bug in the receiver'],
      [false, 'uncaught: bug in the receiver'],
    ] as const) {
      const acceptor = await AcceptorProcess.start(t, { http: 'throw', catchErrors, frontends: HTTP_FRONTEND });
      const before = await settled(acceptor);
      for (let i = 0; i < 3; ++i) {
        const client = await dial(t, SERVICE.v4, PORT);
        await client.write(HEAD);
        await client.untilClosed();
        t.equal(client.errorCode, 'ECONNRESET');
      }
      t.same((await acceptor.events()).errors, [report, report, report]);
      t.equal((await acceptor.state()).fds, before.fds);
      await acceptor.kill();
    }
  });

  t.test('replyAndClose: the response survives bytes the downstream is still sending', async (t) => {
    const acceptor = await AcceptorProcess.start(t, { frontends: HTTP_FRONTEND });
    const before = await settled(acceptor);
    const client = await dial(t, SERVICE.v4, PORT);
    await client.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n`);
    await client.untilFin();
    t.match(client.text, '"verdict":"admit"');
    await client.write(Buffer.alloc(1_000_000));
    t.equal(client.errorCode, null, 'a FIN, no reset');
    client.socket.end();
    await client.untilClosed();
    await eventually('the descriptor to be closed', async () => (await acceptor.state()).fds === before.fds);
  });

  t.test('replyAndClose: a downstream that never closes is let go after 2 s', async (t) => {
    const acceptor = await AcceptorProcess.start(t, { frontends: HTTP_FRONTEND });
    const before = await settled(acceptor);
    const client = await dial(t, SERVICE.v4, PORT);
    await client.write(HEAD);
    const startMs = performance.now();
    await client.untilFin();
    await eventually('the descriptor to be closed', async () => (await acceptor.state()).fds === before.fds);
    const tookMs = performance.now() - startMs;
    t.ok(tookMs > 1500 && tookMs < 4000, `after ${tookMs} ms`);
  });

  t.test('bad arguments are errors that name the field; a bad table keeps the old one', async (t) => {
    const acceptor = await AcceptorProcess.spawn(t);
    const port = await acceptor.call('occupy');
    await t.rejects(acceptor.listen({ listen: [{ address: '127.0.0.1', port: port as number }] }), {
      code: 'EADDRINUSE',
      syscall: 'bind',
      message: `bind EADDRINUSE 127.0.0.1 port ${String(port)}`,
    });
    await t.rejects(acceptor.listen({ listen: [] }), { message: 'options.listen must name at least one address' });
    await t.rejects(acceptor.listen({ listen: [{ address: 'localhost', port: 1 }] }), {
      message: "options.listen[0].address is no IPv4 or IPv6 address: 'localhost'",
    });
    await t.rejects(acceptor.listen({ maxHeadBytes: 0.5 }), {
      message: 'options.maxHeadBytes must be an integer from 256 to 1048576',
    });
    await acceptor.listen({ listen: LISTEN });
    await acceptor.call('setFrontends', HTTP_FRONTEND);
    for (const [frontends, message] of [
      [{}, 'frontends must be an array'],
      [[null], 'frontends[0] must be an object'],
      [[{ ...HTTP_FRONTEND[0], mode: 'tcp' }], "frontends[0].mode must be 'http' or 'opaque', not 'tcp'"],
      [[{ ...HTTP_FRONTEND[0], id: -1 }], 'frontends[0].id must be an integer from 0 to 9007199254740991'],
      [[HTTP_FRONTEND[0], HTTP_FRONTEND[0]], `frontends[1] repeats ${SERVICE.v4} port ${PORT}`],
    ] as const) {
      await t.rejects(acceptor.call('setFrontends', frontends), { message });
    }
    const client = await dial(t, SERVICE.v4, PORT);
    await client.write(HEAD);
    await client.untilFin();
    t.match(client.text, '"frontend":1');
  });

  t.test('replacing the frontends leaves connections alone that are classified already', async (t) => {
    const acceptor = await AcceptorProcess.start(t, { frontends: HTTP_FRONTEND });
    await listen(t, pod.v4, PORT, (end) => void end.write('hello'));
    const early = await dial(t, SERVICE.v4, PORT);
    await eventually('classification', async () => (await acceptor.counters()).detectingOpen === 1);
    await acceptor.call('setFrontends', []);
    const late = await dial(t, SERVICE.v4, PORT);
    await late.until('hello');
    await early.write(HEAD);
    await early.untilFin();
    t.match(early.text, '"frontend":1');
  });

  t.test('stopAccepting refuses new connections and leaves tunnels; close ends them', async (t) => {
    const acceptor = await AcceptorProcess.start(t, { frontends: HTTP_FRONTEND });
    await listen(t, pod.v4, 9000, (end) => end.socket.pipe(end.socket));
    const tunnel = await dial(t, SERVICE.v4, 9000);
    const detecting = await dial(t, SERVICE.v4, PORT);
    await eventually('both', async () => (await acceptor.counters()).accepted === 2);
    await acceptor.call('stopAccepting');
    const refused = attempt(t, SERVICE.v4, 9000);
    await refused.untilClosed();
    t.equal(refused.errorCode, 'ECONNREFUSED');
    await tunnel.write('still');
    await tunnel.until('still');
    await acceptor.call('close');
    await acceptor.call('close');
    await tunnel.untilClosed();
    await detecting.untilClosed();
    t.equal(tunnel.errorCode, 'ECONNRESET');
    t.match(await acceptor.counters(), { accepted: 2, tunnelsOpen: 0, detectingOpen: 0 });
    await acceptor.listen({ listen: LISTEN });
    const again = await dial(t, SERVICE.v4, 9000);
    await again.write('again');
    await again.until('again');
  });

  t.test('a worker that ends takes its acceptor with it, and the process goes on', async (t) => {
    const script = fileURLToPath(new URL('../../support/fixtures/acceptor-worker.js', import.meta.url));
    const command = [...wrapperCommand(), process.execPath, '--expose-gc', script];
    const result = spawnSync('env', ['-u', 'NODE_OPTIONS', ...command], { encoding: 'utf8', timeout: 30_000 });
    t.equal(result.stderr, '');
    t.equal(result.stdout, 'closed\n'.repeat(3));
    t.equal(result.status, 0);
  });

  t.test('thousands of connections that come and go at once leave no descriptor', async (t) => {
    const acceptor = await AcceptorProcess.start(t, { frontends: HTTP_FRONTEND });
    const before = await settled(acceptor);
    const round = async (i: number): Promise<void> => {
      const client = connect(PORT, SERVICE.v4);
      client.on('error', () => undefined);
      await within(once(client, 'connect'), 'connection');
      if (i % 3 === 0) client.write(HEAD);
      if (i % 3 === 1) client.write('GET');
      if (i % 2 === 0) client.resetAndDestroy();
      else client.destroy();
    };
    for (let i = 0; i < 40; ++i) await Promise.all(Array.from({ length: 50 }, (_, j) => round(j)));
    await eventually('the end of all', async () => (await acceptor.counters()).detectingOpen === 0);
    await eventually('no descriptor left', async () => (await acceptor.state()).fds === before.fds);
  });
});
