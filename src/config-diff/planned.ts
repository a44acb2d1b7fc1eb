/**
 * The configuration that a sidecar would have with given routes and Services, in the form of its own endpoint and built
 * by the same code.
 *
 * Stage before: `cli/diff.ts`, with the resources. Stage after: `compare.ts`.
 */
import { configDump } from '../admin/config-dump.ts';
import { attach } from '../config/attach.ts';
import { labelOf, serviceParents } from '../config/progress.ts';
import { backendProtocol, isCarriedRoute, serviceKey, tcpPort } from '../config/support.ts';
import type { Problem, Resource } from '../gateway-api/types.ts';
import type { Backend } from '../routing/decision.ts';
import { compileTable } from '../routing/table.ts';

export interface Planned {
  /** In the form of `/config`. */
  readonly config: unknown;
  readonly problems: readonly Problem[];
}

/** `changes` replace resources of the same kind and name. */
export function withChanges(present: readonly Resource[], changes: readonly Resource[]): Resource[] {
  const changed = new Set(changes.map(labelOf));
  return [...present.filter((resource) => !changed.has(labelOf(resource))), ...changes];
}

/** The resources without the routes of these names, of any kind. `missing`: names for which there is no route. */
export function withoutRoutes(
  resources: readonly Resource[],
  names: readonly string[],
): { readonly resources: Resource[]; readonly missing: readonly string[] } {
  const isNamed = (resource: Resource, name: string): boolean =>
    resource.kind !== 'Service' && `${resource.namespace}/${resource.name}` === name;
  return {
    resources: resources.filter((resource) => !names.some((name) => isNamed(resource, name))),
    missing: names.filter((name) => !resources.some((resource) => isNamed(resource, name))),
  };
}

/** `namespace`: that of the pod. */
export async function plan(resources: readonly Resource[], namespace: string | null): Promise<Planned> {
  const concerned = resources.filter((resource) => isFor(resource, namespace));
  const attachment = attach({ resources: concerned, namespace });
  const backends = new Map<string, Backend>();
  const internBackend = (of: string, name: string, port: number): Backend => {
    const key = `${of}/${name}:${port}`;
    const service = attachment.services.get(serviceKey(of, name));
    const protocol = backendProtocol((service === undefined ? undefined : tcpPort(service, port))?.appProtocol ?? null);
    const made: Backend = {
      namespace: of,
      name,
      port,
      key,
      id: backends.size,
      addresses: [],
      state: 'resolved',
      protocol,
    };
    const backend = backends.get(key) ?? made;
    backends.set(key, backend);
    return backend;
  };
  const ids = new Map<string, number>();
  const frontendId = (key: string): number => ids.get(key) ?? ids.set(key, ids.size).size - 1;
  const table = compileTable(attachment, { frontendId, internBackend, internSeries: () => 0 });
  const { conditions, problems } = attachment;
  const nothing = { snapshot: null, tornSet: null, frontendKeys: [], addresses: [], unresolved: [], backends: [] };
  let text = '';
  for await (const piece of configDump({ ...nothing, attachment, table, valid: true, conditions, problems }))
    text += piece;
  return { config: JSON.parse(text) as unknown, problems };
}

/** True for routes that sidecars of the namespace receive: those for all clients, and those of their own namespace. */
function isFor(resource: Resource, namespace: string | null): boolean {
  if (!isCarriedRoute(resource) && resource.kind !== 'OtherRoute') return true;
  const parents = serviceParents(resource);
  return parents.some((parent) => parent.namespace === resource.namespace || resource.namespace === namespace);
}
