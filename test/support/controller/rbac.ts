/** A service account that may do what docs/controller.md says the controller needs, and nothing else. */
const GATEWAY = 'gateway.networking.k8s.io';

export const ACCOUNT = { namespace: 'sideroute', name: 'sideroute-controller' };

export function leastPermissions(): object[] {
  const name = ACCOUNT.name;
  const subjects = [{ kind: 'ServiceAccount', ...ACCOUNT }];
  const shards = Array.from({ length: 8 }, (_, index) => `sideroute-set-${index}`);
  const rule = (
    group: string,
    resources: readonly string[],
    verbs: readonly string[],
    names?: readonly string[],
  ): object => ({
    apiGroups: [group],
    resources,
    verbs,
    ...(names === undefined ? {} : { resourceNames: names }),
  });
  const rbac = 'rbac.authorization.k8s.io';
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: ACCOUNT.namespace } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: ACCOUNT },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRole',
      metadata: { name },
      rules: [
        rule(GATEWAY, ['httproutes', 'grpcroutes', 'tlsroutes', 'tcproutes'], ['get', 'list', 'watch']),
        rule(GATEWAY, ['httproutes/status', 'grpcroutes/status'], ['patch']),
        rule('', ['services', 'namespaces'], ['list', 'watch']),
        rule('', ['pods'], ['get', 'list', 'watch', 'patch']),
        rule('', ['configmaps'], ['get', 'list', 'watch', 'create']),
        rule('', ['configmaps'], ['update', 'delete'], shards),
      ],
    },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name },
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name },
      subjects,
    },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'Role',
      metadata: ACCOUNT,
      rules: [
        rule('coordination.k8s.io', ['leases'], ['create']),
        rule('coordination.k8s.io', ['leases'], ['get', 'update'], [name]),
      ],
    },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'RoleBinding',
      metadata: ACCOUNT,
      roleRef: { apiGroup: rbac, kind: 'Role', name },
      subjects,
    },
  ];
}
