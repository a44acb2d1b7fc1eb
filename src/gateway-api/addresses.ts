/**
 * ClusterIPs in the one spelling that original destinations are compared with. Used by `service.ts`.
 */
import { isIPv4, isIPv6, SocketAddress } from 'node:net';

/**
 * The address as inet_ntop(3) prints it (IPv4 dotted, IPv6 compressed and lower-case), null when `text` is no address a
 * Service can have: not an address at all, with a zone or prefix length, unspecified, multicast, or an IPv4 address
 * dressed as IPv6, which no connection has as its original destination.
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
