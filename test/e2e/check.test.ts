/** `sideroute check` and `explain` as processes: whatever routes are in, and what the Services beside them say. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { FIXTURES, sideroute } from '../support/cli.ts';
import { DEPLOY } from '../support/manifests.ts';
import { temporaryDirectory } from '../support/sidecar.ts';
import { matches } from '../support/match.ts';

interface Found {
  readonly code: string;
  readonly severity: string;
  readonly file: string;
  readonly line: number | null;
  readonly path: string;
  readonly message: string;
  readonly at?: { readonly file: string; readonly line: number };
}

interface CheckOutput {
  readonly hash: string | null;
  readonly problems: readonly Found[];
  readonly unchecked: readonly string[];
  readonly frontends: readonly { readonly key: string }[];
  readonly volumes?: readonly { readonly namespace: string; readonly hash: string }[];
}

function directory(t: Test): string {
  const { path, remove } = temporaryDirectory();
  t.teardown(remove);
  return path;
}

/** `check -` of a text, as `-o json` tells it. */
function checked(text: string, ...args: string[]): CheckOutput & { readonly status: number } {
  const { status, stdout, stderr } = sideroute(['check', '-o', 'json', ...args, '-'], text);
  if (stderr !== '') throw new Error(stderr);
  return { status, ...(JSON.parse(stdout) as CheckOutput) };
}

const service = (name: string, spec: object) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'shop' },
  spec,
});

const PORTS = { clusterIP: '10.96.0.1', ports: [{ port: 80 }] };
const SERVICES = [
  service('cart', PORTS),
  service('cart-v1', { ...PORTS, clusterIP: '10.96.0.2' }),
  service('headless', { ...PORTS, clusterIP: 'None' }),
];

const route = (rules: readonly object[], name = 'r') => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'HTTPRoute',
  metadata: { name, namespace: 'shop' },
  spec: { parentRefs: [{ group: '', kind: 'Service', name: 'cart', port: 80 }], rules },
});

const to = (name: string, port = 80, more: object = {}) => ({ backendRefs: [{ name, port, ...more }] });

/** As kubectl prints it. */
const list = (items: readonly object[]) =>
  `${JSON.stringify({ apiVersion: 'v1', items, kind: 'List', metadata: { resourceVersion: '' } }, null, 4)}\n`;

t.test('a backend that the Services contradict is an error, one that they do not have a warning', async (t) => {
  for (const [rule, severity, code, message] of [
    [to('cart-v1', 81), 'error', 'backend-not-found', /Service shop\/cart-v1 has no TCP port 81/],
    [to('headless'), 'error', 'backend-not-found', /is headless/],
    [
      { backendRefs: [{ kind: 'Bucket', group: 'example.com', name: 'b' }] },
      'error',
      'backend-kind',
      /only a core Service/,
    ],
    [
      {
        ...to('cart-v1', 80),
        ...{
          backendRefs: [
            { name: 'cart-v1', port: 80 },
            { name: 'headless', port: 80, weight: 0 },
          ],
        },
      },
      'warning',
      'backend-not-found',
      /its weight is 0/,
    ],
    [to('cart-vl'), 'warning', 'unknown-service', /did you mean "cart-v1"\?/],
    [to('unlike-any'), 'warning', 'unknown-service', /not among the documents/],
  ] as const) {
    const { status, problems } = checked(list([...SERVICES, route([rule])]));
    matches(
      t,
      problems,
      [{ severity, code, message, path: /^items\[3\]\.spec\.rules\[0\]\.backendRefs\[\d\]$/ }],
      JSON.stringify(rule),
    );
    t.equal(problems.length, 1);
    t.equal(status, severity === 'error' ? 1 : 0);
    t.equal(checked(list([...SERVICES, route([rule])]), '--strict').status, 1, '--strict: warnings count');
  }
  matches(t, checked(list([...SERVICES, route([to('cart-v1')])]), '--strict'), {
    status: 0,
    problems: [],
    unchecked: [],
  });
});

t.test('a parent that the Services contradict or do not have', async (t) => {
  const misspelt = JSON.parse(
    JSON.stringify(route([to('cart-v1')])).replace('"name":"cart"', '"name":"crat"'),
  ) as object;
  matches(t, checked(list([...SERVICES, misspelt])).problems, [
    {
      severity: 'warning',
      code: 'unknown-service',
      path: 'items[3].spec.parentRefs[0]',
      message: /did you mean "cart"\?/,
    },
  ]);
});

t.test('without Services nothing is claimed of them', async (t) => {
  const { status, unchecked, problems } = checked(list([route([to('cart-v1')])]));
  matches(t, { status, problems, unchecked }, { status: 0, problems: [], unchecked: ['shop/cart', 'shop/cart-v1'] });
  const { stdout } = sideroute(['check', '-'], list([route([to('cart-v1')])]));
  t.match(stdout, /not checked: no document tells of Service shop\/cart, shop\/cart-v1/);
  t.notMatch(stdout, /every backendRef is usable/);
  t.match(sideroute(['check', '-'], list([...SERVICES, route([to('cart-v1')])])).stdout, /every backendRef is usable/);
  t.match(sideroute(['check', '-'], ''), { status: 0, stdout: /stdin .*warning: is empty \[empty-input\]/ });
});

