import t from 'tap';
import { attach } from '../../../src/config/attach.ts';
import type { AttachedFrontend, Attachment } from '../../../src/config/attachment.ts';
import type { Resource } from '../../../src/gateway-api/types.ts';
import {
  backend,
  grpcRoute,
  grpcRuleTo,
  httpRoute,
  otherRoute,
  parent,
  rule,
  ruleTo,
  service,
} from '../../support/routes.ts';
import { matches } from '../../support/match.ts';

function attached(resources: readonly Resource[], namespace: string | null = 'client'): Attachment {
  return attach({ resources, namespace });
}

/** `key: route route`, one line per frontend. */
function summary({ frontends }: Attachment): string[] {
  return frontends.map((frontend) => `${frontend.key}: ${routeNames(frontend).join(' ')}`);
}

function routeNames(frontend: AttachedFrontend): string[] {
  return frontend.rules.map(({ route }) => `${route.namespace}/${route.name}`);
}

function condition(attachment: Attachment, name: string, type = 'Accepted') {
  return attachment.conditions.find((entry) => entry.name === name && entry.type === type);
}

function codes({ problems }: Attachment): string[] {
  return problems.map(({ severity, code, path }) => `${severity} ${code} ${path}`);
}

const twoPorts = service('ns/web', [
  { name: 'http', port: 80 },
  { name: 'admin', port: 8080 },
  { name: 'dns', port: 53, protocol: 'UDP' },
]);

t.test(
  'SPEC A1: only parentRefs of kind Service in the core group are attached, Gateways are left alone',
  async (t) => {
    const gateway = parent('ns/gw', { kind: 'Gateway', group: 'gateway.networking.k8s.io' });
    const both = attached([httpRoute('ns/r', [gateway, 'ns/web'], [ruleTo('v1')])]);
    t.same(summary(both), ['ns/web:*: ns/r']);
    t.same(both.problems, []);
    t.equal(both.conditions.filter(({ parent: label }) => label === 'ns/gw').length, 0);
    const none = attached([httpRoute('ns/r', [gateway], [ruleTo('v1')])]);
    t.same(summary(none), []);
    t.same(none.conditions, []);
    t.same(codes(none), ['warning no-service-parent spec.parentRefs']);
  },
);

t.test('SPEC A2: a parentRef covers every TCP port, the one it numbers, or the one it names', async (t) => {
  const cases: [Partial<Parameters<typeof parent>[1]>, string[]][] = [
    [{}, ['ns/web:80: ns/r', 'ns/web:8080: ns/r']],
    [{ port: 80 }, ['ns/web:80: ns/r']],
    [{ sectionName: 'admin' }, ['ns/web:8080: ns/r']],
    [{ sectionName: 'admin', port: 8080 }, ['ns/web:8080: ns/r']],
  ];
  for (const [options, expected] of cases) {
    const result = attached([twoPorts, httpRoute('ns/r', [parent('ns/web', options)], [ruleTo('v1')])]);
    t.same(summary(result), expected);
    t.match(condition(result, 'r'), { status: 'True', reason: 'Accepted' });
  }
});

t.test('SPEC A2, S2: a port or name that the Service does not have is NoMatchingParent', async (t) => {
  const cases: [Partial<Parameters<typeof parent>[1]>, RegExp][] = [
    [{ port: 81 }, /no TCP port with number 81; its ports: http=80\/TCP/],
    [{ sectionName: 'grpc' }, /no TCP port with name "grpc"/],
    [{ sectionName: 'admin', port: 80 }, /number 80 and name "admin"/],
    [{ port: 53 }, /no TCP port with number 53/],
    [{ sectionName: 'dns' }, /no TCP port/],
  ];
  for (const [options, message] of cases) {
    const result = attached([twoPorts, httpRoute('ns/r', [parent('ns/web', options)], [ruleTo('v1')])]);
    t.same(summary(result), []);
    t.match(condition(result, 'r'), { status: 'False', reason: 'NoMatchingParent', message });
    t.same(codes(result), ['error no-matching-parent spec.parentRefs[0]']);
    t.match(result.problems[0]!.message, message);
  }
});

