/**
 * The addresses a Service document gives.
 *
 * Stage before: `config/attach.ts`, which collects the documents. Stage after: `resolver.ts`, which prefers them to DNS.
 */
import { isIPv6 } from 'node:net';
import type { Service } from '../gateway-api/types.ts';
import type { IpFamily } from './dns-client.ts';
import type { ServiceAddresses } from './resolver.ts';

/** What a document says; null when it leaves the addresses to DNS. */
export function addressesOf(service: Service, families: readonly IpFamily[]): ServiceAddresses | null {
  if (service.type === 'ExternalName') return missing('the Service is of type ExternalName');
  if (service.headless) return missing('the Service is headless');
  if (service.clusterIPs.length === 0) return null;
  const addresses = families.flatMap((family) => service.clusterIPs.filter((ip) => isIPv6(ip) === (family === 6)));
  if (addresses.length === 0) return missing('the Service has no address of a family in use');
  return { state: 'resolved', addresses, source: 'document', stale: false, error: null };
}

function missing(error: string): ServiceAddresses {
  return { state: 'missing', addresses: [], source: 'document', stale: false, error };
}
