/**
 * Asks a sidecar in the same pod something. Its answer may come from another version, so that what reads it takes no field
 * for granted.
 *
 * Stage before: `status`, `wait`, `connections`, `log-level`, `quit`. Stage after: the endpoints of a running sidecar.
 */
import { request } from 'node:http';
import { ProxyError } from '../errors.ts';
import type { AdminAddress } from './options.ts';

/** Longer than a busy event loop takes. */
const REQUEST_TIMEOUT_MS = 5_000;
/** The configuration of the largest ConfigMaps takes a few MiB. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;

type Method = 'GET' | 'PUT' | 'POST';

export type Json = Readonly<Record<string, unknown>>;

/** The object that the private endpoint answers. @throws ProxyError `admin-unreachable`, `invalid-setting` for a 400 */
export async function askAdmin(admin: AdminAddress, path: string, method: Method = 'GET'): Promise<Json> {
  const url = `http://${admin.address.includes(':') ? `[${admin.address}]` : admin.address}:${admin.port}${path}`;
  const fail = (what: string, cause?: unknown) => new ProxyError('admin-unreachable', `${url}: ${what}`, { cause });
  let answer: { readonly status: number; readonly body: string };
  try {
    answer = await getText(admin, path, method);
  } catch (error) {
    throw fail((error as Error).message, error);
  }
  if (answer.status === 400) throw new ProxyError('invalid-setting', answer.body.trim());
  if (answer.status !== 200 && answer.status !== 202) throw fail(`answered ${answer.status}`);
  let value: unknown;
  try {
    value = JSON.parse(answer.body);
  } catch (error) {
    throw fail('did not answer JSON', error);
  }
  if (!isObject(value)) throw fail('did not answer a JSON object');
  return value;
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function objects(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** Empty for what is no text and no number. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '';
}

/** Rejects with an error of the socket, or one that says what is wrong with the answer. */
export function getText(
  { address, port }: AdminAddress,
  path: string,
  method: Method = 'GET',
): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
    const headers = { 'User-Agent': 'sideroute' };
    const outgoing = request({ host: address, port, path, method, headers, agent: false, signal }, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size > MAX_BODY_BYTES) response.destroy(new Error(`more than ${MAX_BODY_BYTES} bytes`));
      });
      response.on('error', reject);
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') });
      });
    });
    outgoing.on('error', (error) => {
      reject(signal.aborted ? new Error(`no answer within ${REQUEST_TIMEOUT_MS} ms`, { cause: error }) : error);
    });
    outgoing.end();
  });
}
