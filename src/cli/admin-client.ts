/** Asks a sidecar in the same pod something; for `status` and `wait`. */
import { request } from 'node:http';
import type { AdminAddress } from './options.ts';

/** Longer than a busy event loop takes. */
const REQUEST_TIMEOUT_MS = 5_000;
/** The configuration of the largest ConfigMaps takes a few MiB. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;

/** Rejects with an error of the socket, or one that says what is wrong with the answer. */
export function getText(
  { address, port }: AdminAddress,
  path: string,
): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
    const outgoing = request({ host: address, port, path, agent: false, signal }, (response) => {
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
