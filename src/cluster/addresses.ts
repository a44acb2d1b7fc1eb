/** Recognises addresses that no Service can have. */
import { BlockList, isIP } from 'node:net';

/** Texts to complete `ADDRESS is`. The keys are label values of a metric. */
export const ADDRESS_FAULTS = {
  not_an_address: 'not an address',
  unspecified: 'unspecified',
  loopback: 'loopback',
  link_local: 'link-local',
  multicast: 'multicast',
  broadcast: 'the broadcast address',
  ipv4_mapped: 'an IPv4-mapped IPv6 address',
  own: 'where this proxy takes captured connections',
} as const;

export type AddressFault = keyof typeof ADDRESS_FAULTS;

const RANGES: readonly (readonly [fault: AddressFault, ...networks: readonly string[]])[] = [
  ['unspecified', '0.0.0.0/8', '::/128'],
  ['loopback', '127.0.0.0/8', '::1/128'],
  // Link-local: the rules of the init container never capture these addresses.
  ['link_local', '169.254.0.0/16', 'fe80::/10'],
  ['multicast', '224.0.0.0/4', 'ff00::/8'],
  // Some clouds use the rest of 240.0.0.0/4 for Services.
  ['broadcast', '255.255.255.255/32'],
];

const BLOCKS = RANGES.map(([fault, ...networks]) => {
  const block = new BlockList();
  for (const network of networks) {
    const [address = '', prefix] = network.split('/');
    block.addSubnet(address, Number(prefix), address.includes(':') ? 'ipv6' : 'ipv4');
  }
  return { fault, block };
});

/** Why `address` cannot be a ClusterIP; null when it can. */
export function addressFault(address: string): AddressFault | null {
  const version = isIP(address);
  if (version === 0) return 'not_an_address';
  // BlockList would check the embedded IPv4 address. The kernel reports such destinations as IPv4.
  if (/^::ffff:/i.test(address)) return 'ipv4_mapped';
  const family = version === 6 ? 'ipv6' : 'ipv4';
  return BLOCKS.find(({ block }) => block.check(address, family))?.fault ?? null;
}

/** `127.0.0.1 is loopback`. */
export function faultText(address: string, fault: AddressFault): string {
  return `${address} is ${ADDRESS_FAULTS[fault]}`;
}
