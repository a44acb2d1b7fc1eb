import t from 'tap';
import { attach } from '../../../src/config/attach.ts';
import type { Attachment } from '../../../src/config/attachment.ts';
import type { OtherRoute, Resource } from '../../../src/gateway-api/types.ts';
import { grpcRoute, grpcRuleTo, httpRoute, otherRoute, parent, ruleTo, service } from '../../support/routes.ts';
import { matches } from '../../support/match.ts';

const twoPorts = service('ns/web', [
  { name: 'http', port: 80 },
  { name: 'admin', port: 8080 },
]);
const http = (key = 'ns/http', options = {}) => httpRoute(key, [parent('ns/web', options)], [ruleTo('v1')]);
const grpc = (key = 'ns/grpc', options = {}) => grpcRoute(key, [parent('ns/web', options)], [grpcRuleTo('v1')]);
const other = (kind: OtherRoute['routeKind'], key: string, options = {}) =>
  otherRoute(kind, key, [parent('ns/web', options)]);

function attached(resources: readonly Resource[], namespace = 'client'): Attachment {
  return attach({ resources, namespace });
}

/** `key mode: route route`. */
function frontends({ frontends: list }: Attachment): string[] {
  return list.map(({ key, mode, rules }) => [`${key} ${mode}`, ...rules.map(({ route }) => route.name)].join(' '));
}

/** Accepted of each route and parent. */
function accepted({ conditions }: Attachment): string[] {
  return conditions
    .filter(({ type }) => type === 'Accepted')
    .map(({ routeKind, name, parent: label, status, reason }) => `${routeKind} ${name} ${label} ${status} ${reason}`);
}

t.test('SPEC P6: GRPCRoute over HTTPRoute over TLSRoute over TCPRoute, whatever their age', async (t) => {
  const kinds = ['GRPCRoute', 'HTTPRoute', 'TLSRoute', 'TCPRoute'] as const;
  for (const [index, winner] of kinds.entries()) {
    for (const loser of kinds.slice(index + 1)) {
      const make = (kind: (typeof kinds)[number], name: string, creationTimestamp: number) => {
        if (kind === 'HTTPRoute') return { ...http(`ns/${name}`), creationTimestamp };
        return kind === 'GRPCRoute' ? { ...grpc(`ns/${name}`), creationTimestamp } : other(kind, `ns/${name}`);
      };
      const result = attached([make(loser, 'a', 1), make(winner, 'b', 2), service('ns/web', [80])]);
      const lost = result.conditions.find(({ name }) => name === 'a')!;
      t.match(lost, {
        routeKind: loser,
        parent: 'ns/web',
        type: 'Accepted',
        status: 'False',
        reason: 'Conflicted',
        message: `the route is ignored on port 80: ${winner} ns/b takes precedence there`,
      });
      matches(
        t,
        result.problems.filter(({ code }) => code === 'route-conflict'),
        [{ severity: 'warning', resource: `${loser} ns/a`, path: 'spec.parentRefs[0]', message: lost.message }],
      );
      t.same(frontends(result), [index < 2 ? 'ns/web:80 http b' : 'ns/web:80 opaque']);
      t.equal(result.frontends[0]!.routeKind, winner);
    }
  }
});

t.test('SPEC P6: a port of a kind that is not carried is tunnelled unread, and the route says so', async (t) => {
  for (const kind of ['TLSRoute', 'TCPRoute'] as const) {
    const result = attached([twoPorts, other(kind, 'ns/other', { port: 8080 }), http('ns/http', { port: 80 })]);
    t.same(frontends(result), ['ns/web:80 http http', 'ns/web:8080 opaque']);
    matches(
      t,
      result.conditions.filter(({ name }) => name === 'other'),
      [{ routeKind: kind, parent: 'ns/web:8080', status: 'False', reason: 'UnsupportedValue', message: /tunnelled/ }],
    );
    matches(
      t,
      result.problems.map(({ severity, code, resource }) => [severity, code, resource]),
      [['warning', 'not-carried-yet', `${kind} ns/other`]],
    );
  }
});

t.test('SPEC P6: who is displaced on some ports only stays accepted and is told where', async (t) => {
  const result = attached([twoPorts, http(), grpc('ns/grpc', { sectionName: 'admin' })]);
  t.same(frontends(result), ['ns/web:80 http http', 'ns/web:8080 http grpc']);
  t.same(accepted(result), ['HTTPRoute http ns/web True Accepted', 'GRPCRoute grpc ns/web:admin True Accepted']);
  t.match(result.conditions[0]!.message, /; ignored on port 8080: GRPCRoute ns\/grpc takes precedence there$/);
  t.notOk(result.conditions.some(({ type }) => type === 'PartiallyInvalid'));
  matches(
    t,
    result.problems.filter(({ code }) => code === 'route-conflict'),
    [{ message: 'the route is ignored on port 8080: GRPCRoute ns/grpc takes precedence there' }],
  );
});

