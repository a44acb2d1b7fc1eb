/** Permissions that the manifests of the installation grant, and permissions that requests need. */
import type { Manifest } from './manifests.ts';

export interface Permission {
  /** The RBAC name, with the subresource. */
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

/** The permissions of all Roles and ClusterRoles among these. */
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

/** Null: the request is for no resource, for example for the API server's version. */
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
