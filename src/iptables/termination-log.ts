/**
 * Writes the result of an init container to the termination message file, which `kubectl describe pod` shows.
 */
import { accessSync, constants, writeFileSync } from 'node:fs';

export const DEFAULT_TERMINATION_LOG = '/dev/termination-log';

/** Kubernetes reads at most this many bytes. */
const MAX_BYTES = 4096;
const MAX_TEXT = 1000;

export interface TerminationResult {
  readonly result: 'ok' | 'error';
  readonly [field: string]: unknown;
}

/**
 * False when nothing was written: without `create`, a missing file is not created, because outside Kubernetes nothing
 * reads it. Texts are truncated so that the JSON stays complete within the limit.
 */
export function writeTerminationLog(path: string, result: TerminationResult, create: boolean): boolean {
  const cut = (limit: number) =>
    `${JSON.stringify(result, (_key, value: unknown) =>
      typeof value === 'string' && value.length > limit ? `${value.slice(0, limit)}...` : value,
    )}\n`;
  let text = cut(MAX_TEXT);
  for (let limit = MAX_TEXT; Buffer.byteLength(text) > MAX_BYTES && limit > 8; limit = limit >> 1)
    text = cut(limit >> 1);
  if (Buffer.byteLength(text) > MAX_BYTES) text = `${JSON.stringify({ result: result.result })}\n`;
  try {
    if (!create) accessSync(path, constants.W_OK);
    writeFileSync(path, text);
    return true;
  } catch {
    return false;
  }
}