t.test('matches that no request can have, or that an earlier one has taken', async (t) => {
  const match = (...matches: object[]) => ({ matches, ...to('cart-v1') });
  const regex = (value: string) => ({ type: 'RegularExpression', value });
  const dead = [
    { queryParams: [{ name: 'q', value: 'a b' }] },
    { queryParams: [{ name: 'q', ...regex('a&.*') }] },
    { path: regex('api/.*') },
    { path: regex('/a\\?b=.*') },
    { headers: [{ name: 'x', ...regex(' .*') }] },
  ];
  const { status, problems } = checked(list([...SERVICES, route(dead.map((one) => match(one)))]));
  t.equal(status, 0);
  t.same(
    problems.map(({ code, path }) => `${code} ${path.replace(/^items\[3\]\./, '')}`).sort(),
    ['queryParams[0]', 'queryParams[0]', 'path', 'path', 'headers[0]'].map(
      (field, index) => `never-matches spec.rules[${index}].matches[0].${field}.value`,
    ),
  );
  const twice = [
    match({ path: { type: 'PathPrefix', value: '/a' } }),
    match({ method: 'GET' }, { path: { value: '/a/' } }),
  ];
  matches(t, checked(list([...SERVICES, route(twice)])).problems, [
    { code: 'shadowed-match', path: 'spec.rules[1].matches[1]', message: /the same as spec\.rules\[0\]\.matches\[0\]/ },
  ]);
  const byHeader = [match({ headers: [{ name: 'x', value: '1' }] }), match({ method: { service: 'shop.Cart' } })];
  matches(t, checked(list([...SERVICES, { ...route(byHeader), kind: 'GRPCRoute' }])).problems, [
    { severity: 'warning', code: 'outranked-match', path: 'spec.rules[0].matches[0]' },
  ]);
});

const ROUTE_TEXT = readFileSync(join(FIXTURES, 'scenario', 'my-server-route.yaml'), 'utf8');
const indented = (text: string, by: number) => text.replaceAll(/^(?=.)/gm, ' '.repeat(by));

function configMap(name: string, namespace: string, files: Readonly<Record<string, string>>): string {
  const data = Object.entries(files).map(([key, text]) => `  ${key}: |\n${indented(text, 4)}`);
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: ${name}, namespace: ${namespace} }\ndata:\n${data.join('')}`;
}

t.test('directories, files, several of them, and standard input', async (t) => {
  const path = directory(t);
  mkdirSync(join(path, 'routes'));
  writeFileSync(join(path, 'routes', 'a.yaml'), ROUTE_TEXT);
  writeFileSync(join(path, 'services.yaml'), readFileSync(join(FIXTURES, 'scenario', 'services.yaml')));
  const summary = /^1 routes, 3 Services, 1 frontends; 0 errors, 0 warnings$/m;
  const [routes, services] = [join(path, 'routes'), join(path, 'services.yaml')];
  t.match(sideroute(['check', routes, services]), { status: 0, stdout: summary });
  t.match(sideroute(['check', join(routes, 'a.yaml'), services]), { status: 0, stdout: summary });
  t.match(sideroute(['check', '-', services], ROUTE_TEXT), { status: 0, stdout: summary });
  writeFileSync(join(path, 'routes', 'b.yaml'), 'kind: [\n');
  t.match(sideroute(['check', routes, services]), {
    status: 1,
    stdout: new RegExp(`^${routes}/b\\.yaml:\\d: error`, 'm'),
  });
  t.match(sideroute(['check', routes]), { status: 1, stdout: /^b\.yaml:\d: error/m });
});

t.test('a name without an ending is not read, which is said', async (t) => {
  const path = directory(t);
  writeFileSync(join(path, 'my-route'), ROUTE_TEXT);
  t.match(sideroute(['check', path]), {
    status: 0,
    stdout: /^my-route .*warning: .*must end in \.yaml.*\[ignored-file\]/m,
  });
  const text = configMap('routes', 'devopssong', { 'my-route': ROUTE_TEXT });
  const { status, problems, frontends } = checked(text);
  matches(
    t,
    { status, problems },
    { status: 0, problems: [{ code: 'ignored-file', file: 'configmap/routes:my-route' }] },
  );
  t.same(frontends, []);
});

t.test('ConfigMaps: each key by its name, with the lines of the key and of the file', async (t) => {
  const broken = ROUTE_TEXT.replace('backendRefs:', 'backendRef:');
  const line = broken.split('\n').findIndex((text) => text.includes('backendRef:')) + 1;
  const text = `# two\n---\n${configMap('other', 'shop', { 'app.conf': 'a=b\n' })}---\n${configMap('routes', 'devopssong', { 'good.yaml': '# nothing\n', 'r.yaml': broken })}`;
  const at = text.split('\n').findIndex((one) => one.includes('backendRef:')) + 1;
  const { status, problems } = checked(text);
  t.equal(status, 1);
  const errors = problems.filter(({ severity }) => severity === 'error');
  matches(t, errors, [
    { file: 'configmap/routes:r.yaml', line, code: 'unknown-field', at: { file: 'stdin', line: at } },
  ]);
  const human = sideroute(['check', '-'], text).stdout;
  t.match(
    human,
    new RegExp(`^configmap/routes:r\\.yaml:${line}: error: .*\\[unknown-field\\] \\(at stdin:${at}\\)$`, 'm'),
  );
  // In a List, and in JSON, where lines do not correspond.
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c', namespace: 'devopssong' } };
  const json = checked(list([{ ...object, data: { 'r.yaml': broken } }]));
  t.match(
    json.problems.find(({ severity }) => severity === 'error'),
    { file: 'configmap/c:r.yaml', line, at: undefined },
  );
  const binary = {
    ...object,
    binaryData: { 'r.yaml': Buffer.from(broken).toString('base64') },
    data: { 'a.yaml': ROUTE_TEXT },
  };
  t.match(
    checked(list([binary])).problems.find(({ severity }) => severity === 'error'),
    { file: 'configmap/c:r.yaml', line },
  );
});

