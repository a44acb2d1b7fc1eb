/**
 * Cluster DNS that fails, or answers what no Service can have, under load: the last good addresses serve on.
 *
 * SIDEROUTE_DNS_REQUESTS says how many requests there are at least; default 4,000.
 */
import { join } from 'node:path';
import t from 'tap';
import { ConfigMapMount } from '../support/config-map-mount.ts';
import { eventually } from '../support/eventually.ts';
import { PodDns } from '../support/pod-dns.ts';
import { waitForLine } from '../support/processes.ts';
import { fixture, Sidecar } from '../support/sidecar.ts';
import { startTwoPods } from '../support/two-pods.ts';
import { withoutUws } from '../support/uws-loads.ts';

const REQUESTS = Number(process.env['SIDEROUTE_DNS_REQUESTS'] ?? 4_000);
const ROUTE = `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: web, port: 80}]
  rules: [{backendRefs: [{name: v1, port: 80}]}]
`;
const GOOD = { 'web.shop': { a: ['10.96.0.10'] }, 'v1.shop': { a: ['10.96.0.11'] } };
/** What a name server may answer that no Service can have, and the label under which it is counted. */
const ANSWERS = [
  [{ a: ['0.0.0.0'] }, 'unspecified'],
  [{ aaaa: ['::'] }, 'unspecified'],
  [{ a: ['127.0.0.1'] }, 'loopback'],
  [{ a: ['224.0.0.1'] }, 'multicast'],
  [{ a: ['255.255.255.255'] }, 'broadcast'],
  [{ a: ['169.254.20.10'] }, 'link_local'],
  [{ aaaa: ['::ffff:a60:a'] }, 'ipv4_mapped'],
] as const;

interface Report {
  readonly answers: Readonly<Record<string, number>>;
  readonly failures: Readonly<Record<string, number>>;
}

for (const engine of ['native', 'uws']) {
  const options = { timeout: 600_000, skip: engine === 'uws' && withoutUws };
  t.test(`no request is lost to what cluster DNS answers, engine ${engine}`, options, async (t) => {
    const { client, server, directory } = await startTwoPods(t);
    const dns = await PodDns.start(server, directory, GOOD);
    const mount = new ConfigMapMount(join(directory, 'routes'), { 'route.yaml': ROUTE });
    const flags = ['--namespace', 'shop', '--resolv-conf', dns.resolvConf, '--engine', engine];
    const sidecar = await Sidecar.start(client, mount.path, ...flags);
    await eventually(
      'both addresses are known',
      () => sidecar.metric(/^sideroute_dns_services\{state="resolved"\}/) === 2,
    );

    const kept = client.spawn(fixture('load-client', 'http://10.96.0.10/', '2'));
    const keptReport = waitForLine(kept, /^\{/, 600_000);
    await waitForLine(kept, /^running/);
    const reports: Report[] = [];
    const ended = new AbortController();
    const connecting = (async () => {
      while (!ended.signal.aborted) {
        const child = client.spawn(fixture('short-connections', '500', '2', '10.96.0.10'));
        reports.push(JSON.parse(await waitForLine(child, /^\{/, 120_000)) as Report);
      }
    })();
    const unusable = (fault: string) =>
      sidecar.metric(new RegExp(`^sideroute_dns_unusable_addresses_total\\{fault="${fault}"\\}`));
    const services = (state: string) => sidecar.metric(new RegExp(`^sideroute_dns_services\\{state="${state}"\\}`));
    // Good again between two faults, as failures are retried more and more slowly.
    const recover = async (): Promise<void> => {
      await dns.fail(null);
      await dns.set(GOOD);
      await eventually('good again', () => services('resolved') === 2, 30_000);
    };
    for (const [answer, fault] of ANSWERS) {
      const before = unusable(fault);
      await dns.set({ 'web.shop': answer, 'v1.shop': answer });
      await eventually(`${fault} of both`, () => unusable(fault) >= before + 2 && services('stale') === 2, 30_000);
      await recover();
    }
    for (const fault of ['servfail', 'nxdomain', 'drop'] as const) {
      await dns.fail(fault);
      await eventually(`${fault}: both are stale`, () => services('stale') === 2, 30_000);
      await recover();
    }
    const requests = () => sidecar.metric(/^sideroute_requests_total\{.*backend_name="v1".*code="200"/);
    await eventually(`${REQUESTS} requests`, () => requests() >= REQUESTS, 600_000);
    ended.abort();
    kept.kill('SIGTERM');
    reports.push(JSON.parse(await keptReport) as Report);
    await connecting;
    for (const { answers, failures } of reports) {
      t.same(failures, {}, 'none failed');
      t.same(
        Object.keys(answers).filter((answer) => !answer.endsWith('Hello from Version 1')),
        [],
        'and none went elsewhere',
      );
    }
    t.comment(`${requests()} requests`);
    t.equal(await sidecar.stop(), 0);
  });
}
