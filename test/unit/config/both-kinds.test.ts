/** What is said of an HTTPRoute is said of a GRPCRoute, where both have the same fields: conditions, problems, frontends. */
import t from 'tap';
import { attach } from '../../../src/config/attach.ts';
import type { Attachment } from '../../../src/config/attachment.ts';
import type {
  BackendRefOf,
  CarriedRoute,
  GrpcRouteFilter,
  ParentRef,
  Resource,
} from '../../../src/gateway-api/types.ts';
import { extension, mirror } from '../../support/filters.ts';
import { backend, grpcRoute, grpcRule, httpRoute, otherRoute, parent, rule, service } from '../../support/routes.ts';

interface Scenario {
  readonly parents?: readonly (string | ParentRef)[];
  readonly rules?: readonly {
    readonly filters?: readonly GrpcRouteFilter[];
    readonly backendRefs?: readonly BackendRefOf<GrpcRouteFilter>[];
  }[];
  readonly route?: Partial<Pick<CarriedRoute, 'generation' | 'hostnames' | 'held' | 'creationTimestamp'>>;
  readonly key?: string;
  readonly others?: readonly Resource[];
  readonly namespace?: string | null;
}

const twoPorts = service('ns/web', [
  { name: 'http', port: 80 },
  { name: 'admin', port: 8080 },
]);
const to = (key: string, options: Partial<BackendRefOf<GrpcRouteFilter>> = {}): BackendRefOf<GrpcRouteFilter> => ({
  ...backend(key),
  filters: [],
  ...options,
});

/** All that `attach` says, with the words in which the kinds differ taken out. */
function told(kind: CarriedRoute['kind'], scenario: Scenario): object {
  const { parents = ['ns/web'], rules = [{ backendRefs: [to('ns/v1:80')] }], route = {}, key = 'ns/r' } = scenario;
  const made =
    kind === 'HTTPRoute'
      ? httpRoute(
          key,
          parents,
          rules.map((each) => rule(each)),
          route,
        )
      : grpcRoute(
          key,
          parents,
          rules.map((each) => grpcRule(each)),
          route,
        );
  const namespace = scenario.namespace === undefined ? 'client' : scenario.namespace;
  const resources = [...(scenario.others ?? []), { ...made, source: { file: 'r.yaml', document: 1, line: null } }];
  return withoutKinds(attach({ resources, namespace }), kind);
}

const ANSWERS = /\b(?:500|503|UNAVAILABLE|UNIMPLEMENTED)\b/g;

function withoutKinds({ conditions, problems, frontends, subjects }: Attachment, kind: string): object {
  const text = JSON.stringify({
    conditions: conditions.map((condition, index) => ({ condition, subject: subjects[index]! })),
    problems,
    frontends: frontends.map(({ key, mode, routeKind, consumer, rules }) => ({
      ...{ key, mode, routeKind, consumer },
      rules: rules.map(({ route, rule: { index } }) => `${route.kind} ${route.name} ${index}`),
    })),
  });
  return JSON.parse(text.replaceAll(kind, 'KIND').replaceAll(ANSWERS, 'ANSWER')) as object;
}

