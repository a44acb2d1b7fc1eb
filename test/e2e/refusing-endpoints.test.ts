/**
 * Some endpoints behind a ClusterIP refuse, or swallow what comes. kube-proxy chooses anew for every connection, so another dial
 * is likely to find one that works; before a connection stands nothing of a request has been sent.
 */
import t from 'tap';
import { join } from 'node:path';
import { Cluster, type Pod } from '../support/cluster.ts';
import { ConfigMapMount } from '../support/config-map-mount.ts';
import { ExchangeClient, type Answer } from '../support/exchange.ts';
import { Sidecar, startFixture, temporaryDirectory } from '../support/sidecar.ts';

const PORT = 3000;
const CONTROL_PORT = 3999;
/** Nothing listens on the first; what comes to the second is dropped. */
const REFUSING_PORT = 3001;
const DROPPING_PORT = 3002;
const GREETING_PORT = 3003;
const SERVICES = {
  parent: '10.96.0.10',
  three: '10.96.0.11',
  ten: '10.96.0.12',
  none: '10.96.0.13',
  dropping: '10.96.0.14',
  greeting: '10.96.0.15',
} as const;
const PLAIN = 'plain';
const RETRIED = 'retried';
/** Shorter than the first dial may take. */
const TIMED = 'timed';

function rule(service: string, path: string, more = ''): string {
  return `    - matches: [{ path: { value: /${service}/${path} } }]\n${more}      backendRefs: [{ name: ${service}, port: 80 }]\n`;
}

function documents(): string {
  const services = Object.entries(SERVICES).map(
    ([name, clusterIP]) =>
      `apiVersion: v1\nkind: Service\nmetadata: { name: ${name}, namespace: shop }\n` +
      `spec: { clusterIP: ${clusterIP}, ports: [{ port: 80 }] }\n---\n`,
  );
  const rules = Object.keys(SERVICES)
    .filter((name) => name !== 'parent' && name !== 'greeting')
    .flatMap((name) => [
      rule(name, PLAIN),
      rule(name, RETRIED, '      retry: { codes: [503], attempts: 1 }\n'),
      rule(name, TIMED, '      retry: { attempts: 5 }\n      timeouts: { backendRequest: 400ms }\n'),
    ]);
  return (
    services.join('') +
    'apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: { name: all, namespace: shop }\n' +
    `spec:\n  parentRefs: [{ group: "", kind: Service, name: parent, port: 80 }, { group: "", kind: Service, name: greeting, port: 80 }]\n  rules:\n${rules.join('')}`
  );
}

t.setTimeout(300_000);
const cluster = new Cluster();
t.teardown(() => cluster.close());
const directory = temporaryDirectory();
t.teardown(directory.remove);
const pods = [cluster.addPod('one'), cluster.addPod('two')] as const;
const application = cluster.addPod('application');
for (const pod of pods) await startFixture(pod, 'counting-server', String(PORT), String(CONTROL_PORT));
pods[0].must(['iptables', '-w', '-A', 'INPUT', '-p', 'tcp', '--dport', String(DROPPING_PORT), '-j', 'DROP']);
const good = (count: number) => Array.from({ length: count }, (_, i) => ({ address: pods[i % 2]!.v4, port: PORT }));
const refusing = { address: pods[0].v4, port: REFUSING_PORT };
cluster.addService(SERVICES.three, 80, [...good(2), refusing]);
cluster.addService(SERVICES.ten, 80, [...good(9), refusing]);
cluster.addService(SERVICES.none, 80, [refusing]);
cluster.addService(SERVICES.dropping, 80, [...good(2), { address: pods[0].v4, port: DROPPING_PORT }]);
await startFixture(pods[0], 'greeting-server', String(GREETING_PORT));
cluster.addService(SERVICES.greeting, 80, [{ address: pods[0].v4, port: GREETING_PORT }, refusing]);
const volume = new ConfigMapMount(join(directory.path, 'routes'), { 'routes.yaml': documents() });
const sidecar = await Sidecar.start(application, volume.path, '--namespace', 'shop', '--detect-timeout', '100ms');
const client = new ExchangeClient(application);
t.teardown(() => client.end());

function counts(pod: Pod, method: 'GET' | 'DELETE'): Record<string, number> {
  const url = `http://127.0.0.1:${CONTROL_PORT}/`;
  return JSON.parse(pod.must(['curl', '-sS', '--max-time', '5', '-X', method, url])) as Record<string, number>;
}

