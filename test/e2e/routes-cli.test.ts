/** `sideroute routes export` as a process. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import { FIXTURES, sideroute } from '../support/cli.ts';
import { temporaryDirectory } from '../support/sidecar.ts';
import { matches } from '../support/match.ts';

const cluster = join(FIXTURES, 'export', 'cluster.yaml');

interface ConfigMap {
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly data: Readonly<Record<string, string>>;
}

function exported(args: readonly string[], input?: string): ConfigMap[] {
  const { status, stdout, stderr } = sideroute(['routes', 'export', ...args], input);
  t.equal(status, 0, stderr);
  return parseAllDocuments(stdout).map((document) => document.toJS() as ConfigMap);
}

/** `namespace/name` of the ConfigMaps that have any data. */
const filled = (configMaps: readonly ConfigMap[]) =>
  configMaps
    .filter(({ data }) => Object.keys(data).length > 0)
    .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);

t.test('a ConfigMap and its parts for each namespace, from a file or standard input, in YAML or JSON', async (t) => {
  const fromFile = exported(['--all-namespaces', cluster]);
  t.same(
    fromFile.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`),
    ['kube-system', 'shop', 'web'].flatMap((namespace) =>
      ['', '-2', '-3'].map((part) => `${namespace}/sideroute-routes${part}`),
    ),
  );
  t.same(
    filled(fromFile),
    ['kube-system', 'shop', 'web'].map((namespace) => `${namespace}/sideroute-routes`),
  );
  t.same(exported(['--all-namespaces'], readFileSync(cluster, 'utf8')), fromFile);
  const { stdout } = sideroute(['routes', 'export', '--all-namespaces', '-o', 'json', cluster]);
  t.same((JSON.parse(stdout) as { items: unknown }).items, fromFile);
});

t.test('for which namespaces has to be said', async (t) => {
  t.match(sideroute(['routes', 'export', cluster]), {
    ...{ status: 2, stdout: '' },
    stderr: /--namespace NAME, which may be repeated, or --all-namespaces/,
  });
  t.match(sideroute(['routes', 'export', '--all-namespaces', '--namespace', 'web', cluster]), {
    ...{ status: 2, stdout: '', stderr: /exclude each other/ },
  });
});

t.test('--namespace selects, --config-map names, --max-bytes splits, which is said', async (t) => {
  const flags = ['--namespace', 'web', '--namespace', 'empty', '--config-map', 'r'];
  const names = filled(exported([cluster, ...flags, '--max-bytes', '1200']));
  t.same(names.slice(0, 2), ['web/r', 'web/r-2']);
  t.ok(names.includes('empty/r'), 'producer routes apply to clients everywhere');
  const told = (bytes: string) => sideroute(['routes', 'export', cluster, ...flags, '--max-bytes', bytes]).stderr;
  t.match(told('1200'), /^sideroute: the routes for namespace web take 2 ConfigMaps, r, r-2: pods have to mount them/m);
  t.notMatch(told('100000'), /ConfigMaps/);
});

t.test('more parts than pods mount by default: what they have to mount', async (t) => {
  const services = Array.from({ length: 8 }, (_, index) => ({
    ...{ apiVersion: 'v1', kind: 'Service', metadata: { name: `s${index}`, namespace: 'shop' } },
    spec: { externalName: `${'x'.repeat(200)}.example`, type: 'ExternalName' },
  }));
  const routes = services.map(({ metadata }) => ({
    ...{ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata },
    spec: { parentRefs: [{ group: '', kind: 'Service', name: metadata.name }] },
  }));
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [...services, ...routes] });
  const { stderr, stdout } = sideroute(['routes', 'export', '--namespace', 'shop', '--max-bytes', '1000'], input);
  const [, names = ''] = /sideroute\.dev\/config-map: (\S+)$/m.exec(stderr)!;
  t.ok(names.split(',').length > 3);
  t.same(
    stdout.match(/^ {2}name: sideroute-routes.*$/gm),
    names.split(',').map((name) => `  name: ${name}`),
  );
});

t.test('routes of other kinds go along, and decide as they do in the cluster', async (t) => {
  const { path, remove } = temporaryDirectory();
  t.teardown(remove);
  const meta = (name: string) => ({ name, namespace: 'shop' });
  const route = (kind: string, name: string, service: string) => ({
    apiVersion: `gateway.networking.k8s.io/${kind === 'HTTPRoute' ? 'v1' : 'v1alpha2'}`,
    ...{ kind, metadata: meta(name) },
    spec: {
      parentRefs: [{ group: '', kind: 'Service', name: service, port: 80 }],
      rules: [{ backendRefs: [{ name: service, port: 80 }] }],
    },
  });
  const service = (name: string, index: number) => ({
    ...{ apiVersion: 'v1', kind: 'Service', metadata: meta(name) },
    spec: { clusterIP: `10.96.0.${index + 1}`, ports: [{ port: 80 }] },
  });
  const gateway = { ...route('HTTPRoute', 'public', 'a'), spec: { parentRefs: [{ name: 'gateway' }] } };
  const other = { apiVersion: 'v1', kind: 'Secret', metadata: meta('x') };
  const items = [
    ...['a', 'b', 'c'].map(service),
    ...[route('HTTPRoute', 'a', 'a'), route('GRPCRoute', 'a', 'a')],
    ...[route('HTTPRoute', 'b', 'b'), route('TCPRoute', 'b', 'b'), route('TLSRoute', 'c', 'c')],
    ...[gateway, other, { ...route('HTTPRoute', 'l', 'a'), apiVersion: 'policy.linkerd.io/v1beta3' }],
  ];
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  const { stderr } = sideroute(['routes', 'export', '--namespace', 'shop'], input);
  t.match(stderr, /left out, for no parent of them is a Service: HTTPRoute$/m);
  t.match(stderr, /left out, for a sidecar reads nothing of that kind: Secret, HTTPRoute\.policy\.linkerd\.io$/m);
  for (const { data } of exported(['--namespace', 'shop'], input)) {
    for (const [name, text] of Object.entries(data)) writeFileSync(join(path, name), text);
  }
  const { frontends } = JSON.parse(sideroute(['check', path, '-o', 'json']).stdout) as { frontends: unknown };
  matches(t, frontends, [
    { key: 'shop/a:80', mode: 'http', routeKind: 'GRPCRoute', rules: 1 },
    { key: 'shop/b:80', mode: 'http', routeKind: 'HTTPRoute', rules: 1 },
    { key: 'shop/c:80', mode: 'opaque', routeKind: 'TLSRoute', rules: 0 },
  ]);
});

t.test('what it exports passes check, and check -o json gives the hash that status waits for', async (t) => {
  const { path, remove } = temporaryDirectory();
  t.teardown(remove);
  for (const { data } of exported([cluster, '--namespace', 'web'])) {
    for (const [name, text] of Object.entries(data)) writeFileSync(join(path, name), text);
  }
  const { status, stdout } = sideroute(['check', path, '--namespace', 'web', '-o', 'json']);
  t.equal(status, 0, stdout);
  matches(t, JSON.parse(stdout), { hash: /^[0-9a-f]{16}$/, frontends: [{ key: 'shop/cart:80', consumer: true }] });
});

t.test('a Service that is missing is a remark, broken input is status 1, a wrong flag status 2', async (t) => {
  const route = readFileSync(cluster, 'utf8').replace(
    'name: cart-shadow, namespace: shop',
    'name: other, namespace: shop',
  );
  t.match(sideroute(['routes', 'export', '--all-namespaces'], route), {
    status: 0,
    stderr: /Service shop\/cart-shadow is not in the input/,
  });
  t.match(sideroute(['routes', 'export', '--all-namespaces'], 'kind: [\n'), {
    status: 1,
    stdout: '',
    stderr: /stdin \(document 1\)/,
  });
  t.match(sideroute(['routes', 'export', '--max-bytes', '10'], ''), { status: 2, stderr: /--max-bytes/ });
  t.match(sideroute(['routes', 'export', '--namespace', 'A'], ''), { status: 2, stderr: /--namespace/ });
  const nothing = { status: 0, stdout: '', stderr: /no route or Service/ };
  t.match(sideroute(['routes', 'export', '--all-namespaces'], ''), nothing);
});
