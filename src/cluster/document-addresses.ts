/**
 * The addresses a Service document gives, and what cluster DNS makes of them.
 *
 * Stage before: `config/attach.ts`, which collects the documents, and `name-watch.ts`. Stage after: `resolver.ts`.
 *
 * A document says what was so when it was written. A Service that is deleted and made anew has another address, which the
 * document would hide for good; so DNS is asked beside it, and where the two differ DNS is followed. Where DNS says nothing, or
 * does not know the name, the document holds: a name that is not there is weaker evidence than another address.
 */
import { isIPv6 } from 'node:net';
import type { Service } from '../gateway-api/types.ts';
import type { IpFamily } from './dns-client.ts';
import type { NameWatch } from './name-watch.ts';
import type { ServiceAddresses } from './service-addresses.ts';

const DOCUMENT = { source: 'document', verdict: null, unroutable: null, stale: false, error: null } as const;

/** What a document says; null when it leaves the addresses to DNS. */
export function addressesOf(service: Service, families: readonly IpFamily[]): ServiceAddresses | null {
  if (service.type === 'ExternalName') return missing('the Service is of type ExternalName');
  if (service.headless) return missing('the Service is headless');
  if (service.clusterIPs.length === 0) return null;
  const addresses = families.flatMap((family) => ofFamily(service.clusterIPs, family));
  if (addresses.length === 0) return missing('the Service has no address of a family in use');
  return { ...DOCUMENT, state: 'resolved', addresses };
}

/** Whether DNS is asked beside the document. */
export function isCheckable(documented: ServiceAddresses, service: Service): boolean {
  return documented.state === 'resolved' && !service.managed;
}

/** The addresses to use. `documented`: resolved, and to be checked. */
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
  // Many a DNS server answers one family for names of both. Where it confirms an address of the document it is the same
  // Service, and nothing is known of a family that it has no address of.
  const confirmed = families.some((family) => same(documentedOf(family), watch.addressesOf(family)));
  const answerOf = (family: IpFamily): readonly string[] | undefined => {
    const answer = watch.addressesOf(family);
    return confirmed && answer?.length === 0 ? undefined : answer;
  };
  if (families.some((family) => differs(documentedOf(family), answerOf(family)))) {
    return { ...view, source: 'dns', verdict: 'differs' };
  }
  // A family that the document does not name is no contradiction: `clusterIP` alone has only the first.
  const addresses = families.flatMap((family) => answerOf(family) ?? documentedOf(family));
  return view.stale && unknown
    ? { ...documented, addresses, verdict: 'unknown', error: view.error }
    : { ...documented, addresses, verdict: 'agrees' };
}

/** `answer`: none when the name is known not to have such an address, undefined when that is not known. */
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
