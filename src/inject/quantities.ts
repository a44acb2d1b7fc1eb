/**
 * Kubernetes quantities, as far as container resources use them. Used by `annotations.ts` and `containers.ts`.
 */
import { unexpected } from '../errors.ts';

export const QUANTITY = /^(\d{1,15}(?:\.\d{1,9})?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?$/;

const FACTOR: Readonly<Record<string, number>> = {
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** With less memory the sidecar does not start. */
const MIN_MEMORY_BYTES = 32 * 2 ** 20;

function amount(text: string): number {
  const match = QUANTITY.exec(text);
  return match === null ? NaN : Number(match[1]) * (FACTOR[match[2] ?? ''] ?? 1);
}

/** Thousandths of a CPU. @throws ProxyError */
export function cpuMillis(text: string): number {
  const cpus = amount(text);
  if (!(cpus > 0 && cpus <= 1024)) {
    throw unexpected(text, 'a number of CPUs such as 100m or 0.5');
  }
  return cpus * 1000;
}

/** Bytes. @throws ProxyError */
export function memoryBytes(text: string): number {
  const bytes = amount(text);
  // The usual mistake: `m` means thousandths, so 128m is less than one byte.
  if (!(bytes >= MIN_MEMORY_BYTES)) {
    throw unexpected(text, 'an amount of memory from 32Mi, such as 128Mi');
  }
  return bytes;
}
