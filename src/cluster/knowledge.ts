/**
 * How well the address of a Service is known, and what there is to say about it.
 *
 * Stage before: `resolver.ts`, through `frontends.ts` and `backends.ts`. Stage after: `live-conditions.ts`.
 */
import { dnsWords, saysAbsent } from './dns-words.ts';
import type { ServiceAddresses } from './service-addresses.ts';

/**
 * `asked`: not known, and nothing wrong yet. `unknown`: asked in vain. `missing`: there is none. `forgotten`: cluster DNS says
 * that there is none any more; the last good one is used on.
 *
 * Servers that do not answer say nothing against a last good address; those that do not know the name do.
 */
export interface Knowledge {
  readonly state: 'known' | 'asked' | 'unknown' | 'missing' | 'forgotten';
  /** Null only when it is known and nothing has to be said. */
  readonly message: string | null;
}

const KNOWN: Knowledge = { state: 'known', message: null };
export const ASKED: Knowledge = { state: 'asked', message: 'cluster DNS has not answered yet' };

/** `error`: why there is no address, if more is known than DNS says. */
export function absence(state: 'pending' | 'missing', error: string | null): Knowledge {
  if (state === 'pending' && error === null) return ASKED;
  return { state: state === 'pending' ? 'unknown' : 'missing', message: dnsWords(error ?? 'there is no such address') };
}

/** Of an address in use. */
export function presence({ stale, error, verdict }: ServiceAddresses): Knowledge {
  if (verdict === 'unknown') {
    return { state: 'known', message: `${dnsWords(error ?? 'ENOTFOUND')}; its document is believed` };
  }
  if (stale) {
    const message = `${dnsWords(error ?? 'ETIMEOUT')}; its last good address is used`;
    return { state: saysAbsent(error) ? 'forgotten' : 'known', message };
  }
  if (verdict === 'differs') {
    return { state: 'known', message: 'its document has another address than cluster DNS, which is followed' };
  }
  return error === null ? KNOWN : { state: 'known', message: dnsWords(error) };
}
