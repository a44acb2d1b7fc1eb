import t from 'tap';
import { attach } from '../../../src/config/attach.ts';
import type { Attachment } from '../../../src/config/attachment.ts';
import type { HttpRouteFilter, RefusedRoute, Resource } from '../../../src/gateway-api/types.ts';
import { backend, httpRoute, parent, rule, ruleTo, service, source } from '../../support/routes.ts';
import { cors, extension, mirror, redirect, requestHeaders, urlRewrite } from '../../support/filters.ts';
import { matches } from '../../support/match.ts';

function attached(resources: readonly Resource[]): Attachment {
  return attach({ resources, namespace: 'client' });
}

function condition(attachment: Attachment, type: string) {
  return attachment.conditions.find((entry) => entry.type === type);
}

function codes({ problems }: Attachment): string[] {
  return problems.map(({ severity, code, path }) => `${severity} ${code} ${path}`);
}

function refused(name: string, fields: Partial<RefusedRoute>): RefusedRoute {
  return {
    kind: 'RefusedRoute',
    routeKind: 'HTTPRoute',
    namespace: 'ns',
    name,
    generation: null,
    parentRefs: [],
    reason: 'Invalid',
    message: 'why',
    source: source(),
    ...fields,
  };
}

const externalAuth: HttpRouteFilter = {
  type: 'ExternalAuth',
  externalAuth: {
    protocol: 'HTTP',
    backendRef: { group: '', kind: 'Service', namespace: 'ns', name: 'auth', port: 80 },
    path: '',
    allowedHeaders: [],
    allowedResponseHeaders: [],
    forwardBodyMaxSize: null,
  },
};

t.test('SPEC S1: each parentRef has conditions of its own, with the generation of the route', async (t) => {
  const refs = [parent('ns/web', { port: 80 }), parent('ns/web', { sectionName: 'admin' })];
  const result = attached([
    service('ns/web', [
      { name: 'http', port: 80 },
      { name: 'admin', port: 8080 },
    ]),
    httpRoute('ns/r', [refs[0]!], [ruleTo('v1')], { generation: 7 }),
    httpRoute('ns/s', [refs[1]!], [ruleTo('v1')]),
  ]);
  matches(
    t,
    result.conditions.map(({ name, parent: label, parentRef, observedGeneration, type }) => ({
      name,
      label,
      path: parentRef!.path,
      observedGeneration,
      type,
    })),
    [
      { name: 'r', label: 'ns/web:80', path: 'spec.parentRefs[0]', observedGeneration: 7, type: 'Accepted' },
      { name: 'r', label: 'ns/web:80', observedGeneration: 7, type: 'ResolvedRefs' },
      { name: 's', label: 'ns/web:admin', observedGeneration: null, type: 'Accepted' },
      { name: 's', label: 'ns/web:admin', observedGeneration: null, type: 'ResolvedRefs' },
    ],
  );
});

t.test('SPEC S2, S5: a refused route is shown with its reason and nothing else of it is used', async (t) => {
  const result = attached([
    refused('value', { reason: 'UnsupportedValue' }),
    refused('filters', { reason: 'IncompatibleFilters' }),
    refused('invalid', { parentRefs: [parent('ns/web'), parent('ns/db', { port: 81 })], generation: 3 }),
    refused('gateway', { parentRefs: [parent('ns/gw', { kind: 'Gateway', group: 'gateway.networking.k8s.io' })] }),
  ]);
  t.same(
    result.conditions.map(({ name, status, reason, parent: label }) => [name, status, reason, label]),
    [
      ['value', 'False', 'UnsupportedValue', ''],
      ['filters', 'False', 'IncompatibleFilters', ''],
      ['invalid', 'False', 'UnsupportedValue', 'ns/web'],
      ['invalid', 'False', 'UnsupportedValue', 'ns/db:81'],
    ],
  );
  t.match(result.conditions[2], { observedGeneration: 3, parentRef: { name: 'web' } });
  t.same(result.frontends, []);
  const usable = httpRoute('ns/value', ['ns/web'], [ruleTo('v1')]);
  t.equal(attached([refused('value', {}), usable]).frontends.length, 1, 'does not take the name');
});

