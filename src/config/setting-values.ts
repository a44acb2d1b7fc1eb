/**
 * Parsers of settings that have a form of their own. Each throws a ProxyError that says what is wrong with the value.
 *
 * Stage after: `settings.ts`, whose table has them.
 */
import { ProxyError, unexpected } from '../errors.ts';

const MEMORY_UNITS: Readonly<Record<string, number>> = { '': 1, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 };
/** Less is used before there is a connection. */
const MIN_MEMORY_BYTES = 32 * 2 ** 20;
const MAX_MEMORY_BYTES = 2 ** 52;

/** Bytes; 0 for `none`. Never null, which commander takes for an empty text. */
export function memoryLimit(text: string): number | 'auto' {
  if (text === 'auto') return text;
  if (text === 'none') return 0;
  const match = /^(\d{1,15})(Ki|Mi|Gi)?$/.exec(text);
  const bytes = match === null ? NaN : Number(match[1]) * MEMORY_UNITS[match[2] ?? '']!;
  if (!(bytes >= MIN_MEMORY_BYTES && bytes <= MAX_MEMORY_BYTES))
    throw unexpected(text, 'an amount of memory from 32Mi to 4194304Gi, such as 256Mi, or auto or none');
  return bytes;
}

/** DNS-1123 label, the form of a namespace name. */
export function namespaceName(text: string): string {
  if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(text)) throw unexpected(text, 'a namespace name');
  return text;
}

/** DNS name without the trailing dot. */
export function domainName(text: string): string {
  const name = text.replace(/\.$/, '');
  if (name.length > 253 || !/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(name)) {
    throw unexpected(text, 'a domain name such as cluster.local');
  }
  return name;
}

/** Without user, query and fragment, which may hold a secret: headers, which may, have a variable of their own. */
export const COLLECTOR = /^https?:\/\/(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:\/[A-Za-z0-9._~\/-]*)?$/;
export const COLLECTOR_EXPECTED = 'a URL such as http://collector.observability:4318, without user and query';

/** Path of the collector for spans, below its base URL. */
const TRACES_PATH = 'v1/traces';

/** The URL for spans of a collector with this base URL. An empty variable of OpenTelemetry counts as not set. */
export function collector(text: string): string {
  if (text === '') return text;
  const base = collectorUrl(text);
  return new URL(TRACES_PATH, base.endsWith('/') ? base : `${base}/`).href;
}

/** The URL is used unchanged. The error does not repeat the value, because any part of it may be a secret. */
export function collectorUrl(text: string): string {
  if (!COLLECTOR.test(text) || !URL.canParse(text)) {
    throw new ProxyError('invalid-setting', `expected ${COLLECTOR_EXPECTED}`);
  }
  return new URL(text).href;
}

export const RATE = /^(?:0|1|0?\.[0-9]{1,9}|1\.0+|0\.0+)$/;
export const RATE_EXPECTED = 'a number from 0 to 1, such as 0.05';

export function rate(text: string): number {
  if (!RATE.test(text)) throw unexpected(text, RATE_EXPECTED);
  return Number(text);
}
