/** The scenario of the README, word for word: a label, plain manifests and a route; nothing else. */
import { join } from 'node:path';
import t from 'tap';
import { eventually } from '../support/eventually.ts';
import { siderouteMeanwhile } from '../support/cli.ts';
import { fencedBlocks } from '../support/docs/blocks.ts';
import { applicationImages, siderouteImages } from './images.ts';
import { startNode } from './node.ts';
import { mustRun, runToEnd } from './processes.ts';
import { ROOT } from './programs.ts';
import { say } from './say.ts';
import { curl, NAMESPACE, readyPods } from './scenario.ts';

/** Less than the minute after which a kubelet looks by itself. */
const LIVE_WITHIN_MS = 30_000;

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

  await t.test('check --cluster finds nothing wrong here', async (t) => {
    const told = await siderouteMeanwhile('check', '--cluster', '--kubeconfig', cluster.kubeconfig);
    t.equal(told.status, 0);
    t.match(told.stdout, /^\d+ checks: \d+ ok, 0 warning, 0 unknown, 0 error$/m);
  });
});
