/**
 * The scenario of the README, played for real on one machine: network namespaces are the pods, DNAT rules are the
 * ClusterIPs, the rules are installed by the code the init container runs, and sideroute runs as uid 1337.
 *
 * Exit status 0 only if every answer was right. Needs root; everything it creates is removed at the end, whatever happens.
 */
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, chmodSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Cluster, type Pod } from '../test/support/cluster.ts';
import { ConfigMapMount } from '../test/support/config-map-mount.ts';
import { waitForLine } from '../test/support/processes.ts';

const PROXY_UID = 1337;
const CURL = ['curl', '-sS', '--max-time', '5'];

const dist = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const scenario = join(dist, '..', 'test', 'fixtures', 'scenario');
const sideroute = [process.execPath, join(dist, 'bin', 'sideroute.js')];
const fixtures = join(dist, 'test', 'support', 'fixtures');

const children: ChildProcess[] = [];
let wrong = 0;

function say(text = ''): void {
  process.stdout.write(`${text}\n`);
}

function title(text: string): void {
  say(`\n== ${text}`);
}

/** Show a command as a person in the pod would type it, run it, show and check its output. */
function play(pod: Pod, shown: string, command: readonly string[], expected: RegExp): string {
  const result = pod.run(command);
  const output = (result.stdout + result.stderr).trimEnd();
  say(`${pod.name}$ ${shown}`);
  say(output);
  if (result.status !== 0 || !expected.test(output)) {
    wrong += 1;
    say(`   ^ WRONG: exit ${result.status}, expected ${expected}`);
  }
  return output;
}

async function start(pod: Pod, command: readonly string[], ready: RegExp, asUid?: number): Promise<void> {
  const child = pod.spawn(command, asUid === undefined ? {} : { asUid });
  children.push(child);
  await waitForLine(child, ready);
}