const edit: GrpcRouteFilter = {
  type: 'RequestHeaderModifier',
  requestHeaderModifier: { set: [{ name: 'a', value: 'b' }], add: [], remove: [] },
};
const missing = service('ns/v1', [81]);
const opaque = service('ns/v1', [{ port: 80, appProtocol: 'https' }]);
const headless = service('ns/v1', [80], { headless: true });
const external = service('ns/v1', [80], { type: 'ExternalName' });
const bucket = to('ns/v1:80', { group: 'example.com', kind: 'Bucket' });

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'a Service of which nothing is known': {},
  'every port of a Service': { others: [twoPorts] },
  'a port by number': { parents: [parent('ns/web', { port: 8080 })], others: [twoPorts] },
  'a port by name': { parents: [parent('ns/web', { sectionName: 'admin' })], others: [twoPorts] },
  'a port that is not there': { parents: [parent('ns/web', { port: 81 })], others: [twoPorts] },
  'a name of a port without a document': { parents: [parent('ns/web', { sectionName: 'admin' })] },
  'several parents, one of which is nothing': {
    parents: [parent('ns/web', { port: 80 }), parent('ns/web', { port: 81 }), 'other/db'],
    others: [twoPorts],
  },
  'a parent twice': { parents: ['ns/web', 'ns/web'] },
  'a headless parent': { others: [service('ns/web', [80], { headless: true })] },
  'a parent of another kind': {
    parents: [parent('ns/gw', { kind: 'Gateway', group: 'gateway.networking.k8s.io' })],
  },
  'a port that is opaque': { others: [service('ns/web', [{ port: 80, appProtocol: 'tls' }])] },
  'a consumer route here': { key: 'client/r', others: [twoPorts] },
  'a consumer route elsewhere': { key: 'elsewhere/r', others: [twoPorts] },
  'a consumer route, and nobody knows where': { key: 'client/r', namespace: null },
  'a generation and host names': { route: { generation: 7, hostnames: ['a.example'] } },
  'a version that is held': { route: { held: 'why' } },
  'a backend without its port': { others: [missing] },
  'a backend of another protocol': { others: [opaque] },
  'a headless backend': { others: [headless] },
  'a backend by another name': { others: [external] },
  'a backend of another kind, and one of weight 0': {
    rules: [{ backendRefs: [bucket, to('ns/v1:80', { weight: 0 })] }],
    others: [missing],
  },
  'a backend in another namespace, which needs no ReferenceGrant': { rules: [{ backendRefs: [to('far/v1:80')] }] },
  'no backends': { rules: [{}] },
  'mirrors that cannot be used': {
    rules: [{ filters: [mirror('ns/v1:80')], backendRefs: [to('ns/v2:80', { filters: [mirror('ns/v1:80')] })] }],
    others: [missing],
  },
  'a filter that is not carried, in the only rule': {
    rules: [{ filters: [extension], backendRefs: [to('ns/v1:80')] }],
  },
  'a filter that is not carried, in one of two rules': {
    rules: [{ filters: [extension] }, { filters: [edit], backendRefs: [to('ns/v1:80')] }],
  },
  'a filter that is not carried, on a backend': {
    rules: [{ backendRefs: [to('ns/v1:80', { filters: [extension] }), to('ns/v2:80')] }],
  },
  'a kind that comes behind': {
    others: [otherRoute('TLSRoute', 'ns/t', ['ns/web'], { source: missing.source }), twoPorts],
  },
};

for (const [title, scenario] of Object.entries(SCENARIOS)) {
  t.test(`SPEC A2, A6, S1-S5, B3, P6: ${title}: a GRPCRoute is told what an HTTPRoute is told`, async (t) => {
    t.same(told('GRPCRoute', scenario), told('HTTPRoute', scenario));
  });
}

t.test('what a call gets is said in codes of gRPC', async (t) => {
  const resources = [
    service('ns/v1', [81]),
    grpcRoute('ns/r', ['ns/web'], [grpcRule({ backendRefs: [to('ns/v1:80')] })]),
  ];
  const { conditions } = attach({ resources, namespace: 'client' });
  t.match(conditions.at(-1), {
    reason: 'BackendNotFound',
    message: /its share of requests is answered with UNAVAILABLE/,
  });
  const filtered = [grpcRoute('ns/r', ['ns/web'], [grpcRule({ filters: [extension] }), grpcRule()])];
  t.match(
    attach({ resources: filtered, namespace: 'client' }).conditions.find(({ type }) => type === 'PartiallyInvalid'),
    { message: /spec\.rules\[0\] answer UNIMPLEMENTED/ },
  );
});
