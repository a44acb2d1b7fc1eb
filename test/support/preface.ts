/** The beginning of an HTTP/2 connection through an acceptor whose frontend takes HTTP. */
import type { Test } from 'tap';
import type { AcceptorProcess } from './acceptor.ts';
import { eventually } from './eventually.ts';
import { SERVICE } from './pod-test.ts';
import { dial, type WireEnd } from './wire-end.ts';

export const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
/** With SETTINGS, empty ones. */
export const HELLO = Buffer.concat([Buffer.from(PREFACE), Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])]);
const HEADER = 9;

/** Preface and SETTINGS, a connection for each byte at which they can be split; `taken` is called with each. How many there were. */
export async function prefaceAtEverySplit(
  t: Test,
  acceptor: AcceptorProcess,
  port: number,
  taken: (client: WireEnd, split: number) => Promise<void>,
): Promise<number> {
  for (let split = 1; split < HELLO.length; ++split) {
    const client = await dial(t, SERVICE.v4, port);
    await client.write(HELLO.subarray(0, split));
    // The first part has been looked at before the rest is sent.
    await eventually(`detection at ${split}`, async () => {
      const { detectingOpen, handedOver } = await acceptor.counters();
      return split < PREFACE.length ? detectingOpen === 1 : handedOver === split;
    });
    await client.write(HELLO.subarray(split));
    await taken(client, split);
    client.socket.destroy();
  }
  return HELLO.length - 1;
}

/** Waits until the other side has sent SETTINGS of its own and acknowledged ours, which it has read whole then. */
export async function greeted(t: Test, client: WireEnd, name: string): Promise<void> {
  await eventually(`the acknowledgement, ${name}`, () => framesOf(client.bytes).includes('4:1'));
  t.equal(framesOf(client.bytes)[0], '4:0', `SETTINGS come first, ${name}`);
}

/** `type:flags` of each frame that has come whole. */
function framesOf(bytes: Buffer): string[] {
  const frames: string[] = [];
  for (let at = 0; at + HEADER <= bytes.length;) {
    const end = at + HEADER + bytes.readUIntBE(at, 3);
    if (end > bytes.length) break;
    frames.push(`${bytes[at + 3]}:${bytes[at + 4]}`);
    at = end;
  }
  return frames;
}
