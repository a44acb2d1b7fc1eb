/**
 * Assembles text as bytes in one reused buffer.
 *
 * Stage before: `series-text.ts`. Stage after: a socket, which takes each piece before the next one is made.
 */

/** Size at which a piece is worth sending. Everything written until the next check of `full` has to fit after it. */
const FULL_BYTES = 64 * 1024;
const FIRST_ROOM_BYTES = 2 * FULL_BYTES;
/** Integers up to this are written digit by digit. */
const MAX_FAST = 2 ** 31 - 1;
const ZERO = 48;
const NEWLINE = 10;
/** More than the text of any number takes. */
const NUMBER_BYTES = 32;

export class TextWriter {
  private buffer = Buffer.allocUnsafe(FIRST_ROOM_BYTES);
  private length = 0;

  get full(): boolean {
    return this.length >= FULL_BYTES;
  }

  /** The bytes written since the last call. Later writes overwrite them. */
  take(): Uint8Array {
    const taken = this.buffer.subarray(0, this.length);
    this.length = 0;
    return taken;
  }

  /** Hot path of a scrape, like the methods below. */
  bytes(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  text(text: string): void {
    this.bytes(Buffer.from(text));
  }

  newline(): void {
    this.reserve(1);
    this.buffer[this.length++] = NEWLINE;
  }

  number(value: number): void {
    this.reserve(NUMBER_BYTES);
    if (value < 0 || value > MAX_FAST || value !== Math.trunc(value)) {
      this.length += this.buffer.write(String(value), this.length, 'latin1');
      return;
    }
    let digits = 1;
    for (let rest = value; rest >= 10; rest /= 10) digits++;
    let rest = value | 0;
    for (let at = this.length + digits - 1; at >= this.length; at--) {
      const quotient = (rest / 10) | 0;
      this.buffer[at] = ZERO + rest - quotient * 10;
      rest = quotient;
    }
    this.length += digits;
  }

  private reserve(bytes: number): void {
    if (this.length + bytes <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe(2 * (this.length + bytes));
    larger.set(this.buffer.subarray(0, this.length));
    this.buffer = larger;
  }
}
