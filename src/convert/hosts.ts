/**
 * Host names of a mesh to Services: short ones are of the namespace of whoever names them, as Istio has it.
 *
 * Used by the readers of rules.
 */
import type { ServiceName } from './model.ts';

const CLUSTER_DOMAIN = '.svc.cluster.local';
const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

/** Null for what is no Service of the cluster. */
export function serviceOf(host: string, namespace: string): ServiceName | null {
  if (LABEL.test(host)) return { namespace, name: host };
  const plain = host.endsWith('.') ? host.slice(0, -1) : host;
  if (!plain.endsWith(CLUSTER_DOMAIN)) return null;
  const [name, of, ...more] = plain.slice(0, -CLUSTER_DOMAIN.length).split('.');
  if (name === undefined || of === undefined || more.length > 0) return null;
  return LABEL.test(name) && LABEL.test(of) ? { namespace: of, name } : null;
}
