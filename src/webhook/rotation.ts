/**
 * Decides which certificate the webhook serves, and which authorities the API server must trust: now, and after the
 * next change.
 *
 *     current ──two thirds of its life──▶ next made, both authorities trusted ──a while──▶ next served ──▶ the old one forgotten
 *
 * The API server trusts an authority before a certificate signed by it is served, so no request fails in between. It
 * trusts the previous authority until that expires, for replicas that are behind. The replicas share all this in a
 * Secret, and each of them does what is due: the second writer gets a conflict and reads the Secret again.
 *
 * Stage before: `webhook.ts` reads the Secret. Stage after: it writes the result.
 */
import { newServingCertificate, validityOf, type ServingCertificate } from './certificate.ts';

/** The data of the Secret, decoded: PEM by name. */
export type SecretData = Readonly<Record<string, string>>;

export interface Rotation {
  readonly names: readonly string[];
  readonly lifetimeMs: number;
  /** How long the next authority must be trusted before its certificate is served. */
  readonly overlapMs: number;
}

export const LIFETIME_MS = 90 * 24 * 60 * 60_000;
export const OVERLAP_MS = 10 * 60_000;
/** Fraction of its lifetime after which a certificate is replaced. */
const RENEW_AFTER = 2 / 3;

const CURRENT = { authority: 'ca.crt', certificate: 'tls.crt', key: 'tls.key' } as const;
const NEXT = { authority: 'next-ca.crt', certificate: 'next-tls.crt', key: 'next-tls.key' } as const;
const OLD_AUTHORITY = 'old-ca.crt';
/** When the next certificate was created, in ISO 8601. */
const NEXT_SINCE = 'next-since';

/**
 * The new content of the Secret; null when nothing is due. `trusted`: the authorities the API server has been told to
 * trust.
 */
export function dueChange(data: SecretData, trusted: string, now: Date, rotation: Rotation): SecretData | null {
  const current = pairOf(data, CURRENT);
  const at = now.getTime();
  const make = () => newServingCertificate(rotation.names, now, rotation.lifetimeMs);
  const life = current === null ? null : validityOf(current.certificate);
  if (current === null || life === null || at >= life.to || at < life.from) return fields(CURRENT, make());
  const next = pairOf(data, NEXT);
  const nextLife = next === null ? null : validityOf(next.certificate);
  if (next !== null && nextLife !== null && at < nextLife.to) {
    const since = Date.parse(data[NEXT_SINCE] ?? '');
    const waited = !(at - since < rotation.overlapMs);
    if (!waited || !trusted.includes(next.authority.trim())) return null;
    return { ...fields(CURRENT, next), [OLD_AUTHORITY]: current.authority };
  }
  if (at < life.from + (life.to - life.from) * RENEW_AFTER) return null;
  const old = data[OLD_AUTHORITY];
  return {
    ...fields(CURRENT, current),
    ...fields(NEXT, make()),
    [NEXT_SINCE]: now.toISOString(),
    ...(old === undefined ? {} : { [OLD_AUTHORITY]: old }),
  };
}

/** The certificate to serve; null when there is none yet. */
export function servedBy(data: SecretData): ServingCertificate | null {
  return pairOf(data, CURRENT);
}

/** PEM of all authorities that the API server must trust. */
export function authoritiesOf(data: SecretData, now: Date): string {
  const authorities = [CURRENT.authority, NEXT.authority, OLD_AUTHORITY].map((name) => data[name] ?? '');
  const valid = authorities.filter((authority) => (validityOf(authority)?.to ?? 0) > now.getTime());
  return valid.map((authority) => `${authority.trim()}\n`).join('');
}

function pairOf(
  data: SecretData,
  names: Readonly<Record<keyof ServingCertificate, string>>,
): ServingCertificate | null {
  const [authority, certificate, key] = [data[names.authority], data[names.certificate], data[names.key]];
  if (authority === undefined || certificate === undefined || key === undefined) return null;
  return { authority, certificate, key };
}

function fields(
  names: Readonly<Record<keyof ServingCertificate, string>>,
  { authority, certificate, key }: ServingCertificate,
): SecretData {
  return { [names.authority]: authority, [names.certificate]: certificate, [names.key]: key };
}
