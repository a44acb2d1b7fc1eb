/** The beginning of an HTTP/2 connection through an acceptor whose frontend takes HTTP/1: it is tunnelled as it came. */
import type { Test } from 'tap';
import type { AcceptorProcess } from './acceptor.ts';
import { eventually } from './eventually.ts';
import { SERVICE, type PodContext } from './pod-test.ts';
import { dial, listen } from './wire-end.ts';

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const PAYLOAD = Buffer.concat([Buffer.from(PREFACE), Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])]);

/** Preface and SETTINGS, a connection for each byte at which they can be split. */
export async function prefaceAtEverySplit(t: Test, acceptor: AcceptorProcess, pod: PodContext, port: number) {
  const server = await listen(t, pod.v4, port);
  for (let split = 1; split < PAYLOAD.length; ++split) {
    const client = await dial(t, SERVICE.v4, port);
    await client.write(PAYLOAD.subarray(0, split));
    // The first part has been looked at before the rest is sent.
    await eventually(`detection at ${split}`, async () => {
      const { detectingOpen, tunnelsOpen } = await acceptor.counters();
      return split < PREFACE.length ? detectingOpen === 1 : tunnelsOpen === 1;
    });
    await client.write(PAYLOAD.subarray(split));
    const upstream = await server.connection(split - 1);
    await eventually(`the preface, split at ${split}`, () => upstream.length === PAYLOAD.length);
    t.ok(upstream.bytes.equals(PAYLOAD), `split at ${split}`);
    client.socket.resetAndDestroy();
    await eventually('end of the tunnel', async () => (await acceptor.counters()).tunnelsOpen === 0);
  }
  return { connections: PAYLOAD.length - 1, bytes: PAYLOAD.length * (PAYLOAD.length - 1) };
}
