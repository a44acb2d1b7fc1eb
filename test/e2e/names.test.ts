/** Names and addresses at run time: what a sidecar makes of cluster DNS, and what it says of it everywhere. */
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import type { Pod } from '../support/cluster.ts';
import { ConfigMapMount } from '../support/config-map-mount.ts';
import { eventually } from '../support/eventually.ts';
import { PodDns, type Services } from '../support/pod-dns.ts';
import { Sidecar, SIDEROUTE } from '../support/sidecar.ts';
import { startTwoPods } from '../support/two-pods.ts';
import { matches } from '../support/match.ts';

const ROUTE = `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: web, port: 80}]
  rules: [{backendRefs: [{name: v1, port: 80}]}]
`;
const GOOD = { 'web.shop': { a: ['10.96.0.10'] }, 'v1.shop': { a: ['10.96.0.11'] } };
const SLOW_MS = 30_000;

interface Shown {
  readonly problems: readonly { readonly code: string; readonly severity: string; readonly message: string }[];
  readonly routes: readonly {
    readonly parents: readonly {
      readonly conditions: readonly {
        readonly type: string;
        readonly status: string;
        readonly reason: string;
        readonly message: string;
      }[];
    }[];
  }[];
  readonly frontends: readonly {
    readonly addresses: readonly string[];
    readonly unresolved: string | null;
    readonly rules: readonly {
      readonly backends: readonly { readonly state: string; readonly message: string | null }[];
    }[];
  }[];
}

class Stage {
  readonly client: Pod;
  readonly server: Pod;
  readonly dns: PodDns;
  readonly mount: ConfigMapMount;
  sidecar: Sidecar;
  readonly #flags: readonly string[];

  private constructor(
    client: Pod,
    server: Pod,
    dns: PodDns,
    mount: ConfigMapMount,
    sidecar: Sidecar,
    flags: readonly string[],
  ) {
    this.client = client;
    this.server = server;
    this.dns = dns;
    this.mount = mount;
    this.sidecar = sidecar;
    this.#flags = flags;
  }