t.test('SPEC S2: a parent that does not match is told, the others are not touched', async (t) => {
  const refs = [parent('ns/web', { port: 81 }), parent('ns/db')];
  const result = attached([service('ns/web', [80]), httpRoute('ns/r', refs, [ruleTo('v1')])]);
  t.same(
    result.conditions.map(({ parent: label, type, status, reason }) => `${label} ${type} ${status} ${reason}`),
    [
      'ns/web:81 Accepted False NoMatchingParent',
      'ns/db Accepted True Accepted',
      'ns/db ResolvedRefs True ResolvedRefs',
    ],
  );
});

const documents = [
  service('ns/v1', [81]),
  service('ns/headless', [80], { headless: true }),
  service('ns/external', [80], { type: 'ExternalName' }),
  service('ns/tls', [{ port: 80, appProtocol: 'https' }]),
];
const UNUSABLE = [
  [backend('ns/v1:80', { kind: 'Bucket', group: 'example.com' }), 'InvalidKind'],
  [backend('ns/v1:80'), 'BackendNotFound'],
  [backend('ns/headless:80'), 'BackendNotFound'],
  [backend('ns/external:80'), 'BackendNotFound'],
  [backend('ns/tls:80'), 'UnsupportedProtocol'],
] as const;

t.test('SPEC S3, B3, B6, B7: an unusable backend is told by its reason, the route stays accepted', async (t) => {
  for (const [ref, reason] of UNUSABLE) {
    const result = attached([
      ...documents,
      httpRoute('ns/r', ['ns/web'], [ruleTo('v1'), rule({ backendRefs: [backend('ns/ok:80'), ref] })]),
    ]);
    t.match(condition(result, 'Accepted'), { status: 'True' });
    t.match(condition(result, 'ResolvedRefs'), {
      status: 'False',
      reason,
      message: /^spec\.rules\[1\]\.backendRefs\[1\]: .*; its share of requests is answered with 500$/,
    });
  }
});

t.test('SPEC S3, F10: so is an unusable mirror, of a rule and of a backendRef', async (t) => {
  for (const [{ group, kind, namespace, name, port }, reason] of UNUSABLE) {
    const bad = mirror('ns/x:80', {}, { group, kind, namespace, name, port });
    const ofRule = rule({ filters: [requestHeaders({}), bad], backendRefs: [backend('ns/ok:80')] });
    const ofBackend = rule({ backendRefs: [backend('ns/ok:80', { filters: [bad] })] });
    const cases = [
      [ofRule, /^spec\.rules\[0\]\.filters\[1\]\.requestMirror\.backendRef: .*; no request is mirrored there$/],
      [ofBackend, /^spec\.rules\[0\]\.backendRefs\[0\]\.filters\[0\]\.requestMirror\.backendRef: /],
    ] as const;
    for (const [entry, message] of cases) {
      const result = attached([...documents, httpRoute('ns/r', ['ns/web'], [entry])]);
      t.match(condition(result, 'Accepted'), { status: 'True' });
      t.match(condition(result, 'ResolvedRefs'), { status: 'False', reason, message });
    }
  }
});

t.test('SPEC S3: every failure is named, the reason is that of the first', async (t) => {
  const backendRefs = [backend('ns/tls:80'), backend('ns/v1:80')];
  const route = httpRoute('ns/r', ['ns/web'], [rule({ filters: [mirror('ns/headless:80')], backendRefs })]);
  const { reason, message } = condition(attached([...documents, route]), 'ResolvedRefs')!;
  t.equal(reason, 'BackendNotFound');
  t.same(
    message.split(' | ').map((part) => part.slice(0, part.indexOf(': '))),
    [
      'spec.rules[0].filters[0].requestMirror.backendRef',
      'spec.rules[0].backendRefs[0]',
      'spec.rules[0].backendRefs[1]',
    ],
  );
});

