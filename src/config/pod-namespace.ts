/**
 * The namespace of the pod when neither flag nor environment gives it. kubelet mounts it next to the token of the
 * service account, unless the pod has none.
 *
 * Used by `cli/`, for the sidecar and for the commands that read routes as a sidecar would.
 */
import { readFileSync } from 'node:fs';
import { dnsLabel } from '../gateway-api/limits.ts';

const SERVICE_ACCOUNT_FILE = '/var/run/secrets/kubernetes.io/serviceaccount/namespace';

/** Null outside a pod, and in a pod without a token. */
export function mountedNamespace(path = SERVICE_ACCOUNT_FILE): string | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch {
    return null;
  }
  return dnsLabel(text) === null ? text : null;
}
