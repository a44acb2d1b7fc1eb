import t from 'tap';
import { backend, match, pathPrefix, type HeadOptions } from '../../support/routes.ts';
import { fullPath, lines, mirror, OneRule, prefixPath, redirect, responseHeaders } from '../../support/filters.ts';
import { matches } from '../../support/match.ts';

type RedirectFields = Parameters<typeof redirect>[0];

/** The Location of a request for `/a?b=1` with Host web.example:1234, unless the head says otherwise. */
function location(fields: RedirectFields, port = 80, head: HeadOptions = {}): string {
  const one = new OneRule({ filters: [redirect(fields)], backendRefs: [] }, { port });
  const decision = one.local({ target: '/a?b=1', headers: [['Host', 'web.example:1234']], ...head });
  t.equal(decision.reason, 'redirect');
  return lines(decision.fields).join();
}

t.test('SPEC F6, F7: scheme, host name, port and query of the Location', async (t) => {
  const cases: readonly (readonly [RedirectFields, number, string])[] = [
    // The request's scheme and Service port.
    [{}, 80, 'http://web.example/a?b=1'],
    [{}, 8080, 'http://web.example:8080/a?b=1'],
    [{ hostname: 'h' }, 80, 'http://h/a?b=1'],
    [{ hostname: 'h' }, 8080, 'http://h:8080/a?b=1'],
    [{ hostname: 'h' }, 443, 'http://h:443/a?b=1'],
    // With a scheme its own port.
    [{ scheme: 'https', hostname: 'h' }, 8080, 'https://h/a?b=1'],
    [{ scheme: 'http', hostname: 'h' }, 8080, 'http://h/a?b=1'],
    [{ scheme: 'https' }, 80, 'https://web.example/a?b=1'],
    // A port that is written wins over both.
    [{ port: 8083 }, 80, 'http://web.example:8083/a?b=1'],
    [{ port: 80 }, 8080, 'http://web.example/a?b=1'],
    [{ scheme: 'https', port: 443 }, 80, 'https://web.example/a?b=1'],
    [{ scheme: 'https', port: 80 }, 80, 'https://web.example:80/a?b=1'],
    [{ scheme: 'http', port: 443 }, 80, 'http://web.example:443/a?b=1'],
    [{ scheme: 'https', port: 8443 }, 80, 'https://web.example:8443/a?b=1'],
  ];
  for (const [fields, port, expected] of cases) {
    t.equal(location(fields, port), `Location: ${expected}`, `${JSON.stringify(fields)} on port ${port}`);
  }
});

t.test('SPEC F6: the host name defaults to that of the request, without a Host to that of the Service', async (t) => {
  const cases: readonly (readonly [string | null, string])[] = [
    ['web.example', 'http://web.example/a'],
    ['web.example:99', 'http://web.example/a'],
    ['10.0.0.1:80', 'http://10.0.0.1/a'],
    ['[fd00::1]', 'http://[fd00::1]/a'],
    ['[fd00::1]:8080', 'http://[fd00::1]/a'],
    ['web.example:', 'http://web.example/a'],
    ['', 'http://web.ns/a'],
    [':80', 'http://web.ns/a'],
    [null, 'http://web.ns/a'],
    ['a,b', 'http://web.ns/a'],
    ['a b', 'http://web.ns/a'],
    ['evil/path', 'http://web.ns/a'],
  ];
  for (const [host, expected] of cases) {
    const headers = host === null ? [] : ([['Host', host]] as const);
    t.equal(location({}, 80, { target: '/a', headers }), `Location: ${expected}`, String(host));
  }
});

t.test('SPEC F7: a frontend of every port takes the port of Host, else 80', async (t) => {
  const one = new OneRule({ filters: [redirect({ statusCode: 301 })], backendRefs: [] }, { resources: [] });
  const locationOf = (host: string) => lines(one.local({ headers: [['host', host]] }).fields).join();
  t.equal(locationOf('web:8080'), 'Location: http://web:8080/');
  t.equal(locationOf('web'), 'Location: http://web/');
  t.equal(locationOf('web:80'), 'Location: http://web/');
  t.equal(locationOf('web:'), 'Location: http://web/');
  t.equal(lines(one.local({}).fields).join(), 'Location: http://web.ns/');
});

t.test('SPEC F6: the status is the one of the filter', async (t) => {
  for (const statusCode of [301, 302, 303, 307, 308] as const) {
    const one = new OneRule({ filters: [redirect({ statusCode })], backendRefs: [] });
    t.match(one.local({ method: 'POST' }), { kind: 'local', status: statusCode, reason: 'redirect' });
  }
});

t.test('SPEC F6, F9: the path is replaced whole or in its prefix, raw and with the query kept', async (t) => {
  const path = (modifier: ReturnType<typeof fullPath>, target: string) =>
    lines(
      new OneRule({
        matches: [match({ path: pathPrefix('/old') })],
        filters: [redirect({ hostname: 'h', path: modifier })],
        backendRefs: [],
      }).local(target).fields,
    ).join();
  t.equal(path(fullPath('/new'), '/old/x?y=1'), 'Location: http://h/new?y=1');
  t.equal(path(prefixPath('/new'), '/old/x?y=1'), 'Location: http://h/new/x?y=1');
  t.equal(path(prefixPath('/'), '/old'), 'Location: http://h/');
  t.equal(path(prefixPath('/new'), '/old/%zz/\xc3\xa9'), 'Location: http://h/new/%zz/\xc3\xa9');
  t.equal(location({ hostname: 'h' }, 80, { target: '//x/../y' }), 'Location: http://h//x/../y');
  t.equal(location({ hostname: 'h' }, 80, { target: '*', method: 'OPTIONS' }), 'Location: http://h/');
});

t.test('SPEC F6, F17: a redirect on a backendRef answers the share of that backend only', async (t) => {
  const one = new OneRule({
    filters: [mirror('m/m:80')],
    backendRefs: [
      backend('v/v1:80'),
      backend('v/gone:80', { filters: [redirect({ hostname: 'h' }), responseHeaders({ add: { A: '1' } })] }),
    ],
  });
  const decisions = [one.decide('/x'), one.decide('/x')];
  const local = decisions.find((decision) => decision.kind === 'local')!;
  matches(t, local, { status: 302, reason: 'redirect', fields: [{ name: 'Location', value: 'http://h/x' }] });
  t.equal(decisions.filter((decision) => decision.kind === 'forward').length, 1);
  t.match(one.deps.series[local.series], { backendName: 'gone', rule: 'only' });
  t.notOk(one.deps.backends.has('v/gone:80'), 'nobody looks up a backend that gets nothing');
});

t.test('a redirect counts for its rule', async (t) => {
  const one = new OneRule({ filters: [redirect()], backendRefs: [] });
  t.match(one.deps.series[one.local().series], { routeName: 'r', rule: 'only', backendName: '' });
});
