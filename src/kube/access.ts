/**
 * Where the API server is and how to show who one is: from inside a pod, or from a kubeconfig file.
 *
 * Stage before: flags and environment. Stage after: `client.ts`. Credentials that are files are read again now and then, because
 * the kubelet renews tokens of service accounts.
 */
import { readFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { dirname, resolve } from 'node:path';
import { ProxyError } from '../errors.ts';
import { NO_TEXT_LIMITS } from '../gateway-api/limits.ts';
import { valueOf } from '../gateway-api/values.ts';
import { readTrees } from '../gateway-api/yaml-tree.ts';
import { finish } from '../slices.ts';
import { isObject, listOf, objectOf, textOf, type Json } from './json.ts';

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
}

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
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
    ...{ cert: null, key: null, servername: null, verify: true },
    authorization: () => `Bearer ${token()}`,
  };
}

/** @throws ProxyError naming the file and what is wrong in it */
export function kubeconfigAccess(file: string): KubeAccess {
  const fail = (message: string): never => {
    throw new ProxyError('bad-kubeconfig', `${file}: ${message}`);
  };
  const config = readConfig(file, fail);
  const named = (list: string, name: string | null, field: string): Json => {
    const found = listOf(config, list).find((entry) => textOf(entry, 'name') === name);
    return found === undefined ? fail(`${list} has no entry "${name ?? ''}"`) : objectOf(found, field);
  };
  const current = textOf(config, 'current-context');
  if (current === null || current === '') return fail('has no current-context');
  const context = named('contexts', current, 'context');
  const cluster = named('clusters', textOf(context, 'cluster'), 'cluster');
  const user = textOf(context, 'user') === null ? {} : named('users', textOf(context, 'user'), 'user');
  const server = textOf(cluster, 'server') ?? fail('the cluster has no server');
  if (!URL.canParse(server) || !/^https?:/.test(server)) fail(`server: got "${server}", expected an http or https URL`);
  for (const field of ['exec', 'auth-provider']) {
    if (user[field] !== undefined) {
      fail(`the user has ${field}, which is not carried; run kubectl proxy and give a kubeconfig with its address`);
    }
  }
  const from = dirname(file);
  /** Either in the file, base64, or the path of a file. */
  const credential = (of: Json, field: string): string | null => {
    const inline = textOf(of, `${field}-data`);
    if (inline !== null) return Buffer.from(inline, 'base64').toString('utf8');
    const path = textOf(of, field);
    return path === null ? null : readCredential(resolve(from, path));
  };
  return {
    server: server.replace(/\/+$/, ''),
    ca: credential(cluster, 'certificate-authority'),
    cert: credential(user, 'client-certificate'),
    key: credential(user, 'client-key'),
    servername: textOf(cluster, 'tls-server-name'),
    verify: cluster['insecure-skip-tls-verify'] !== true,
    authorization: authorizationOf(user, from),
  };
}

function authorizationOf(user: Json, from: string): () => string | null {
  const path = textOf(user, 'tokenFile');
  if (path !== null) {
    const token = tokenFile(resolve(from, path));
    return () => `Bearer ${token()}`;
  }
  const token = textOf(user, 'token');
  if (token !== null) return () => `Bearer ${token}`;
  const [name, password] = [textOf(user, 'username'), textOf(user, 'password')];
  if (name === null) return () => null;
  const basic = Buffer.from(`${name}:${password ?? ''}`).toString('base64');
  return () => `Basic ${basic}`;
}

function readConfig(file: string, fail: (message: string) => never): Json {
  const values: unknown[] = [];
  const text = readCredential(file);
  const faults = finish(
    readTrees(
      text,
      function* ({ root }) {
        values.push(valueOf(root));
        yield;
      },
      undefined,
      NO_TEXT_LIMITS,
    ),
  );
  if (faults.length > 0) return fail(faults[0]!.message);
  return isObject(values[0]) ? values[0] : fail('is no kubeconfig');
}

/** The last token read is used on while the file cannot be read. */
function tokenFile(path: string): () => string {
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

function readCredential(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ProxyError('no-credentials', `cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
}