t.test('SPEC B7: protocols that HTTP can carry are fine on a backend, upgrades included', async (t) => {
  const http2 = ['kubernetes.io/h2c', 'h2c', 'http2', 'grpc'];
  for (const appProtocol of [null, 'http', 'kubernetes.io/ws', 'ws', 'grpc-web', 'new.io/x', ...http2]) {
    const result = attached([
      service('ns/v1', [{ port: 80, appProtocol }]),
      httpRoute('ns/r', ['ns/web'], [rule({ backendRefs: [backend('ns/v1:80')] })]),
    ]);
    t.match(condition(result, 'ResolvedRefs'), { status: 'True', reason: 'ResolvedRefs' }, String(appProtocol));
  }
});

t.test('SPEC B4: a rule without backends leaves ResolvedRefs true', async (t) => {
  const result = attached([httpRoute('ns/r', ['ns/web'], [rule()])]);
  t.match(condition(result, 'ResolvedRefs'), { status: 'True' });
});

t.test('SPEC F4, S4, S5: rules with filters that are not carried are told as dropped', async (t) => {
  for (const filter of [extension, externalAuth]) {
    const bad = { ...ruleTo('v2'), filters: [filter] };
    const some = attached([httpRoute('ns/r', ['ns/web'], [ruleTo('v1'), bad])]);
    t.match(condition(some, 'Accepted'), { status: 'True', reason: 'Accepted' });
    t.match(condition(some, 'PartiallyInvalid'), {
      status: 'True',
      reason: 'UnsupportedValue',
      message: 'Dropped Rule: spec.rules[1] answer 500, a filter is not carried',
    });
    t.same(codes(some), ['warning unsupported-filter spec.rules[1].filters[0]']);
    const all = attached([httpRoute('ns/r', ['ns/web'], [bad])]);
    t.match(condition(all, 'Accepted'), { status: 'False', reason: 'UnsupportedValue' });
    t.notOk(condition(all, 'PartiallyInvalid'));
    t.equal(all.frontends[0]!.rules.length, 1, 'its requests are answered with 500, not passed by');
  }
});

t.test('SPEC F4, S4: so are backendRefs; a rule is dropped when none that is used remains', async (t) => {
  const filters = [extension];
  const some = rule({ backendRefs: [backend('v/v1:80'), backend('v/v2:80', { filters })] });
  const all = rule({ backendRefs: [backend('v/v1:80', { weight: 0 }), backend('v/v2:80', { filters })] });
  const result = attached([httpRoute('ns/r', ['ns/web'], [some, all])]);
  t.match(condition(result, 'Accepted'), { status: 'True' });
  t.equal(
    condition(result, 'PartiallyInvalid')!.message,
    'Dropped Rule: spec.rules[1], spec.rules[0].backendRefs[1] answer 500, a filter is not carried',
  );
  t.match(condition(attached([httpRoute('ns/r', ['ns/web'], [all])]), 'Accepted'), {
    status: 'False',
    reason: 'UnsupportedValue',
  });
});

t.test('what is carried is no warning', async (t) => {
  const full = rule({
    filters: [requestHeaders({ add: { a: '1' } }), urlRewrite({ hostname: 'h' }), mirror('v/m:80'), cors({})],
    timeouts: { requestMs: 1000, backendRequestMs: 500 },
    retry: { codes: [503], attempts: 1, backoffMs: null },
    backendRefs: [backend('v/v1:80', { filters: [redirect()] })],
  });
  const result = attached([httpRoute('ns/r', ['ns/web'], [full])]);
  t.same(result.problems, []);
  t.same(
    result.conditions.map(({ type, status }) => `${type} ${status}`),
    ['Accepted True', 'ResolvedRefs True'],
  );
});

t.test('what has no effect is a warning each', async (t) => {
  const full = rule({
    filters: [cors({})],
    backendRefs: [backend('v/v1:80', { filters: [cors({}), extension] })],
  });
  t.same(codes(attached([httpRoute('ns/r', ['ns/web'], [ruleTo('v1'), full])])), [
    'warning cors-shadowed spec.rules[1].backendRefs[0].filters[0]',
    'warning unsupported-filter spec.rules[1].backendRefs[0].filters[1]',
  ]);
});