interface Sums {
  readonly answers: readonly Answer[];
  readonly failed: number;
  readonly twice: number;
  readonly lost: number;
}

/** GET and POST by turns, each with a target of its own, and what the backends have carried out of them. */
async function ask(service: string, rule: string, requests: number, connections: number): Promise<Sums> {
  for (const pod of pods) counts(pod, 'DELETE');
  const batch = Array.from({ length: requests }, (_, i) => ({
    method: i % 2 === 0 ? 'GET' : 'POST',
    target: `/${service}/${rule}/${i}`,
    headers: [['Host', 'parent']] as const,
    ...(i % 2 === 0 ? {} : { body: 'x' }),
  }));
  const address = { address: SERVICES.parent, port: 80 };
  const answers = await client.send({ ...address, requests: batch, connections, brief: true });
  const executed = new Map<string, number>();
  for (const pod of pods) {
    for (const [target, times] of Object.entries(counts(pod, 'GET'))) {
      executed.set(target, (executed.get(target) ?? 0) + times);
    }
  }
  return {
    answers,
    failed: answers.filter(({ status }) => status !== 200).length,
    twice: [...executed.values()].filter((times) => times > 1).length,
    lost: answers.filter(({ status }, i) => status === 200 && !executed.has(batch[i]!.target)).length,
  };
}

const redials = (): number => sidecar.metric(/^sideroute_reconnects_total\{reason="connect_failure"\}/);

for (const rule of [PLAIN, RETRIED]) {
  t.test(`one of three endpoints refuses: at most 1 of 10,000 requests fails, rule ${rule}`, async (t) => {
    const before = redials();
    const { failed, twice, lost } = await ask('three', rule, 10_000, 8);
    t.ok(failed <= 1, `${failed} failed`);
    t.equal(twice, 0, 'none was carried out twice');
    t.equal(lost, 0, 'none was answered that no backend has');
    t.ok(redials() - before >= 2_500, `${redials() - before} dials were repeated`);
    t.equal(sidecar.metric(/^sideroute_retries_denied_total\{reason="budget"\}/), 0, 'on nobody’s budget');
  });
}

t.test('one of ten endpoints refuses: no request fails', async (t) => {
  for (const rule of [PLAIN, RETRIED]) {
    const { failed, twice } = await ask('ten', rule, 5_000, 8);
    t.equal(failed, 0);
    t.equal(twice, 0);
  }
});

t.test('where every endpoint refuses the answer comes soon, and dials stay in proportion', async (t) => {
  const connects = (): number => sidecar.metric(/^sideroute_upstream_connects_total /);
  const { answers } = await ask('none', PLAIN, 8, 8);
  t.equal(answers.filter(({ status }) => status === 503).length, 8);
  // Not only when the time for connecting is over, which is three seconds.
  for (const { durationMs } of answers) t.ok(durationMs < 2_500, `after ${Math.round(durationMs)} ms`);
  const before = connects();
  const { failed } = await ask('none', PLAIN, 2_000, 32);
  t.equal(failed, 2_000);
  t.ok(connects() - before <= 3 * 2_000, `${connects() - before} dials for 2,000 requests`);
});

t.test('one of three endpoints swallows what comes: another is dialled before the timeout', async (t) => {
  const { answers, twice } = await ask('dropping', PLAIN, 300, 100);
  const failed = answers.filter(({ status }) => status !== 200).length;
  // One of 81 meets it four times in a row.
  t.ok(failed <= 20, `${failed} of 300 failed`);
  t.equal(twice, 0);
});

t.test('SPEC V2: an attempt that times out while it connects is retried, any method: nothing was sent', async (t) => {
  const { answers, twice } = await ask('dropping', TIMED, 60, 20);
  const failed = answers.filter(({ status }) => status !== 200).length;
  // One of 729 meets it six times in a row.
  t.ok(failed <= 2, `${failed} of 60 failed`);
  t.equal(twice, 0);
});

t.test('a server that speaks first is met although another endpoint refuses', async (t) => {
  const greet = `exec 3<>/dev/tcp/${SERVICES.greeting}/80; head -n 1 <&3`;
  for (let i = 0; i < 12; i++) {
    t.match(application.run(['timeout', '5', 'bash', '-c', greet]).stdout, '220 greetings');
  }
});