  /** Another life of the sidecar, which knows nothing of the one before. */
  async restart(): Promise<void> {
    await this.sidecar.stop();
    this.sidecar = await Sidecar.startProxy(this.client, this.mount.path, ...this.#flags);
  }

  /** Two versions behind ClusterIPs 10.96.0.10 (parent), .11 (backend) and .20 (a parent made anew). */
  static async start(
    t: Test,
    services: Services,
    files: Readonly<Record<string, string>>,
    ...flags: string[]
  ): Promise<Stage> {
    const { cluster, client, server, directory } = await startTwoPods(t);
    cluster.addService('10.96.0.20', 80, [{ address: server.v4, port: 8000 }]);
    const dns = await PodDns.start(server, directory, services);
    const mount = new ConfigMapMount(join(directory, 'routes'), files);
    const all = ['--namespace', 'shop', '--resolv-conf', dns.resolvConf, ...flags];
    // Everything is captured, as when nobody says which networks are those of Services.
    client.must([...SIDEROUTE, 'iptables', 'apply', '--service-cidrs', '10.0.0.0/8']);
    return new Stage(client, server, dns, mount, await Sidecar.startProxy(client, mount.path, ...all), all);
  }

  get(url: string): string {
    return this.client.run(['curl', '-sS', '--max-time', '10', url]).stdout.trim();
  }

  reason(url: string): string {
    const head = this.client.run(['curl', '-sS', '--max-time', '10', '-D', '-', '-o', '/dev/null', url]).stdout;
    return /x-sideroute-reason: (\w+)/i.exec(head)?.[1] ?? '';
  }

  config(): Shown {
    return JSON.parse(this.client.must(['curl', '-sS', 'http://127.0.0.1:15000/config'])) as Shown;
  }

  /** `Accepted=True Accepted, ...` in `/config`, in what `sideroute status` prints, and as values of the gauge. */
  shown(): { config: string; status: string; gauge: string } {
    const conditions = this.config().routes[0]?.parents[0]?.conditions ?? [];
    const status = this.client.run([...SIDEROUTE, 'status']).stdout;
    const samples = this.sidecar
      .get('/metrics')
      .matchAll(/^sideroute_route_condition\{.*type="(\w+)",reason="(\w+)"\} (-?\d)/gm);
    const word: Readonly<Record<string, string>> = { '1': 'True', '0': 'False', '-1': 'Unknown' };
    return {
      config: conditions.map(({ type, status, reason }) => `${type}=${status} ${reason}`).join(', '),
      status: [...status.matchAll(/-> shop\/web:80: (\w+=\w+ \w+)/g)].map(([, one]) => one).join(', '),
      gauge: [...samples]
        .map(([, type, reason, value]) => `${type}=${word[value!]} ${reason}`)
        .sort()
        .join(', '),
    };
  }

  /** Everywhere. */
  async becomes(expected: string): Promise<void> {
    let last = '';
    await eventually(
      expected,
      () => {
        const { config, status, gauge } = this.shown();
        last = JSON.stringify({ config, status, gauge });
        return config === expected && status === expected && gauge === expected;
      },
      SLOW_MS,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}; shown: ${last}`);
    });
  }

  logged(text: string): number {
    return this.sidecar.log.filter((line) => line.includes(text)).length;
  }
}

const IN_ORDER = 'Accepted=True Accepted, ResolvedRefs=True ResolvedRefs';

t.test(
  'conditions follow what is known: backend and parent missing, not known, and there',
  { timeout: 300_000 },
  async (t) => {
    const stage = await Stage.start(t, { 'web.shop': GOOD['web.shop'] }, { 'route.yaml': ROUTE });
    const { dns } = stage;
    const gauge = (name: string) => stage.sidecar.metric(new RegExp(`^sideroute_unresolved_${name} `));
    await stage.becomes('Accepted=True Accepted, ResolvedRefs=False BackendNotFound');
    t.equal(stage.reason('http://10.96.0.10/'), 'no_backend', 'which is what requests are answered');
    t.equal(gauge('backends'), 1);
    matches(t, stage.config().frontends[0]!.rules[0]!.backends, [
      { state: 'missing', message: 'cluster DNS knows no such Service (ENOTFOUND)' },
    ]);
    t.match(
      stage.config().routes[0]!.parents[0]!.conditions[1]!.message,
      /^spec\.rules\[0\]\.backendRefs\[0\]: Service shop\/v1: /,
    );
    await eventually('one line', () => stage.logged('route condition ResolvedRefs is False') === 1);

    await dns.set(GOOD);
    await stage.becomes(IN_ORDER);
    t.equal(stage.get('http://10.96.0.10/'), 'Hello from Version 1');
    t.equal(gauge('backends'), 0);
    await eventually('one line', () => stage.logged('route condition ResolvedRefs is in order again') === 1);

    await dns.set({ 'v1.shop': null });
    await stage.becomes('Accepted=True Accepted, ResolvedRefs=False BackendNotFound');
    t.equal(stage.get('http://10.96.0.10/'), 'Hello from Version 1', 'its last good address serves on');
    await dns.set(GOOD);
    await stage.becomes(IN_ORDER);

    // Another life: the parent is not there, then DNS is not.
    await dns.set({ 'web.shop': null });
    await stage.restart();
    await stage.becomes('Accepted=False NoMatchingParent, ResolvedRefs=True ResolvedRefs');
    t.equal(gauge('frontends'), 1);
    t.equal(stage.get('http://10.96.0.10/'), 'Hello from Version parent', 'as without sideroute');
    t.match(
      stage.sidecar.get('/readyz'),
      /frontend shop\/web:80 is not routed: cluster DNS knows no such Service \(ENOTFOUND\)/,
    );
    await dns.fail('servfail');
    await stage.restart();
    await stage.becomes('Accepted=Unknown Pending, ResolvedRefs=Unknown Pending');
    await dns.fail(null);
    await dns.set(GOOD);
    await stage.becomes(IN_ORDER);
    t.equal(stage.get('http://10.96.0.10/'), 'Hello from Version 1');
    await stage.sidecar.stop();
  },
);

t.test(
  'a Service that is deleted and made anew is routed again, whatever its document says',
  { timeout: 120_000 },
  async (t) => {
    const kubectl = JSON.stringify({
      apiVersion: 'v1',
      kind: 'List',
      items: [
        ...['web', 'v1'].map((name, index) => ({
          apiVersion: 'v1',
          kind: 'Service',
          metadata: { name, namespace: 'shop' },
          spec: { clusterIP: `10.96.0.${10 + index}`, clusterIPs: [`10.96.0.${10 + index}`], ports: [{ port: 80 }] },
        })),
        {
          apiVersion: 'gateway.networking.k8s.io/v1',
          kind: 'HTTPRoute',
          metadata: { name: 'web', namespace: 'shop' },
          spec: {
            parentRefs: [{ group: '', kind: 'Service', name: 'web', port: 80 }],
            rules: [{ backendRefs: [{ name: 'v1', port: 80 }] }],
          },
        },
      ],
    });
    const stage = await Stage.start(t, GOOD, {});
    const exported = stage.client.must([...SIDEROUTE, 'routes', 'export', '-o', 'json', '--namespace', 'shop'], {
      input: kubectl,
    });
    const { items } = JSON.parse(exported) as { items: { data: Record<string, string> }[] };
    stage.mount.write(items[0]!.data);
    await stage.becomes(IN_ORDER);
    const documents = (verdict: string) =>
      stage.sidecar.metric(new RegExp(`^sideroute_documented_services\\{dns="${verdict}"\\}`));
    await eventually('DNS agrees', () => documents('agrees') === 2);
    t.same(stage.config().problems, []);
    t.equal(stage.get('http://10.96.0.10/'), 'Hello from Version 1');

    await stage.dns.set({ 'web.shop': { a: ['10.96.0.20'] } });
    await eventually('DNS differs', () => documents('differs') === 1, 60_000);
    t.equal(stage.get('http://10.96.0.20/'), 'Hello from Version 1', 'routed at its new address');
    t.equal(stage.get('http://10.96.0.10/'), 'Hello from Version parent', 'and not at the old one');
    matches(t, stage.config().problems, [
      { code: 'document-outdated', severity: 'warning', message: /10\.96\.0\.10 .*10\.96\.0\.20/ },
    ]);
    await eventually('one line', () => stage.logged('cluster DNS is followed') === 1);
    t.equal(stage.sidecar.metric(/^sideroute_config_valid /), 1);
    await stage.sidecar.stop();
  },
);

t.test(
  'a parent whose DNS gives addresses of pods is not accepted, and its pods are reached as they are',
  { timeout: 120_000 },
  async (t) => {
    const stage = await Stage.start(t, GOOD, { 'route.yaml': ROUTE });
    await stage.becomes(IN_ORDER);
    const { server, dns } = stage;
    // One pod, which only its name gives away; then two.
    const pod = `${server.v4.replaceAll('.', '-')}.web.shop.svc.cluster.local`;
    const reverse = `${server.v4.split('.').reverse().join('.')}.in-addr.arpa`;
    await dns.set({ 'web.shop': { a: [server.v4] } });
    await dns.add({ [reverse]: { ptr: [pod] } });
    await stage.becomes('Accepted=False NoMatchingParent, ResolvedRefs=True ResolvedRefs');
    matches(t, stage.config().frontends, [
      { addresses: [], unresolved: /^no ClusterIP: cluster DNS calls .* a pod of a headless Service$/ },
    ]);
    t.equal(stage.get(`http://${server.v4}:8000/`), 'Hello from Version parent');
    t.equal(stage.get('http://10.96.0.10/'), 'Hello from Version parent', 'not routed at the address it had before');
    await dns.set({ 'web.shop': { a: [server.v4, '10.244.0.99'] } });
    await eventually(
      'several',
      () => stage.config().frontends[0]!.unresolved?.includes('several addresses of one family'),
      SLOW_MS,
    );
    t.equal(stage.get(`http://${server.v4}:8000/`), 'Hello from Version parent');
    await dns.set(GOOD);
    await dns.add({ '10.0.96.10.in-addr.arpa': { ptr: ['web.shop.svc.cluster.local'] } });
    await stage.becomes(IN_ORDER);
    t.equal(stage.get('http://10.96.0.10/'), 'Hello from Version 1');
    await stage.sidecar.stop();
  },
);

t.test(
  'a sidecar that is told the networks of Services captures nothing outside of them',
  { timeout: 60_000 },
  async (t) => {
    const stage = await Stage.start(t, GOOD, { 'route.yaml': ROUTE }, '--service-cidrs', '10.96.0.0/16');
    await stage.becomes(IN_ORDER);
    await stage.dns.set({ 'web.shop': { a: [stage.server.v4] } });
    await stage.becomes('Accepted=False NoMatchingParent, ResolvedRefs=True ResolvedRefs');
    matches(t, stage.config().frontends, [
      { unresolved: `no ClusterIP: ${stage.server.v4} is outside the Service networks` },
    ]);
    await stage.sidecar.stop();
  },
);
