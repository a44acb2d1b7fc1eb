/**
 * How well the address of a Service is known, with a message about it.
 *
 * Stage before: `resolver.ts`, through `frontends.ts` and `backends.ts`. Stage after: `live-conditions.ts`.
 */
import { dnsWords, saysAbsent } from './dns-words.ts';
import type { ServiceAddresses } from './service-addresses.ts';

/**
 * `asked`: unknown, but no failure yet. `unknown`: asked without success. `missing`: there is none. `forgotten`:
 * cluster DNS says that there is none any more; the last good one stays in use.
 *
 * Servers that do not answer are no evidence against a last good address; servers that do not know the name are.
 */
export interface Knowledge {
  readonly state: 'known' | 'asked' | 'unknown' | 'missing' | 'forgotten';
  /** Null only when it is known and there is nothing to report. */
  readonly message: string | null;
}

const KNOWN: Knowledge = { state: 'known', message: null };
export const ASKED: Knowledge = { state: 'asked', message: 'cluster DNS has not answered yet' };

/** `error`: why there is no address, if more is known than the answer of DNS. */
export function absence(state: 'pending' | 'missing', error: string | null): Knowledge {
  if (state === 'pending' && error === null) return ASKED;
  return { state: state === 'pending' ? 'unknown' : 'missing', message: dnsWords(error ?? 'there is no such address') };
}

/** For an address in use. */
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