t.test('SPEC V9, P6: a GRPCRoute displaces an HTTPRoute of the port whatever their hostnames', async (t) => {
  for (const hostnames of [[], ['web.example'], ['*.example']]) {
    const result = attached([twoPorts, { ...http('ns/http', { port: 80 }), hostnames }, grpc('ns/grpc')]);
    t.same(frontends(result), ['ns/web:80 http grpc', 'ns/web:8080 http grpc'], hostnames.join());
    t.same(accepted(result), ['HTTPRoute http ns/web:80 False Conflicted', 'GRPCRoute grpc ns/web True Accepted']);
  }
});

t.test('SPEC P6: each parentRef is judged by itself', async (t) => {
  const refs = [parent('ns/web', { port: 80 }), parent('ns/web', { port: 8080 })];
  const result = attached([twoPorts, httpRoute('ns/http', refs, [ruleTo('v1')]), grpc('ns/grpc', { port: 80 })]);
  t.same(accepted(result), [
    'HTTPRoute http ns/web:80 False Conflicted',
    'HTTPRoute http ns/web:8080 True Accepted',
    'GRPCRoute grpc ns/web:80 True Accepted',
  ]);
  t.same(
    result.conditions
      .filter(({ type }) => type === 'ResolvedRefs')
      .map(({ routeKind, parent: label }) => `${routeKind} ${label}`),
    ['HTTPRoute ns/web:80', 'HTTPRoute ns/web:8080', 'GRPCRoute ns/web:80'],
  );
});

t.test('SPEC P6: without a Service document every port is one, and a named port is apart', async (t) => {
  const everywhere = attached([http(), grpc('ns/grpc')]);
  t.same(frontends(everywhere), ['ns/web:* http grpc']);
  t.match(everywhere.conditions[0], { reason: 'Conflicted', message: /the ports that no route names: GRPCRoute/ });
  const named = attached([http(), grpc('ns/grpc', { port: 81 })]);
  t.same(frontends(named), ['ns/web:* http http', 'ns/web:81 http grpc']);
  t.match(named.conditions[0], { status: 'True', message: /ignored on port 81/ });
  const covered = attached([http('ns/http', { port: 80 }), grpc('ns/grpc')]);
  t.same(frontends(covered), ['ns/web:* http grpc', 'ns/web:80 http grpc']);
  t.match(covered.conditions[0], { status: 'False', reason: 'Conflicted' });
});

t.test('SPEC A7, P6: consumer and producer routes serve different clients and do not conflict', async (t) => {
  const resources = [twoPorts, grpc('ns/producer'), http('client/consumer', { port: 80 })];
  const client = attached(resources, 'client');
  t.same(frontends(client), ['ns/web:80 http consumer', 'ns/web:8080 http producer']);
  t.same(accepted(client), ['GRPCRoute producer ns/web True Accepted', 'HTTPRoute consumer ns/web:80 True Accepted']);
  t.same(frontends(attached(resources, 'elsewhere')), ['ns/web:80 http producer', 'ns/web:8080 http producer']);
  const grpcConsumer = [twoPorts, http(), grpc('client/grpc', { port: 80 })];
  t.same(frontends(attached(grpcConsumer, 'client')), ['ns/web:80 http grpc', 'ns/web:8080 http http']);
  t.same(frontends(attached(grpcConsumer, 'elsewhere')), ['ns/web:80 http http', 'ns/web:8080 http http']);
});

t.test('SPEC A2, P6: parents of other kinds are resolved as those of an HTTPRoute', async (t) => {
  const result = attached([twoPorts, grpc('ns/grpc', { port: 81 }), http()]);
  t.same(frontends(result), ['ns/web:80 http http', 'ns/web:8080 http http']);
  t.match(result.conditions[0], { routeKind: 'GRPCRoute', reason: 'NoMatchingParent', parent: 'ns/web:81' });
  t.match(result.problems[0], { severity: 'error', code: 'no-matching-parent', resource: 'GRPCRoute ns/grpc' });
  const gateway = otherRoute('TLSRoute', 'ns/tls', [
    parent('ns/gw', { kind: 'Gateway', group: 'gateway.networking.k8s.io' }),
  ]);
  t.same(attached([gateway]).conditions, []);
});

t.test('SPEC P6: a UDPRoute concerns no TCP port', async (t) => {
  const result = attached([service('ns/web', [80]), other('UDPRoute', 'ns/udp'), http()]);
  t.same(frontends(result), ['ns/web:80 http http']);
  t.match(accepted(result)[0], 'UDPRoute udp ns/web False UnsupportedValue');
});
