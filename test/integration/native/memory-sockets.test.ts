/** Tunnels and unfinished first heads are shed: by what was read of them, and by what the kernel holds where that counts. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { AcceptorProcess } from '../../support/acceptor.ts';
import { inPod, SERVICE } from '../../support/pod-test.ts';
import { eventually } from '../../support/eventually.ts';
import { traced } from '../../support/strace.ts';
import { attempt, dial, listen } from '../../support/wire-end.ts';

const TUNNEL = 9000;
const ROUTED = 8080;
const MIB = 1024 * 1024;

/** A file in place of the cgroup's. */
function usageFile(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'sideroute-sockets-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  chmodSync(directory, 0o755);
  const usage = join(directory, 'memory.current');
  writeFileSync(usage, '0');
  return usage;
}

void inPod(t, import.meta.url, (pod) => {
  t.test('while memory is short the first bytes of a connection are read in small pieces, too', async (t) => {
    const usage = usageFile(t);
    const frontends = [{ address: SERVICE.v4, port: ROUTED, id: 1, mode: 'http' }] as const;
    const acceptor = await AcceptorProcess.start(t, { http: 'within', frontends });
    await acceptor.call('guardMemory', { bytes: 10 * MIB, usage, statistics: null, countsSockets: false });
    const server = await listen(t, pod.v4, ROUTED);
    writeFileSync(usage, String(7 * MIB));
    await eventually('memory is tight', async () => {
      attempt(t, SERVICE.v4, TUNNEL);
      return (await acceptor.call('memoryLevel')) === 'tight';
    });
    const [text, http] = [
      `${'text '.repeat(20_000)}\n`,
      `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n`,
    ];
    const trace = await traced(t, acceptor.child.pid!, ['recvfrom'], async () => {
      for (const [index, bytes] of [text, http + 'b'.repeat(100_000)].entries()) {
        await (await dial(t, SERVICE.v4, ROUTED)).write(bytes);
        await (await server.connection(index)).until(bytes.length);
      }
    });
    const sizes = trace.flatMap((line) => /, (\d+), 0, NULL, NULL\)/.exec(line)?.[1] ?? []).map(Number);
    t.ok(sizes.length > 0);
    t.same(
      sizes.filter((size) => size > 16 * 1024),
      [],
    );
  });

  t.test('close to the limit the largest are reset, and counted', async (t) => {
    const usage = usageFile(t);
    const acceptor = await AcceptorProcess.start(t, {
      frontends: [{ address: SERVICE.v4, port: ROUTED, id: 1, mode: 'http' }],
    });
    await acceptor.call('guardMemory', { bytes: MIB, usage, statistics: null, countsSockets: true });
    const server = await listen(t, pod.v4, TUNNEL, (end) => void end.socket.write(Buffer.alloc(32 * MIB)));
    const reader = await dial(t, SERVICE.v4, TUNNEL);
    await server.connection(0);
    reader.socket.pause();
    const head = await dial(t, SERVICE.v4, ROUTED);
    await head.write(`GET / HTTP/1.1\r\nHost: a\r\nX-Long: ${'x'.repeat(40_000)}`);
    await eventually('an unfinished head', async () => (await acceptor.counters()).detectingOpen === 1);
    await eventually('a reader that has stalled', async () => {
      const moved = (await acceptor.counters()).bytesDownstream;
      await new Promise((resolve) => setTimeout(resolve, 50));
      return moved > 0 && (await acceptor.counters()).bytesDownstream === moved;
    });

    writeFileSync(usage, String(20 * MIB));
    await eventually('nothing is held', async () => {
      // Whoever comes makes the loop turn; it is accepted and shed, or waits to be accepted.
      attempt(t, SERVICE.v4, TUNNEL);
      const { tunnelsOpen, detectingOpen } = await acceptor.counters();
      return tunnelsOpen === 0 && detectingOpen === 0;
    });
    await head.untilClosed();
    reader.socket.resume();
    // A reset behind bytes looks like an end to libuv.
    await eventually('the end of the stalled one', () => !reader.open);
    t.ok(reader.length < 32 * MIB, 'which is no whole answer');
    const dropped = (await acceptor.events()).dropped.filter(({ reason }) => reason === 'overload');
    t.same([...new Set(dropped.map(({ port }) => port))].sort(), [ROUTED, TUNNEL].sort());
  });

  t.test('what was read of an unfinished head is shed where sockets do not count, too', async (t) => {
    const usage = usageFile(t);
    const frontends = [{ address: SERVICE.v4, port: ROUTED, id: 1, mode: 'http' }] as const;
    const acceptor = await AcceptorProcess.start(t, { http: 'within', frontends, detectTimeoutMs: 600_000 });
    await acceptor.call('guardMemory', { bytes: MIB, usage, statistics: null, countsSockets: false });
    const head = await dial(t, SERVICE.v4, ROUTED);
    // No standard method: it waits to be known as HTTP.
    await head.write(`XGET / HTTP/1.1\r\nHost: a\r\nX-Long: ${'x'.repeat(40_000)}`);
    await eventually('an unfinished head', async () => (await acceptor.counters()).detectingOpen === 1);

    writeFileSync(usage, String(20 * MIB));
    await eventually('nothing is held', async () => {
      attempt(t, SERVICE.v4, TUNNEL);
      return (await acceptor.counters()).detectingOpen === 0;
    });
    await head.untilClosed();
    const dropped = (await acceptor.events()).dropped.filter(({ reason }) => reason === 'overload');
    t.same([...new Set(dropped.map(({ port }) => port))], [ROUTED]);
  });
});
