/**
 * Where the API server is and how to show who one is, from inside a pod; `kubeconfig.ts` says it from outside.
 *
 * Stage before: flags and environment. Stage after: `client.ts`. Credentials that are files are read again now and then, because
 * the kubelet renews tokens of service accounts.
 */
import { readFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { ProxyError } from '../errors.ts';

/** What a program has issued: for a while, or until the server refuses it. */
export interface Issued {
  readonly token: string | null;
  readonly cert: string | null;
  readonly key: string | null;
}

/** Who issues credentials when they are needed. */
export interface Issuer {
  /** Those at hand, or new ones. */
  issue(): Promise<Issued>;
  /** The server has refused these: they are not given again. */
  refused(issued: Issued): void;
}

export interface KubeAccess {
  /** Without a trailing slash. */
  readonly server: string;
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
  /** What the certificate of the server has to name, where that is not in its address. */
  readonly servername: string | null;
  /** False: any certificate is taken. */
  readonly verify: boolean;
  /** For the field Authorization; null when there is none. Called for each request. */
  authorization(): string | null;
  /** Where credentials are neither in a file nor known at the start; null: there is no such program. */
  readonly issuer: Issuer | null;
  /** More fields for each request: whom the user acts as. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
}

export const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
/** The kubelet renews a token when a fifth of its hour is left. */
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

/** The last token read is used on while the file cannot be read. */
export function tokenFile(path: string): () => string {
  let token = readCredential(path).trim();
  let readAtMs = performance.now();
  return () => {
    if (performance.now() - readAtMs < TOKEN_AGE_MS) return token;
    readAtMs = performance.now();
    try {
      token = readFileSync(path, 'utf8').trim();
    } catch {
      // It is about to be replaced; the next request looks again after a while.
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
