/** Addresses the proxy listens on: their text form, and a check whether the pod has IPv6. */
import { readFileSync } from 'node:fs';

import type { ListenAddress } from './binding.ts';

export function formatAddress({ address, port }: ListenAddress): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

export function hasIpv6(): boolean {
  try {
    return readFileSync('/proc/net/if_inet6', 'utf8') !== '';
  } catch {
    // This kernel has no IPv6.
    return false;
  }
}
