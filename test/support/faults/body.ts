/**
 * Bodies that identify their request: a body is made from the request's id, so that a byte of another request, a
 * missing byte or an extra one is detected at its position.
 */
const PATTERN_BYTES = 32;
const BLOCK_BYTES = 64 * 1024;

/** Part of a body at its beginning, repeated for longer ones; a multiple of the pattern's length. */
export function bodyBlock(id: string, size: number): Buffer {
  const bytes = Math.min(BLOCK_BYTES, Math.ceil(size / PATTERN_BYTES) * PATTERN_BYTES);
  return Buffer.alloc(bytes, `${id.slice(0, PATTERN_BYTES - 1).padEnd(PATTERN_BYTES - 1)}\n`, 'latin1');
}

/** The bytes of a body from `offset`, at most as many as a block has. */
export function bodyPart(block: Buffer, size: number, offset: number): Buffer {
  const at = offset % block.length;
  return block.subarray(at, Math.min(block.length, at + size - offset));
}

/** The whole body; for small ones. */
export function wholeBody(id: string, size: number): Buffer {
  const block = bodyBlock(id, size);
  const parts: Buffer[] = [];
  for (let offset = 0; offset < size; offset += block.length) parts.push(bodyPart(block, size, offset));
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}

/** Compares what arrives with the body that `id` stands for. */
export class BodyCheck {
  readonly #block: Buffer;
  receivedBytes = 0;
  /** All bytes so far were the expected ones. */
  good = true;

  constructor(id: string) {
    this.#block = bodyBlock(id, BLOCK_BYTES);
  }

  push(chunk: Buffer): void {
    for (let done = 0; done < chunk.length;) {
      const at = this.receivedBytes % this.#block.length;
      const length = Math.min(chunk.length - done, this.#block.length - at);
      if (this.#block.compare(chunk, done, done + length, at, at + length) !== 0) this.good = false;
      done += length;
      this.receivedBytes += length;
    }
  }
}
