/**
 * The result of an init container where `kubectl describe pod` shows it: the termination message file.
 */
import { accessSync, constants, writeFileSync } from 'node:fs';

export const DEFAULT_TERMINATION_LOG = '/dev/termination-log';

/** Kubernetes reads this much, and nothing of what is longer. */
const MAX_BYTES = 4096;
const MAX_TEXT = 1000;

export interface TerminationResult {
  readonly result: 'ok' | 'error';
  readonly [field: string]: unknown;
}

/**
 * False when it was not written: without `create`, a file that does not exist is left alone (outside Kubernetes
 * nobody reads it). Texts are cut to what Kubernetes keeps, so that the JSON stays whole.
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