t.test('SPEC A2: without a Service document a portless parentRef covers every port, a name covers none', async (t) => {
  const portless = attached([httpRoute('ns/r', ['ns/web'], [ruleTo('v1')])]);
  matches(t, portless.frontends, [{ key: 'ns/web:*', port: 0, mode: 'http', service: null }]);
  const named = attached([httpRoute('ns/r', [parent('ns/web', { sectionName: 'http' })], [ruleTo('v1')])]);
  t.same(summary(named), []);
  t.match(condition(named, 'r'), { status: 'False', reason: 'NoMatchingParent', message: /"http".*ns\/web/ });
  t.same(codes(named), ['error no-matching-parent spec.parentRefs[0]']);
});

t.test('SPEC A2: a frontend for one port has the rules of portless routes too', async (t) => {
  const routes = [
    httpRoute('ns/all', ['ns/web'], [ruleTo('v1')]),
    httpRoute('ns/one', [parent('ns/web', { port: 80 })], [ruleTo('v2')]),
  ];
  t.same(summary(attached(routes)), ['ns/web:*: ns/all', 'ns/web:80: ns/all ns/one']);
  t.same(summary(attached([twoPorts, ...routes])), ['ns/web:80: ns/all ns/one', 'ns/web:8080: ns/all']);
});

t.test('SPEC A3: a frontend is the Service and its port, with its document', async (t) => {
  const [frontend] = attached([
    twoPorts,
    httpRoute('ns/r', [parent('ns/web', { port: 80 })], [ruleTo('v1')]),
  ]).frontends;
  t.match(frontend, { key: 'ns/web:80', namespace: 'ns', name: 'web', port: 80, consumer: false });
  t.equal(frontend!.service, twoPorts);
});

t.test('SPEC A4, A8: nothing but the parent Service becomes a frontend, backends do not', async (t) => {
  const result = attached([service('v/v1', [80]), httpRoute('ns/r', ['ns/web'], [ruleTo('v1')])]);
  t.same(summary(result), ['ns/web:*: ns/r']);
});

t.test('SPEC A5: a Service without a route has no frontend', async (t) => {
  t.same(summary(attached([twoPorts])), []);
  t.ok(attached([twoPorts]).services.has('ns/web'));
});

t.test('SPEC A6: producer routes are for all clients, consumer routes for those of their namespace', async (t) => {
  const producer = httpRoute('ns/producer', ['ns/web'], [ruleTo('v1')]);
  const consumer = httpRoute('client/consumer', ['ns/web'], [ruleTo('v2')]);
  t.same(summary(attached([producer], 'anyone')), ['ns/web:*: ns/producer']);
  t.same(summary(attached([consumer], 'client')), ['ns/web:*: client/consumer']);
  t.equal(attached([consumer], 'client').frontends[0]!.consumer, true);
  const elsewhere = attached([consumer], 'other');
  t.same(summary(elsewhere), []);
  t.match(condition(elsewhere, 'consumer'), { status: 'True', message: /in client only; this proxy serves other/ });
  t.same(elsewhere.problems, []);
});

t.test('SPEC A7: consumer routes replace producer routes, port by port', async (t) => {
  const producer = httpRoute('ns/producer', ['ns/web'], [ruleTo('v1')]);
  const consumer = httpRoute('client/consumer', [parent('ns/web', { port: 80 })], [ruleTo('v2')]);
  const another = httpRoute('client/another', [parent('ns/web', { port: 80 })], [ruleTo('v3')]);
  t.same(summary(attached([twoPorts, producer, consumer, another])), [
    'ns/web:80: client/consumer client/another',
    'ns/web:8080: ns/producer',
  ]);
  t.same(summary(attached([producer, consumer])), ['ns/web:*: ns/producer', 'ns/web:80: client/consumer']);
  const portless = httpRoute('client/portless', ['ns/web'], [ruleTo('v2')]);
  const pinned = httpRoute('ns/pinned', [parent('ns/web', { port: 80 })], [ruleTo('v1')]);
  t.same(summary(attached([pinned, portless])), ['ns/web:*: client/portless', 'ns/web:80: client/portless']);
});

t.test(
  'SPEC A6: with an unknown namespace only producer routes apply, and a warning tells of the others',
  async (t) => {
    const result = attached(
      [httpRoute('ns/producer', ['ns/web'], [ruleTo('v1')]), httpRoute('client/consumer', ['ns/web'], [ruleTo('v2')])],
      null,
    );
    t.same(summary(result), ['ns/web:*: ns/producer']);
    t.same(codes(result), ['warning unknown-namespace spec.parentRefs[0]']);
    t.equal(result.problems[0]!.resource, 'HTTPRoute client/consumer');
  },
);

