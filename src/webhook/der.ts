/**
 * Writes DER, the encoding of certificates, as far as `certificate.ts` needs it. Node reads certificates.
 */

/** Universal tags; constructed ones have 0x20. */
const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  identifier: 0x06,
  utf8: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

function element(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  return Buffer.concat([Buffer.from([tag, ...lengthOf(content.length)]), content]);
}

/** One byte below 128; otherwise the number of length bytes, followed by these. */
function lengthOf(length: number): number[] {
  if (length < 0x80) return [length];
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 0x100)) bytes.unshift(rest % 0x100);
  return [0x80 | bytes.length, ...bytes];
}

export const sequence = (...contents: readonly Uint8Array[]): Buffer => element(TAG.sequence, ...contents);
export const set = (...contents: readonly Uint8Array[]): Buffer => element(TAG.set, ...contents);
export const octets = (content: Uint8Array): Buffer => element(TAG.octetString, content);
export const text = (content: string): Buffer => element(TAG.utf8, Buffer.from(content));
export const yes = (): Buffer => element(TAG.boolean, Buffer.from([0xff]));

/** `[number]` around other elements. */
export const explicit = (number: number, ...contents: readonly Uint8Array[]): Buffer =>
  element(0xa0 | number, ...contents);
/** `[number]` instead of a primitive's own tag. */
export const implicit = (number: number, content: Uint8Array): Buffer => element(0x80 | number, content);

/** A non-negative number from its bytes. */
export function integer(bytes: Uint8Array): Buffer {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const digits = bytes.subarray(start);
  // A zero byte is prepended when the first bit is set, because that bit is the sign.
  return element(TAG.integer, Buffer.from(digits[0]! >= 0x80 ? [0] : []), digits);
}

/** `unused`: number of unused bits at the end. */
export function bits(content: Uint8Array, unused = 0): Buffer {
  return element(TAG.bitString, Buffer.from([unused]), content);
}

/** `1.2.840.10045.2.1` */
export function identifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...others] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second, ...others].flatMap((arc) => {
    const groups = [arc % 0x80];
    for (let rest = Math.floor(arc / 0x80); rest > 0; rest = Math.floor(rest / 0x80))
      groups.unshift((rest % 0x80) | 0x80);
    return groups;
  });
  return element(TAG.identifier, Buffer.from(bytes));
}

/** A UTCTime with seconds, which certificates use until 2049: the year has two digits. */
export function time(date: Date): Buffer {
  const digits = date.toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  const short = date.getUTCFullYear() < 2050;
  return element(short ? TAG.utcTime : TAG.generalizedTime, Buffer.from(short ? digits.slice(2) : digits));
}
