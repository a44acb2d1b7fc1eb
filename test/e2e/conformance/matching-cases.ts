/** Which rule and which backend: attachment, matching, precedence, weights, backends that cannot be used. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { eventually } from '../../support/eventually.ts';
import { fixture } from '../../support/sidecar.ts';
import { answered, served, unmatched, type ConformanceCase } from './case.ts';
import type { Mesh } from './mesh.ts';

const EITHER = ['echo-v1', 'echo-v2'];
const GET = { method: 'GET', target: '/', headers: [['Host', 'echo']] } as const;

/** Weights 70, 30 and 0 over 10,000 requests; then weights 1 and 1, where no pod may be picked three times in a row. */
async function countShares(t: Test, mesh: Mesh): Promise<void> {
  const answers = await mesh.batch('echo:80', { requests: [GET], times: 10_000, connections: 4, brief: true });
  const shares = new Map<string, number>();
  for (const { status, body } of answers) {
    const key = status === 200 ? body : String(status);
    shares.set(key, (shares.get(key) ?? 0) + 1);
  }
  t.same([...shares.keys()].sort(), ['echo-v1', 'echo-v2'], 'only these two, and no failure');
  const percent = (pod: string) => ((shares.get(pod) ?? 0) / answers.length) * 100;
  t.ok(Math.abs(percent('echo-v1') - 70) <= 1, `echo-v1: ${percent('echo-v1')}%`);
  t.ok(Math.abs(percent('echo-v2') - 30) <= 1, `echo-v2: ${percent('echo-v2')}%`);

  const even = await mesh.batch('echo:80', { requests: [{ ...GET, target: '/even' }], times: 1_000, brief: true });
  let longest = 0;
  let run = 0;
  even.forEach(({ body }, index) => {
    run = body === even[index - 1]?.body ? run + 1 : 1;
    longest = Math.max(longest, run);
  });
  t.same([...new Set(even.map(({ body }) => body))].sort(), EITHER);
  t.ok(longest <= 2, `the longest run of one pod on one connection: ${longest}`);
}

/** What DNS says of a backend Service takes a moment to arrive. */
async function askDns(t: Test, mesh: Mesh): Promise<void> {
  for (const [target, status] of [
    ['/nonexistent', 500],
    ['/by-name', 200],
  ] as const) {
    const answer = await eventually(`${target} is ${status}`, async () => {
      const found = await mesh.exchange({ target });
      return found.status === status ? found : null;
    });
    const reason = answer.headers.find(([name]) => name === 'x-sideroute-reason')?.[1];
    t.equal(reason, status === 500 ? 'no_backend' : undefined, target);
    if (status === 200) t.match(answer.body, /"pod":"echo-v3"/);
  }
}

async function halfFails(t: Test, mesh: Mesh): Promise<void> {
  const answers = await mesh.batch('echo:80', { requests: [{ ...GET, target: '/half' }], times: 100, brief: true });
  t.equal(answers.filter(({ status }) => status === 500).length, 50, 'the share of the missing port is 500');
  t.equal(answers.filter(({ body }) => body === 'echo-v1').length, 50);
}

/** An edit raises the generation of a route, its conditions tell of that one, and traffic follows. */
async function followsEdit(t: Test, mesh: Mesh): Promise<void> {
  const before = mesh.conditions();
  t.same([...new Set(before.map(({ observedGeneration }) => observedGeneration))], [1]);
  await mesh.apply(mesh.routes.replace('generation: 1', 'generation: 2').replace('name: echo-v1', 'name: echo-v2'));
  const after = mesh.conditions();
  t.same([...new Set(after.map(({ observedGeneration }) => observedGeneration))], [2]);
  t.equal(after.length, before.length);
  t.match((await mesh.exchange({})).body, /"pod":"echo-v2"/);
}

