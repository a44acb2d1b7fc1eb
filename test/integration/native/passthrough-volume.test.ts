/** The tunnel under volume: a gigabyte, and thousands of connections, with memory and descriptors watched. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import t from 'tap';
import { AcceptorProcess } from '../../support/acceptor.ts';
import { inPod, SERVICE } from '../../support/pod-test.ts';
import { eventually, within } from '../../support/eventually.ts';
import { listen } from '../../support/wire-end.ts';

const PORT = 9000;
const MIB = 1024 * 1024;

void inPod(t, import.meta.url, (pod) => {
  t.test('1 GiB goes through intact with under 16 MiB more memory', async (t) => {
    const acceptor = await AcceptorProcess.start(t);
    const total = 1024 * MIB;
    const chunk = Buffer.alloc(MIB);
    for (let i = 0; i < chunk.length; i += 4) chunk.writeUInt32LE((i * 2654435761) >>> 0, i);
    const received = createHash('sha1');
    let receivedBytes = 0;
    const server = await listen(t, pod.v4, PORT, (end) => {
      end.socket.removeAllListeners('data');
      end.socket.on('data', (data: Buffer) => {
        received.update(data);
        receivedBytes += data.length;
      });
    });
    const before = await acceptor.state();
    let peak = before.rssBytes;
    const client = connect(PORT, SERVICE.v4);
    t.teardown(() => client.destroy());
    const sent = createHash('sha1');
    for (let i = 0; i < total / MIB; ++i) {
      chunk.writeUInt32LE(i, 0);
      // The buffer is reused, so each write has to reach the kernel before the next.
      sent.update(chunk);
      await new Promise((resolve) => client.write(chunk, resolve));
      if (i % 128 === 0) peak = Math.max(peak, (await acceptor.state()).rssBytes);
    }
    client.end();
    const upstream = await server.connection(0);
    await within(
      eventually('FIN', () => upstream.state === 'fin', 60_000),
      'all of it',
      60_000,
    );
    peak = Math.max(peak, (await acceptor.state()).rssBytes);
    t.equal(receivedBytes, total);
    t.equal(received.digest('hex'), sent.digest('hex'));
    t.ok(peak - before.rssBytes < 16 * MIB, `memory: ${((peak - before.rssBytes) / MIB).toFixed(1)} MiB more`);
    t.equal((await acceptor.counters()).bytesUpstream, total);
  });

  t.test('5,000 tunnels in turn leave no descriptor behind', async (t) => {
    const acceptor = await AcceptorProcess.start(t);
    await listen(t, pod.v4, PORT, (end) => end.socket.end('x'));
    const round = async (): Promise<void> => {
      const client = connect(PORT, SERVICE.v4);
      client.resume();
      await within(once(client, 'close'), 'the end');
    };
    await round();
    const before = await acceptor.state();
    for (let i = 0; i < 100; ++i) await Promise.all(Array.from({ length: 50 }, round));
    await eventually('the end of all tunnels', async () => (await acceptor.counters()).tunnelsOpen === 0);
    const after = await acceptor.state();
    // What the pool keeps for the next: 32 pipes at most.
    t.ok(after.fds - before.fds <= 64, `${after.fds - before.fds} more`);
    t.match(await acceptor.counters(), { accepted: 5001, connections: { unrouted: 5001 }, bytesDownstream: 5001 });
  });
});