t.test('SPEC A9: NodePort and LoadBalancer are parents, headless and ExternalName are not', async (t) => {
  for (const type of ['NodePort', 'LoadBalancer'] as const) {
    const result = attached([service('ns/web', [80], { type }), httpRoute('ns/r', ['ns/web'], [ruleTo('v1')])]);
    t.same(summary(result), ['ns/web:80: ns/r']);
  }
  for (const options of [{ headless: true }, { type: 'ExternalName' }] as const) {
    const result = attached([service('ns/web', [80], options), httpRoute('ns/r', ['ns/web'], [ruleTo('v1')])]);
    t.same(summary(result), []);
    t.match(condition(result, 'r'), {
      status: 'False',
      reason: 'NoMatchingParent',
      message: /is (headless|an ExternalName)/,
      parent: 'ns/web',
    });
  }
});

t.test('SPEC A10: hostnames are ignored with a warning', async (t) => {
  const result = attached([httpRoute('ns/r', ['ns/web'], [ruleTo('v1')], { hostnames: ['a.example'] })]);
  t.same(summary(result), ['ns/web:*: ns/r']);
  t.same(codes(result), ['warning hostnames-ignored spec.hostnames']);
});

t.test('SPEC A11: backends and parents in other namespaces need no grant', async (t) => {
  const result = attached([httpRoute('client/r', ['ns/web'], [rule({ backendRefs: [backend('third/v1:80')] })])]);
  t.match(condition(result, 'r', 'ResolvedRefs'), { status: 'True', reason: 'ResolvedRefs' });
});

t.test('SPEC A12: a repeated parent must differ in the same fields; the first stands', async (t) => {
  const good = [parent('ns/web', { port: 80 }), parent('ns/web', { port: 8080 })];
  const result = attached([twoPorts, httpRoute('ns/r', good, [ruleTo('v1')])]);
  t.same(summary(result), ['ns/web:80: ns/r', 'ns/web:8080: ns/r']);
  t.same(result.problems, []);
  const bad: [Partial<Parameters<typeof parent>[1]>, Partial<Parameters<typeof parent>[1]>, RegExp, string[]][] = [
    [{}, {}, /must set the same one of port and sectionName/, ['ns/web:80: ns/r', 'ns/web:8080: ns/r']],
    [{ port: 80 }, {}, /must set the same/, ['ns/web:80: ns/r']],
    [{ port: 80 }, { sectionName: 'admin' }, /must set the same/, ['ns/web:80: ns/r']],
    [{ port: 80 }, { port: 80 }, /are equal/, ['ns/web:80: ns/r']],
  ];
  for (const [first, second, message, frontends] of bad) {
    const refs = [parent('ns/web', first), parent('ns/web', second)];
    const outcome = attached([twoPorts, httpRoute('ns/r', refs, [ruleTo('v1')])]);
    t.same(summary(outcome), frontends);
    t.same(codes(outcome), ['error no-matching-parent spec.parentRefs[1]']);
    t.match(outcome.problems[0]!.message, message);
  }
});

t.test(
  'SPEC A13: appProtocol decides whether a port is read, unknown values leave it to the first bytes',
  async (t) => {
    const http = [
      null,
      'http',
      'kubernetes.io/ws',
      'ws',
      'kubernetes.io/h2c',
      'h2c',
      'http2',
      'grpc',
      'grpc-web',
      'new.io/x',
    ];
    const opaque = [
      'https',
      'HTTPS',
      'tls',
      'kubernetes.io/wss',
      'tcp',
      'mysql',
      'postgres',
      'postgresql',
      'redis',
      'mongo',
      'mongodb',
    ];
    const modeOf = (appProtocol: string | null) =>
      attached([service('ns/web', [{ appProtocol }]), httpRoute('ns/r', ['ns/web'], [ruleTo('v1')])]).frontends[0]!
        .mode;
    for (const value of http) t.equal(modeOf(value), 'http', String(value));
    for (const value of opaque) t.equal(modeOf(value), 'opaque', value);
  },
);

t.test('SPEC A13: UDP ports are never frontends, a TCP port of the same number is', async (t) => {
  const both = service('ns/web', [
    { port: 53, protocol: 'UDP', appProtocol: 'dns' },
    { port: 53, name: 'tcp' },
  ]);
  const result = attached([both, httpRoute('ns/r', ['ns/web'], [ruleTo('v1')])]);
  matches(t, result.frontends, [{ key: 'ns/web:53', mode: 'http' }]);
});

