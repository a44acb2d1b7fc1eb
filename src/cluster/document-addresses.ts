/**
 * The addresses in a Service document, checked against cluster DNS.
 *
 * Stage before: `config/attach.ts`, which collects the documents, and `name-watch.ts`. Stage after: `resolver.ts`.
 *
 * A document is true at the time it is written. A Service that is deleted and created again has another address, which
 * the document would hide forever. So DNS is asked as well, and where the two differ, DNS is used. Where DNS gives no
 * answer or does not know the name, the document is used: a missing name is weaker evidence than another address.
 */
import { isIPv6 } from 'node:net';
import type { Service } from '../gateway-api/types.ts';
import type { IpFamily } from './dns-client.ts';
import type { NameWatch } from './name-watch.ts';
import type { ServiceAddresses } from './service-addresses.ts';

const DOCUMENT = { source: 'document', verdict: null, unroutable: null, stale: false, error: null } as const;

/** The addresses of a document; null when it leaves them to DNS. */
export function addressesOf(service: Service, families: readonly IpFamily[]): ServiceAddresses | null {
  if (service.type === 'ExternalName') return missing('the Service is of type ExternalName');
  if (service.headless) return missing('the Service is headless');
  if (service.clusterIPs.length === 0) return null;
  const addresses = families.flatMap((family) => ofFamily(service.clusterIPs, family));
  if (addresses.length === 0) return missing('the Service has no address of a family in use');
  return { ...DOCUMENT, state: 'resolved', addresses };
}

/** True when DNS is asked in addition to the document. */
export function isCheckable(documented: ServiceAddresses, service: Service): boolean {
  return documented.state === 'resolved' && !service.managed;
}

/** The addresses to use. `documented` must be resolved and checkable. */
export function checkedAddresses(
  documented: ServiceAddresses,
  watch: NameWatch,
  families: readonly IpFamily[],
): ServiceAddresses {
  const { view, answered } = watch;
  const unknown = view.error === 'ENOTFOUND' || view.error === 'ENODATA';
  if (!answered) {
    return view.state === 'missing'
      ? { ...documented, verdict: 'unknown', error: view.error }
      : { ...documented, verdict: 'silent' };
  }
  const documentedOf = (family: IpFamily): readonly string[] => ofFamily(documented.addresses, family);
  // Many DNS servers answer only one family for names of both. If DNS confirms an address of the document, it is the
  // same Service, and a family without an answer is unknown.
  const confirmed = families.some((family) => same(documentedOf(family), watch.addressesOf(family)));
  const answerOf = (family: IpFamily): readonly string[] | undefined => {
    const answer = watch.addressesOf(family);
    return confirmed && answer?.length === 0 ? undefined : answer;
  };
  if (families.some((family) => differs(documentedOf(family), answerOf(family)))) {
    return { ...view, source: 'dns', verdict: 'differs' };
  }
  // A family that is missing in the document is no contradiction: `clusterIP` alone contains only the first family.
  const addresses = families.flatMap((family) => answerOf(family) ?? documentedOf(family));
  return view.stale && unknown
    ? { ...documented, addresses, verdict: 'unknown', error: view.error }
    : { ...documented, addresses, verdict: 'agrees' };
}

/** `answer`: empty when the name is known to have no such address, undefined when that is unknown. */
function differs(documented: readonly string[], answer: readonly string[] | undefined): boolean {
  return documented.length > 0 && answer !== undefined && !same(documented, answer);
}

function same(documented: readonly string[], answer: readonly string[] | undefined): boolean {
  return documented.length > 0 && answer?.join() === documented.join();
}

function ofFamily(addresses: readonly string[], family: IpFamily): string[] {
  return addresses.filter((address) => isIPv6(address) === (family === 6));
}

function missing(error: string): ServiceAddresses {
  return { ...DOCUMENT, state: 'missing', addresses: [], error };
}
