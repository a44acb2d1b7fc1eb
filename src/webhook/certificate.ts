/**
 * Creates a certificate for the webhook, signed by an authority that is used for this one signature and whose key is
 * then discarded. So a reader of the Secret can act as the webhook until the certificate expires, but can issue nothing
 * else.
 *
 * Stage before: `rotation.ts` decides when. Stage after: the Secret that the replicas share, and the API server, which
 * is told to trust the authority.
 */
import { createHash, generateKeyPairSync, randomBytes, sign, X509Certificate, type KeyObject } from 'node:crypto';
import * as der from './der.ts';

export interface ServingCertificate {
  /** Both in PEM. */
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

/** Begin of validity before now, because clocks differ. */
const BACKDATE_MS = 60 * 60_000;

const OID = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  commonName: '2.5.4.3',
  subjectKey: '2.5.29.14',
  keyUsage: '2.5.29.15',
  alternativeName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKey: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuthentication: '1.3.6.1.5.5.7.3.1',
} as const;

const ALGORITHM = der.sequence(der.identifier(OID.ecdsaWithSha256));
/** Bits of the key usage. */
const DIGITAL_SIGNATURE = der.bits(Buffer.from([0x80]), 7);
const CERTIFICATE_SIGN = der.bits(Buffer.from([0x04]), 2);

export function newServingCertificate(names: readonly string[], now: Date, lifetimeMs: number): ServingCertificate {
  const authority = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const serving = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const validity = der.sequence(
    der.time(new Date(now.getTime() - BACKDATE_MS)),
    der.time(new Date(now.getTime() + lifetimeMs)),
  );
  // Authorities with equal names could be confused.
  const authorityName = `sideroute-webhook-${randomBytes(4).toString('hex')}`;
  const signed = (subject: string, key: KeyObject, extensions: readonly Buffer[]) =>
    signedCertificate({ subject, key, extensions, validity, issuer: authorityName, signer: authority.privateKey });
  return {
    authority: signed(authorityName, authority.publicKey, [
      extension(OID.basicConstraints, der.sequence(der.yes(), der.integer(Buffer.from([0]))), true),
      extension(OID.keyUsage, CERTIFICATE_SIGN, true),
      extension(OID.subjectKey, der.octets(keyIdentifier(authority.publicKey))),
    ]),
    certificate: signed(names[0] ?? '', serving.publicKey, [
      extension(OID.basicConstraints, der.sequence(), true),
      extension(OID.keyUsage, DIGITAL_SIGNATURE, true),
      extension(OID.extendedKeyUsage, der.sequence(der.identifier(OID.serverAuthentication))),
      extension(OID.authorityKey, der.sequence(der.implicit(0, keyIdentifier(authority.publicKey)))),
      extension(OID.alternativeName, der.sequence(...names.map((name) => der.implicit(2, Buffer.from(name))))),
    ]),
    key: serving.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
}

interface Unsigned {
  readonly subject: string;
  readonly key: KeyObject;
  readonly extensions: readonly Buffer[];
  readonly validity: Buffer;
  readonly issuer: string;
  readonly signer: KeyObject;
}

function signedCertificate({ subject, key, extensions, validity, issuer, signer }: Unsigned): string {
  const version3 = der.explicit(0, der.integer(Buffer.from([2])));
  const serial = randomBytes(16);
  serial[0]! &= 0x7f;
  serial[0]! |= 0x40;
  const content = der.sequence(
    version3,
    der.integer(serial),
    ALGORITHM,
    distinguishedName(issuer),
    validity,
    distinguishedName(subject),
    key.export({ type: 'spki', format: 'der' }),
    der.explicit(3, der.sequence(...extensions)),
  );
  const signature = sign('sha256', content, signer);
  const bytes = der.sequence(content, ALGORITHM, der.bits(signature));
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function distinguishedName(commonName: string): Buffer {
  return der.sequence(der.set(der.sequence(der.identifier(OID.commonName), der.text(commonName))));
}

function extension(identifier: string, value: Buffer, critical = false): Buffer {
  return der.sequence(der.identifier(identifier), ...(critical ? [der.yes()] : []), der.octets(value));
}

/** Any value that differs for different keys. */
function keyIdentifier(key: KeyObject): Buffer {
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest()
    .subarray(0, 20);
}

/** Begin and end of validity in milliseconds; null unless the text is exactly one certificate in PEM. */
export function validityOf(certificate: string): { readonly from: number; readonly to: number } | null {
  try {
    const { validFrom, validTo } = new X509Certificate(certificate);
    return { from: Date.parse(validFrom), to: Date.parse(validTo) };
  } catch {
    return null;
  }
}
