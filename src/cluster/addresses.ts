/** Which addresses cannot be those of a Service. */
import { BlockList, isIP } from 'node:net';

const UNSPECIFIED = new BlockList();
UNSPECIFIED.addSubnet('0.0.0.0', 8, 'ipv4');
UNSPECIFIED.addAddress('::', 'ipv6');

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

const MULTICAST = new BlockList();
// With the reserved rest of class E and the broadcast address.
MULTICAST.addSubnet('224.0.0.0', 3, 'ipv4');
MULTICAST.addSubnet('ff00::', 8, 'ipv6');

export type AddressFault = 'not an address' | 'unspecified' | 'loopback' | 'multicast' | 'an IPv4-mapped IPv6 address';

/** Why `address` can be no ClusterIP; null when it can be one. */
export function addressFault(address: string): AddressFault | null {
  const version = isIP(address);
  if (version === 0) return 'not an address';
  // BlockList would look at the IPv4 address inside; the kernel reports such destinations as IPv4.
  if (/^::ffff:/i.test(address)) return 'an IPv4-mapped IPv6 address';
  const family = version === 6 ? 'ipv6' : 'ipv4';
  if (UNSPECIFIED.check(address, family)) return 'unspecified';
  if (LOOPBACK.check(address, family)) return 'loopback';
  if (MULTICAST.check(address, family)) return 'multicast';
  return null;
}
