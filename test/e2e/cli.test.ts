/** The command line as a person meets it: help, exit statuses, messages. Needs no namespaces. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { configurationDocument, withCurrentOptions } from '../../scripts/options-table.ts';
import { runCommand } from '../support/cluster.ts';
import { SIDEROUTE } from '../support/sidecar.ts';

const fixtures = fileURLToPath(new URL('../../../test/fixtures/', import.meta.url));
const scenario = join(fixtures, 'scenario');
const [node, ...prefix] = SIDEROUTE;

function sideroute(...args: string[]) {
  return runCommand(node, [...prefix, ...args]);
}

interface CheckOutput {
  readonly problems: readonly {
    readonly severity: string;
    readonly file: string;
    readonly path: string;
    readonly message: string;
    readonly code: string;
  }[];
  readonly conditions: readonly unknown[];
}

t.test('every command explains itself', (t) => {
  for (const command of [
    ['proxy'],
    ['check'],
    ['explain'],
    ['inject'],
    ['uninject'],
    ['routes'],
    ['routes', 'export'],
    ['status'],
    ['wait'],
    ['connections'],
    ['tap'],
    ['log-level'],
    ['quit'],
    ['version'],
    ['completion'],
    ['iptables'],
    ...['print', 'apply', 'verify', 'cleanup'].map((name) => ['iptables', name]),
  ]) {
    const { status, stdout } = sideroute(...command, '--help');
    t.equal(status, 0, command.join(' '));
    t.match(stdout, /Usage: sideroute /, `${command.join(' ')} --help`);
  }
  t.equal(
    sideroute('--version').stdout,
    `${(JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string }).version}\n`,
  );
  t.end();
});

t.test('docs/configuration.md lists the flags and variables as they are', (t) => {
  const document = readFileSync(configurationDocument, 'utf8');
  t.equal(document, withCurrentOptions(document), 'node dist/scripts/options-table.js writes it');
  t.end();
});

t.test('usage errors end with status 2 and name what is wrong', (t) => {
  for (const [args, message] of [
    [['serve'], /unknown command 'serve'/],
    [['proxy', '--rotes', 'x'], /unknown option '--rotes'/],
    [['proxy', '--metrics', 'localhost'], /--metrics.*localhost/s],
    [['proxy', '--admin', '0.0.0.0:15000'], /--admin.*"0\.0\.0\.0".*loopback/s],
    [['proxy', '--engine', 'envoy'], /--engine.*envoy/s],
    [['check'], /name files or directories of routes/],
    [['check', '-', scenario, '-'], /- stands twice/],
    [['check', scenario, '--output', 'xml'], /--output.*xml/s],
    [['explain', '--routes', scenario], /--service/],
    [['explain', '--routes', scenario, '--service', 'my-server'], /--service.*my-server/s],
    [['explain', '--routes', scenario, '--service', 'a.b:80', '-H', 'no colon'], /no colon/],
    [['explain', '--routes', scenario, '--service', 'a.b:80', '--path', 'x'], /--path.*"x"/s],
    [['explain', '--routes', scenario, '--service', 'a.b:80', '--grpc', 'x'], /--grpc.*"x"/s],
    [['explain', '--routes', scenario, '--service', 'a.b:80', '--grpc', 'x/Y', '--path', '/'], /--grpc.*--path/s],
  ] as const) {
    const { status, stderr } = sideroute(...args);
    t.equal(status, 2, args.join(' '));
    t.match(stderr, message);
  }
  t.end();
});

t.test('help does not call a missing default null', (t) => {
  const { stdout } = sideroute('proxy', '--help');
  t.match(stdout, /\(env: SIDEROUTE_|\(env: POD_NAMESPACE\)/);
  t.notMatch(stdout, /null/);
  t.end();
});

t.test('the value of a flag that does not exist, perhaps a password, is not repeated', (t) => {
  for (const value of ["=http://user:it's\nsecret@collector:4318", ':secret', '\n=secret']) {
    const { status, stderr } = sideroute('proxy', `--traces-endpoin${value}`);
    t.equal(status, 2);
    t.match(stderr, /^error: unknown option '--traces-endpoin'\n/);
    t.notMatch(stderr, /secret|user/);
  }
  t.end();
});

t.test('check on a directory of broken route files: each gets its own message naming file and field', (t) => {
  const directory = join(fixtures, 'broken-routes');
  const files = readdirSync(directory).filter((name) => /\.(ya?ml|json)$/.test(name));
  t.ok(files.length >= 40, `${files.length} broken files`);
  const { status, stdout } = sideroute('check', directory, '--output', 'json');
  t.equal(status, 1);
  const { problems } = JSON.parse(stdout) as CheckOutput;
  const human = sideroute('check', directory);
  t.equal(human.status, 1);
  for (const file of files) {
    const expectation = /^(?:#|\/\/)? ?expect: (\S+)(?: (\S+))?/m.exec(readFileSync(join(directory, file), 'utf8'));
    const own = problems.filter((problem) => problem.file === file);
    if (expectation === null || expectation[1] === 'nothing') continue;
    t.ok(
      own.some((problem) => problem.code === expectation[1]),
      `${file}: ${expectation[1]}`,
    );
    t.ok(
      human.stdout.split('\n').some((line) => line.startsWith(`${file}:`) && line.includes(`[${expectation[1]}]`)),
      `${file} in the human output`,
    );
  }
  t.end();
});

t.test('check on good files: conditions, counts, status 0; a missing directory: status 1', (t) => {
  const good = sideroute('check', scenario);
  t.equal(good.status, 0);
  t.match(good.stdout, /devopssong\/my-server-route -> devopssong\/my-server:80: Accepted=True/);
  t.match(good.stdout, /1 routes, 3 Services, 1 frontends; 0 errors, 0 warnings/);
  for (const args of [
    ['check', join(scenario, 'nowhere')],
    ['explain', '--routes', join(scenario, 'nowhere'), '--service', 'a.b:80'],
  ]) {
    t.match(sideroute(...args), { status: 1, stdout: '', stderr: /nowhere: does not exist/ }, args[0]!);
  }
  t.end();
});

t.test('explain prints the frontend, the candidates in order, the winner and why, and the backend share', (t) => {
  const explain = (...args: string[]) =>
    sideroute('explain', '--routes', scenario, '--service', 'my-server.devopssong:80', ...args);
  const v2 = explain('--method', 'GET', '--path', '/x', '-H', 'version: new');
  t.equal(v2.status, 0);
  for (const pattern of [
    /frontend +devopssong\/my-server:80/,
    /1\. devopssong\/my-server-route rules\[0\].*wins/,
    /2\. devopssong\/my-server-route rules\[1\]/,
    /number of header matches/,
    /100% +devopssong\/my-server-v2:80/,
  ]) {
    t.match(v2.stdout, pattern);
  }
  t.match(explain().stdout, /100% +devopssong\/my-server-v1:80/);
  t.match(explain('-H', 'VERSION: new').stdout, /my-server-v2/, 'names compare without case');
  t.match(explain('--service', 'other.devopssong:80').stdout, /no route|original/i);
  t.end();
});

t.test('explain says what a backend is spoken to in, as the document of its Service has it', (t) => {
  const routes = t.testdir({
    'r.yaml': `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: web, namespace: shop }
spec:
  parentRefs: [{ group: "", kind: Service, name: web, port: 80 }]
  rules: [{ backendRefs: [{ name: v1, port: 80 }, { name: v1, port: 81 }, { name: v2, port: 80 }] }]
---
apiVersion: v1
kind: Service
metadata: { name: v1, namespace: shop }
spec: { clusterIP: 10.96.0.11, ports: [{ port: 80, appProtocol: kubernetes.io/h2c, name: a }, { port: 81, name: b }] }
`,
  });
  const { stdout } = sideroute('explain', '--routes', routes, '--service', 'web.shop:80');
  t.match(stdout, /shop\/v1:80 .*at 10\.96\.0\.11, in HTTP\/2$/m);
  t.match(stdout, /shop\/v1:81 .*at 10\.96\.0\.11$/m);
  t.match(stdout, /shop\/v2:80 .*at \(from DNS\)$/m);
  t.match(stdout, /GET \/ HTTP\/2$/m);
  t.end();
});

t.test('explain --grpc follows a call through a GRPCRoute, and check tells how it fares', (t) => {
  const routes = join(fixtures, 'good-routes', 'grpc.yaml');
  const explain = (...args: string[]) =>
    sideroute('explain', '--routes', routes, '--service', 'cart.shop:80', '--grpc', ...args).stdout;
  t.match(explain('shop.v1.Cart/Get'), /frontend +shop\/cart:80 \(GRPCRoute\)/);
  t.match(explain('shop.v1.Cart/Get'), /Winner +shop\/calls rules\[0\] \(by-method\) matches\[0\]/);
  t.match(explain('/shop.v2.Cart/List', '-H', 'grpc-timeout: 1S'), /Winner +shop\/calls rules\[1\].*by grpc-timeout/s);
  t.match(explain('shop.v1.Order/Put'), /Winner +shop\/calls rules\[2\]/);
  const { stdout } = sideroute('check', routes);
  t.match(stdout, /GRPCRoute shop\/calls -> shop\/cart:80: Accepted=True Accepted: producer route/);
  t.match(stdout, /1 routes, 0 Services, 1 frontends; 0 errors, 0 warnings/);
  t.end();
});

t.test('explain says on standard error that the route files have errors', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sideroute-cli-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, 'a.yaml'), 'kind: [\n');
  const { stderr } = sideroute('explain', '--routes', directory, '--service', 'a.b:80');
  t.match(stderr, /1 errors/);
  t.end();
});