t.test('SPEC P3: of two definitions the first by file and position is used, the other is an error', async (t) => {
  const at = (file: string, document: number) => ({ source: { file, document, line: 7 } });
  const a2 = httpRoute('ns/r', ['ns/web'], [ruleTo('a2')], at('a.yaml', 2));
  const a1 = httpRoute('ns/r', ['ns/web'], [ruleTo('a1')], at('a.yaml', 1));
  const b1 = httpRoute('ns/r', ['ns/web'], [ruleTo('b1')], { ...at('b.yaml', 1), creationTimestamp: 1 });
  for (const resources of [
    [a1, a2, b1],
    [b1, a2, a1],
  ]) {
    const result = attached(resources);
    t.equal(result.frontends[0]!.rules.length, 1);
    t.equal(result.frontends[0]!.rules[0]!.route, a1);
    t.same(
      result.problems.map(({ severity, code, file, document }) => [severity, code, file, document]),
      [
        ['error', 'duplicate-resource', 'a.yaml', 2],
        ['error', 'duplicate-resource', 'b.yaml', 1],
      ],
    );
    t.match(result.problems[0]!, { resource: 'HTTPRoute ns/r', line: 7, message: /a\.yaml \(document 1\) is used/ });
  }
  const services = attached([service('ns/web', [80], at('b.yaml', 1)), service('ns/web', [81], at('a.yaml', 1))]);
  t.equal(services.services.get('ns/web')!.ports[0]!.port, 81);
  t.same(codes(services), ['error duplicate-resource ']);
});

t.test('the regular expressions of all routes together are bounded; one counts once', async (t) => {
  // 1,002 instructions each, 100 of them in a route.
  const expressions = (from: number) =>
    ruleTo(
      'v1',
      ...Array.from({ length: 100 }, (_, i) => ({
        path: { type: 'RegularExpression' as const, value: `/${from + i}[a-z]{990}` },
      })),
    );
  const route = (index: number, from: number) =>
    httpRoute(`ns/r${index}`, ['ns/web'], [expressions(from)], {
      source: { file: `${index}.yaml`, document: 1, line: 1 },
    });
  const within = Array.from({ length: 5 }, (_, index) => route(index, 1_000 + 100 * index));
  const again = route(6, 1_000);
  const result = attached([...within, route(5, 1_500), again]);
  matches(t, result.problems, [
    { severity: 'error', code: 'too-many-regexes', resource: 'HTTPRoute ns/r5', file: '5.yaml' },
  ]);
  t.equal(result.frontends[0]!.rules.length, 6, 'the others are served');
  const refused = result.conditions.filter(({ status }) => status === 'False');
  matches(t, refused, [{ type: 'Accepted', namespace: 'ns', name: 'r5', message: /524288 instructions/ }]);
  t.same(attached([...within, again]).problems, []);
});

t.test('SPEC S1, S2: each parentRef has its own conditions', async (t) => {
  const refs = [parent('ns/web', { port: 80 }), parent('ns/web', { port: 81 }), 'other/db'];
  const result = attached([twoPorts, httpRoute('ns/r', refs, [ruleTo('v1')])]);
  t.same(
    result.conditions.map(({ parent: label, type, status, reason }) => `${label} ${type} ${status} ${reason}`),
    [
      'ns/web:80 Accepted True Accepted',
      'ns/web:80 ResolvedRefs True ResolvedRefs',
      'ns/web:81 Accepted False NoMatchingParent',
      'other/db Accepted True Accepted',
      'other/db ResolvedRefs True ResolvedRefs',
    ],
  );
});

t.test('the order of the input changes nothing', async (t) => {
  const resources = [
    twoPorts,
    httpRoute('ns/b', ['ns/web'], [ruleTo('v1')]),
    httpRoute('client/c', [parent('ns/web', { port: 80 })], [ruleTo('v2')]),
    httpRoute('ns/a', ['ns/web', 'ns/db'], [ruleTo('v3')]),
    grpcRoute('ns/g', [parent('ns/web', { port: 8080 })], [grpcRuleTo('v1')]),
    otherRoute('TLSRoute', 'ns/t', [parent('ns/web', { port: 8080 })]),
  ];
  t.same(attached([...resources].reverse()), attached(resources));
});
