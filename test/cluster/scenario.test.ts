/** The scenario of the README, word for word: a label, plain manifests and a route; nothing else. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { eventually } from '../support/eventually.ts';
import { siderouteMeanwhile } from '../support/cli.ts';
import { fencedBlocks } from '../support/docs/blocks.ts';
import { packageVersion } from '../../src/package-root.ts';
import { outcomeOf } from '../support/processes.ts';
import { SIDEROUTE, temporaryDirectory } from '../support/sidecar.ts';
import { applicationImages, siderouteImages } from './images.ts';
import { documentedRole } from './documented-roles.ts';
import { startNode, type NodeCluster } from './node.ts';
import { mustRun, runToEnd } from './processes.ts';
import { ROOT } from './programs.ts';
import { say } from './say.ts';
import { ALL_TO_V2, curl, manifest, NAMESPACE, readyPods } from './scenario.ts';

/** Less than the minute after which a kubelet looks by itself. */
const LIVE_WITHIN_MS = 30_000;

/** Of a command that starts on a busy machine, through the API server and the kubelet. */
const TAPPED_WITHIN_MS = 120_000;

/** A kubeconfig of a ServiceAccount with the roles that the document has for the commands, and nothing else. */
async function viewer(t: Test, cluster: NodeCluster): Promise<string> {
  const role = documentedRole('sideroute-commands');
  const roles = [{ ...role, metadata: { ...role.metadata, namespace: NAMESPACE } }, documentedRole('sideroute-diff')];
  const [own, whole] = roles.map(({ metadata }) => metadata.name) as [string, string];
  const account = `--serviceaccount=${NAMESPACE}:viewer`;
  await cluster.mustKubectl(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: roles }));
  await cluster.mustKubectl(['-n', NAMESPACE, 'create', 'serviceaccount', 'viewer']);
  await cluster.mustKubectl(['-n', NAMESPACE, 'create', 'rolebinding', own, `--role=${own}`, account]);
  await cluster.mustKubectl(['create', 'clusterrolebinding', whole, `--clusterrole=${whole}`, account]);
  const token = (await cluster.mustKubectl(['-n', NAMESPACE, 'create', 'token', 'viewer'])).trim();
  const shown = await cluster.mustKubectl(['config', 'view', '--raw', '--flatten', '-o', 'json']);
  const config = JSON.parse(shown) as { users: { user: object }[] };
  config.users[0]!.user = { token };
  const { path, remove } = temporaryDirectory();
  t.teardown(remove);
  writeFileSync(join(path, 'config'), JSON.stringify(config));
  return join(path, 'config');
}

/** A tap of the client that goes on, and what it has printed so far. */
function startTap(t: Test, kubeconfig: string, ...args: readonly string[]) {
  const [node, ...prefix] = SIDEROUTE;
  const tap = ['-n', NAMESPACE, '--kubeconfig', kubeconfig, 'tap', 'deploy/curl-client', ...args];
  const child = spawn(node, [...prefix, ...tap], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.teardown(() => child.kill('SIGKILL'));
  let printed = '';
  child.stdout.on('data', (chunk: string) => (printed += chunk));
  return { child, outcome: outcomeOf(child), lines: () => printed.split('\n').slice(0, -1) };
}

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly observedGeneration: number;
}

