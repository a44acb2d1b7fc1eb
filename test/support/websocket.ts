/** The frames of RFC 6455 over a socket that was upgraded already: what the client and the server of a test share. */
import { createHash, randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';

export const OPCODE = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface Frame {
  readonly opcode: number;
  readonly payload: Buffer;
}

/** Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455 section 4.2.2). */
export function acceptKey(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}

/** One frame with FIN set; masked as a client has to (RFC 6455 section 5.2). */
export function encodeFrame({ opcode, payload }: Frame, masked: boolean): Buffer {
  const maskBit = masked ? 0x80 : 0;
  const head = Buffer.alloc(payload.length < 126 ? 2 : payload.length < 65_536 ? 4 : 10);
  head[0] = 0x80 | opcode;
  if (head.length === 2) {
    head[1] = maskBit | payload.length;
  } else if (head.length === 4) {
    head[1] = maskBit | 126;
    head.writeUInt16BE(payload.length, 2);
  } else {
    head[1] = maskBit | 127;
    head.writeBigUInt64BE(BigInt(payload.length), 2);
  }
  if (!masked) return Buffer.concat([head, payload]);
  const mask = randomBytes(4);
  return Buffer.concat([head, mask, payload.map((byte, index) => byte ^ mask[index & 3]!)]);
}

/** The first frame in `bytes` and what follows it, null while it is incomplete. Throws when fragmented. */
function decodeFrame(bytes: Buffer): { frame: Frame; rest: Buffer } | null {
  if (bytes.length < 2) return null;
  if ((bytes[0]! & 0xf0) !== 0x80) throw new Error(`not a whole frame: first byte ${bytes[0]}`);
  const short = bytes[1]! & 0x7f;
  const offset = short < 126 ? 2 : short === 126 ? 4 : 10;
  const masked = (bytes[1]! & 0x80) !== 0;
  const start = offset + (masked ? 4 : 0);
  if (bytes.length < start) return null;
  const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  if (bytes.length < start + length) return null;
  const mask = bytes.subarray(offset, start);
  const payload = bytes.subarray(start, start + length);
  const unmasked = masked ? Buffer.from(payload.map((byte, index) => byte ^ mask[index & 3]!)) : payload;
  return { frame: { opcode: bytes[0]! & 0x0f, payload: unmasked }, rest: bytes.subarray(start + length) };
}

/** Every frame the peer sends, until it ends its side; `first` are bytes that arrived with the upgrade. */
export async function* frames(socket: Duplex, first: Buffer): AsyncGenerator<Frame> {
  let pending = first;
  const take = function* (): Generator<Frame> {
    for (let found = decodeFrame(pending); found !== null; found = decodeFrame(pending)) {
      pending = found.rest;
      yield found.frame;
    }
  };
  yield* take();
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    pending = Buffer.concat([pending, chunk]);
    yield* take();
  }
  if (pending.length > 0) throw new Error(`ended inside a frame, after ${pending.length} bytes of it`);
}
