/** What filters do to requests and responses: header modifiers, redirects, rewrites, CORS. */
import type { Test } from 'tap';
import type { EchoedRequest } from '../../support/echo.ts';
import { answered, redirected, served, unmatched, type ConformanceCase, type Exchange, type Send } from './case.ts';
import type { Mesh } from './mesh.ts';

/** The same rules as filters of the rule and as filters of its only backend. */
const REQUEST_HEADERS: readonly Exchange[] = [
  served('echo-v1', { target: '/set' }, { seen: { 'x-set': ['by-route'] } }),
  served(
    'echo-v1',
    { target: '/set', headers: { 'x-SET': 'by-client', Other: 'kept' } },
    { seen: { 'x-set': ['by-route'] } },
  ),
  served('echo-v1', { target: '/add' }, { seen: { 'x-add': ['by-route'] } }),
  served(
    'echo-v1',
    { target: '/add', headers: { 'x-add': 'by-client', Other: 'kept' } },
    { seen: { 'x-add': ['by-client', 'by-route'] } },
  ),
  served(
    'echo-v1',
    { target: '/remove', headers: { 'x-remove': 'by-client', Other: 'kept' } },
    { seen: { 'x-remove': null } },
  ),
  served('echo-v1', { target: '/remove' }),
  served(
    'echo-v1',
    {
      target: '/mixed',
      headers: { 'X-Set-2': 'by-client', 'X-Add-2': 'by-client', 'X-Remove-2': 'by-client', Other: 'kept' },
    },
    {
      seen: {
        'x-set-1': ['set-1'],
        'x-set-2': ['set-2'],
        'x-add-1': ['add-1'],
        'x-add-2': ['by-client', 'add-2'],
        'x-add-3': ['add-3'],
        'x-remove-2': null,
      },
    },
  ),
];

const MODIFIED: Send = {
  method: 'GET',
  headers: { 'X-Remove': 'by-client', 'x-add': 'by-client', 'X-Set': 'by-client', Other: 'kept' },
};
const MODIFICATION = { 'x-set': ['by-route'], 'x-add': ['by-client', 'by-route'], 'x-remove': null };

/** The header that each backend's filter sets names that backend. */
async function headerNamesBackend(t: Test, mesh: Mesh): Promise<void> {
  const request = { method: 'GET', target: '/', headers: [['Host', 'echo']] } as const;
  const answers = await mesh.batch('echo:80', { requests: [request], times: 500 });
  const seen = answers.map(({ body }) => JSON.parse(body) as EchoedRequest);
  t.same(
    seen.filter(({ pod, headers }) => headers['backend']?.join() !== pod),
    [],
    'no request has the header of another backend',
  );
  const share = seen.filter(({ pod }) => pod === 'echo-v1').length;
  t.equal(share, 350, 'the filters change nothing about the weights');
}

const FOO = 'https://www.foo.example';
const VARY = 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers';
/** Every field of CORS in a response, absent unless given. */
const CORS_FIELDS = {
  'access-control-allow-origin': null,
  'access-control-allow-methods': null,
  'access-control-allow-headers': null,
  'access-control-expose-headers': null,
  'access-control-max-age': null,
  'access-control-allow-credentials': null,
} as const;

function preflight(target: string, origin: string, method: string, headers?: string): Send {
  const asked: Record<string, string> = headers === undefined ? {} : { 'Access-Control-Request-Headers': headers };
  return { method: 'OPTIONS', target, headers: { Origin: origin, 'Access-Control-Request-Method': method, ...asked } };
}

function allowed(send: Send, fields: Readonly<Record<string, string>>): Exchange {
  return answered(204, 'cors_preflight', send, { ...CORS_FIELDS, vary: VARY, ...fields });
}

/** Any other request of `origin`, to a backend that speaks of CORS itself. */
function crossOrigin(
  target: string,
  origin: string,
  fields: Readonly<Record<string, string>>,
  method = 'GET',
): Exchange {
  const backend = 'Access-Control-Allow-Origin: https://backend.example, Access-Control-Max-Age: 1, X-Kept: yes';
  const headers = { Origin: origin, 'X-Echo-Set-Header': backend };
  return served(
    'echo-v1',
    { method, target, headers },
    { headers: { ...CORS_FIELDS, vary: 'Origin', 'x-kept': 'yes', ...fields } },
  );
}

