/**
 * Facts about the pod: whether rules may be installed, and for which address families.
 */
import { ProxyError } from '../errors.ts';
import { canonicalAddress, familyOf } from './cidr.ts';
import type { System } from './system.ts';

export type Ipv6Mode = 'auto' | 'on' | 'off';

export interface PodFacts {
  /** `status.podIP`, `status.podIPs` (separated by commas) and `status.hostIP`; undefined or empty when unknown. */
  readonly podIp?: string | undefined;
  readonly podIps?: string | undefined;
  readonly hostIp?: string | undefined;
}

/** @throws ProxyError `iptables-host-network`: the rules would capture the traffic of the node. */
export function refuseHostNetwork(facts: PodFacts): void {
  const host = canonicalAddress(facts.hostIp?.trim() ?? '');
  const addresses = podAddresses(facts);
  if (host === null || !addresses.includes(host)) return;
  throw new ProxyError(
    'iptables-host-network',
    `The pod uses the network of its node (POD_IP and HOST_IP are both ${host}): the rules would capture traffic of the whole node. ` +
      'Leave pods with hostNetwork: true out.',
  );
}

/** Decides whether IPv6 gets rules too, and gives the reason. */
export async function decideIpv6(
  system: System,
  mode: Ipv6Mode,
  facts: PodFacts,
): Promise<{ readonly enabled: boolean; readonly why: string }> {
  if (mode !== 'auto') return { enabled: mode === 'on', why: `--ipv6 ${mode}` };
  const addresses = podAddresses(facts);
  if (facts.podIps !== undefined && addresses.length > 0 && !addresses.some((address) => familyOf(address) === 'v6')) {
    return { enabled: false, why: 'the pod has no IPv6 address (POD_IPS)' };
  }
  const table = await system.readFile('/proc/net/if_inet6');
  if (table === null) return { enabled: false, why: 'the kernel has no IPv6 (/proc/net/if_inet6)' };
  // Columns: address, interface index, prefix length, scope (00 is global), flags, interface.
  const reachable = table.split('\n').some((line) => {
    const columns = line.trim().split(/\s+/);
    return columns.length === 6 && columns[3] === '00' && columns[5] !== 'lo';
  });
  return reachable
    ? { enabled: true, why: 'the pod has an IPv6 address' }
    : { enabled: false, why: 'no interface has an IPv6 address beyond its link (/proc/net/if_inet6)' };
}

function podAddresses(facts: PodFacts): string[] {
  return `${facts.podIp ?? ''},${facts.podIps ?? ''}`
    .split(/[\s,]+/)
    .map(canonicalAddress)
    .filter((address) => address !== null);
}
