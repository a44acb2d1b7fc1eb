/** Permissions as the manifests of the install grant them, and requests as permissions that they need. */
import type { Manifest } from './manifests.ts';

export interface Permission {
  /** As RBAC names it, with the subresource. */
  readonly resource: string;
  readonly verb: string;
  /** Null: of any name. */
  readonly names: readonly string[] | null;
}

interface Rule {
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

/** Of all Roles and ClusterRoles among these. */
export function granted(manifests: readonly Manifest[]): Permission[] {
  return manifests
    .filter(({ kind }) => kind === 'Role' || kind === 'ClusterRole')
    .flatMap((role) => (role as unknown as { rules: readonly Rule[] }).rules)
    .flatMap(({ resources, verbs, resourceNames }) =>
      resources.flatMap((resource) => verbs.map((verb) => ({ resource, verb, names: resourceNames ?? null }))),
    );
}

const VERBS: Readonly<Record<string, string>> = {
  ...{ POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' },
};

/** Null: of no resource, such as what the API server says of its versions. */
export function needed(method: string, path: string, isWatch: boolean): (Permission & { name: string | null }) | null {
  const [, inCore, inGroup] =
    /^(?:\/api\/v1|\/apis\/[^/]+\/[^/]+)(?:(\/namespaces)(?=\/[^/]+\/[^/]+))?(\/.*)?$/.exec(path) ?? [];
  const steps = (inGroup ?? '').split('/').slice(1);
  if (inCore !== undefined) steps.shift();
  const [resource, name = null, subresource] = steps;
  if (resource === undefined) return null;
  const read = isWatch ? 'watch' : name === null ? 'list' : 'get';
  const whole = subresource === undefined ? resource : `${resource}/${subresource}`;
  return { resource: whole, verb: method === 'GET' ? read : VERBS[method]!, names: null, name };
}
