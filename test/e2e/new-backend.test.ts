/** A live edit that names a backend of which cluster DNS has not been asked yet, under load: no request is answered 503 meanwhile. */
import { join } from 'node:path';
import t from 'tap';
import { ConfigMapMount } from '../support/config-map-mount.ts';
import { eventually } from '../support/eventually.ts';
import { PodDns } from '../support/pod-dns.ts';
import { waitForLine } from '../support/processes.ts';
import { fixture, Sidecar, startFixture } from '../support/sidecar.ts';
import { startTwoPods } from '../support/two-pods.ts';

const skip = process.getuid!() === 0 ? false : 'needs root for network namespaces';
/** Longer than a request takes, and far shorter than an edit waits. */
const ANSWER_MS = 100;

const route = (backend: string) => `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: web, namespace: shop }
spec:
  parentRefs: [{ group: "", kind: Service, name: web, port: 80 }]
  rules: [{ backendRefs: [{ name: ${backend}, port: 80 }] }]
`;

t.test('the routes before an edit serve on until DNS has answered for its new backend', { skip }, async (t) => {
  const { cluster, client, server, directory } = await startTwoPods(t);
  cluster.addService('10.96.0.12', 80, [{ address: server.v4, port: 8002 }]);
  await startFixture(server, 'hello-server', '8002', '2');
  const dns = await PodDns.start(server, directory, {
    'web.shop': { a: ['10.96.0.10'] },
    'v1.shop': { a: ['10.96.0.11'] },
    'v2.shop': { a: ['10.96.0.12'] },
  });
  const volume = new ConfigMapMount(join(directory, 'routes'), { 'r.yaml': route('v1') });
  const sidecar = await Sidecar.start(client, volume.path, '--namespace', 'shop', '--resolv-conf', dns.resolvConf);
  await eventually('both are known', () => sidecar.metric(/^sideroute_dns_services\{state="resolved"\}/) === 2);

  const load = client.spawn(fixture('load-client', 'http://10.96.0.10/', '2'));
  const report = waitForLine(load, /^\{/, 120_000);
  await waitForLine(load, /^running/);
  await dns.fail({ delayMs: ANSWER_MS });
  volume.write({ 'r.yaml': route('v2') });
  await eventually(
    'the edit is in force',
    () => client.run(['curl', '-s', 'http://10.96.0.10/']).stdout === 'Hello from Version 2\n',
  );
  load.kill('SIGTERM');
  const { answers, failures } = JSON.parse(await report) as Record<'answers' | 'failures', Record<string, number>>;
  t.same(failures, {});
  t.not(Object.keys(answers).length, 0, 'there was load');
  t.ok(
    Object.keys(answers).every((text) => /^(200 )?Hello from Version [12]$/.test(text.trim())),
    JSON.stringify(answers),
  );
  t.equal(sidecar.metric(/^sideroute_requests_total\{.*reason="unresolved"/), 0);

  // A name that nobody has is answered for, too: the edit is in force, and says so.
  await dns.fail(null);
  volume.write({ 'r.yaml': route('nowhere') });
  await eventually(
    'the next edit is in force',
    () => client.run(['curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', 'http://10.96.0.10/']).stdout === '500',
  );
});
