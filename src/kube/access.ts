/**
 * Address and credentials for the API server from inside a pod; `kubeconfig.ts` does the same from outside.
 *
 * Stage before: flags and environment. Stage after: `client.ts`. Credential files are read again from time to time,
 * because the kubelet renews the tokens of service accounts.
 */
import { readFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { ProxyError } from '../errors.ts';

/** Credentials issued by a program, valid until they expire or the server refuses them. */
export interface Issued {
  readonly token: string | null;
  readonly cert: string | null;
  readonly key: string | null;
}

/** Issues credentials on demand. */
export interface Issuer {
  /** Cached credentials, or new ones. */
  issue(): Promise<Issued>;
  /** The server has refused these: they must not be used again. */
  refused(issued: Issued): void;
}

export interface KubeAccess {
  /** Without a trailing slash. */
  readonly server: string;
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
  /** The name the server's certificate must have, when it differs from the address. */
  readonly servername: string | null;
  /** False: any certificate is accepted. */
  readonly verify: boolean;
  /** Value of the Authorization field; null for none. Called for each request. */
  authorization(): string | null;
  /** For credentials that are neither in a file nor known at the start; null: none. */
  readonly issuer: Issuer | null;
  /** Further fields for each request: impersonation. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
}

export const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
/** The kubelet renews a token when a fifth of its hour is left, so reading it this often is enough. */
const TOKEN_AGE_MS = 60_000;

/** @throws ProxyError `no-cluster` outside of a pod */
export function inClusterAccess(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  directory = SERVICE_ACCOUNT,
): KubeAccess {
  const host = environment['KUBERNETES_SERVICE_HOST'] ?? '';
  const port = environment['KUBERNETES_SERVICE_PORT'] ?? '';
  if (host === '' || port === '') {
    throw new ProxyError(
      'no-cluster',
      'this is no pod of a cluster, for KUBERNETES_SERVICE_HOST is not set; give a kubeconfig file: --kubeconfig FILE',
    );
  }
  const token = tokenFile(`${directory}/token`);
  return {
    server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`,
    ca: readCredential(`${directory}/ca.crt`),
    ...{ cert: null, key: null, servername: null, verify: true, issuer: null, headers: {} },
    authorization: () => `Bearer ${token()}`,
  };
}

/** While the file cannot be read, the last token is used. */
export function tokenFile(path: string): () => string {
  let token = readCredential(path).trim();
  let readAtMs = performance.now();
  return () => {
    if (performance.now() - readAtMs < TOKEN_AGE_MS) return token;
    readAtMs = performance.now();
    try {
      token = readFileSync(path, 'utf8').trim();
    } catch {
      // The file is being replaced; a later request reads it again.
    }
    return token;
  };
}

export function readCredential(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ProxyError('no-credentials', `cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
}
