/** The beginning of an HTTP/2 connection through an acceptor whose frontend takes HTTP. */
import type { Test } from 'tap';
import type { AcceptorProcess } from './acceptor.ts';
import { eventually } from './eventually.ts';
import { SERVICE } from './pod-test.ts';
import { dial, type WireEnd } from './wire-end.ts';

export const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
/** The preface with an empty SETTINGS frame. */
export const HELLO = Buffer.concat([Buffer.from(PREFACE), Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])]);
const HEADER = 9;

/**
 * Sends preface and SETTINGS on one connection for each possible split; calls `taken` with each. Returns their number.
 */
export async function prefaceAtEverySplit(
  t: Test,
  acceptor: AcceptorProcess,
  port: number,
  taken: (client: WireEnd, split: number) => Promise<void>,
): Promise<number> {
  for (let split = 1; split < HELLO.length; ++split) {
    const client = await dial(t, SERVICE.v4, port);
    await client.write(HELLO.subarray(0, split));
    // The acceptor has looked at the first part before the rest is sent.
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

/** Waits until the other side has sent its SETTINGS and acknowledged ours, so it has read the whole preface. */
export async function greeted(t: Test, client: WireEnd, name: string): Promise<void> {
  await eventually(`the acknowledgement, ${name}`, () => framesOf(client.bytes).includes('4:1'));
  t.equal(framesOf(client.bytes)[0], '4:0', `SETTINGS come first, ${name}`);
}

/** `type:flags` of each complete frame. */
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