async function main(cluster: Cluster, directory: string): Promise<void> {
  title('Pods and Services: network namespaces, and DNAT rules as kube-proxy writes them');
  const client = cluster.addPod('client');
  const v1 = cluster.addPod('server-v1');
  const v2 = cluster.addPod('server-v2');
  cluster.addService(
    '10.96.0.10',
    80,
    [v1, v2].map((pod) => ({ address: pod.v4, port: 8080 })),
  );
  cluster.addService('10.96.0.11', 80, [{ address: v1.v4, port: 8080 }]);
  cluster.addService('10.96.0.12', 80, [{ address: v2.v4, port: 8080 }]);
  cluster.addService('10.96.0.20', 2525, [{ address: v1.v4, port: 2525 }]);
  await start(v1, [process.execPath, join(fixtures, 'hello-server.js'), '8080', '1'], /listening/);
  await start(v2, [process.execPath, join(fixtures, 'hello-server.js'), '8080', '2'], /listening/);
  await start(v1, [process.execPath, join(fixtures, 'greeting-server.js'), '2525'], /listening/);
  // The names an application uses; in a cluster these come from cluster DNS.
  mkdirSync(`/etc/netns/${client.netns}`, { recursive: true });
  writeFileSync(
    `/etc/netns/${client.netns}/hosts`,
    '127.0.0.1 localhost\n10.96.0.10 my-server\n10.96.0.20 plain-tcp\n',
  );
  say(
    'my-server 10.96.0.10:80 -> v1, v2    my-server-v1 10.96.0.11:80    my-server-v2 10.96.0.12:80    plain-tcp 10.96.0.20:2525',
  );

  title('The route, in a ConfigMap volume');
  const services = readFileSync(join(scenario, 'services.yaml'), 'utf8');
  const route = readFileSync(join(scenario, 'my-server-route.yaml'), 'utf8');
  const volume = new ConfigMapMount(join(directory, 'routes'), {
    'services.yaml': services,
    'my-server-route.yaml': route,
  });
  say(route.trimEnd());

  title('The init container: iptables rules');
  play(
    client,
    'sideroute iptables apply --service-cidrs 10.96.0.0/16',
    [...sideroute, 'iptables', 'apply', '--service-cidrs', '10.96.0.0/16'],
    /./,
  );
  say(
    client
      .must(['iptables-save', '-t', 'nat'])
      .split('\n')
      .filter((line) => line.startsWith('-A'))
      .join('\n'),
  );

  title('The sidecar, as uid 1337');
  say(`client$ sideroute proxy --routes /etc/sideroute/routes --namespace devopssong &`);
  await start(
    client,
    [...sideroute, 'proxy', '--routes', volume.path, '--namespace', 'devopssong'],
    /"message":"ready"/,
    PROXY_UID,
  );

  title('Requests without the header go to version 1');
  for (let i = 0; i < 5; i += 1)
    play(client, 'curl http://my-server', [...CURL, 'http://my-server'], /^Hello from Version 1$/);

  title('Requests with the header go to version 2');
  for (let i = 0; i < 5; i += 1) {
    play(
      client,
      'curl -H "Version: new" http://my-server',
      [...CURL, '-H', 'Version: new', 'http://my-server'],
      /^Hello from Version 2$/,
    );
  }

  title('Why: sideroute explain');
  const explain = [
    'explain',
    '--routes',
    volume.path,
    '--service',
    'my-server.devopssong:80',
    '--method',
    'GET',
    '--path',
    '/',
    '-H',
    'version: new',
  ];
  play(
    client,
    'sideroute explain --service my-server.devopssong:80 -H "version: new" ...',
    [...sideroute, ...explain],
    /my-server-v2/,
  );

  title('A live change: all traffic to version 2 (one swap of ..data, no restart)');
  volume.write({
    'services.yaml': services,
    'my-server-route.yaml': readFileSync(join(scenario, '..', 'all-to-v2.yaml'), 'utf8'),
  });
  const changed = performance.now();
  while (
    client.run([...CURL, 'http://my-server']).stdout !== 'Hello from Version 2\n' &&
    performance.now() - changed < 5000
  );
  say(`applied within ${Math.round(performance.now() - changed)} ms`);
  for (let i = 0; i < 5; i += 1)
    play(client, 'curl http://my-server', [...CURL, 'http://my-server'], /^Hello from Version 2$/);

  title('A Service without a route, where the server speaks first: tunnelled, unread');
  const dialogue = 'exec 3<>/dev/tcp/plain-tcp/2525; head -n 1 <&3; echo hello >&3; head -n 1 <&3';
  play(client, `bash -c '${dialogue}'`, ['timeout', '5', 'bash', '-c', dialogue], /^220 greetings[^\n]*\nhello$/);

  title('What the sidecar counted');
  const counted = 'sideroute_requests_total|sideroute_passthrough_.*[1-9]$|sideroute_config_(valid|generation)';
  const scrape = `curl -s http://localhost:15020/metrics | grep -E '^(${counted})'`;
  play(client, scrape, ['bash', '-c', scrape], /sideroute_requests_total/);
}

if (process.getuid?.() !== 0) {
  process.stderr.write('demo: network namespaces and iptables need root; run: sudo npm run demo\n');
  process.exit(1);
}
const directory = mkdtempSync(join(tmpdir(), 'sideroute-demo-'));
chmodSync(directory, 0o755);
const cluster = new Cluster();
function cleanUp(): void {
  for (const child of children) child.kill('SIGKILL');
  cluster.close();
  rmSync(directory, { recursive: true, force: true });
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    cleanUp();
    process.exit(1);
  });
}
try {
  await main(cluster, directory);
} catch (error) {
  wrong += 1;
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
} finally {
  cleanUp();
}
title(wrong === 0 ? 'Every answer was right.' : `${wrong} answers were wrong.`);
process.exitCode = wrong === 0 ? 0 : 1;
