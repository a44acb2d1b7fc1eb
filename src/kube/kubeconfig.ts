/**
 * Reads from a context of a kubeconfig the API server, the user and the namespace.
 *
 * Stage before: `kubeconfig-files.ts`. Stage after: `client.ts`. A setting that kubectl supports and this code does not
 * is refused. Otherwise a request could go to another server or come from another user.
 */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { ProxyError } from '../errors.ts';
import { inClusterAccess, readCredential, SERVICE_ACCOUNT, tokenFile, type Issuer, type KubeAccess } from './access.ts';
import { ExecPlugin, type PluginCluster } from './exec-plugin.ts';
import { isObject, listOf, objectOf, textOf, type Json } from './json.ts';
import {
  kubeconfigFiles,
  possibleFiles,
  readKubeconfig,
  type Entry,
  type Environment,
  type Kubeconfig,
} from './kubeconfig-files.ts';

export interface TargetFlags {
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  readonly namespace?: string | undefined;
}

/** The cluster, user and namespace of a command. */
export interface KubeTarget {
  readonly access: KubeAccess;
  /** That of the flag, otherwise of the context, otherwise `default`. */
  readonly namespace: string;
  /** Null: the service account of the pod of this process. */
  readonly context: string | null;
}

/** Follows the rules of kubectl. @throws ProxyError naming file, context and field, with advice */
export function kubeTarget(flags: TargetFlags, environment: Environment = process.env): KubeTarget {
  const files = kubeconfigFiles(flags.kubeconfig ?? null, environment);
  if (files.length > 0) return targetOf(readKubeconfig(files), flags);
  if (flags.context === undefined && (environment['KUBERNETES_SERVICE_HOST'] ?? '') !== '') {
    return { access: inClusterAccess(environment), namespace: flags.namespace ?? podNamespace(), context: null };
  }
  const looked = possibleFiles(environment).join(', ') || 'one, but neither KUBECONFIG nor HOME is set';
  throw new ProxyError(
    'no-cluster',
    `there is no kubeconfig: looked for ${looked}. Name the file that kubectl uses: --kubeconfig FILE, or KUBECONFIG=FILE`,
  );
}

/** For the current context of one file. @throws ProxyError naming the file and the fault */
export function kubeconfigAccess(file: string): KubeAccess {
  return targetOf(readKubeconfig([file]), {}).access;
}

function podNamespace(): string {
  const file = `${SERVICE_ACCOUNT}/namespace`;
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : 'default';
}

function targetOf(config: Kubeconfig, flags: TargetFlags): KubeTarget {
  const files = config.files.join(', ');
  const name = flags.context ?? config.currentContext;
  if (name === '') {
    const known = namesOf(config.contexts);
    throw bad(
      files,
      `has no current-context; choose one: kubectl config use-context NAME, or --context NAME (${known})`,
    );
  }
  const context = config.contexts.get(name);
  if (context === undefined) {
    const source = flags.context === undefined ? 'current-context' : '--context';
    throw bad(files, `${source}: there is no context "${name}"; there are: ${namesOf(config.contexts)}`);
  }
  const entry = (list: 'clusters' | 'users', field: string): Entry => {
    const wanted = textOf(context.value, field) ?? '';
    const found = config[list].get(wanted);
    if (found !== undefined) return found;
    const what = wanted === '' ? `names no ${field}` : `${list} has no entry "${wanted}"`;
    throw bad(context.file, `context "${name}": ${what}; there are: ${namesOf(config[list])}`);
  };
  const cluster = entry('clusters', 'cluster');
  const user = (textOf(context.value, 'user') ?? '') === '' ? null : entry('users', 'user');
  return {
    access: accessOf(name, cluster, user),
    namespace: flags.namespace ?? (textOf(context.value, 'namespace') || 'default'),
    context: name,
  };
}

function bad(file: string, message: string): ProxyError {
  return new ProxyError('bad-kubeconfig', `${file}: ${message}`);
}

function namesOf(entries: ReadonlyMap<string, Entry>): string {
  const names = [...entries.keys()];
  const more = names.length > 20 ? ` and ${names.length - 20} more` : '';
  return names.length === 0 ? 'none' : `${names.slice(0, 20).join(', ')}${more}`;
}

