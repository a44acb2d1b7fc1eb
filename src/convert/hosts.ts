/**
 * Maps host names of a mesh to Services: a short name refers to the namespace of the object that contains it, as in
 * Istio.
 *
 * Used by the readers of rules.
 */
import { dnsLabel } from '../gateway-api/limits.ts';
import type { ServiceName } from './model.ts';

const CLUSTER_DOMAIN = '.svc.cluster.local';

const isLabel = (text: string): boolean => dnsLabel(text) === null;

/** Null for a host that is not a Service of the cluster. */
export function serviceOf(host: string, namespace: string): ServiceName | null {
  if (isLabel(host)) return { namespace, name: host };
  const plain = host.endsWith('.') ? host.slice(0, -1) : host;
  if (!plain.endsWith(CLUSTER_DOMAIN)) return null;
  const [name, of, ...more] = plain.slice(0, -CLUSTER_DOMAIN.length).split('.');
  if (name === undefined || of === undefined || more.length > 0) return null;
  return isLabel(name) && isLabel(of) ? { namespace: of, name } : null;
}
