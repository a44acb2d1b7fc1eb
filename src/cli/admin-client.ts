/**
 * Sends requests to a sidecar, in the same pod or through the API server. The answer may come from another version, so
 * its readers must not rely on any field.
 *
 * Stage before: `status`, `wait`, `connections`, `log-level`, `quit`, `admin-stream.ts`, `bundle`, `diff`. Stage after:
 * the endpoints of a running sidecar.
 */
import { request } from 'node:http';
import type { Duplex } from 'node:stream';
import { ProxyError } from '../errors.ts';
import type { AdminAddress } from './options.ts';

/** The admin endpoint of a pod of the cluster. */
export interface PodAdmin {
  /** Namespace and name. */
  readonly pod: string;
  /** Port on the loopback address of the pod. */
  readonly port: number;
  connect(): Promise<Duplex>;
}

export type AdminTarget = AdminAddress | PodAdmin;

/** Longer than a turn of a busy event loop. */
const REQUEST_TIMEOUT_MS = 5_000;
/** Longer, because the connection goes through the API server and the kubelet. */
const POD_TIMEOUT_MS = 30_000;
/** The configuration of the largest ConfigMaps takes a few MiB. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;

/** Advice when no endpoint answers. */
export const WHAT_NEXT = 'run this in the container of a sidecar, or say where its endpoint is, --admin ADDRESS:PORT';

/** What to think of a 404. */
export const NO_ENDPOINT = 'there is no such endpoint: an older version of sideroute';

type Method = 'GET' | 'PUT' | 'POST';

export type Json = Readonly<Record<string, unknown>>;

/**
 * Returns the JSON object from the private endpoint. @throws ProxyError `admin-unreachable`, `invalid-setting` for
 * status 400
 */
export async function askAdmin(admin: AdminTarget, path: string, method: Method = 'GET'): Promise<Json> {
  const fail = failing(admin, path);
  const body = await askText(admin, path, method);
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (error) {
    throw fail('did not answer JSON', error);
  }
  if (!isObject(value)) throw fail('did not answer a JSON object');
  return value;
}

/** Returns any answer as text. @throws as `askAdmin` */
export async function askText(admin: AdminTarget, path: string, method: Method = 'GET'): Promise<string> {
  const fail = failing(admin, path);
  let answer: { readonly status: number; readonly body: string };
  try {
    answer = await getText(admin, path, method);
  } catch (error) {
    // Errors of the API server get their own wording.
    if ((error as Error).name === 'KubeError') throw error;
    const { message } = error as Error;
    throw fail('pod' in admin ? message : `${message}; ${WHAT_NEXT}`, error);
  }
  if (answer.status === 400) throw new ProxyError('invalid-setting', answer.body.trim());
  if (answer.status === 404) throw fail(NO_ENDPOINT);
  if (answer.status !== 200 && answer.status !== 202) throw fail(`answered ${answer.status}`);
  return answer.body;
}

/** Returns a function that makes the error for an endpoint that cannot be reached. */
export function failing(admin: AdminTarget, path: string): (what: string, cause?: unknown) => ProxyError {
  const where =
    'pod' in admin
      ? `pod ${admin.pod}, port ${admin.port}, ${path}`
      : `http://${admin.address.includes(':') ? `[${admin.address}]` : admin.address}:${admin.port}${path}`;
  return (what, cause) => new ProxyError('admin-unreachable', `${where}: ${what}`, { cause });
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function objects(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** Empty for anything except text and numbers. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '';
}

export interface AskLimits {
  readonly maxBytes?: number;
  /** Aborts before the timeout. */
  readonly signal?: AbortSignal;
}

/** Rejects with a socket error, or an error that describes the fault of the answer. */
export async function getText(
  admin: AdminTarget,
  path: string,
  method: Method = 'GET',
  { maxBytes = MAX_BODY_BYTES, signal: end }: AskLimits = {},
): Promise<{ readonly status: number; readonly body: string }> {
  const socket = 'pod' in admin ? await admin.connect() : null;
  if (socket !== null && socket.errored !== null) throw socket.errored;
  // The endpoint only accepts a loopback address as Host.
  const host = 'pod' in admin ? '127.0.0.1' : admin.address;
  const through = socket === null ? { agent: false as const } : { createConnection: () => socket };
  const timeoutMs = socket === null ? REQUEST_TIMEOUT_MS : POD_TIMEOUT_MS;
  return new Promise((resolve, reject) => {
    const deadline = AbortSignal.timeout(timeoutMs);
    const signal = end === undefined ? deadline : AbortSignal.any([deadline, end]);
    const headers = { 'User-Agent': 'sideroute', Connection: 'close' };
    const options = { ...through, host, port: admin.port, path, method, headers, signal };
    const outgoing = request(options, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size > maxBytes) response.destroy(new Error(`more than ${maxBytes} bytes`));
      });
      response.on('error', reject);
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') });
        socket?.destroy();
      });
    });
    outgoing.on('error', (error) => {
      reject(deadline.aborted ? new Error(`no answer within ${timeoutMs} ms`, { cause: error }) : error);
      socket?.destroy();
    });
    outgoing.end();
  });
}
