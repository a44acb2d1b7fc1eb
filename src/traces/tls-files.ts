/**
 * Reads certificates and keys for collectors behind https, and explains faults of a collector's certificate in words. Loaded only if the collector
 * is behind https. After a failed connection the files are read again, because mounted files are renewed.
 *
 * Stage before: `environment.ts` has their names. Stage after: `sender.ts`.
 */
import { X509Certificate } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { invalid, type NamedFile, type TlsFileNames } from './environment.ts';

const BLOCK = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;
/** The list of all public authorities has 250 KB. */
const MAX_FILE_BYTES = 4 * 1024 * 1024;

/** @throws ProxyError that names variable and file */
export async function readTlsFiles({ authorities, client }: TlsFileNames): Promise<SecureContextOptions> {
  const options: SecureContextOptions = {};
  if (authorities !== null) options.ca = await certificatesIn(authorities);
  if (client !== null) {
    const { certificate, key } = client;
    options.cert = (await certificatesIn(certificate)).join('\n');
    options.key = await read(key);
    try {
      createSecureContext({ cert: options.cert, key: options.key });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw fault(key, `is not the key of ${certificate.path} in PEM, without a passphrase (${code ?? 'unreadable'})`);
    }
  }
  return options;
}

/** Checks each certificate, because OpenSSL silently skips those that it cannot read. */
async function certificatesIn(file: NamedFile): Promise<string[]> {
  const blocks = (await read(file)).match(BLOCK) ?? [];
  if (blocks.length === 0) throw fault(file, 'has no certificate in PEM');
  for (const [index, block] of blocks.entries()) {
    if (!isCertificate(block)) throw fault(file, `has a certificate that cannot be read, the ${index + 1}. in it`);
  }
  return blocks;
}

async function read(file: NamedFile): Promise<string> {
  let text: string;
  try {
    // One byte more than is allowed, so that a file without an end is not read into memory.
    text = (await buffer(createReadStream(file.path, { end: MAX_FILE_BYTES }))).toString('latin1');
  } catch (error) {
    throw fault(file, `cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
  if (text.length > MAX_FILE_BYTES) throw fault(file, `is larger than ${MAX_FILE_BYTES} bytes`);
  return text;
}

function isCertificate(block: string): boolean {
  try {
    return new X509Certificate(block).raw.length > 0;
  } catch {
    return false;
  }
}

function fault({ variable, path }: NamedFile, what: string) {
  return invalid(variable, `${path} ${what}`);
}

const UNKNOWN_AUTHORITY: readonly string[] = [
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_SIGNATURE_FAILURE',
];

/** Explains to an operator what to mend; null if the fault is not one of TLS. */
export function tlsFault(error: NodeJS.ErrnoException & { reason?: string }, files: TlsFileNames): string | null {
  const { code = '', message } = error;
  const { authorities } = files;
  if (UNKNOWN_AUTHORITY.includes(code)) {
    return authorities === null
      ? `${code}: the certificate of the collector is of no public authority; OTEL_EXPORTER_OTLP_CERTIFICATE names a file with its own`
      : `${code}: the certificate of the collector is of no authority in ${authorities.path}, which ${authorities.variable} names`;
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `${code}: the certificate of the collector is for another host: ${(error.reason ?? message).slice(0, 400)}`;
  }
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    return `${code}: the certificate of the collector, or of its authority, is not valid at this time`;
  }
  // The code is that of OpenSSL or EPROTO, depending on which side noticed the fault first.
  if (/wrong version number|packet length too long/i.test(message)) {
    return `${code}: the collector does not speak TLS there; an endpoint without begins with http://`;
  }
  if (/alert (?:handshake failure|certificate required|bad certificate|unknown ca)/i.test(message)) {
    return `${code}: the collector wants another certificate of the sidecar, which OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE names`;
  }
  return null;
}