t.test('ConfigMaps of several namespaces are several volumes; --namespace chooses', async (t) => {
  const cluster = readFileSync(join(FIXTURES, 'export', 'cluster.yaml'), 'utf8');
  const exported = sideroute(['routes', 'export', '--namespace', 'web', '--namespace', 'shop'], cluster).stdout;
  const all = checked(exported);
  t.equal(all.status, 0, 'producer routes stand in each of them, and are no duplicates');
  t.same(
    all.volumes?.map(({ namespace }) => namespace),
    ['web', 'shop'],
  );
  t.equal(all.hash, null);
  const one = checked(exported, '--namespace', 'web');
  matches(t, one, {
    status: 0,
    hash: /^[0-9a-f]{16}$/,
    frontends: [{ key: 'shop/cart:80', consumer: true }],
    skipped: ['shop/sideroute-routes'],
  });
  const explain = (...args: string[]) =>
    sideroute(['explain', '--routes', '-', '--service', 'cart.shop:80', ...args], exported);
  t.match(explain('--namespace', 'web'), { status: 0, stdout: /web\/cart-for-web/ });
  t.match(explain(), { status: 2, stderr: /several namespaces \(web, shop\).*--namespace/ });
  t.match(explain('--namespace', 'none'), { status: 1, stderr: /no ConfigMaps of namespace none/ });
});

t.test('the hash of a ConfigMap is that of the directory it is mounted as', async (t) => {
  const path = directory(t);
  writeFileSync(join(path, 'a.yaml'), ROUTE_TEXT);
  writeFileSync(join(path, 'b.yaml'), '# nothing\n');
  const { hash } = JSON.parse(sideroute(['check', path, '-o', 'json']).stdout) as CheckOutput;
  t.match(hash, /^[0-9a-f]{16}$/);
  t.equal(checked(configMap('r', 'devopssong', { 'b.yaml': '# nothing\n', 'a.yaml': ROUTE_TEXT })).hash, hash);
});

t.test('Services beside a ConfigMap are not in it, but known', async (t) => {
  const files = ['servers', 'routes'].map((name) => readFileSync(join(DEPLOY, 'scenario', `${name}.yaml`), 'utf8'));
  const scenario = files.join('---\n');
  matches(t, checked(scenario), { status: 0, unchecked: [] });
  const wrong = scenario
    .replaceAll(/(name: my-server-v2\n\s+port: )80/g, '$181')
    .replace('my-server-v2, port: 80', 'my-server-v2, port: 81');
  t.not(wrong, scenario);
  t.match(checked(wrong), { status: 1 });
  const headless = scenario.replace(
    /(kind: Service\nmetadata:[^]*?name: my-server\n[^]*?spec:\n)/,
    '$1  clusterIP: None\n',
  );
  t.not(headless, scenario);
  t.match(
    checked(headless).problems.find(({ severity }) => severity === 'error'),
    { code: 'no-matching-parent' },
  );
});

t.test('explain takes what check takes', async (t) => {
  const args = ['--service', 'my-server.devopssong:80', '-H', 'version: new'];
  const routes = join(DEPLOY, 'scenario', 'routes.yaml');
  t.match(sideroute(['explain', '--routes', routes, ...args]), { status: 0, stdout: /my-server-v2/ });
  t.match(sideroute(['explain', '--routes', '-', ...args], readFileSync(routes, 'utf8')).stdout, /my-server-v2/);
  const [route, services] = ['my-server-route.yaml', 'services.yaml'].map((name) => join(FIXTURES, 'scenario', name));
  t.match(sideroute(['explain', '--routes', route!, '--routes', services!, ...args]).stdout, /my-server-v2/);
});