async function echoesFrames(t: Test, mesh: Mesh): Promise<void> {
  const { pod } = mesh.sidecar();
  const { address } = mesh.destination('echo:80');
  // A caller of HTTP/2 is told 200 (RFC 8441).
  const [version, status] = mesh.version === 'HTTP/2.0' ? ['http2', 200] : ['http1', 101];
  const report = JSON.parse(
    pod.must(['timeout', '20', ...fixture('websocket-client', `http://${address}/socket`, version)]),
  ) as {
    status: number;
    accepted: boolean;
    received: readonly { opcode: number; bytes: number }[];
  };
  t.match(report, { status, accepted: true });
  t.same(
    report.received.map(({ bytes }) => bytes),
    [0, 0, 1, 1, 125, 125, 126, 126, 65_535, 65_535, 65_536, 65_536, 1_000_000, 1_000_000, 12, 6],
    'every frame comes back',
  );
  const counted = new RegExp(`^sideroute_requests_total\\{.*backend_name="echo-websocket".*code="${status}"`);
  await eventually('it is counted', () => mesh.sidecar().metric(counted) >= 1);
}

export const MATCHING_CASES: readonly ConformanceCase[] = [
  {
    tests: ['MeshBasic'],
    title: 'SPEC A5: a Service without a route answers as without sideroute',
    routes: null,
    requests: [
      served(EITHER, {}),
      served(EITHER, { to: 'echo:8080', target: '/any?thing', method: 'POST', body: 'x' }),
    ],
  },
  {
    tests: ['MeshTrafficSplit'],
    title: 'SPEC A2, M3: a route without a port splits the traffic of every port by exact path',
    routes: 'mesh-traffic-split',
    requests: [
      served('echo-v1', { target: '/v1' }),
      served('echo-v2', { target: '/v2' }),
      served('echo-v2', { target: '/v2', to: 'echo:8080' }),
      unmatched({ target: '/v3' }),
      served('echo-v1', { target: '/v2', to: 'echo-v1:80' }),
    ],
  },
  {
    tests: ['MeshHTTPRouteSimpleSameNamespace', 'HTTPRouteSimpleSameNamespace'],
    title: 'SPEC M1: a rule without matches serves every request',
    routes: 'simple-same-namespace',
    requests: [served('echo-v1', {}), served('echo-v1', { target: '/any/path?q=1', method: 'DELETE' })],
  },
  {
    tests: ['HTTPRouteCrossNamespace'],
    title: 'SPEC A6, A11, B1: a route for a Service of another namespace serves its own, with backends of both',
    routes: 'cross-namespace',
    requests: [
      served('echo-other', { to: 'echo-other:80', target: '/home' }),
      served('echo-v2', { to: 'echo-other:80', target: '/away' }),
      served('echo-other', { to: 'echo-other:80', target: '/away', from: 'consumer' }),
    ],
  },
  {
    tests: ['MeshHTTPRouteMatching', 'HTTPRouteMatching'],
    title: 'SPEC M2, M4, M7: prefixes of whole segments and headers choose the backend',
    routes: 'matching',
    requests: [
      served('echo-v1', {}),
      served('echo-v1', { target: '/example' }),
      served('echo-v1', { headers: { Version: 'one' } }),
      served('echo-v2', { target: '/v2' }),
      served('echo-v2', { target: '/v2/' }),
      served('echo-v2', { target: '/v2/example' }),
      served('echo-v2', { headers: { Version: 'two' } }),
      served('echo-v1', { target: '/v2example' }),
      served('echo-v1', { target: '/foo/v2/example' }),
      served('echo-v1', { headers: { Version: 'Two' } }),
    ],
  },
  {
    tests: ['HTTPRouteMatchingAcrossRoutes'],
    title: 'SPEC P1, A10: the rules of several routes are one list, in which Host is a header',
    routes: 'matching-across-routes',
    requests: [
      served('echo-v1', {}),
      served('echo-v1', { headers: { Version: 'one' } }),
      served('echo-v2', { target: '/v2' }),
      served('echo-v2', { headers: { Version: 'two' } }),
      served('echo-v3', { host: 'example.com' }),
      served('echo-v2', { host: 'example.com', target: '/v2' }),
      served('echo-v1', { host: 'example.net' }),
    ],
  },
  {
    tests: ['HTTPRouteExactPathMatching'],
    title: 'SPEC M3, M6, E1: an exact path is compared with case and trailing slash, raw and without the query',
    routes: 'exact-path-matching',
    requests: [
      served('echo-v1', { target: '/one' }),
      served('echo-v2', { target: '/two' }),
      served('echo-v2', { target: '/two?q=/one' }),
      unmatched({ target: '/' }),
      unmatched({ target: '/one/example' }),
      unmatched({ target: '/two/' }),
      unmatched({ target: '/Two' }),
      unmatched({ target: '/%6fne' }),
      unmatched({ target: '//one' }),
    ],
  },
  {
    tests: ['HTTPRoutePathMatchOrder'],
    title: 'SPEC P1: exact paths go before prefixes, longer prefixes before shorter ones',
    routes: 'path-match-order',
    requests: [
      served('echo-v2', { target: '/match/exact/one' }),
      served('echo-v1', { target: '/match/exact' }),
      served('echo-v3', { target: '/match' }),
      served('echo-v1', { target: '/match/prefix/one/any' }),
      served('echo-v2', { target: '/match/prefix/any' }),
      served('echo-v3', { target: '/match/any' }),
      served('echo-v3', { target: '/match/exact/two' }),
    ],
  },
  {
    tests: ['HTTPRouteHeaderMatching'],
    title: 'SPEC M2, M7, P1: headers of a match must all hold, and more of them win',
    routes: 'header-matching',
    requests: [
      served('echo-v1', { headers: { Version: 'one' } }),
      served('echo-v2', { headers: { Version: 'two' } }),
      served('echo-v1', { headers: { version: 'two', COLOR: 'orange' } }),
      served('echo-v2', { headers: { Version: 'two', Color: 'blue' } }),
      served('echo-v1', { headers: { Color: 'blue' } }),
      served('echo-v1', { headers: { Color: 'green' } }),
      served('echo-v2', { headers: { Color: 'red' } }),
      served('echo-v2', { headers: { Color: 'yellow' } }),
      unmatched({ headers: { Color: 'orange' } }),
      unmatched({ headers: { Color: 'purple' } }),
      unmatched({ headers: { 'Some-Other-Header': 'one' } }),
    ],
  },
  {
    tests: ['MeshHTTPRouteQueryParamMatching', 'HTTPRouteQueryParamMatching'],
    title: 'SPEC M8, P1: parameters are compared with case, and rank behind path and headers',
    routes: 'query-param-matching',
    requests: [
      served('echo-v1', { target: '/?animal=whale' }),
      served('echo-v2', { target: '/?animal=dolphin' }),
      served('echo-v3', { target: '/?animal=dolphin&color=blue' }),
      served('echo-v3', { target: '/?ANIMAL=Whale' }),
      served('echo-v1', { target: '/?animal=whale&otherparam=irrelevant' }),
      served('echo-v2', { target: '/?animal=dolphin&color=yellow' }),
      served('echo-v1', { target: '/?animal=whale&animal=dolphin' }),
      unmatched({ target: '/?animal=Whale' }),
      unmatched({ target: '/?color=blue' }),
      unmatched({ target: '/?animal=dog' }),
      unmatched({ target: '/?animal=whaledolphin' }),
      unmatched({}),
      served('echo-v1', { target: '/path1?animal=whale' }),
      served('echo-v2', { target: '/?animal=whale', headers: { version: 'one' } }),
      served('echo-v3', { target: '/path2?animal=whale', headers: { version: 'two' } }),
      served('echo-v1', { target: '/path3?animal=shark' }),
      served('echo-v1', { target: '/path4?animal=kraken', headers: { version: 'three' } }),
      unmatched({ target: '/?animal=shark' }),
      unmatched({ target: '/path4?animal=kraken' }),
      served('echo-v1', { target: '/path5?animal=hydra' }),
      served('echo-v3', { target: '/?animal=hydra', headers: { version: 'four' } }),
    ],
  },
  {
    tests: ['HTTPRouteMethodMatching'],
    title: 'SPEC M9, P1: the method is compared exactly, and ranks between path and headers',
    routes: 'method-matching',
    requests: [
      served('echo-v1', { method: 'POST', body: 'hello' }),
      served('echo-v2', { method: 'GET' }),
      unmatched({ method: 'HEAD' }),
      served('echo-v1', { target: '/path1', method: 'GET' }),
      served('echo-v2', { method: 'PUT', headers: { version: 'one' } }),
      served('echo-v3', { target: '/path2', method: 'POST', headers: { version: 'two' } }),
      served('echo-v1', { target: '/path3', method: 'PATCH' }),
      served('echo-v1', { target: '/path4', method: 'DELETE', headers: { version: 'three' } }),
      unmatched({ method: 'PUT' }),
      unmatched({ target: '/path4', method: 'DELETE' }),
      served('echo-v1', { target: '/path5', method: 'PATCH' }),
      served('echo-v2', { method: 'PATCH', headers: { version: 'four' } }),
    ],
  },
  {
    tests: ['MeshHTTPRouteNamedRule', 'HTTPRouteNamedRule'],
    title: 'SPEC D6: rules with and without a name route alike',
    routes: 'named-rule',
    requests: [served('echo-v1', { target: '/named' }), served('echo-v2', { target: '/unnamed' }), unmatched({})],
    also: async (t, mesh) => {
      const served = mesh
        .sidecar()
        .metric(/^sideroute_requests_total\{.*route_name="named-rule",rule="by-path".*code="200"/);
      t.equal(served, 1, 'the metrics call the rule by its name');
    },
  },
  {
    tests: ['MeshHTTPRouteWeight', 'HTTPRouteWeight'],
    title: 'SPEC B2: weights are kept to within a point, request by request on kept connections',
    routes: 'weight',
    requests: [],
    also: countShares,
  },
  {
    tests: ['MeshFrontend'],
    title: 'SPEC A4, A8: the route of a Service concerns neither its pod address nor requests forwarded to it',
    routes: 'mesh-frontend',
    requests: [
      served('echo-v2', { to: 'echo-v2:80' }, { headers: { 'x-route': 'frontend' } }),
      served('echo-v2', { to: 'echo-v2@pod' }, { headers: { 'x-route': null } }),
      served('echo-v2', { to: 'echo:80' }, { headers: { 'x-route': null } }),
    ],
  },
  {
    tests: ['MeshFrontendHostname'],
    title: 'SPEC A3: the address that was dialled decides, whatever Host says',
    routes: 'mesh-frontend',
    requests: [
      served('echo-v2', { to: 'echo-v2:80', host: 'echo-v1' }, { headers: { 'x-route': 'frontend' } }),
      served('echo-v1', { to: 'echo-v1:80', host: 'echo-v2' }, { headers: { 'x-route': null } }),
      served('echo-v2', { to: 'echo-v2@pod', host: 'echo-v2' }, { headers: { 'x-route': null } }),
    ],
  },
  {
    tests: ['MeshPorts'],
    title: 'SPEC A2, A5: a route for one port leaves the others alone, one without a port covers all',
    routes: 'mesh-ports',
    requests: [
      served('echo-v1', { to: 'echo-v1:80' }, { headers: { 'x-route': 'one-port' } }),
      served('echo-v1', { to: 'echo-v1:8080' }, { headers: { 'x-route': null } }),
      served('echo-v2', { to: 'echo-v2:80' }, { headers: { 'x-route': 'every-port' } }),
      served('echo-v2', { to: 'echo-v2:8080' }, { headers: { 'x-route': 'every-port' } }),
    ],
  },
  {
    tests: ['MeshConsumerRoute'],
    title: "SPEC A6, A7: a consumer route replaces the producer's for clients of its namespace only",
    routes: 'mesh-consumer-route',
    requests: [
      served('echo-v1', { to: 'echo-v1:80', from: 'consumer' }, { headers: { 'x-route': 'consumer' } }),
      served(
        'echo-v1',
        { to: 'echo-v1:80', from: 'consumer', target: '/producer' },
        { headers: { 'x-route': 'consumer' } },
      ),
      served('echo-v1', { to: 'echo-v1:80' }, { headers: { 'x-route': null } }),
      served('echo-v2', { to: 'echo-v1:80', target: '/producer' }, { headers: { 'x-route': null } }),
    ],
  },
  {
    tests: ['HTTPRouteListenerPortMatching'],
    title: 'SPEC A2: routes attach to a port by its number, its name, or to all of them',
    routes: 'port-matching',
    requests: [
      served('echo-v1', { to: 'echo:80' }),
      served('echo-v2', { to: 'echo:8080' }),
      served('echo-v3', { to: 'echo:80', target: '/all' }),
      served('echo-v3', { to: 'echo:8080', target: '/all' }),
    ],
  },
  {
    tests: ['HTTPRouteObservedGenerationBump'],
    title: 'SPEC S1: an edit of a route is followed by its conditions and by traffic',
    routes: 'observed-generation-bump',
    requests: [served('echo-v1', {})],
    also: followsEdit,
  },
  {
    tests: ['HTTPRoutePreserveForeignStatus'],
    title: 'SPEC S1, V8: what other controllers say of a route is neither believed nor touched',
    routes: 'preserve-foreign-status',
    requests: [served('echo-v1', {})],
    also: async (t, mesh) => {
      await followsEdit(t, mesh);
      t.equal(
        readFileSync(join(mesh.volume.path, 'routes.yaml'), 'utf8'),
        mesh.routes,
        'the file is as it was written',
      );
    },
  },
  {
    tests: ['HTTPRouteInvalidParentRefNotMatchingSectionName'],
    title: 'SPEC A2, S2: a sectionName that no port has is NoMatchingParent, and the Service has no route',
    routes: 'parent-ref-not-matching-section-name',
    conditions: ['mesh/no-such-section mesh/echo:grpc Accepted=False NoMatchingParent'],
    requests: [served(EITHER, {}), served(EITHER, { to: 'echo:8080' })],
  },
  {
    tests: ['HTTPRouteInvalidParentRefSectionNameNotMatchingPort'],
    title: 'SPEC A2, S2: a sectionName of another port is NoMatchingParent',
    routes: 'parent-ref-section-name-not-matching-port',
    conditions: ['mesh/section-of-another-port mesh/echo:8080 Accepted=False NoMatchingParent'],
    requests: [served(EITHER, {}), served(EITHER, { to: 'echo:8080' })],
  },
  {
    tests: ['HTTPRouteInvalidParentRefNotMatchingListenerPort'],
    title: 'SPEC A2, S2: a port that the Service does not have is NoMatchingParent',
    routes: 'parent-ref-not-matching-port',
    conditions: ['mesh/no-such-port mesh/echo:81 Accepted=False NoMatchingParent'],
    requests: [served(EITHER, {}), served(EITHER, { to: 'echo:8080' })],
  },
  {
    tests: ['HTTPRouteServiceTypes'],
    title: 'SPEC B5, B6, S3, E4: endpoints may be written by hand or missing, a headless Service is no backend',
    routes: 'service-types',
    conditions: [
      'mesh/service-types mesh/echo:80 Accepted=True Accepted',
      'mesh/service-types mesh/echo:80 ResolvedRefs=False BackendNotFound',
    ],
    requests: [
      served('echo-v3', { target: '/manual-endpoints' }),
      answered(500, 'no_backend', { target: '/headless' }),
      answered(503, 'connect_failure', { target: '/no-endpoints' }),
    ],
  },
  {
    tests: ['HTTPRouteNoBackendRefs'],
    title: 'SPEC B4, E3: a rule without backends answers 500 and has nothing unresolved',
    routes: 'no-backend-refs',
    requests: [
      answered(500, 'no_backend', { target: '/omitted' }),
      answered(500, 'no_backend', { target: '/empty' }),
      answered(500, 'no_backend', { target: '/zero' }),
      served('echo-v1', { target: '/fine' }),
    ],
  },
  {
    tests: ['HTTPRouteRuleOrder'],
    title: 'SPEC P1, P2, V6: of identical matches the first wins, also when its backend does not exist',
    routes: 'rule-order',
    conditions: [
      'mesh/rule-order mesh/echo:80 Accepted=True Accepted',
      'mesh/rule-order mesh/echo:80 ResolvedRefs=True ResolvedRefs',
      'mesh/rule-order-of-a-missing-backend mesh/echo:80 Accepted=True Accepted',
      'mesh/rule-order-of-a-missing-backend mesh/echo:80 ResolvedRefs=False BackendNotFound',
    ],
    requests: [
      served('echo-v1', { target: '/order?a=1&b=2', headers: { 'x-color': 'blue', 'x-version': 'one' } }),
      served('echo-v1', { target: '/order?b=2&a=1', headers: { 'x-version': 'one', 'x-color': 'blue' } }),
      served('echo-v2', { target: '/prefix/x' }),
      served('echo-v1', { target: '/other' }),
      answered(500, 'no_backend', { target: '/missing' }),
      answered(500, 'no_backend', { target: '/none' }),
    ],
  },
  {
    tests: ['HTTPRouteInvalidNonExistentBackendRef'],
    title: 'SPEC B3, E2, S3, P2: a Service or port that does not exist costs its share, and no more',
    routes: 'nonexistent-backend-ref',
    conditions: [
      'mesh/nonexistent mesh/echo:80 Accepted=True Accepted',
      'mesh/nonexistent mesh/echo:80 ResolvedRefs=False BackendNotFound',
    ],
    requests: [
      answered(500, 'no_backend', { target: '/no-port' }),
      served('echo-v1', { target: '/harmless' }),
      served('echo-v1', { target: '/harmless' }),
      served('echo-v2', { target: '/fine' }),
    ],
    also: async (t, mesh) => {
      await halfFails(t, mesh);
      await askDns(t, mesh);
    },
  },
  {
    tests: ['HTTPRouteInvalidBackendRefUnknownKind'],
    title: 'SPEC B3, E2, S3: a backend of another kind is InvalidKind and 500',
    routes: 'unknown-kind-of-backend-ref',
    conditions: [
      'mesh/unknown-kind mesh/echo:80 Accepted=True Accepted',
      'mesh/unknown-kind mesh/echo:80 ResolvedRefs=False InvalidKind',
    ],
    requests: [answered(500, 'no_backend', { target: '/bucket' }), served('echo-v1', { target: '/fine' })],
  },
  {
    tests: ['HTTPRouteBackendProtocolWebSocket'],
    title: 'SPEC B7: a backend that declares kubernetes.io/ws echoes frames through an upgrade',
    routes: 'backend-protocol-websocket',
    requests: [],
    also: echoesFrames,
  },
  {
    tests: ['HTTPRouteBackendProtocolH2C'],
    title: 'SPEC B7: a backend that declares kubernetes.io/h2c is spoken to in HTTP/2, others as the caller speaks',
    routes: 'backend-protocol-h2c',
    requests: [
      served('echo-v1', { target: '/h2c' }, { proto: 'HTTP/2.0' }),
      served('echo-v1', { method: 'POST', target: '/h2c/post', body: 'twelve bytes' }, { proto: 'HTTP/2.0' }),
      served('echo-v1', { target: '/other' }),
    ],
  },
  {
    tests: [],
    title: 'SPEC G4, G6: a GRPCRoute is accepted, serves what is a call of gRPC, and answers 404 to what is none',
    routes: 'grpc-route',
    requests: [
      unmatched({ headers: { 'X-Set': 'by-client' } }),
      unmatched({ method: 'POST', headers: { 'Content-Type': 'application/grpc-web' } }),
      served(
        EITHER,
        {
          ...{ method: 'POST', target: '/echo.Echo/Echo' },
          headers: { 'Content-Type': 'application/grpc', 'X-Set': 'by-client' },
        },
        { seen: { 'x-set': ['by-route'] } },
      ),
    ],
  },
];
