/**
 * The permissions that the controller needs, as the install manifests grant them; a test compares the two.
 *
 * Used by `gather.ts`, which asks the API server about each.
 */
import { SHARDS, shardName } from '../route-set/format.ts';

export interface ControllerNeed {
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly verb: string;
  /** Empty: any name. */
  readonly name: string;
  /** True when needed only in the namespace of the controller. */
  readonly own: boolean;
  readonly forWebhook: boolean;
}

const GATEWAY = 'gateway.networking.k8s.io';
const [FIRST, LAST] = [shardName(0), shardName(SHARDS - 1)];

function needs(
  group: string,
  resources: readonly string[],
  verbs: readonly string[],
  more: Partial<ControllerNeed> = {},
): ControllerNeed[] {
  return resources.flatMap((path) =>
    verbs.map((verb) => {
      const [resource = '', subresource = ''] = path.split('/');
      return { group, resource, subresource, verb, name: '', own: false, forWebhook: false, ...more };
    }),
  );
}

/** Of the route sets only the first and the last name: the same rule grants the others. */
export const CONTROLLER_NEEDS: readonly ControllerNeed[] = [
  ...needs(GATEWAY, ['httproutes', 'grpcroutes'], ['get', 'list', 'watch']),
  ...needs(GATEWAY, ['tlsroutes', 'tcproutes'], ['list', 'watch']),
  ...needs(GATEWAY, ['httproutes/status', 'grpcroutes/status'], ['patch']),
  ...needs('', ['services', 'namespaces'], ['list', 'watch']),
  ...needs('', ['pods'], ['list', 'watch', 'get', 'patch']),
  ...needs('', ['configmaps'], ['list', 'watch', 'create']),
  ...[FIRST, LAST].flatMap((name) => needs('', ['configmaps'], ['get', 'update', 'delete'], { name })),
  ...needs('coordination.k8s.io', ['leases'], ['create'], { own: true }),
  ...needs('coordination.k8s.io', ['leases'], ['get', 'update'], { own: true, name: 'sideroute-controller' }),
  ...needs('', ['secrets'], ['get', 'update'], { own: true, forWebhook: true, name: 'sideroute-webhook' }),
  ...needs('admissionregistration.k8s.io', ['mutatingwebhookconfigurations'], ['get', 'patch'], {
    ...{ forWebhook: true, name: 'sideroute-injection' },
  }),
];
