/** The scenario without anything in the cluster but itself: pods of `sideroute inject`, routes of `sideroute routes export`. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { eventually } from '../support/eventually.ts';
import { applicationImages, siderouteImages } from './images.ts';
import { startNode } from './node.ts';
import { ROOT } from './programs.ts';
import { ALL_TO_V2, APPLICATIONS, available, curl, manifest, NAMESPACE, readyPods } from './scenario.ts';

function sideroute(args: readonly string[], input: string): string {
  const done = spawnSync(process.execPath, [join(ROOT, 'dist', 'bin', 'sideroute.js'), ...args], {
    input,
    encoding: 'utf8',
  });
  if (done.status !== 0) throw new Error(`sideroute ${args.join(' ')}: ${done.stderr}`);
  return done.stdout;
}

t.test('manifests go through inject, routes through export, and a kubelet brings them to the sidecars', async (t) => {
  const cluster = await startNode();
  t.teardown(() => cluster.stop());
  await cluster.load([...(await siderouteImages()), ...(await applicationImages())]);
  await cluster.mustKubectl(['create', 'namespace', NAMESPACE]);
  await cluster.mustKubectl(['apply', '-f', '-'], manifest('my-server'));
  await cluster.mustKubectl(['apply', '-f', '-'], manifest('my-server-route'));
  for (const name of APPLICATIONS)
    await cluster.mustKubectl(['apply', '-f', '-'], sideroute(['inject'], manifest(name)));

  async function exportRoutes(): Promise<void> {
    const objects = await cluster.mustKubectl(['get', 'httproutes,services', '-A', '-o', 'yaml']);
    const maps = sideroute(['routes', 'export', '--namespace', NAMESPACE], objects);
    await cluster.mustKubectl(['apply', '-f', '-'], maps);
    // Else its kubelet takes a minute or more to look.
    const seen = `example.com/routes=${Date.now()}`;
    await cluster.mustKubectl(['-n', NAMESPACE, 'annotate', 'pods', '--overwrite', '-l', 'app=curl-client', seen]);
  }
  await exportRoutes();
  await available(cluster);
  const pods = await readyPods(cluster);
  t.ok(pods.length > 0 && pods.every(({ ready }) => ready === '2/2'), 'every pod has its application and its sidecar');
  await eventually(
    'the route is served',
    async () => (await curl(cluster, '-H', 'Version: new')).includes('Version 2'),
    120_000,
  );
  for (let i = 0; i < 5; i += 1) {
    t.equal(await curl(cluster), 'Hello from Version 1\n');
    t.equal(await curl(cluster, '-H', 'Version: new'), 'Hello from Version 2\n');
  }
  await cluster.mustKubectl(['apply', '-f', '-'], ALL_TO_V2);
  await exportRoutes();
  await eventually('the edit is served', async () => (await curl(cluster)) === 'Hello from Version 2\n', 120_000);
  for (let i = 0; i < 5; i += 1) t.equal(await curl(cluster), 'Hello from Version 2\n');
});