const STATUS_CODES = 'redirect-status-codes';

export const FILTER_CASES: readonly ConformanceCase[] = [
  {
    tests: ['MeshHTTPRouteRequestHeaderModifier', 'HTTPRouteRequestHeaderModifier'],
    title: 'SPEC F1, F5: request headers are set, added and removed whatever their case',
    routes: 'request-header-modifier',
    requests: REQUEST_HEADERS,
  },
  {
    tests: ['MeshHTTPRouteBackendRequestHeaderModifier', 'HTTPRouteBackendRequestHeaderModifier'],
    title: 'SPEC F5, F17: the filters of a backend modify request headers as those of a rule do',
    routes: 'backend-request-header-modifier',
    requests: REQUEST_HEADERS,
  },
  {
    tests: ['HTTPRouteRequestHeaderModifierBackendWeights'],
    title: 'SPEC F17, B2: the filters of a backend run for its share alone',
    routes: 'request-header-modifier-backend-weights',
    requests: [],
    also: headerNamesBackend,
  },
  {
    tests: ['HTTPRouteResponseHeaderModifier'],
    title: 'SPEC F1, F5: response headers of a backend are set, added and removed, those of a local reply are not',
    routes: 'response-header-modifier',
    requests: [
      served('echo-v1', { target: '/set' }, { headers: { 'x-set': 'by-route' } }),
      served(
        'echo-v1',
        { target: '/set', headers: { 'X-Echo-Set-Header': 'x-SET: by-pod, Other: kept' } },
        { headers: { 'x-set': 'by-route', other: 'kept' } },
      ),
      served('echo-v1', { target: '/add' }, { headers: { 'x-add': 'by-route' } }),
      served(
        'echo-v1',
        { target: '/add', headers: { 'X-Echo-Set-Header': 'x-add: by-pod' } },
        { headers: { 'x-add': 'by-pod, by-route' } },
      ),
      served(
        'echo-v1',
        { target: '/remove', headers: { 'X-Echo-Set-Header': 'x-remove: by-pod, Other: kept' } },
        { headers: { 'x-remove': null, other: 'kept' } },
      ),
      served(
        'echo-v1',
        {
          target: '/mixed',
          headers: { 'X-Echo-Set-Header': 'X-Set-2: by-pod, X-Add-2: by-pod, X-Remove-1: by-pod, Other: kept' },
        },
        {
          headers: {
            'x-set-1': 'set-1',
            'x-set-2': 'set-2',
            'x-add-1': 'add-1',
            'x-add-2': 'by-pod, add-2',
            'x-remove-1': null,
            'x-remove-2': null,
            other: 'kept',
          },
        },
      ),
      answered(500, 'no_backend', { target: '/local' }, { 'x-set': null }),
    ],
  },
  {
    tests: ['MeshHTTPRouteRedirectHostAndStatus', 'HTTPRouteRedirectHostAndStatus'],
    title: 'SPEC F6, F7: a redirect keeps what it does not replace, the query included',
    routes: 'redirect-host-and-status',
    requests: [
      redirected(302, 'http://example.org/host', { target: '/host' }),
      redirected(302, 'http://example.org/host/x/?a=%20&b', { target: '/host/x/?a=%20&b', method: 'POST', body: 'x' }),
      redirected(301, 'http://echo/status', { target: '/status' }),
      redirected(301, 'http://other.example/status', { target: '/status', host: 'other.example:8080' }),
      redirected(301, 'http://example.org/host-and-status', { target: '/host-and-status' }),
      unmatched({ target: '/hosts' }),
    ],
  },
  {
    tests: ['MeshHTTPRoute303Redirect', 'HTTPRoute303Redirect'],
    title: 'SPEC F6: 303 is a status of redirects',
    routes: STATUS_CODES,
    requests: [
      redirected(303, 'http://example.org/303', { target: '/303' }),
      redirected(303, 'http://example.org/303', { target: '/303', method: 'POST', body: 'form' }),
    ],
  },
  {
    tests: ['MeshHTTPRoute307Redirect', 'HTTPRoute307Redirect'],
    title: 'SPEC F6: 307 is a status of redirects',
    routes: STATUS_CODES,
    requests: [redirected(307, 'http://example.org/307', { target: '/307', method: 'PUT', body: 'x' })],
  },
  {
    tests: ['MeshHTTPRoute308Redirect', 'HTTPRoute308Redirect'],
    title: 'SPEC F6: 308 is a status of redirects',
    routes: STATUS_CODES,
    requests: [redirected(308, 'http://example.org/308', { target: '/308', method: 'PUT', body: 'x' })],
  },
  {
    tests: ['MeshHTTPRouteRedirectPath', 'HTTPRouteRedirectPath'],
    title: 'SPEC F6, F9, V12: a redirect replaces the path or the matched prefix of it',
    routes: 'redirect-path',
    requests: [
      redirected(302, 'http://echo/new-prefix/lemon', { target: '/original-prefix/lemon' }),
      redirected(302, 'http://echo/new-prefix?q', { target: '/original-prefix?q' }),
      redirected(302, 'http://echo/new-path', { target: '/full/path/original' }),
      redirected(302, 'http://echo/new-path?q=1', { target: '/full/?q=1' }),
      redirected(302, 'http://example.org/new-prefix', { target: '/path-and-host' }),
      redirected(301, 'http://echo/new-prefix/', { target: '/path-and-status/' }),
      redirected(302, 'http://example.org/new-path', { target: '/full-path-and-host/x' }),
      redirected(301, 'http://echo/new-path', { target: '/full-path-and-status' }),
      redirected(302, 'http://echo/new-prefix/x?q', { target: '/prefix-without-slash/x?q' }),
      redirected(302, 'http://echo/new-path?q', { target: '/full-without-slash/x?q' }),
    ],
  },
  {
    tests: ['MeshHTTPRouteRedirectPort', 'HTTPRouteRedirectPort'],
    title: 'SPEC F7: a redirect names the port it is given',
    routes: 'redirect-port',
    requests: [
      redirected(302, 'http://echo:8083/port', { target: '/port' }),
      redirected(302, 'http://example.org:8083/port-and-host', { target: '/port-and-host' }),
      redirected(301, 'http://echo:8083/port-and-status', { target: '/port-and-status' }),
      redirected(301, 'http://example.org:8083/port-host-and-status', { target: '/port-host-and-status' }),
    ],
  },
  {
    tests: ['MeshHTTPRouteSchemeRedirect', 'HTTPRouteRedirectScheme'],
    title: 'SPEC F6, F7: a redirect to https goes to its port, which is not written',
    routes: 'redirect-scheme',
    requests: [
      redirected(302, 'https://echo/scheme', { target: '/scheme' }),
      redirected(302, 'https://example.org/scheme-and-host', { target: '/scheme-and-host' }),
      redirected(301, 'https://echo/scheme-and-status', { target: '/scheme-and-status' }),
      redirected(301, 'https://example.org/scheme-host-and-status', { target: '/scheme-host-and-status' }),
    ],
  },
  {
    tests: ['HTTPRouteRedirectPortAndScheme'],
    title: 'SPEC F7: without port and scheme it is the port that was dialled; 80 and 443 are not written',
    routes: 'redirect-port-and-scheme',
    requests: [
      ...['echo:80', 'echo:8080'].flatMap((to) => [
        redirected(302, 'http://example.org/port-80', { to, target: '/port-80' }),
        redirected(302, 'http://example.org:8080/port-8080', { to, target: '/port-8080' }),
        redirected(302, 'http://example.org/http', { to, target: '/http' }),
        redirected(302, 'https://example.org/https', { to, target: '/https' }),
        redirected(302, 'https://example.org/https-and-port-443', { to, target: '/https-and-port-443' }),
        redirected(302, 'https://example.org:8443/https-and-port-8443', { to, target: '/https-and-port-8443' }),
      ]),
      redirected(302, 'http://example.org/nothing', { to: 'echo:80', target: '/nothing' }),
      redirected(302, 'http://example.org:8080/nothing', { to: 'echo:8080', target: '/nothing' }),
      redirected(302, 'http://example.org/nothing', { to: 'echo:80', host: 'echo:8080', target: '/nothing' }),
    ],
  },
  {
    tests: ['MeshHTTPRouteRewritePath', 'HTTPRouteRewritePath'],
    title: 'SPEC F2, F9, V12: the backend sees the rewritten path, with the query and beside modified headers',
    routes: 'rewrite-path',
    requests: [
      served('echo-v1', { target: '/prefix/one/two' }, { path: '/one/two' }),
      served('echo-v1', { target: '/prefix/one?q=/prefix/one' }, { path: '/one?q=/prefix/one' }),
      served('echo-v1', { target: '/prefix/one/%2Fraw//x' }, { path: '/one/%2Fraw//x' }),
      served('echo-v1', { target: '/strip-prefix/three' }, { path: '/three' }),
      served('echo-v1', { target: '/strip-prefix' }, { path: '/' }),
      served('echo-v1', { target: '/strip-prefix/' }, { path: '/' }),
      served('echo-v1', { target: '/strip-prefix?q' }, { path: '/?q' }),
      served('echo-v1', { target: '/full/one/two?q=1' }, { path: '/one?q=1' }),
      served('echo-v1', { target: '/full/with-headers/test', ...MODIFIED }, { path: '/test', seen: MODIFICATION }),
      served(
        'echo-v1',
        { target: '/prefix/with-headers/one', ...MODIFIED },
        { path: '/prefix/one', seen: MODIFICATION },
      ),
      served('echo-v1', { target: '/prefix/without-slash/two?q' }, { path: '/one/two?q' }),
      served('echo-v1', { target: '/prefix/without-slash' }, { path: '/one' }),
      served('echo-v1', { target: '/full/without-slash/two?q' }, { path: '/one?q' }),
    ],
  },
  {
    tests: ['HTTPRouteRewriteHost'],
    title: 'SPEC F8: the backend sees the rewritten Host, and otherwise the one of the client',
    routes: 'rewrite-host',
    requests: [
      served('echo-v1', { target: '/one', host: 'rewrite.example' }, { host: 'one.example.org' }),
      served('echo-v2', { target: '/two', host: 'rewrite.example:80' }, { host: 'example.org' }),
      served(
        'echo-v2',
        { target: '/with-headers', host: 'rewrite.example', ...MODIFIED },
        { host: 'test.example.org', seen: MODIFICATION },
      ),
      served('echo-v1', { target: '/unchanged', host: 'Rewrite.Example:1234' }),
    ],
  },
  {
    tests: ['HTTPRouteBackendURLRewrite'],
    title: "SPEC F8, F9, F17, V7: a backend's filter rewrites path and host after the rule's have run",
    routes: 'backend-url-rewrite',
    requests: [
      served('echo-v1', { target: '/full/original?q' }, { path: '/rewritten?q' }),
      served('echo-v1', { target: '/full-and-host/original' }, { path: '/rewritten', host: 'v1.example.org' }),
      served('echo-v1', { target: '/host/original?q' }, { host: 'v1.example.org' }),
      served('echo-v1', { target: '/prefix/original' }, { path: '/rewritten/original', host: 'v1.example.org' }),
      served('echo-v2', { target: '/both' }, { seen: { 'x-set': ['by-backend'], 'x-add': ['by-rule', 'by-backend'] } }),
    ],
  },
  {
    // Until v1.6 HTTPRouteBackendRequestRedirect; v1.7 has neither the test nor the feature.
    tests: [],
    title: "SPEC F6, F9, F17: a backend's filter redirects the requests of its share",
    routes: 'backend-request-redirect',
    requests: [
      redirected(302, 'http://echo/redirected', { target: '/full/original' }),
      redirected(302, 'http://echo/redirected/original?q', { target: '/prefix/original?q' }),
    ],
  },
  {
    tests: ['HTTPRouteCORS'],
    title:
      'SPEC F1, F11-F15: preflights are answered here, other requests of allowed origins get what the filter allows',
    routes: 'cors',
    requests: [
      ...[FOO, 'https://www.bar.example', 'https://a.b.bar.example', 'https://www.foo.example:443'].map((origin) =>
        allowed(preflight('/lists', origin, 'GET', 'x-header-1, x-header-2'), {
          'access-control-allow-origin': origin,
          'access-control-allow-methods': 'GET, OPTIONS',
          'access-control-allow-headers': 'x-header-1, x-header-2',
          'access-control-expose-headers': 'x-header-3, x-header-4',
          'access-control-max-age': '3600',
          'access-control-allow-credentials': 'true',
        }),
      ),
      ...[
        'https://foobar.example',
        'http://www.foo.example',
        'https://www.foo.example:8443',
        'https://bar.example',
        'null',
      ].map((origin) => allowed(preflight('/lists', origin, 'GET'), {})),
      allowed(preflight('/any-method', FOO, 'POST'), {
        'access-control-allow-origin': FOO,
        'access-control-allow-methods': 'POST',
        'access-control-max-age': '5',
      }),
      ...['https://foobar.example', 'https://foobar.example:12345'].map((origin) =>
        allowed(preflight('/any-origin', origin, 'PUT'), {
          'access-control-allow-origin': origin,
          'access-control-allow-methods': 'PUT',
          'access-control-max-age': '5',
        }),
      ),
      allowed(preflight('/anything-with-credentials', 'https://other.example', 'PUT', 'x-header-1, x-header-2'), {
        'access-control-allow-origin': 'https://other.example',
        'access-control-allow-methods': 'PUT',
        'access-control-allow-headers': 'x-header-1, x-header-2',
        'access-control-allow-credentials': 'true',
        'access-control-max-age': '5',
      }),
      allowed(preflight('/anything', 'https://other.example', 'PUT', 'x-header-1'), {
        'access-control-allow-origin': 'https://other.example',
        'access-control-allow-methods': 'PUT',
        'access-control-allow-headers': 'x-header-1',
        'access-control-max-age': '5',
      }),
      crossOrigin('/lists', FOO, {
        'access-control-allow-origin': FOO,
        'access-control-expose-headers': 'x-header-3, x-header-4',
        'access-control-allow-credentials': 'true',
      }),
      crossOrigin('/lists', 'https://foobar.example', {}),
      crossOrigin(
        '/any-origin',
        'https://foobar.example:12345',
        { 'access-control-allow-origin': 'https://foobar.example:12345' },
        'PUT',
      ),
      crossOrigin('/anything-with-credentials', 'https://other.example', {
        'access-control-allow-origin': 'https://other.example',
        'access-control-allow-credentials': 'true',
      }),
      crossOrigin('/anything', 'https://other.example', { 'access-control-allow-origin': 'https://other.example' }),
      // Neither is a preflight: one has no Origin, the other asks for no method.
      served('echo-v1', { method: 'OPTIONS', target: '/lists', headers: { 'Access-Control-Request-Method': 'GET' } }),
      served('echo-v1', { method: 'OPTIONS', target: '/any-method', headers: { Origin: FOO } }),
      unmatched(preflight('/get-only', FOO, 'GET')),
      crossOrigin('/get-only', FOO, { 'access-control-allow-origin': FOO }),
    ],
  },
];

/** Not of the official tests: what is asked for and not carried. */
export const REFUSED_FILTER_CASES: readonly ConformanceCase[] = [
  {
    tests: [],
    title: 'SPEC F4, F16, B8: extensions and external authorisation answer 500, session persistence does nothing',
    routes: 'filters-not-carried',
    conditions: [
      'mesh/not-carried mesh/echo:80 Accepted=True Accepted',
      'mesh/not-carried mesh/echo:80 PartiallyInvalid=True UnsupportedValue',
      'mesh/not-carried mesh/echo:80 ResolvedRefs=True ResolvedRefs',
    ],
    requests: [
      answered(500, 'unsupported_filter', { target: '/extension' }),
      answered(500, 'unsupported_filter', { target: '/authorised' }),
      answered(500, 'unsupported_filter', { target: '/extension-of-a-backend' }),
      served('echo-v1', { target: '/session' }),
    ],
  },
];
