/**
 * `sideroute diff`: against a sidecar that runs, with the files that it has and with others; and through a stand-in of the API server, with the routes of a
 * cluster.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parse, parseAllDocuments } from 'yaml';
import { plan } from '../../src/config-diff/planned.ts';
import { parseRoutes } from '../../src/config/route-parser.ts';
import { packageRoot } from '../../src/package-root.ts';
import { apiStandIn, podObject, type Answer } from '../support/api-stand-in.ts';
import { FIXTURES, siderouteMeanwhile } from '../support/cli.ts';
import { waitForLine } from '../support/processes.ts';
import { SIDEROUTE, temporaryDirectory } from '../support/sidecar.ts';

const scenario = join(FIXTURES, 'scenario');
const allToV2 = join(FIXTURES, 'all-to-v2.yaml');

t.test('a sidecar and its own files are the same; other files differ by their rules', async (t) => {
  const script = 'ip link set lo up && exec "$0" "$@"';
  const args = ['proxy', '--routes', scenario, '--drain-timeout', '0s'];
  const sidecar = spawn('unshare', ['--net', 'sh', '-c', script, ...SIDEROUTE, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  t.teardown(() => sidecar.kill('SIGKILL'));
  await waitForLine(sidecar, /"message":"ready"/);
  const diff = (...more: string[]) => {
    return spawnSync('nsenter', ['-t', String(sidecar.pid), '-n', ...SIDEROUTE, 'diff', ...more], { encoding: 'utf8' });
  };
  const same = diff('-f', scenario);
  t.same([same.status, same.stdout], [0, 'nothing would change\n'], same.stderr);
  const { path, remove } = temporaryDirectory();
  t.teardown(remove);
  const route = readFileSync(join(scenario, 'my-server-route.yaml'), 'utf8');
  const changed = join(path, 'changed.yaml');
  writeFileSync(changed, route.replace('value: new', 'value: newer'));
  const services = join(scenario, 'services.yaml');
  const other = diff('-f', changed, '-f', services);
  t.equal(other.status, 1, other.stderr);
  t.match(
    other.stdout,
    /^frontend devopssong\/my-server:80: changed\nHTTPRoute devopssong\/my-server-route rule 0: changed\n@@ /,
  );
  t.match(other.stdout, /^- .*value: new$/m);
  t.match(other.stdout, /^\+ .*value: newer$/m);
  t.notMatch(other.stdout, /rule 1/);
});

const DOCUMENTS = ['my-server-route.yaml', 'services.yaml'].flatMap((name) =>
  parseAllDocuments(readFileSync(join(scenario, name), 'utf8')).map(
    (each) => each.toJS() as { kind: string; apiVersion: string },
  ),
);

function cluster(path: string): Answer | null {
  if (path === '/api/v1/namespaces/devopssong/pods/client') {
    return { body: { ...podObject('client'), metadata: { name: 'client', namespace: 'devopssong' } } };
  }
  const kind = { '/apis/gateway.networking.k8s.io/v1/httproutes': 'HTTPRoute', '/api/v1/services': 'Service' }[
    path.split('?')[0]!
  ];
  if (kind === undefined) return null;
  // Items of a list do not say what they are.
  const items = DOCUMENTS.filter((each) => each.kind === kind).map(
    ({ kind: _kind, apiVersion: _version, ...rest }) => rest,
  );
  return {
    body: {
      kind: `${kind}List`,
      apiVersion: kind === 'Service' ? 'v1' : 'gateway.networking.k8s.io/v1',
      metadata: {},
      items,
    },
  };
}

/** What a sidecar of the scenario answers. */
async function served(t: Test): Promise<number> {
  const resources = ['my-server-route.yaml', 'services.yaml'].flatMap(
    (name) => parseRoutes(name, readFileSync(join(scenario, name), 'utf8'), 'devopssong').resources,
  );
  const { config } = await plan(resources, 'devopssong');
  const server = createServer((_, response) => response.end(JSON.stringify(config))).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => void server.close());
  return (server.address() as AddressInfo).port;
}

