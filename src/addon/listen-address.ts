/** Addresses that the proxy listens on: as text, and whether the pod has their family. */
import { readFileSync } from 'node:fs';

import type { ListenAddress } from './binding.ts';

export function formatAddress({ address, port }: ListenAddress): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

export function hasIpv6(): boolean {
  try {
    return readFileSync('/proc/net/if_inet6', 'utf8') !== '';
  } catch {
    // No IPv6 in this kernel.
    return false;
  }
}
