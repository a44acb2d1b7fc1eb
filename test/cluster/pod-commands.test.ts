/** Commands on pods against a real API server: who one is, what one may, and what is told of pods that do not run. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { KubeClient } from '../../src/kube/client.ts';
import { kubeTarget } from '../../src/kube/kubeconfig.ts';
import { forwardPort } from '../../src/kube/port-forward.ts';
import { siderouteMeanwhile } from '../support/cli.ts';
import { runCommand } from '../support/cluster.ts';
import { ROOT } from '../support/manifests.ts';
import { temporaryDirectory } from '../support/sidecar.ts';
import { startApi } from './api.ts';
import { documentedRole, withoutResources } from './documented-roles.ts';

const POD_SPEC = {
  initContainers: [{ name: 'sideroute', image: 'example.com/sideroute', restartPolicy: 'Always' }],
  containers: [{ name: 'app', image: 'example.com/app' }],
};
const LABELS = { app: 'cart' };

t.test('with a real API server', async (t) => {
  const cluster = await startApi();
  t.teardown(() => cluster.stop());
  const { path, remove } = temporaryDirectory();
  t.teardown(remove);
  const apply = (object: unknown): Promise<string> => cluster.mustKubectl(['apply', '-f', '-'], JSON.stringify(object));
  await cluster.mustKubectl(['create', 'namespace', 'shop']);
  await apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'cart-1', namespace: 'shop', labels: LABELS },
    spec: POD_SPEC,
  });
  await apply({
    ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'cart', namespace: 'shop' } },
    spec: { selector: { matchLabels: LABELS }, template: { metadata: { labels: LABELS }, spec: POD_SPEC } },
  });

  // The administrator acts as somebody without any right, who gets the role of the document afterwards.
  const config = JSON.parse(await cluster.mustKubectl(['config', 'view', '--raw', '--flatten', '-o', 'json'])) as {
    users: { user: Record<string, unknown> }[];
  };
  config.users[0]!.user['as'] = 'jane';
  const jane = join(path, 'jane');
  writeFileSync(jane, JSON.stringify(config));

  const sideroute = (kubeconfig: string, ...args: readonly string[]) =>
    siderouteMeanwhile('-n', 'shop', '--kubeconfig', kubeconfig, ...args);
  const status = (kubeconfig: string, pod: string) => sideroute(kubeconfig, 'status', pod);

  await t.test('a pod that does not run is told as such, by name and by its Deployment', async (t) => {
    const pending = /pod shop\/cart-1 is Pending; kubectl -n shop describe pod cart-1\n$/;
    t.match(await status(cluster.kubeconfig, 'cart-1'), { status: 1, stderr: pending });
    t.match(await status(cluster.kubeconfig, 'deploy/cart'), { status: 1, stderr: pending });
    t.match(await status(cluster.kubeconfig, 'gone'), { status: 1, stderr: /pods "gone" not found \(404\)/ });
  });

  await t.test('a WebSocket of the same user reaches the API server, which says why it forwards nothing', async (t) => {
    const client = new KubeClient(kubeTarget({ kubeconfig: cluster.kubeconfig }, {}).access, 'test');
    t.teardown(() => client.close());
    await t.rejects(forwardPort(client, { namespace: 'shop', pod: 'cart-1', port: 15000 }), {
      name: 'KubeError',
      message: /does not have a host assigned/,
    });
  });

  await t.test('who may not is told which verb on which resource; the role of the document is enough', async (t) => {
    t.match(await status(jane, 'deploy/cart'), { status: 1, stderr: /"jane" cannot get resource "deployments"/ });
    t.match(await sideroute(jane, 'version'), {
      status: 1,
      stdout: /^client /m,
      stderr: /"jane" cannot list resource "pods"/,
    });
    const role = documentedRole('sideroute-commands');
    await apply(role);
    const { name } = role.metadata;
    await cluster.mustKubectl(['create', 'rolebinding', 'jane', `--role=${name}`, '--user=jane', '-n', 'shop']);
    t.match(await status(jane, 'deploy/cart'), { status: 1, stderr: /is Pending/ });
    t.match(await sideroute(jane, 'tap', 'deploy/cart'), { status: 1, stderr: /is Pending/ });
    const versions = await sideroute(jane, 'version');
    t.match(versions, { status: 0, stdout: /^sidecar +shop\/cart-1 +- /m, stderr: '' });
    const client = new KubeClient(kubeTarget({ kubeconfig: jane }, {}).access, 'test');
    t.teardown(() => client.close());
    const forward = () => forwardPort(client, { namespace: 'shop', pod: 'cart-1', port: 15000 });
    await t.rejects(forward(), { message: /does not have a host assigned/ });
    // Without the port-forward.
    await apply({ ...role, rules: withoutResources(role.rules, ['pods/portforward']) });
    await t.rejects(forward(), { message: /"jane" cannot (?:get|create) resource "pods\/portforward"/ });
  });

  await t.test(
    'a diff: the two roles of the document are enough, and what the second one grants is needed',
    async (t) => {
      const role = documentedRole('sideroute-diff');
      const { name } = role.metadata;
      await apply(role);
      await cluster.mustKubectl(['create', 'clusterrolebinding', name, `--clusterrole=${name}`, '--user=jane']);
      const diff = () => sideroute(jane, 'diff', 'deploy/cart');
      t.match(await diff(), { status: 3, stdout: '', stderr: /is Pending/ });
      for (const resource of role.rules.flatMap(({ resources }) => resources)) {
        await apply({ ...role, rules: withoutResources(role.rules, [resource]) });
        const stderr = new RegExp(`"jane" cannot list resource "${resource}".* at the cluster scope`);
        t.match(await diff(), { status: 3, stdout: '', stderr }, resource);
      }
      await cluster.mustKubectl(['delete', 'clusterrolebinding', name]);
    },
  );

  await t.test('kubectl finds what was installed as its plugin, which goes to the same cluster', async (t) => {
    const packing = runCommand(process.execPath, [join(ROOT, 'scripts', 'package.mjs'), path]);
    t.equal(packing.status, 0, packing.stderr);
    const flags = ['--global', '--offline', '--no-audit', '--no-fund', '--loglevel=error', '--prefix', path];
    const installing = runCommand('npm', ['install', ...flags, packing.stdout.trim()]);
    t.equal(installing.status, 0, installing.stderr);
    // Without the flags that the cluster's own has in front of what is typed, where a plugin may not have any.
    const own = readFileSync(join(cluster.bin, 'kubectl'), 'utf8');
    writeFileSync(join(path, 'bin', 'kubectl'), own.replace(/(?<= kubectl) .*(?= "\$@")/, ''), { mode: 0o755 });
    const typed = (...words: string[]) =>
      runCommand('env', [`PATH=${join(path, 'bin')}:${process.env['PATH']}`, ...words]);
    t.match(typed('kubectl', 'plugin', 'list').stdout, /\/kubectl-sideroute$/m);
    t.match(typed('kubectl', 'sideroute', '--help').stdout, /^Usage: kubectl sideroute /);
    const completed = (...words: string[]) => typed('kubectl', '__complete', 'sideroute', ...words);
    t.match(completed(''), { status: 0, stdout: /^explain\tprint which rule .*\n(?:.*\n)*:4\n$/m });
    t.match(completed('status', '--context', 'here', '-o', 'j'), { status: 0, stdout: /^json\n:4\n$/ });
    t.match(completed('status', '--output=y'), { status: 0, stdout: /^yaml\n:4\n$/ });
    t.match(completed('check', 'ro'), { status: 0, stdout: /^:0\n$/ });
    const asked = typed('kubectl', 'sideroute', '--kubeconfig', cluster.kubeconfig, '-n', 'shop', 'status', 'cart-1');
    t.match(asked, { status: 1, stderr: /pod shop\/cart-1 is Pending/ });
  });

  await t.test('a bundle: the role of the document is enough, and what it grants is needed', async (t) => {
    const role = documentedRole('sideroute-bundle');
    const { rules } = role;
    const subjects = [{ kind: 'User', name: 'jane', apiGroup: 'rbac.authorization.k8s.io' }];
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'sideroute-bundle' };
    const metadata = { name: 'sideroute-bundle' };
    await cluster.mustKubectl(['delete', 'rolebinding', 'jane', '-n', 'shop']);
    await apply({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata,
      subjects,
      roleRef,
    });
    const missing = async (granted: readonly object[]): Promise<string> => {
      await apply({ ...role, rules: granted });
      const file = join(path, `${granted.length}.tar.gz`);
      const args = ['-n', 'shop', '--kubeconfig', jane, 'bundle', 'cart-1', '--output', file];
      const { status, stderr } = await siderouteMeanwhile(...args);
      // Nothing runs there: neither a log nor an answer is to be had.
      t.equal(status, 1, stderr);
      t.ok(existsSync(file), stderr);
      return runCommand('tar', ['-xzOf', file, '--wildcards', '*/INDEX.txt']).stdout;
    };
    const enough = await missing(rules);
    t.notMatch(enough, /forbidden|cannot/);
    t.match(enough, /pods\/cart-1\/pod\.yaml/);
    const named = ['nodes', 'events', 'pods/log', 'pods/portforward', 'endpointslices', 'grpcroutes'];
    const refused = await missing(withoutResources(rules, named));
    for (const resource of named) t.match(refused, new RegExp(`cannot \\w+ resource "${resource}"`), resource);
  });
});
