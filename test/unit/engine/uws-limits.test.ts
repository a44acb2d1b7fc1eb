import t from 'tap';

import { attach } from '../../../src/config/attach.ts';
import { exceedsUws } from '../../../src/engine/uws/limits.ts';
import type { HttpRouteRule } from '../../../src/gateway-api/types.ts';
import { findFrontend } from '../../../src/routing/explain.ts';
import { compileTable } from '../../../src/routing/table.ts';
import { cors, mirror, redirect, requestHeaders, responseHeaders, urlRewrite } from '../../support/filters.ts';
import { backend, httpRoute, rule, service, testDeps } from '../../support/routes.ts';

const retry = { codes: [503], attempts: 1, backoffMs: 25 };

function exceeds(...rules: HttpRouteRule[]): boolean {
  const resources = [service('shop/cart', [80]), httpRoute('shop/cart', ['shop/cart'], rules)];
  const table = compileTable(attach({ resources, namespace: 'shop' }), testDeps());
  const frontend = findFrontend(table, 'shop', 'cart', 80)!;
  const first = exceedsUws(frontend);
  t.equal(exceedsUws(frontend), first, 'the same when asked again');
  return first;
}

t.test('a frontend goes to the native engine as soon as one of its rules asks for it', async (t) => {
  const backendRefs = [backend('shop/v1:80')];
  const plain = rule({ backendRefs });
  const timeouts = { requestMs: 1, backendRequestMs: 1 };
  const edits = { set: { A: '1' }, add: { B: '2' }, remove: ['c', 'date'] };
  const carried = [
    requestHeaders(edits),
    responseHeaders({ set: { A: '1' } }),
    urlRewrite({ hostname: 'a' }),
    cors({}),
  ];
  t.notOk(exceeds(plain));
  t.notOk(exceeds(rule({ backendRefs, timeouts, filters: carried })));
  t.notOk(exceeds(rule({ filters: [redirect()] })));
  t.notOk(exceeds(rule({ backendRefs, retry })));
  t.notOk(exceeds(rule({ backendRefs, filters: [mirror('shop/copy:80')] })));
  for (const own of [
    rule({ backendRefs, filters: [responseHeaders({ set: { DATE: 'today' } })] }),
    rule({ backendRefs: [backend('shop/v1:80', { filters: [responseHeaders({ add: { Date: 'today' } })] })] }),
    rule({ backendRefs, filters: [responseHeaders({ remove: ['date'] })] }),
  ]) {
    t.ok(exceeds(plain, own), JSON.stringify(own));
  }
});
