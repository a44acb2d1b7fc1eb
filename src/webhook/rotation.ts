/**
 * Which certificate the webhook serves, and which authorities the API server has to trust: now, and after the next change.
 *
 *     current ──two thirds of its life──▶ next made, both authorities trusted ──a while──▶ next served ──▶ the old one forgotten
 *
 * The API server trusts an authority before anything that it has signed is served, so that no request fails in between; and it
 * trusts the last one until it ends, for replicas that are behind. The replicas share all of it in a Secret, and each of them does
 * whatever is due: who writes second is told that the Secret has changed, and reads it again.
 *
 * Stage before: `webhook.ts` reads the Secret. Stage after: it writes what comes of it.
 */
import { newServingCertificate, validityOf, type ServingCertificate } from './certificate.ts';

/** The data of the Secret, decoded: PEM by name. */
export type SecretData = Readonly<Record<string, string>>;

export interface Rotation {
  readonly names: readonly string[];
  readonly lifetimeMs: number;
  /** How long the next authority has to be trusted before what it has signed is served. */
  readonly overlapMs: number;
}

export const LIFETIME_MS = 90 * 24 * 60 * 60_000;
export const OVERLAP_MS = 10 * 60_000;
/** Part of its life after which a certificate is replaced. */
const RENEW_AFTER = 2 / 3;

const CURRENT = { authority: 'ca.crt', certificate: 'tls.crt', key: 'tls.key' } as const;
const NEXT = { authority: 'next-ca.crt', certificate: 'next-tls.crt', key: 'next-tls.key' } as const;
const OLD_AUTHORITY = 'old-ca.crt';
/** When the next certificate was made, as a date of ISO 8601. */
const NEXT_SINCE = 'next-since';

/** What to write instead of `data`, or null: nothing is due. `trusted`: what the API server has been told. */
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

/** What is served; null: nothing is there yet. */
export function servedBy(data: SecretData): ServingCertificate | null {
  return pairOf(data, CURRENT);
}

/** PEM of every authority that the API server has to trust. */
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
