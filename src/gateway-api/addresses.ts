/**
 * Normalises ClusterIPs, so that they can be compared with original destinations. Used by `service.ts`.
 */
import { isIPv4, isIPv6, SocketAddress } from 'node:net';

/**
 * The address as inet_ntop(3) prints it (IPv4 dotted; IPv6 compressed, in lower case). Null when a Service cannot have
 * this address: `text` is not an address, has a zone or prefix length, or is unspecified, multicast or an IPv4-mapped
 * IPv6 address (which is never the original destination of a connection).
 */
export function canonicalAddress(text: string): string | null {
  if (isIPv4(text)) {
    const firstOctet = Number(text.slice(0, text.indexOf('.')));
    return firstOctet === 0 || firstOctet >= 224 ? null : text;
  }
  if (!isIPv6(text) || text.includes('%')) return null;
  const address = new SocketAddress({ address: text, family: 'ipv6' }).address;
  return address === '::' || address.startsWith('ff') || address.includes('.') ? null : address;
}
