/** A route whose new version is refused is served as it was before, as it would be behind an API server. */
import { createHash } from 'node:crypto';
import t from 'tap';
import { attach } from '../../../src/config/attach.ts';
import { RouteFiles } from '../../../src/config/route-files.ts';
import { parseRoutes } from '../../../src/config/route-parser.ts';
import type { ConfigSnapshot } from '../../../src/config/snapshot.ts';
import type { RouteMatch } from '../../../src/gateway-api/types.ts';
import { matches } from '../../support/match.ts';

/** One route directory over time. */
class Directory {
  readonly files: RouteFiles;
  snapshot: ConfigSnapshot | null = null;

  constructor(holdRoutes?: boolean) {
    this.files = new RouteFiles((file, text) => parseRoutes(file, text, 'shop'), holdRoutes);
  }

  async has(files: Readonly<Record<string, string>>): Promise<ConfigSnapshot> {
    const read = Object.entries(files).map(([name, text]) => {
      const content = Buffer.from(text);
      return { name, content, digest: createHash('sha256').update(content).digest('hex') };
    });
    this.snapshot =
      (await this.files.update({ files: read, ignored: [], layout: 'plain', identity: '' })) ?? this.snapshot;
    return this.snapshot!;
  }
}

/** `path`: what its one rule matches; without a slash in front it is an error. */
const route = (name: string, path: string, kind = 'HTTPRoute', more = '') =>
  `apiVersion: gateway.networking.k8s.io/v1\nkind: ${kind}\nmetadata: { name: ${name}, namespace: shop${more} }\nspec:\n` +
  `  parentRefs: [{ group: "", kind: Service, name: ${name}, port: 80 }]\n` +
  `  rules: [{ matches: [{ path: { value: ${path} } }], backendRefs: [{ name: v1, port: 80 }] }]\n`;

const service = (name: string, ip: string) =>
  `apiVersion: v1\nkind: Service\nmetadata: { name: ${name}, namespace: shop }\nspec: { clusterIP: ${ip}, ports: [{ port: 80 }] }\n`;

function asked(match: RouteMatch): string {
  return 'path' in match ? match.path.value : `${match.method?.service ?? '*'}/${match.method?.method ?? '*'}`;
}

/** What each frontend serves, by the paths of its rules. */
function served({ resources }: ConfigSnapshot): Record<string, string[]> {
  const { frontends } = attach({ resources, namespace: 'shop' });
  return Object.fromEntries(
    frontends.map(({ key, rules }) => [key, rules.map(({ rule: { matches } }) => asked(matches[0]!))]),
  );
}

const conditions = ({ resources }: ConfigSnapshot) =>
  attach({ resources, namespace: 'shop' }).conditions.map(({ name, type, status }) => `${name} ${type}=${status}`);

t.test('an error in a field keeps the route in its last good version, and says so', async (t) => {
  const directory = new Directory();
  await directory.has({ 'a.yaml': route('a', '/one') });
  const edited = await directory.has({ 'a.yaml': route('a', 'two', 'HTTPRoute', ', generation: 7') });
  t.same(served(edited), { 'shop/a:80': ['/one'] });
  matches(t, edited, {
    valid: false,
    heldFiles: [],
    heldRoutes: ['HTTPRoute shop/a'],
    problems: [{ code: 'bad-path' }],
  });
  t.same(conditions(edited), ['a Accepted=True', 'a PartiallyInvalid=True', 'a ResolvedRefs=True']);
  const partly = attach({ resources: edited.resources, namespace: 'shop' }).conditions[1]!;
  t.match(partly, {
    reason: 'UnsupportedValue',
    observedGeneration: 7,
    message: /^Fall Back: .*must start with "\/", got "two"/,
  });
  const mended = await directory.has({ 'a.yaml': route('a', '/two') });
  t.same(served(mended), { 'shop/a:80': ['/two'] });
  matches(t, mended, { valid: true, heldRoutes: [], problems: [] });
  t.same(conditions(mended), ['a Accepted=True', 'a ResolvedRefs=True']);
});

t.test('it survives other reloads, other errors, and a file that cannot be parsed meanwhile', async (t) => {
  const directory = new Directory();
  await directory.has({ 'a.yaml': route('a', '/one') });
  const texts = [route('a', 'x'), `${route('a', 'y')}---\n${route('b', '/b')}`, 'kind: [', route('a', 'z')];
  for (const text of texts) {
    const snapshot = await directory.has({ 'a.yaml': text, 'c.yaml': route('c', '/c') });
    t.same(served(snapshot)['shop/a:80'], ['/one'], text);
    t.same(served(snapshot)['shop/c:80'], ['/c']);
    t.same(snapshot.heldRoutes, ['HTTPRoute shop/a']);
  }
  const message = attach({ resources: directory.snapshot!.resources, namespace: 'shop' }).conditions[1]!.message;
  t.match(message, /got "z"/, 'the refusal of the version that is there now');
});