t.test('a labelled namespace, plain manifests and a route: it works, and an edit is live at once', async (t) => {
  const cluster = await startNode();
  t.teardown(() => cluster.stop());
  await cluster.load([...(await siderouteImages()), ...(await applicationImages())]);

  async function conditions(): Promise<{ generation: number; conditions: readonly Condition[] }> {
    const route = JSON.parse(
      await cluster.mustKubectl(['-n', NAMESPACE, 'get', 'httproute', 'my-server-route', '-o', 'json']),
    ) as { metadata: { generation: number }; status?: { parents?: { conditions: Condition[] }[] } };
    return {
      generation: route.metadata.generation,
      conditions: (route.status?.parents ?? []).flatMap((parent) => parent.conditions),
    };
  }
  async function acceptedAndResolved(): Promise<boolean> {
    const { generation, conditions: found } = await conditions();
    return ['Accepted', 'ResolvedRefs'].every((type) =>
      found.some(
        (condition) =>
          condition.type === type && condition.status === 'True' && condition.observedGeneration === generation,
      ),
    );
  }

  // As a reader types it; the images are in the cluster already, whatever they would be built and loaded with.
  const block = fencedBlocks('README.md').find(({ title }) => title === 'README.md > Install in a cluster');
  const typed = await runToEnd(['bash', '-euo', 'pipefail', '-c', `docker() { :; }; kind() { :; }; ${block?.text}`], {
    env: { ...process.env, PATH: `${cluster.bin}:${process.env['PATH']}`, KUBECONFIG: cluster.kubeconfig },
    timeoutMs: 300_000,
    cwd: ROOT,
  });
  t.equal(typed.status, 0, typed.stderr);
  t.equal(typed.stderr, '', 'without a warning');
  t.match(typed.stdout, /Hello from Version 1\nHello from Version 2\n/);
  t.match(typed.stdout, 'kind: HTTPRoute');
  const pods = await readyPods(cluster);
  t.equal(pods.length, 3);
  for (const { name, ready } of pods) t.equal(ready, '2/2', `${name} has its application and its sidecar`);

  await eventually('the route has its status', acceptedAndResolved, LIVE_WITHIN_MS);
  await eventually(
    'the route is served',
    async () => (await curl(cluster, '-H', 'Version: new')) === 'Hello from Version 2\n',
    LIVE_WITHIN_MS,
  );
  for (let i = 0; i < 5; i += 1) {
    t.equal(await curl(cluster), 'Hello from Version 1\n');
    t.equal(await curl(cluster, '-H', 'Version: new'), 'Hello from Version 2\n');
  }

  await mustRun([
    ...['env', 'KUBE_EDITOR=sed -i s/my-server-v1/my-server-v2/', join(cluster.bin, 'kubectl')],
    ...['-n', NAMESPACE, 'edit', 'httproute', 'my-server-route'],
  ]);
  const edited = performance.now();
  await eventually('the edit is live', async () => (await curl(cluster)) === 'Hello from Version 2\n', LIVE_WITHIN_MS);
  const tookMs = Math.round(performance.now() - edited);
  say(`from kubectl edit to the changed answer of curl in kubectl exec: ${tookMs} ms`);
  for (let i = 0; i < 5; i += 1) t.equal(await curl(cluster), 'Hello from Version 2\n');
  await eventually('the edit has its status', acceptedAndResolved, LIVE_WITHIN_MS);

  await t.test('a workstation asks the sidecars, through the API server and the kubelet', async (t) => {
    const ask = async (...args: readonly string[]): Promise<string> => {
      const told = await siderouteMeanwhile('-n', NAMESPACE, '--kubeconfig', cluster.kubeconfig, ...args);
      t.equal(told.status, 0, `${args.join(' ')}: ${told.stderr}`);
      return told.stdout;
    };
    t.match(await ask('status', 'deploy/curl-client'), /^generation \d+, hash \w+, valid$/m);
    const served = JSON.parse(await ask('config', 'deploy/curl-client')) as { hash: string; valid: boolean };
    t.equal(served.valid, true);
    t.match(await ask('status', 'deploy/curl-client', '--wait', served.hash, '-o', 'json'), served.hash);
    const request = ['--service', `my-server.${NAMESPACE}:80`, '-H', 'version: new'];
    t.match(await ask('explain', 'deploy/curl-client', ...request), /my-server-v2/);
    await curl(cluster);
    const connections = JSON.parse(await ask('connections', 'deploy/curl-client', '-o', 'json')) as object;
    t.type(connections, 'object');
    t.match(await ask('log-level', 'deploy/curl-client', 'debug', '--ttl', '10s'), /debug/);
    const each = JSON.parse(await ask('status', 'svc/my-server-v1', '--all', '-o', 'json')) as { pod: string }[];
    t.equal(each.length, 1);
    t.match(each[0]?.pod, /^devopssong\/my-server-v1-/);
  });

  const config = await viewer(t, cluster);

  await t.test('a tap shows the requests of a pod, by rule, code and path, and leaves nothing behind', async (t) => {
    const route = ['--route', `${NAMESPACE}/my-server-route`];
    const good = startTap(t, config, ...route, '--rule', '0', '--code', '200', '-o', 'json');
    const lost = startTap(t, config, ...route, '--code', '4xx', '--path', '/nowhere', '--limit', '1');
    const both = async (): Promise<boolean> => {
      // Two of the first rule, of which one is not found, and one of the second.
      await curl(cluster, '-H', 'Version: new', 'http://my-server/nowhere', 'http://my-server/', '--next', '-sS');
      return good.lines().length > 1 && lost.child.exitCode !== null;
    };
    await eventually('both taps have shown requests', both, TAPPED_WITHIN_MS);
    t.match(await lost.outcome, {
      status: 0,
      stdout: /^TIME .*\n\S+ +404 .* devopssong\/my-server-route +0 .* GET my-server\/nowhere\n$/,
      stderr: /^sideroute: 1 request in \d+\.\ds: 1 4xx\n$/,
    });
    const pod = (await readyPods(cluster)).find(({ name }) => name.startsWith('curl-client-'))!.name;
    const metrics = `/api/v1/namespaces/${NAMESPACE}/pods/${pod}:15020/proxy/metrics`;
    const open = async (count: number): Promise<boolean> =>
      (await cluster.mustKubectl(['get', '--raw', metrics])).includes(`\nsideroute_taps_open ${count}\n`);
    await eventually('the other tap is open', () => open(1), LIVE_WITHIN_MS);
    good.child.kill('SIGINT');
    const { status, stdout, stderr } = await good.outcome;
    t.equal(status, 0, stderr);
    const records = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    for (const record of records) {
      const backend = `${NAMESPACE}/my-server-v2:80`;
      t.match(record, { code: 200, path: '/', route: `${NAMESPACE}/my-server-route`, rule: '0', backend });
    }
    t.match(stderr, new RegExp(`^sideroute: ${records.length} requests in \\d+\\.\\ds: ${records.length} 2xx\n$`));
    await eventually('its end has arrived in the pod', () => open(0), LIVE_WITHIN_MS);
  });

  const diff = (...args: readonly string[]) =>
    siderouteMeanwhile('-n', NAMESPACE, '--kubeconfig', config, 'diff', 'deploy/curl-client', ...args);
  const before = join(config, '..', 'before.yaml');

  await t.test('a diff shows what a file would change on a pod, and changes nothing', async (t) => {
    t.match(await diff(), { status: 0, stdout: 'nothing would change\n', stderr: '' });
    const { generation } = await conditions();
    writeFileSync(before, manifest('my-server-route'));
    const would = await diff('-f', before);
    t.match(would, { status: 1, stderr: '' });
    const [heading, rule] = [
      'frontend devopssong/my-server:80: changed',
      'HTTPRoute devopssong/my-server-route rule 1',
    ];
    t.match(would.stdout, `${heading}\n${rule}: changed\n@@ `);
    t.match(would.stdout, /^- .*my-server-v2/m);
    t.match(would.stdout, /^\+ .*my-server-v1/m);
    t.notMatch(would.stdout, 'rule 0');
    t.equal((await conditions()).generation, generation);
    t.match(await diff(), { status: 0, stdout: 'nothing would change\n', stderr: '' });
  });

  await t.test('check --cluster finds nothing wrong here', async (t) => {
    const told = await siderouteMeanwhile('check', '--cluster', '--kubeconfig', cluster.kubeconfig);
    t.equal(told.status, 0, `${told.stdout}${told.stderr}`);
    t.match(told.stdout, /^\d+ checks: \d+ ok, 0 warning, 0 unknown, 0 error$/m);
  });

  await t.test('the versions of every sidecar and controller, also of a pod that runs nowhere', async (t) => {
    const nowhere = JSON.stringify({ spec: { nodeSelector: { 'example.com/there': 'no' } } });
    const pod = ['run', 'nowhere', '--image=busybox:1.36', `--overrides=${nowhere}`];
    await cluster.mustKubectl(['-n', NAMESPACE, ...pod]);
    const own = packageVersion();
    const told = await siderouteMeanwhile('-n', NAMESPACE, '--kubeconfig', config, 'version', '-o', 'json');
    t.match(told, { status: 0, stderr: '' });
    const { client, cluster: found } = JSON.parse(told.stdout) as {
      client: { version: string };
      cluster: { pods: { pod: string; version: string | null; imageVersion: string; differs: boolean }[] };
    };
    t.equal(client.version, own);
    t.equal(found.pods.length, 4);
    for (const each of found.pods) {
      const version = each.pod === `${NAMESPACE}/nowhere` ? null : own;
      t.match(each, { component: 'sidecar', version, imageVersion: own, differs: false });
    }
    const whole = await siderouteMeanwhile('version', '--kubeconfig', cluster.kubeconfig);
    t.match(whole, { status: 0, stderr: '' });
    const count = (line: string): number => [...whole.stdout.matchAll(new RegExp(`^${line} `, 'gm'))].length;
    t.equal(count(`controller +sideroute-system/\\S+ +${own}`), 2);
    t.equal(count(`sidecar +${NAMESPACE}/(?:curl-client|my-server)-\\S+ +${own}`), 3);
    t.equal(count(`sidecar +${NAMESPACE}/nowhere +\\(${own}\\)`), 1);
  });

  await t.test('a diff shows what a pod has not got yet of its cluster, and what it has got still', async (t) => {
    // Nobody tells the pods any more.
    const controller = ['-n', 'sideroute-system'];
    await cluster.mustKubectl([...controller, 'scale', 'deploy/sideroute-controller', '--replicas=0']);
    const label = 'app.kubernetes.io/component=controller';
    await cluster.mustKubectl([...controller, 'wait', '--for=delete', 'pod', '-l', label, '--timeout=120s']);
    await cluster.mustKubectl(['apply', '-f', before]);
    const changed = await diff();
    t.match(changed, { status: 1, stdout: /^HTTPRoute devopssong\/my-server-route rule 1: changed$/m, stderr: '' });
    t.match(changed.stdout, /^\+ .*my-server-v1/m);
    const served = join(config, '..', 'served.yaml');
    writeFileSync(served, ALL_TO_V2);
    t.match(await diff('-f', served), { status: 0, stdout: 'nothing would change\n', stderr: '' });
    await cluster.mustKubectl(['-n', NAMESPACE, 'delete', 'httproute', 'my-server-route']);
    const deleted = await diff();
    t.match(deleted, { status: 1, stdout: /^frontend devopssong\/my-server:80: removed$/m, stderr: '' });
    t.match(deleted.stdout, /^- HTTPRoute devopssong\/my-server-route -> .*: Accepted=True Accepted$/m);
  });
});
