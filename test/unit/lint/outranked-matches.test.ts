/** What `check` says of matches by headers alone, beside others by service or method. */
import t from 'tap';

import { outrankedMatches } from '../../../src/lint/outranked-matches.ts';
import type { GrpcRouteRule } from '../../../src/gateway-api/types.ts';
import {
  callRegex,
  exactCall,
  exactField,
  grpcMatch,
  grpcRoute,
  grpcRuleTo,
  httpRoute,
  ruleTo,
} from '../../support/routes.ts';

const told = (...rules: readonly GrpcRouteRule[]): string[] =>
  outrankedMatches([grpcRoute('ns/r', ['ns/web'], rules)]).map(({ code, severity, path, message }) => {
    t.equal(`${severity} ${code}`, 'warning outranked-match');
    return `${path} ${message.replace(/, whatever .*/, '')}`;
  });

const canary = [exactField('x-canary', 'yes')];
const cart = exactCall('shop.Cart');

t.test('a match by headers alone takes no call that another one has by its service or method', async (t) => {
  for (const [method, name] of [
    [cart, 'a service'],
    [exactCall('shop.Cart', 'Get'), 'service and method'],
    [exactCall(null, 'Get'), 'a method'],
    [callRegex('shop[.].*'), 'an expression'],
  ] as const) {
    const rules = [grpcRuleTo('v2', grpcMatch(null, canary)), grpcRuleTo('v1', grpcMatch(method))];
    t.same(told(...rules), ['spec.rules[0].matches[0] takes no call that spec.rules[1].matches[0] matches'], name);
    t.same(told(...rules.reverse()), ['spec.rules[1].matches[0] takes no call that spec.rules[0].matches[0] matches']);
  }
  t.same(
    told(
      grpcRuleTo('v2', grpcMatch(cart, canary), grpcMatch(null, [...canary, exactField('x', '1')])),
      grpcRuleTo('v1', grpcMatch(exactCall('a')), grpcMatch(exactCall('b')), grpcMatch(exactCall('c'))),
    ),
    ['spec.rules[0].matches[1] takes no call that spec.rules[1].matches[0] and 2 more match'],
  );
});

t.test('nothing is said where the calls are meant to go where they go', async (t) => {
  t.same(told(grpcRuleTo('v2', grpcMatch(null, canary)), grpcRuleTo('v1')), [], 'nothing has a method');
  t.same(told(grpcRuleTo('v2', grpcMatch(null, canary), grpcMatch(cart))), [], 'of one rule');
  t.same(
    told(
      grpcRuleTo('v2', grpcMatch(cart, [exactField('X-Canary', 'yes')]), grpcMatch(null, canary)),
      grpcRuleTo('v1', grpcMatch(cart)),
    ),
    [],
    'the service is repeated with the header',
  );
  t.same(
    told(grpcRuleTo('v2', grpcMatch(null, canary)), grpcRuleTo('v1', grpcMatch(cart, [exactField('y', '1')]))),
    [],
    'the other one looks at headers, too',
  );
  t.equal(
    told(
      grpcRuleTo('v2', grpcMatch(cart, [exactField('x-canary', 'no')]), grpcMatch(null, canary)),
      grpcRuleTo('v1', grpcMatch(cart)),
    ).length,
    1,
    'repeated with another value',
  );
  t.same(outrankedMatches([httpRoute('ns/r', ['ns/web'], [ruleTo('v1')])]), []);
});