t.test('deleted is gone, also while it was held; what was never good stays out', async (t) => {
  const directory = new Directory();
  await directory.has({ 'a.yaml': route('a', '/one'), 'b.yaml': route('b', 'never') });
  t.same(served(directory.snapshot!), { 'shop/a:80': ['/one'] });
  t.same(directory.snapshot!.heldRoutes, []);
  await directory.has({ 'a.yaml': route('a', 'x') });
  t.same(directory.snapshot!.heldRoutes, ['HTTPRoute shop/a']);
  t.same(served(await directory.has({ 'a.yaml': '# nothing' })), {});
  const back = await directory.has({ 'a.yaml': route('a', 'x') });
  t.same(served(back), {}, 'it comes back broken, and is not remembered');
  t.same(back.heldRoutes, []);
});

t.test('moved to another file it is the same route; a good version anywhere wins', async (t) => {
  const directory = new Directory();
  await directory.has({ 'a.yaml': route('a', '/one') });
  t.same(served(await directory.has({ 'b.yaml': route('a', 'x') })), { 'shop/a:80': ['/one'] });
  const both = await directory.has({ 'b.yaml': route('a', 'x'), 'c.yaml': route('a', '/two') });
  t.same(served(both), { 'shop/a:80': ['/two'] });
  t.same(both.heldRoutes, []);
  const twice = await directory.has({ 'b.yaml': route('a', 'x'), 'c.yaml': route('a', 'y') });
  t.same(served(twice), { 'shop/a:80': ['/two'] });
  t.same(twice.heldRoutes, ['HTTPRoute shop/a'], 'held once');
});

t.test('routes of other kinds keep their ports, and Services their addresses', async (t) => {
  const directory = new Directory();
  const tls = route('a', '/x', 'TLSRoute');
  const files = { 't.yaml': tls, 's.yaml': service('a', '10.96.0.1') };
  const mode = (snapshot: ConfigSnapshot) =>
    attach({ resources: snapshot.resources, namespace: 'shop' }).frontends[0]?.mode;
  t.equal(mode(await directory.has(files)), 'opaque');
  const broken = await directory.has({
    ...files,
    't.yaml': tls.replace('port: 80', 'port: "80"'),
    's.yaml': service('a', 'not-an-address'),
  });
  t.equal(mode(broken), 'opaque');
  t.same([...broken.heldRoutes].sort(), ['Service shop/a', 'TLSRoute shop/a']);
  matches(t, attach({ resources: broken.resources, namespace: 'shop' }).services.get('shop/a'), {
    clusterIPs: ['10.96.0.1'],
  });
});

t.test('a GRPCRoute is held as an HTTPRoute is', async (t) => {
  const directory = new Directory();
  const grpc = route('a', '/x', 'GRPCRoute').replace('path: { value: /x }', 'method: { service: Cart }');
  t.same(served(await directory.has({ 'g.yaml': grpc })), { 'shop/a:80': ['Cart/*'] });
  const broken = await directory.has({ 'g.yaml': grpc.replace('service: Cart', 'service: 1Cart') });
  t.same(served(broken), { 'shop/a:80': ['Cart/*'] });
  t.same(broken.heldRoutes, ['GRPCRoute shop/a']);
  t.same(conditions(broken), ['a Accepted=True', 'a PartiallyInvalid=True', 'a ResolvedRefs=True']);
  t.same(served(await directory.has({})), {});
});

t.test('a document that does not say what it is may be any of its file that is missing', async (t) => {
  const others = `---\n${route('b', '/b')}`;
  for (const broken of [
    route('a', '/two').replace('HTTPRoute', 'HTTPRout'),
    route('a', '/two').replace('kind: HTTPRoute\n', ''),
    route('a', '/two').replace('name: a, namespace', 'name: A_, namespace'),
    `apiVersion: v1\nkind: List\nitms: []\n---\n${service('x', '10.96.0.9')}`,
  ]) {
    const directory = new Directory();
    await directory.has({ 'a.yaml': route('a', '/one') + others, 'c.yaml': route('c', '/c') });
    const snapshot = await directory.has({ 'a.yaml': broken + others });
    t.same(served(snapshot), { 'shop/a:80': ['/one'], 'shop/b:80': ['/b'] }, broken);
    t.same(snapshot.heldRoutes, ['HTTPRoute shop/a']);
    t.same(served(await directory.has({ 'a.yaml': others })), { 'shop/b:80': ['/b'] }, 'deleted it is gone');
  }
  const directory = new Directory();
  await directory.has({ 'a.yaml': route('a', '/one') + others });
  const foreign = `apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: x, name: y }\n${others}`;
  t.same(
    served(await directory.has({ 'a.yaml': foreign })),
    { 'shop/b:80': ['/b'] },
    'what is of no concern holds nothing',
  );
});

t.test('--strict serves what the files say and nothing else', async (t) => {
  const directory = new Directory(false);
  await directory.has({ 'a.yaml': route('a', '/one') });
  const edited = await directory.has({ 'a.yaml': route('a', 'two') });
  t.same(served(edited), {});
  matches(t, edited, { valid: false, heldRoutes: [] });
  t.same(conditions(edited), ['a Accepted=False']);
});

t.test('a restart begins with what is there', async (t) => {
  const first = new Directory();
  await first.has({ 'a.yaml': route('a', '/one') });
  await first.has({ 'a.yaml': route('a', 'two') });
  t.same(served(await new Directory().has({ 'a.yaml': route('a', 'two') })), {});
});
