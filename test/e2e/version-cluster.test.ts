/** `sideroute version` of a cluster: by what pods say and by their images, and without one that answers. */
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { parse } from 'yaml';
import { apiStandIn, type Answer } from '../support/api-stand-in.ts';
import { siderouteMeanwhile } from '../support/cli.ts';
import { packageVersion } from '../../src/package-root.ts';

const OWN = packageVersion();
const CONTROLLER = { 'app.kubernetes.io/name': 'sideroute', 'app.kubernetes.io/component': 'controller' };

function pod(name: string, image: string, container = 'sideroute', labels: object = {}): object {
  const status = { phase: 'Running', containerStatuses: [{ name: container, state: { running: {} } }] };
  return { metadata: { name, namespace: 'shop', labels }, spec: { containers: [{ name: container, image }] }, status };
}

const PODS = [
  pod('cart-1', `example.com/sideroute:${OWN}`),
  pod('old-1', 'example.com/sideroute:v0.0.9'),
  pod('silent-1', 'example.com/sideroute:0.0.8@sha256:00'),
  pod('plain', 'example.com/app:9.9.9', 'app'),
  pod('controller-1', `example.com/sideroute:${OWN}`, 'controller', CONTROLLER),
];

function cluster(path: string): Answer | null {
  return path.startsWith('/api/v1/pods?') || path.startsWith('/api/v1/namespaces/shop/pods?')
    ? { body: { kind: 'PodList', apiVersion: 'v1', metadata: {}, items: PODS } }
    : null;
}

t.test('those that differ are pointed out', async (t) => {
  const server = createServer((_, response) =>
    response.end(`sideroute_build_info{node="v20",version="${OWN}"} 1\n`),
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const api = await apiStandIn(t, cluster, (name) => (name === 'silent-1' ? 'connection refused' : port));
  const { status, stdout, stderr } = await siderouteMeanwhile('version', '--kubeconfig', api.kubeconfig);
  t.equal(status, 0, stderr);
  t.match(stdout, /^client +\S+ /m);
  t.match(stdout, new RegExp(`^controller +shop/controller-1 +${OWN} `, 'm'));
  t.match(stdout, /^sidecar +shop\/silent-1 +\(0\.0\.8\) .* another version$/m);
  // What runs counts, not the tag that it was pulled by.
  t.match(stdout, new RegExp(`^sidecar +shop/old-1 +${OWN} +example\\.com/sideroute:v0\\.0\\.9 +-$`, 'm'));
  t.notMatch(stdout, /plain/);
  t.match(stderr, /^sideroute: 1 of 4 pods are of another version than this command/);
  const data = JSON.parse(
    (await siderouteMeanwhile('version', '-n', 'shop', '--kubeconfig', api.kubeconfig, '-o', 'json')).stdout,
  ) as {
    cluster: { pods: { pod: string; version: string | null; differs: boolean }[] };
  };
  t.same(
    data.cluster.pods.map(({ pod: name, version, differs }) => [name, version, differs]),
    [
      ['shop/controller-1', OWN, false],
      ['shop/cart-1', OWN, false],
      ['shop/old-1', OWN, false],
      ['shop/silent-1', null, true],
    ],
  );
});

t.test('a cluster that does not answer or refuses is one line; this command is told all the same', async (t) => {
  const message = 'pods is forbidden: User "me" cannot list resource "pods"';
  const api = await apiStandIn(t, () => ({ status: 403, body: { reason: 'Forbidden', message } }));
  const refused = await siderouteMeanwhile('version', '-n', 'shop', '--kubeconfig', api.kubeconfig);
  t.match(refused, {
    status: 1,
    stdout: /^client/m,
    stderr: /cannot list resource "pods"; docs\/cluster-commands\.md/,
  });
  const client = await siderouteMeanwhile(
    'version',
    '--client',
    '-n',
    'shop',
    '--kubeconfig',
    '/nonexistent',
    '-o',
    'yaml',
  );
  t.equal(client.status, 0, client.stderr);
  t.same(Object.keys(parse(client.stdout) as object), ['client']);
  const gone = await siderouteMeanwhile('version', '-n', 'shop', '--kubeconfig', '/nonexistent');
  t.match(gone, { stdout: /^client/m, stderr: /nonexistent/ });
  t.equal(gone.stderr.split('\n').length, 2, 'one line');
});
