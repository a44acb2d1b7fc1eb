/**
 * IPv4 and IPv6 networks in the text form of `iptables-save`, for settings and for rules.
 *
 * `SocketAddress` formats IPv6 with the same algorithm as the C library's `inet_ntop`, so printed and saved rules can
 * be compared as text.
 */
import { isIPv4, isIPv6, SocketAddress } from 'node:net';

export type Family = 'v4' | 'v6';

export const FAMILIES: readonly Family[] = ['v4', 'v6'];

export interface Cidr {
  readonly family: Family;
  /** Canonical text of the network address; all bits after the prefix are 0. */
  readonly address: string;
  readonly prefixLength: number;
  /** The network address as an unsigned integer of 32 or 128 bits. */
  readonly bits: bigint;
}

const WIDTH: Readonly<Record<Family, number>> = { v4: 32, v6: 128 };

export function familyOf(address: string): Family | null {
  if (isIPv4(address)) return 'v4';
  return isIPv6(address) && !address.includes('%') ? 'v6' : null;
}

/** Canonical text of an address without a zone; null when `text` is not an address. */
export function canonicalAddress(text: string): string | null {
  const family = familyOf(text);
  if (family === null) return null;
  return family === 'v4' ? text : new SocketAddress({ address: text, family: 'ipv6' }).address;
}

/**
 * `text`: `ADDRESS` or `ADDRESS/PREFIX`. Host bits are cleared; `hostBits` is true when there were some. Null when the
 * text is invalid.
 */
export function parseCidr(text: string): { readonly cidr: Cidr; readonly hostBits: boolean } | null {
  const [address = '', prefix, ...rest] = text.split('/');
  const family = familyOf(address);
  if (family === null || rest.length > 0) return null;
  const width = WIDTH[family];
  if (prefix !== undefined && !/^(0|[1-9]\d{0,2})$/.test(prefix)) return null;
  const prefixLength = prefix === undefined ? width : Number(prefix);
  if (prefixLength > width) return null;
  const bits = family === 'v4' ? bitsV4(address) : bitsV6(address);
  const hostWidth = BigInt(width - prefixLength);
  const network = (bits >> hostWidth) << hostWidth;
  return {
    cidr: { family, address: family === 'v4' ? textV4(network) : textV6(network), prefixLength, bits: network },
    hostBits: network !== bits,
  };
}

export function cidrText(cidr: Cidr): string {
  return `${cidr.address}/${cidr.prefixLength}`;
}

/** True when every address of `inner` is in `outer`. */
export function cidrContains(outer: Cidr, inner: Cidr): boolean {
  if (outer.family !== inner.family || outer.prefixLength > inner.prefixLength) return false;
  const hostWidth = BigInt(WIDTH[outer.family] - outer.prefixLength);
  return inner.bits >> hostWidth === outer.bits >> hostWidth;
}

function bitsV4(address: string): bigint {
  return address.split('.').reduce((bits, octet) => (bits << 8n) | BigInt(Number(octet)), 0n);
}

function bitsV6(address: string): bigint {
  // An embedded IPv4 address stands for the last two groups.
  const tail = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(address);
  const text = tail
    ? tail[1]! + [16n, 0n].map((s) => ((bitsV4(tail[2]!) >> s) & 0xffffn).toString(16)).join(':')
    : address;
  const [head = '', rest] = text.split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':'));
  const before = groups(head);
  const after = rest === undefined ? [] : groups(rest);
  const zeros = Array<string>(8 - before.length - after.length).fill('0');
  return [...before, ...zeros, ...after].reduce((bits, group) => (bits << 16n) | BigInt(parseInt(group, 16)), 0n);
}

function textV4(bits: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => ((bits >> shift) & 0xffn).toString()).join('.');
}

function textV6(bits: bigint): string {
  const groups = Array.from({ length: 8 }, (_, i) => ((bits >> BigInt(112 - 16 * i)) & 0xffffn).toString(16));
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
}