t.test('an API server whose list of routes does not end is not asked for ever', async (t) => {
  const port = await served(t);
  const endless = { body: { kind: 'HTTPRouteList', metadata: { continue: 'more' }, items: [] } };
  const answer = (path: string): Answer | null => (path.includes('/httproutes') ? endless : cluster(path));
  const api = await apiStandIn(t, answer, () => port);
  const { status, stderr } = await siderouteMeanwhile(
    ...['-n', 'devopssong', '--kubeconfig', api.kubeconfig, 'diff', 'client'],
  );
  t.equal(status, 3);
  t.match(stderr, /httproutes: the list does not end after 1000 pages/);
});

t.test('of a pod: what a file would change before it is applied, as the document has it', async (t) => {
  const port = await served(t);
  const api = await apiStandIn(t, cluster, () => port);
  const run = (...args: string[]) =>
    siderouteMeanwhile('-n', 'devopssong', '--kubeconfig', api.kubeconfig, 'diff', 'client', ...args);
  t.match(await run(), { status: 0, stdout: 'nothing would change\n', stderr: '' });
  const changed = await run('-f', allToV2);
  t.match(changed, { status: 1, stdout: /^frontend devopssong\/my-server:80: changed$/m });
  const json = await run('-f', allToV2, '-o', 'json');
  const data = JSON.parse(json.stdout) as {
    same: boolean;
    frontends: { frontend: string; change: string; rules: unknown[] }[];
  };
  t.same(
    [json.status, data.same, data.frontends[0]!.frontend, data.frontends[0]!.change],
    [1, false, 'devopssong/my-server:80', 'changed'],
  );
  t.same(parse((await run('-f', allToV2, '-o', 'yaml')).stdout), data);
  t.match(
    readFileSync(new URL('docs/cluster-commands.md', packageRoot()), 'utf8'),
    /`sideroute diff deploy\/cart -n shop -f new\.yaml`/,
  );

  const without = await run('--without', 'devopssong/my-server-route');
  t.match(without, { status: 1, stdout: /^frontend devopssong\/my-server:80: removed$/m, stderr: '' });
  t.match(without.stdout, /^- HTTPRoute devopssong\/my-server-route -> .*: Accepted=True Accepted$/m);
  t.match(await run('--without', 'devopssong/other'), {
    status: 3,
    stdout: '',
    stderr: /--without devopssong\/other: there is no such route in the cluster and the files/,
  });
  t.match(await run('--without', 'my-server-route'), { status: 2, stderr: /expected NAMESPACE\/NAME of a route/ });

  const { path, remove } = temporaryDirectory();
  t.teardown(remove);
  const refused = join(path, 'refused.yaml');
  writeFileSync(
    refused,
    readFileSync(join(scenario, 'my-server-route.yaml'), 'utf8').replace(
      'name: my-server\n',
      'name: my-server\n      sectionName: nowhere\n',
    ),
  );
  const not = await run('-f', refused);
  t.equal(not.status, 1);
  t.match(not.stdout, /^frontend devopssong\/my-server:80: removed$/m);
  t.match(not.stdout, /^\+ HTTPRoute devopssong\/my-server-route -> .*: Accepted=False NoMatchingParent: /m);
});

t.test('what cannot be compared is no difference: exit status 2 and above', async (t) => {
  const port = await served(t);
  const api = await apiStandIn(
    t,
    (path) =>
      path.startsWith('/api/v1/services')
        ? { status: 403, body: { reason: 'Forbidden', message: 'services is forbidden' } }
        : cluster(path),
    () => port,
  );
  const run = (...args: string[]) =>
    siderouteMeanwhile('-n', 'devopssong', '--kubeconfig', api.kubeconfig, 'diff', ...args);
  t.match(await run('client'), {
    status: 3,
    stdout: '',
    stderr: /services is forbidden; docs\/cluster-commands\.md has the role/,
  });
  t.match(await run('client', '-f', '/nonexistent.yaml'), {
    status: 3,
    stderr: /nonexistent\.yaml|services is forbidden/,
  });
  t.match(await siderouteMeanwhile('diff'), { status: 2, stderr: /say what to compare with: -f FILE/ });
  t.match(await siderouteMeanwhile('diff', '-f', scenario, '--admin', '127.0.0.1:1'), {
    status: 3,
    stderr: /ECONNREFUSED/,
  });
});
