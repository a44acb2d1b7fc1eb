/** Documents that name no namespace belong to that of the pod, however the pod's is known, and it is said. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { runCommand, type CommandResult } from '../support/cluster.ts';
import { ConfigMapMount } from '../support/config-map-mount.ts';
import { Sidecar, SIDEROUTE } from '../support/sidecar.ts';
import { startTwoPods } from '../support/two-pods.ts';
import { matches } from '../support/match.ts';

const ROUTES = `apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: 10.96.0.10, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: v1}
spec: {clusterIP: 10.96.0.11, ports: [{port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec:
  parentRefs: [{group: "", kind: Service, name: web, port: 80}]
  rules: [{backendRefs: [{name: v1, port: 80}]}]
`;
const ACCEPTED = /HTTPRoute shop\/web -> shop\/web:80: Accepted=True/;
const NOTE =
  /^routes\.yaml:1: note: Service shop\/web: metadata\.namespace: .*"shop"; .* 2 more of this file \[assumed-/m;

/** The command with exactly these variables, in a mount namespace of its own where `prelude` has run. */
function sideroute(args: readonly string[], env: Readonly<Record<string, string>> = {}, prelude = ':'): CommandResult {
  const variables = Object.entries({ PATH: process.env['PATH'] ?? '', ...env }).map(
    ([name, value]) => `${name}=${value}`,
  );
  const command = `${prelude}; exec "$@"`;
  return runCommand('unshare', ['-m', 'env', '-i', ...variables, 'sh', '-c', command, 'sh', ...SIDEROUTE, ...args]);
}

/** What kubelet mounts for a pod with a token of its service account. */
const MOUNTED =
  'mount -t tmpfs tmpfs /run && mkdir -p /run/secrets/kubernetes.io/serviceaccount && ' +
  'printf shop > /run/secrets/kubernetes.io/serviceaccount/namespace';

t.test('check and explain take the namespace from the flag, the variable, or the service account', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sideroute-namespace-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, 'routes.yaml'), ROUTES);
  for (const [title, flags, env, prelude] of [
    ['the flag', ['--namespace', 'shop'], { POD_NAMESPACE: 'other' }, MOUNTED.replace('printf shop', 'printf other')],
    ['the variable', [], { POD_NAMESPACE: 'shop' }, MOUNTED.replace('printf shop', 'printf other')],
    ['the service account', [], {}, MOUNTED],
  ] as const) {
    const checked = sideroute(['check', directory, ...flags], env, prelude);
    t.equal(checked.status, 0, title);
    t.match(checked.stdout, ACCEPTED, title);
    t.match(checked.stdout, NOTE, title);
    t.match(checked.stdout, /0 errors, 0 warnings, 1 notes/, title);
    const explained = sideroute(['explain', '--routes', directory, '--service', 'web.shop:80', ...flags], env, prelude);
    t.match(explained.stdout, /100% +shop\/v1:80/, title);
  }
  const unknown = sideroute(['check', directory], {}, 'mount -t tmpfs tmpfs /run');
  t.match(unknown.stdout, /HTTPRoute default\/web -> default\/web:80: Accepted=True/);
  t.match(unknown.stdout, /note: Service default\/web: .*not known.*"default"/);
  t.equal(unknown.status, 0);
});

t.test('the sidecar serves such routes, and says so once', async (t) => {
  const { client, directory } = await startTwoPods(t);
  // The first is read in slices, the second by a thread.
  const large = `${JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [routeObject()] })}${' '.repeat(30_000)}`;
  const mount = new ConfigMapMount(join(directory, 'routes'), { 'routes.yaml': ROUTES });
  const sidecar = await Sidecar.start(client, mount.path, '--namespace', 'shop');
  const served = () => client.run(['curl', '-sS', '--max-time', '10', 'http://10.96.0.10/']).stdout;
  t.equal(served(), 'Hello from Version 1\n');
  const notes = () => sidecar.log.filter((line) => line.includes('assumed-namespace'));
  matches(t, notes(), [/"level":"info".*"resource":"Service shop\/web"/]);
  t.equal(notes().length, 1);
  t.equal(sidecar.metric(/^sideroute_config_valid /), 1, 'nothing is wrong');
  mount.write({ 'services.yaml': ROUTES.slice(0, ROUTES.lastIndexOf('---')), 'route.json': large });
  await sidecar.applied(2);
  t.equal(served(), 'Hello from Version 1\n');
  await sidecar.stop();
});

function routeObject(): object {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: 'web' },
    spec: {
      parentRefs: [{ group: '', kind: 'Service', name: 'web', port: 80 }],
      rules: [{ backendRefs: [{ name: 'v1', port: 80 }] }],
    },
  };
}