function accessOf(context: string, cluster: Entry, user: Entry | null): KubeAccess {
  const fail = ({ file }: Entry, field: string, what: string): never => {
    throw bad(file, `context "${context}": ${field}: ${what}`);
  };
  const server = textOf(cluster.value, 'server') ?? '';
  if (!URL.canParse(server) || !/^https?:/.test(server)) {
    fail(cluster, 'server', `got "${server}", expected an http or https URL such as https://10.0.0.1:6443`);
  }
  // An empty value means none, as in kubectl.
  if ((textOf(cluster.value, 'proxy-url') ?? '') !== '') {
    const what = 'proxies are not carried; run kubectl proxy and name its address as the server of a kubeconfig';
    fail(cluster, 'proxy-url', what);
  }
  if (user?.value['auth-provider'] !== undefined) {
    const what = 'is not carried, nor by kubectl since 1.26; use the exec plugin of the provider';
    fail(user, 'auth-provider', what);
  }
  /** Given in the file as base64, or as the path of another file. */
  const credential = (of: Entry | null, field: string): string | null => {
    if (of === null) return null;
    const inline = textOf(of.value, `${field}-data`) ?? '';
    if (inline !== '') {
      if (!/^[A-Za-z0-9+/=\s]+$/.test(inline)) fail(of, `${field}-data`, 'is not base64');
      return Buffer.from(inline, 'base64').toString('utf8');
    }
    const path = textOf(of.value, field) ?? '';
    if (path === '') return null;
    const file = resolve(of.directory, path);
    if (!existsSync(file)) fail(of, field, `there is no file ${file}`);
    return readCredential(file);
  };
  const ca = credential(cluster, 'certificate-authority');
  const [cert, key] = [credential(user, 'client-certificate'), credential(user, 'client-key')];
  if (user !== null && (cert === null) !== (key === null)) {
    fail(user, cert === null ? 'client-certificate' : 'client-key', 'is missing beside the other one of the pair');
  }
  const verify = cluster.value['insecure-skip-tls-verify'] !== true;
  const servername = textOf(cluster.value, 'tls-server-name') || null;
  const authorization = user === null ? null : authorizationOf(user, fail);
  const about = { server, ca, servername, verify, config: extensionOf(cluster) };
  return {
    ...{ server: server.replace(/\/+$/, ''), ca, cert, key, servername, verify },
    authorization: authorization ?? (() => null),
    // A user with a token needs no program, as in kubectl.
    issuer: user === null || authorization !== null ? null : issuerOf(context, user, about),
    headers: user === null ? {} : actingAs(user.value),
  };
}

/** Null when there is neither a token nor a password. */
function authorizationOf({ value, directory, file }: Entry, fail: (of: Entry, field: string, what: string) => never) {
  const path = textOf(value, 'tokenFile') ?? '';
  if (path !== '') {
    const at = resolve(directory, path);
    if (!existsSync(at)) fail({ value, directory, file }, 'tokenFile', `there is no file ${at}`);
    const token = tokenFile(at);
    return () => `Bearer ${token()}`;
  }
  const token = (textOf(value, 'token') ?? '').trim();
  if (token !== '') return () => `Bearer ${token}`;
  const [name, password] = [textOf(value, 'username') ?? '', textOf(value, 'password')];
  if (name === '') return null;
  const basic = Buffer.from(`${name}:${password ?? ''}`).toString('base64');
  return () => `Basic ${basic}`;
}

function issuerOf(context: string, user: Entry, cluster: PluginCluster): Issuer | null {
  const { exec } = user.value;
  if (exec === undefined || exec === null) return null;
  return new ExecPlugin(
    objectOf(user.value, 'exec'),
    user.directory,
    cluster,
    `${user.file}: context "${context}": exec`,
  );
}

/** The configuration for a plugin in the entry of the cluster. */
function extensionOf({ value }: Entry): unknown {
  const found = listOf(value, 'extensions').find(
    (each) => textOf(each, 'name') === 'client.authentication.k8s.io/exec',
  );
  return found?.['extension'];
}

/** Impersonation: without these fields a request would be made as another user. */
function actingAs(user: Json): Record<string, string | readonly string[]> {
  const headers: Record<string, string | readonly string[]> = {};
  const as = textOf(user, 'as') ?? '';
  if (as !== '') headers['Impersonate-User'] = as;
  const uid = textOf(user, 'as-uid') ?? '';
  if (uid !== '') headers['Impersonate-Uid'] = uid;
  const groups = textsOf(user['as-groups']);
  if (groups.length > 0) headers['Impersonate-Group'] = groups;
  const extra = user['as-user-extra'];
  for (const [name, values] of Object.entries(isObject(extra) ? extra : {})) {
    headers[`Impersonate-Extra-${encodeURIComponent(name.toLowerCase())}`] = textsOf(values);
  }
  return headers;
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
}
