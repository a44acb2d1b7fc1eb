/**
 * The namespace of the pod, where neither flag nor environment says it: kubelet mounts it beside the token of the service
 * account, unless the pod has none.
 *
 * Used by `cli/`, for the sidecar and for the commands that look at routes as a sidecar would.
 */
import { readFileSync } from 'node:fs';
import { dnsLabel } from '../gateway-api/limits.ts';

const SERVICE_ACCOUNT_FILE = '/var/run/secrets/kubernetes.io/serviceaccount/namespace';

/** Null outside of a pod, and where the pod has no token. */
export function mountedNamespace(path = SERVICE_ACCOUNT_FILE): string | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch {
    return null;
  }
  return dnsLabel(text) === null ? text : null;
}
