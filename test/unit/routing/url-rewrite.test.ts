import t from 'tap';
import { rewritePath } from '../../../src/routing/filters/url-rewrite.ts';
import { backend, exactPath, match, pathPrefix } from '../../support/routes.ts';
import { fullPath, OneRule, prefixPath, redirect, urlRewrite } from '../../support/filters.ts';

/** Path, prefix, replacement, result. */
const PREFIX_TABLE = [
  ['/foo/bar', '/foo', '/xyz', '/xyz/bar'],
  ['/foo/bar', '/foo', '/xyz/', '/xyz/bar'],
  ['/foo/bar', '/foo/', '/xyz', '/xyz/bar'],
  ['/foo/bar', '/foo/', '/xyz/', '/xyz/bar'],
  ['/foo', '/foo', '/xyz', '/xyz'],
  ['/foo/', '/foo', '/xyz', '/xyz/'],
  ['/foo/bar', '/foo', '', '/bar'],
  ['/foo', '/foo', '', '/'],
  ['/foo', '/foo', '/', '/'],
  ['/foo/', '/foo', '', '/'],
  ['/foo/', '/foo', '/', '/'],
  ['/foo', '/foo/', '', '/'],
  ['/foo/', '/foo/', '/', '/'],
  ['/', '/', '/xyz', '/xyz/'],
  ['/foo', '/', '/xyz', '/xyz/foo'],
  ['/foo', '/', '/', '/foo'],
  ['/foo//bar', '/foo', '/xyz', '/xyz//bar'],
  ['/foo/%2F', '/foo', '/x%20y', '/x%20y/%2F'],
] as const;

t.test('SPEC F9: ReplacePrefixMatch gives the result of the table, for rewrites and for redirects', async (t) => {
  for (const [path, prefix, replacement, result] of PREFIX_TABLE) {
    const title = `${path}: ${prefix} -> "${replacement}"`;
    const matches = [match({ path: pathPrefix(prefix) })];
    const rewrite = new OneRule({ matches, filters: [urlRewrite({ path: prefixPath(replacement) })] });
    t.equal(rewritePath(rewrite.forward(path).plan?.path ?? null, path), result, title);
    const redirected = new OneRule({
      matches,
      backendRefs: [],
      filters: [redirect({ hostname: 'h', path: prefixPath(replacement) })],
    });
    t.equal(redirected.local(path).fields![0]!.value, `http://h${result}`, title);
  }
});

t.test('SPEC F9: the compiled prefix has no trailing slash and counts bytes', async (t) => {
  const planOf = (prefix: string, replacement: string) =>
    new OneRule({
      matches: [match({ path: pathPrefix(prefix) })],
      filters: [urlRewrite({ path: prefixPath(replacement) })],
    }).forward(`${prefix}/x`).plan;
  t.same(planOf('/foo/', '/xyz/')!.path, { kind: 'prefix', length: 4, replacement: '/xyz' });
  t.same(planOf('/foo', '')!.path, { kind: 'prefix', length: 4, replacement: '' });
  t.same(planOf('/', '/xyz')!.path, { kind: 'prefix', length: 0, replacement: '/xyz' });
});

t.test('SPEC F8, F9: a full path replaces whatever matched, the host name replaces Host', async (t) => {
  const rewrite = urlRewrite({ hostname: 'new.example', path: fullPath('/new') });
  const { plan } = new OneRule({ matches: [match({ path: exactPath('/old') })], filters: [rewrite] }).forward('/old?q');
  t.same(plan, {
    request: { remove: [], append: [] },
    response: { remove: [], append: [] },
    host: 'new.example',
    path: { kind: 'full', path: '/new' },
  });
  t.equal(rewritePath(plan!.path, '/old'), '/new');
});

t.test('SPEC F8: without a rewrite Host and path are forwarded unchanged', async (t) => {
  t.equal(new OneRule({}).forward().plan, null);
  const { plan } = new OneRule({ filters: [urlRewrite({ hostname: 'h' })] }).forward();
  t.match(plan, { host: 'h', path: null });
  t.equal(rewritePath(plan!.path, '/a'), '/a');
});

t.test('SPEC F17: the path modifier of a backendRef takes the place of that of the rule', async (t) => {
  const { plan } = new OneRule({
    matches: [match({ path: pathPrefix('/foo') })],
    filters: [urlRewrite({ hostname: 'rule.example', path: prefixPath('/rule') })],
    backendRefs: [backend('v/v1:80', { filters: [urlRewrite({ path: prefixPath('/v1') })] })],
  }).forward('/foo');
  t.match(plan, { host: 'rule.example', path: { kind: 'prefix', length: 4, replacement: '/v1' } });
});

t.test('what is no path is not rewritten', async (t) => {
  for (const target of ['*', 'example.com:443']) {
    t.equal(rewritePath({ kind: 'full', path: '/x' }, target), target);
    t.equal(rewritePath({ kind: 'prefix', length: 0, replacement: '/x' }, target), target);
  }
});
