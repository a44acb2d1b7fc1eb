/** What `check` says of rules whose requests nobody gets. */
import t from 'tap';

import { rulesWithoutBackends } from '../../../src/lint/rules-without-backends.ts';
import { backend, grpcRoute, grpcRule, grpcRuleTo, httpRoute, rule, ruleTo } from '../../support/routes.ts';

const unused = { ...backend('ns/v1:80', { weight: 0 }), filters: [] };

t.test('a rule without a backend that gets requests is noted, with what these get', async (t) => {
  const resources = [
    httpRoute('ns/http', ['ns/web'], [ruleTo('v1'), rule({ backendRefs: [] }), rule({ backendRefs: [unused] })]),
    grpcRoute('ns/grpc', ['ns/web'], [grpcRuleTo('v1'), grpcRule(), grpcRule({ backendRefs: [unused] })]),
  ];
  t.same(
    rulesWithoutBackends(resources).map(
      ({ severity, code, path, message }) => `${severity} ${code} ${path} ${message}`,
    ),
    [
      'note no-backend spec.rules[1] has no backendRefs: its requests are answered with 500',
      'note no-backend spec.rules[2] has no backendRef with a weight above 0: its requests are answered with 500',
      'note no-backend spec.rules[1] has no backendRefs: its requests are answered with UNIMPLEMENTED',
      'note no-backend spec.rules[2] has no backendRef with a weight above 0: its requests are answered with UNAVAILABLE',
    ],
  );
});

t.test('nothing is said where a filter answers, or has a problem of its own', async (t) => {
  const redirect = {
    type: 'RequestRedirect',
    requestRedirect: { scheme: 'https', hostname: null, path: null, port: null, statusCode: 302 },
  } as const;
  const extension = { type: 'ExtensionRef', extensionRef: { group: 'g', kind: 'K', name: 'n' } } as const;
  const rules = [redirect, extension].map((filter) => rule({ filters: [filter], backendRefs: [] }));
  t.same(rulesWithoutBackends([httpRoute('ns/http', ['ns/web'], rules)]), []);
});
