/** `sideroute routes export` as a process. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import { FIXTURES, sideroute } from '../support/cli.ts';
import { temporaryDirectory } from '../support/sidecar.ts';

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

t.test('one ConfigMap for each namespace, from a file or standard input, in YAML or JSON', async (t) => {
  const fromFile = exported([cluster]);
  t.same(
    fromFile.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`),
    ['kube-system/sideroute-routes', 'shop/sideroute-routes', 'web/sideroute-routes'],
  );
  t.same(exported([], readFileSync(cluster, 'utf8')), fromFile);
  const { stdout } = sideroute(['routes', 'export', '-o', 'json', cluster]);
  t.same((JSON.parse(stdout) as { items: unknown }).items, fromFile);
});

t.test('--namespace selects, --config-map names, --max-bytes splits', async (t) => {
  const parts = exported([
    cluster,
    '--namespace',
    'web',
    '--namespace',
    'empty',
    '--config-map',
    'r',
    '--max-bytes',
    '1200',
  ]);
  const names = parts.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
  t.same(names.slice(0, 2), ['web/r', 'web/r-2']);
  t.ok(names.includes('empty/r'), 'producer routes apply to clients everywhere');
});

t.test('what it exports passes check, and check -o json gives the hash that status waits for', async (t) => {
  const { path, remove } = temporaryDirectory();
  t.teardown(remove);
  for (const { data } of exported([cluster, '--namespace', 'web'])) {
    for (const [name, text] of Object.entries(data)) writeFileSync(join(path, name), text);
  }
  const { status, stdout } = sideroute(['check', path, '--namespace', 'web', '-o', 'json']);
  t.equal(status, 0, stdout);
  t.match(JSON.parse(stdout), { hash: /^[0-9a-f]{16}$/, frontends: [{ key: 'shop/cart:80', consumer: true }] });
});

t.test('a Service that is missing is a remark, broken input is status 1, a wrong flag status 2', async (t) => {
  const route = readFileSync(cluster, 'utf8').replace(
    'name: cart-shadow, namespace: shop',
    'name: other, namespace: shop',
  );
  t.match(sideroute(['routes', 'export'], route), {
    status: 0,
    stderr: /Service shop\/cart-shadow is not in the input/,
  });
  t.match(sideroute(['routes', 'export'], 'kind: [\n'), { status: 1, stdout: '', stderr: /stdin \(document 1\)/ });
  t.match(sideroute(['routes', 'export', '--max-bytes', '10'], ''), { status: 2, stderr: /--max-bytes/ });
  t.match(sideroute(['routes', 'export', '--namespace', 'A'], ''), { status: 2, stderr: /--namespace/ });
  t.match(sideroute(['routes', 'export'], ''), { status: 0, stdout: '', stderr: /no HTTPRoute or Service/ });
});
