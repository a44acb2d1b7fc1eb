/**
 * Assigns addresses to parents: which parent owns each address, and why a parent has none.
 *
 * Used by `frontends.ts`. By Service, not by port: one ClusterIP never belongs to two Services.
 */
import type { ServiceNetworks } from '../config/service-networks.ts';
import type { Problem } from '../gateway-api/types.ts';
import { addressFault, faultText } from './addresses.ts';
import { dnsWords } from './dns-words.ts';
import { absence, type Knowledge } from './knowledge.ts';
import type { Subscription } from './resolver.ts';
import type { ServiceAddresses } from './service-addresses.ts';

/** Null: the networks of ClusterIPs are unknown. */
export type Networks = Pick<ServiceNetworks, 'contains'> | null;

/** An address belongs to one Service only. The better source wins, otherwise the name that sorts first. */
export interface AddressOwner {
  readonly service: string;
  readonly rank: number;
}

const FORMER_RANK = 3;

/**
 * The lowest rank is best. A Service that DNS does not know, or no longer knows, may be gone, and its address may
 * belong to another one.
 */
function rankOf({ source, stale, verdict }: ServiceAddresses): number {
  if (stale || verdict === 'unknown') return 2;
  return source === 'document' ? 0 : 1;
}

/** Owners by address. Adds refused and doubly claimed addresses to `problems`. `parents`: by `namespace/name`. */
export function assignAddresses(
  parents: ReadonlyMap<string, Subscription>,
  networks: Networks,
  problems: Problem[],
): Map<string, AddressOwner> {
  const owners = new Map<string, AddressOwner>();
  for (const service of [...parents.keys()].sort()) {
    const { current } = parents.get(service)!;
    const rank = rankOf(current);
    for (const address of clusterIPs(current, networks)) {
      const fault = addressFault(address);
      if (fault !== null) {
        problems.push(problemOf(service, parents, 'address-refused', `${faultText(address, fault)}, no ClusterIP`));
        continue;
      }
      const other = owners.get(address);
      if (other === undefined) {
        owners.set(address, { service, rank });
        continue;
      }
      const [winner, loser] = rank < other.rank ? [service, other.service] : [other.service, service];
      problems.push(problemOf(loser, parents, 'address-conflict', `${address} belongs to Service ${winner} as well`));
      if (winner === service) owners.set(address, { service, rank });
    }
  }
  // No problem is reported here: another owner takes precedence, and former addresses disappear after a short time.
  for (const [service, { current }] of parents) {
    for (const address of clusterIPs({ ...current, addresses: current.former ?? [] }, networks)) {
      if (!owners.has(address) && addressFault(address) === null) owners.set(address, { service, rank: FORMER_RANK });
    }
  }
  return owners;
}

/** Addresses of pods and other hosts are never captured, because a client that dials them means this address. */
function clusterIPs({ addresses, unroutable }: ServiceAddresses, networks: Networks): readonly string[] {
  return unroutable === null ? addresses.filter((address) => networks?.contains(address) !== false) : [];
}

/** For a parent that owns no address. */
export function knowledgeWithoutAddress(current: ServiceAddresses, networks: Networks): Knowledge {
  const { state, addresses, unroutable, error } = current;
  if (unroutable !== null) return missing(`no ClusterIP: ${unroutable}`);
  if (state !== 'resolved') return absence(state, error);
  const outside = addresses.filter((address) => networks?.contains(address) === false);
  if (outside.length > 0) return missing(`no ClusterIP: ${outside.join(', ')} is outside the Service networks`);
  const refused = `no usable address among ${addresses.join(', ')}`;
  return missing(error === null ? refused : `${refused}: ${dnsWords(error)}`);
}

function missing(message: string): Knowledge {
  return { state: 'missing', message };
}

function problemOf(
  service: string,
  parents: ReadonlyMap<string, Subscription>,
  code: string,
  message: string,
): Problem {
  const source = parents.get(service)?.service?.source;
  return {
    severity: 'error',
    code,
    file: source?.file ?? '',
    document: source?.document ?? 1,
    line: source?.line ?? null,
    resource: `Service ${service}`,
    path: source === undefined ? '' : 'spec.clusterIPs',
    message,
  };
}
