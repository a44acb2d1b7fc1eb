/** The tunnel for destinations that are not routed: real redirects, real kernel, the addon in a process of its own. */
import t, { type Test } from 'tap';
import { AcceptorProcess } from '../../support/acceptor.ts';
import { inPod, REFUSED_PORT, SERVICE, SILENT_HOST } from '../../support/pod-test.ts';
import { eventually } from '../../support/eventually.ts';
import { attempt, dial, listen, type WireEnd } from '../../support/wire-end.ts';
import { traced } from '../../support/strace.ts';
import { matches } from '../../support/match.ts';

const PORT = 9000;
const MIB = 1024 * 1024;

/** Both ends of one tunnel. */
async function tunnel(t: Test, address: string): Promise<{ downstream: WireEnd; upstream: WireEnd }> {
  const server = await listen(t, address, PORT);
  const downstream = await dial(t, SERVICE.v4, PORT);
  return { downstream, upstream: await server.connection(0) };
}

/** Every read, peek and splice. */
const READS = ['read', 'readv', 'recvfrom', 'recvmsg', 'recvmmsg', 'splice', 'connect', 'accept4'];

void inPod(t, import.meta.url, (pod) => {
  t.test('SPEC A4: a server-first protocol is tunnelled, with not one byte read', async (t) => {
    const acceptor = await AcceptorProcess.start(t);
    await listen(t, pod.v4, PORT, (end) => void end.write('220 ready\r\n'));
    const trace = await traced(t, acceptor.child.pid!, READS, async () => {
      const client = await dial(t, SERVICE.v4, PORT);
      await client.until('220 ready\r\n');
    });
    const tcp = trace.filter((line) => /\((\d+)<TCP/.test(line));
    t.same(
      tcp.filter((line) => /read|recv/.test(line)),
      [],
      'no TCP socket is read',
    );
    t.ok(tcp.some((line) => line.includes('splice(')));
    t.match(await acceptor.counters(), { connections: { unrouted: 1 }, bytesUpstream: 0, bytesDownstream: 11 });
  });

  t.test(
    'SPEC A4: a client-first protocol is tunnelled, with not one byte read before or after the dial',
    async (t) => {
      const acceptor = await AcceptorProcess.start(t);
      await listen(t, pod.v4, PORT, (end) => end.socket.pipe(end.socket));
      const trace = await traced(t, acceptor.child.pid!, READS, async () => {
        const client = await dial(t, SERVICE.v4, PORT);
        await client.write('GET / HTTP/1.1\r\n\r\n');
        await client.until('GET / HTTP/1.1\r\n\r\n');
      });
      const tcp = trace.filter((line) => line.includes('<TCP'));
      t.same(
        tcp.filter((line) => /read|recv/.test(line)),
        [],
      );
      const dialled = tcp.findIndex((line) => line.includes('connect('));
      const spliced = tcp.findIndex((line) => line.includes('splice('));
      t.ok(dialled >= 0 && spliced > dialled, 'nothing moves before the destination is dialled');
      t.match(await acceptor.counters(), { bytesUpstream: 18, bytesDownstream: 18 });
    },
  );

  t.test('IPv6: the original destination is recovered and tunnelled', async (t) => {
    const acceptor = await AcceptorProcess.start(t);
    await listen(t, pod.v6, PORT, (end) => end.socket.pipe(end.socket));
    const client = await dial(t, SERVICE.v6, PORT);
    await client.write('six');
    await client.until('six');
    t.match(await acceptor.counters(), { connections: { unrouted: 1, loop: 0 } });
  });

  t.test('half-close by the downstream passes through, and the answer still comes back', async (t) => {
    const acceptor = await AcceptorProcess.start(t);
    const { downstream, upstream } = await tunnel(t, pod.v4);
    downstream.socket.end('question');
    await upstream.untilFin();
    t.equal(upstream.text, 'question');
    t.equal(downstream.state, 'open', 'the other direction stays open');
    upstream.socket.end('answer');
    await downstream.untilFin();
    t.equal(downstream.text, 'answer');
    await eventually('end of the tunnel', async () => (await acceptor.counters()).tunnelsOpen === 0);
    t.equal(downstream.errorCode, null);
    t.equal(upstream.errorCode, null);
  });

  t.test('half-close by the upstream passes through, and the downstream may go on', async (t) => {
    const acceptor = await AcceptorProcess.start(t);
    const { downstream, upstream } = await tunnel(t, pod.v4);
    upstream.socket.end('bye');
    await downstream.untilFin();
    t.equal(downstream.text, 'bye');
    await downstream.write('more');
    await upstream.until('more');
    downstream.socket.end();
    await upstream.untilFin();
    await eventually('end of the tunnel', async () => (await acceptor.counters()).tunnelsOpen === 0);
  });

  t.test('half-close before a byte, and before the tunnel stands, passes through', async (t) => {
    await AcceptorProcess.start(t);
    const server = await listen(t, pod.v4, PORT);
    const downstream = await dial(t, SERVICE.v4, PORT);
    downstream.socket.end();
    const upstream = await server.connection(0);
    await upstream.untilFin();
    upstream.socket.end('time');
    await downstream.untilFin();
    t.equal(downstream.text, 'time');
  });

  t.test('a reset by the downstream resets the upstream', async (t) => {
    const acceptor = await AcceptorProcess.start(t);
    const { downstream, upstream } = await tunnel(t, pod.v4);
    await downstream.write('x');
    await upstream.until('x');
    downstream.socket.resetAndDestroy();
    await upstream.untilClosed();
    t.equal(upstream.errorCode, 'ECONNRESET');
    await eventually('end of the tunnel', async () => (await acceptor.counters()).tunnelsOpen === 0);
  });

  t.test('a reset by the upstream resets the downstream', async (t) => {
    await AcceptorProcess.start(t);
    const { downstream, upstream } = await tunnel(t, pod.v4);
    await downstream.write('x');
    await upstream.until('x');
    upstream.socket.resetAndDestroy();
    await downstream.untilClosed();
    t.equal(downstream.errorCode, 'ECONNRESET');
  });

  t.test('a stalled reader stops the writer; a reset is seen even then; memory and CPU stay flat', async (t) => {
    const acceptor = await AcceptorProcess.start(t);
    const { downstream, upstream } = await tunnel(t, pod.v4);
    const before = await acceptor.state();
    downstream.socket.pause();
    const chunk = Buffer.alloc(256 * 1024, 'z');
    let written = 0;
    let stalled = false;
    const push = (): void => {
      while (upstream.socket.write(chunk)) written += chunk.length;
      stalled = true;
    };
    upstream.socket.on('drain', () => {
      stalled = false;
      push();
    });
    push();
    let last = -1;
    await eventually('the writer to stall', async () => {
      const moved = (await acceptor.counters()).bytesDownstream;
      const still = stalled && moved === last;
      last = moved;
      return still && moved > 0;
    });
    const cpuStart = await acceptor.state();
    await new Promise((resolve) => setTimeout(resolve, 500)); // a span to measure CPU over, not a synchronisation
    const after = await acceptor.state();
    t.ok(written < 32 * MIB, `in flight: ${written} bytes`);
    t.ok(after.cpuMs - cpuStart.cpuMs < 50, `CPU while stalled: ${after.cpuMs - cpuStart.cpuMs} ms of 500`);
    t.ok(after.rssBytes - before.rssBytes < 16 * MIB, `memory: ${after.rssBytes - before.rssBytes}`);
    upstream.socket.resetAndDestroy();
    await eventually('the reset, unread bytes or not', async () => (await acceptor.counters()).tunnelsOpen === 0);
    downstream.socket.resume();
    // libuv reports a reset behind unread bytes as an end.
    await eventually('the end of the downstream', () => !downstream.open);
  });

  t.test('after a stall everything arrives', async (t) => {
    const acceptor = await AcceptorProcess.start(t);
    const { downstream, upstream } = await tunnel(t, pod.v4);
    const total = 48 * MIB;
    let seen = 0;
    downstream.socket.removeAllListeners('data');
    downstream.socket.pause();
    downstream.socket.on('data', (data: Buffer) => (seen += data.length));
    downstream.socket.pause();
    upstream.socket.end(Buffer.alloc(total, 'y'));
    await eventually('the stall', async () => {
      const moved = (await acceptor.counters()).bytesDownstream;
      return moved > 0 && moved < total;
    });
    downstream.socket.resume();
    await downstream.untilFin();
    t.equal(seen, total);
  });

  t.test('a refused destination resets the downstream and is counted', async (t) => {
    const acceptor = await AcceptorProcess.start(t);
    const client = attempt(t, SERVICE.v4, REFUSED_PORT);
    await client.untilClosed();
    t.equal(client.errorCode, 'ECONNRESET');
    t.match(await acceptor.counters(), { connections: { connect_failure: 1, unrouted: 0 }, tunnelsOpen: 0 });
    matches(t, await acceptor.events(), {
      dropped: [{ reason: 'connect_failure', address: SERVICE.v4, port: REFUSED_PORT, errorCode: 'ECONNREFUSED' }],
    });
  });

  t.test('a destination that does not answer is given up after the connect timeout', async (t) => {
    const acceptor = await AcceptorProcess.start(t, { connectTimeoutMs: 200 });
    const start = performance.now();
    const client = await dial(t, SILENT_HOST, PORT);
    await client.untilClosed();
    const tookMs = performance.now() - start;
    t.ok(tookMs >= 190 && tookMs < 2000, `after ${tookMs} ms`);
    t.equal(client.errorCode, 'ECONNRESET');
    matches(t, await acceptor.events(), { dropped: [{ reason: 'connect_failure', errorCode: 'ETIMEDOUT' }] });
  });

  t.test('a downstream that resets while its destination is being dialled ends the dial', async (t) => {
    const acceptor = await AcceptorProcess.start(t, { connectTimeoutMs: 60_000 });
    const client = await dial(t, SILENT_HOST, PORT);
    await eventually('the dial', async () => (await acceptor.counters()).tunnelsOpen === 1);
    client.socket.resetAndDestroy();
    await eventually('its end', async () => (await acceptor.counters()).tunnelsOpen === 0);
  });
});
