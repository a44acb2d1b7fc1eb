/**
 * Host names of a mesh to Services: short ones are of the namespace of whoever names them, as Istio has it.
 *
 * Used by the readers of rules.
 */
import { dnsLabel } from '../gateway-api/limits.ts';
import type { ServiceName } from './model.ts';

const CLUSTER_DOMAIN = '.svc.cluster.local';

const isLabel = (text: string): boolean => dnsLabel(text) === null;

/** Null for what is no Service of the cluster. */
export function serviceOf(host: string, namespace: string): ServiceName | null {
  if (isLabel(host)) return { namespace, name: host };
  const plain = host.endsWith('.') ? host.slice(0, -1) : host;
  if (!plain.endsWith(CLUSTER_DOMAIN)) return null;
  const [name, of, ...more] = plain.slice(0, -CLUSTER_DOMAIN.length).split('.');
  if (name === undefined || of === undefined || more.length > 0) return null;
  return isLabel(name) && isLabel(of) ? { namespace: of, name } : null;
}
