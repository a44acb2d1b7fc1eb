/**
 * A real Prometheus scrapes a real sidecar with traffic of every kind, as the PodMonitor of deploy/ says: every query of the
 * dashboard brings data, and every alert rule is evaluated.
 *
 * SIDEROUTE_RECORDING=1 goes on for five minutes, and writes what the panels show to docs/dashboard/recording.json.
 */
import { readFileSync, writeFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Pod } from '../support/cluster.ts';
import { ConfigMapMount } from '../support/config-map-mount.ts';
import { eventually } from '../support/eventually.ts';
import { chooseAll, chooseEach, panelQueries, substitute, type PanelQuery } from '../support/grafana.ts';
import { pose, writeRecording } from '../support/dashboard-recording.ts';
import { container, DEPLOY, find, readManifests, ROOT } from '../support/manifests.ts';
import { Prometheus, type Series } from '../support/prometheus.ts';
import { Sidecar, startFixture } from '../support/sidecar.ts';
import { clusterOf } from '../support/cluster-of.ts';

const NAMESPACE = 'devopssong';
/** The pod, as its controller names it. */
const POD_NAME = 'client-5d8f7c9b4-x2x7q';
const CONTROLLER = 'client-5d8f7c9b4';
const SCRAPE_SECONDS = 1;
const RANGE_SECONDS = 10;
const DEADLINE_MS = 60_000;
const RECORDED = process.env['SIDEROUTE_RECORDING'] === '1';
/** Panels where 0 is what is to be seen while all is well. */
const ZERO_WHEN_WELL = [
  ...['Invalid configurations', 'Route faults', 'Unresolved Services'],
  ...['HTTP/2, streams reset', 'HTTP/2, connections ended for their peer'],
];

const scenario = new URL('../../../test/fixtures/scenario/', import.meta.url);
const ROUTES = `apiVersion: v1
kind: Service
metadata: { name: broken, namespace: ${NAMESPACE} }
spec: { clusterIP: 10.96.0.13, ports: [{ port: 80 }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: special, namespace: ${NAMESPACE} }
spec:
  parentRefs: [{ group: "", kind: Service, name: my-server, port: 80 }]
  rules:
    - matches: [{ path: { value: /mirrored } }]
      filters: [{ type: RequestMirror, requestMirror: { backendRef: { name: my-server-v2, port: 80 } } }]
      backendRefs: [{ name: my-server-v1, port: 80 }]
    - matches: [{ path: { value: /broken } }]
      retry: { attempts: 1, backoff: 1ms, codes: [503] }
      backendRefs: [{ name: broken, port: 80 }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: by-name, namespace: ${NAMESPACE} }
spec:
  parentRefs: [{ group: "", kind: Service, name: by-name, port: 80 }]
  rules:
    - matches: [{ path: { type: Exact, value: /known } }]
      backendRefs: [{ name: my-server-v1, port: 80 }]
    - matches: [{ path: { type: Exact, value: /ghost } }]
      backendRefs: [{ name: ghost, port: 80 }]
`;
const UNKNOWN_FILTER = ROUTES.replace('type: RequestMirror', 'type: Unheard');

/** Two connections that stay, and until it is killed: successes of both versions, mirrored, not routed, failing and malformed requests, and a tunnel. */
const TRAFFIC = `
exec 8<>/dev/tcp/my-server/80; printf 'GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n' >&8
exec 9<>/dev/tcp/plain-tcp/2525
curl='curl -s --max-time 5'
while :; do
  $curl http://my-server http://my-server/mirrored http://by-name/known http://by-name/unknown http://by-name/ghost
  $curl -H 'Version: new' http://my-server
  $curl http://my-server/broken
  $curl --http2-prior-knowledge -X POST -H 'content-type: application/grpc' http://my-server/broken
  head -c 200000 /dev/zero | $curl --data-binary @- http://my-server/broken
  exec 3<>/dev/tcp/my-server/80; printf 'GET / HTTP/1.1\\r\\nHost: a\\r\\nHost: b\\r\\n\\r\\n' >&3; cat <&3 >/dev/null; exec 3>&-
  exec 3<>/dev/tcp/plain-tcp/2525; head -n 1 <&3 >/dev/null; echo hello >&3; head -n 1 <&3 >/dev/null; exec 3>&-
done
`;

interface Target {
  readonly health: string;
  readonly lastError: string;
  readonly labels: Readonly<Record<string, string>>;
}

interface Rule {
  readonly name: string;
  readonly health: string;
  readonly state: string;
  readonly lastError?: string;
  readonly evaluationTime: number;
  readonly lastEvaluation: string;
}

/** What the Prometheus Operator makes of the PodMonitor for one pod, scraped more often. */
function scrapeConfig(client: Pod): object {
  const monitor = readManifests('prometheus/podmonitor.yaml')[0]!;
  const { podMetricsEndpoints } = monitor.spec as unknown as {
    podMetricsEndpoints: {
      port: string;
      path: string;
      relabelings: { sourceLabels: string[]; targetLabel: string }[];
    }[];
  };
  const [endpoint] = podMetricsEndpoints;
  const workload = find(readManifests('scenario/client.yaml'), 'Deployment', 'client');
  const ports = container(workload, 'sideroute')['ports'] as { name: string; containerPort: number }[];
  const { containerPort } = ports.find(({ name }) => name === endpoint!.port)!;
  const { annotations } = workload.spec!.template!.metadata;
  t.match(
    annotations,
    { 'prometheus.io/port': String(containerPort), 'prometheus.io/path': endpoint!.path },
    'the annotations say what the PodMonitor says',
  );
  return {
    job_name: `${NAMESPACE}/${monitor.metadata.name}`,
    metrics_path: endpoint!.path,
    static_configs: [
      {
        targets: [`${client.v4}:${containerPort}`],
        labels: {
          __meta_kubernetes_namespace: NAMESPACE,
          __meta_kubernetes_pod_name: POD_NAME,
          __meta_kubernetes_pod_controller_name: CONTROLLER,
        },
      },
    ],
    relabel_configs: [
      // Of every PodMonitor.
      { source_labels: ['__meta_kubernetes_namespace'], target_label: 'namespace' },
      { source_labels: ['__meta_kubernetes_pod_name'], target_label: 'pod' },
      ...endpoint!.relabelings.map(({ sourceLabels, targetLabel }) => ({
        source_labels: sourceLabels,
        target_label: targetLabel,
      })),
    ],
  };
}

/** Whether a panel has something to show for this traffic: a value that is a number, and more than 0 where it should be. */
function shows({ title }: PanelQuery, series: readonly Series[]): boolean {
  const values = series.flatMap((one) => one.values).filter((value) => Number.isFinite(value));
  return ZERO_WHEN_WELL.includes(title) ? values.length > 0 : values.some((value) => value > 0);
}

async function everyPanelShows(t: Test, prometheus: Prometheus, choice: ReadonlyMap<string, string>): Promise<void> {
  let missing = panelQueries();
  t.ok(missing.length > 25);
  await eventually(
    'every panel has data',
    () => {
      missing = missing.filter((query) => {
        const expression = substitute(query.expr, choice, SCRAPE_SECONDS);
        const answer = query.instant ? prometheus.query(expression) : prometheus.queryRange(expression, RANGE_SECONDS);
        return !shows(query, answer);
      });
      return missing.length === 0;
    },
    DEADLINE_MS,
  ).catch(() => undefined);
  t.same(missing, [], `data in every panel, with ${JSON.stringify(Object.fromEntries(choice))}`);
}

t.setTimeout(RECORDED ? 900_000 : 180_000);
t.test('every query of the dashboard brings data, and every alert is evaluated', async (t) => {
  const { cluster, directory } = clusterOf(t);
  const [client, v1, v2] = ['client', 'v1', 'v2'].map((name) => cluster.addPod(name)) as [Pod, Pod, Pod];
  const both = [v1, v2].map((pod) => ({ address: pod.v4, port: 8080 }));
  cluster.addService('10.96.0.10', 80, both);
  cluster.addService('10.96.0.11', 80, both.slice(0, 1));
  cluster.addService('10.96.0.12', 80, both.slice(1));
  cluster.addService('10.96.0.13', 80, []);
  cluster.addService('10.96.0.14', 80, both);
  cluster.addService('10.96.0.20', 2525, [{ address: v1.v4, port: 2525 }]);
  await startFixture(v1, 'hello-server', '8080', '1');
  await startFixture(v2, 'hello-server', '8080', '2');
  await startFixture(v1, 'greeting-server', '2525');
  await startFixture(
    cluster.node,
    'dns-server',
    cluster.node.v4,
    `by-name.${NAMESPACE}.svc.cluster.local=10.96.0.14/1`,
  );
  const resolvConf = join(directory.path, 'resolv.conf');
  writeFileSync(resolvConf, `nameserver ${cluster.node.v4}\nsearch ${NAMESPACE}.svc.cluster.local\n`);
  mkdirSync(`/etc/netns/${client.netns}`, { recursive: true });
  const hosts = '127.0.0.1 localhost\n10.96.0.10 my-server\n10.96.0.14 by-name\n10.96.0.20 plain-tcp\n';
  writeFileSync(`/etc/netns/${client.netns}/hosts`, hosts);
  const files = Object.fromEntries(
    ['services.yaml', 'my-server-route.yaml'].map((name) => [name, readFileSync(new URL(name, scenario), 'utf8')]),
  );
  const volume = new ConfigMapMount(join(directory.path, 'routes'), { ...files, 'special.yaml': ROUTES });
  await Sidecar.start(client, volume.path, '--namespace', NAMESPACE, '--resolv-conf', resolvConf);

  const prometheus = await Prometheus.start(cluster.node, join(directory.path, 'prometheus'), {
    global: { scrape_interval: `${SCRAPE_SECONDS}s`, evaluation_interval: '1s' },
    rule_files: [join(DEPLOY, 'prometheus', 'alerts.yaml')],
    scrape_configs: [scrapeConfig(client)],
  });
  const traffic = client.spawn(['bash', '-c', TRAFFIC], { stdio: 'ignore' });
  t.teardown(() => traffic.kill());

  await t.test('it understands what it scrapes', async (t) => {
    const target = await eventually('a scrape', () => {
      const [target] = (prometheus.get('targets') as { activeTargets: Target[] }).activeTargets;
      return target?.health === 'unknown' ? null : target;
    });
    t.match(target, { health: 'up', lastError: '' });
    t.match(target.labels, { namespace: NAMESPACE, pod: POD_NAME, controller: CONTROLLER });
  });

  await t.test('the dashboard with all chosen', (t) => everyPanelShows(t, prometheus, chooseAll()));
  await t.test('the dashboard with the values its variables offer', async (t) => {
    const choice = chooseEach(prometheus);
    t.match(choice.get('namespace'), NAMESPACE);
    t.match(choice.get('pod'), POD_NAME);
    t.match(choice.get('service'), /my-server/);
    await everyPanelShows(t, prometheus, choice);
  });

  const rules = (): Rule[] =>
    (prometheus.get('rules') as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules);
  await t.test('every alert is evaluated without an error, and none fires', async (t) => {
    const evaluated = await eventually('all evaluated', () => {
      const all = rules();
      return all.some(({ health }) => health === 'unknown') ? null : all;
    });
    const inFile = readManifests('prometheus/alerts.yaml')[0] as unknown as {
      groups: { rules: { alert: string }[] }[];
    };
    t.same(
      evaluated.map(({ name }) => name),
      inFile.groups.flatMap((group) => group.rules.map(({ alert }) => alert)),
    );
    for (const { name, health, lastError = '', state } of evaluated) {
      t.same([health, lastError], ['ok', ''], name);
      t.not(state, 'firing', name);
    }
    // Its rates need two scrapes of a counter that has been there before.
    const seen = await eventually('the failing backend is seen', () =>
      ['SiderouteErrors', 'SiderouteGrpcErrors'].every((alert) =>
        rules().some(({ name, state }) => name === alert && state === 'pending'),
      ),
    );
    t.ok(seen);
  });

  await t.test('a fault in a route file is seen on the dashboard and by the alert', async (t) => {
    volume.write({ ...files, 'special.yaml': UNKNOWN_FILTER });
    for (const query of panelQueries().filter(({ title }) => /^(Invalid|Route faults)/.test(title))) {
      const seen = await eventually(query.title, () => {
        const values = prometheus
          .query(substitute(query.expr, chooseAll(), SCRAPE_SECONDS))
          .flatMap((one) => one.values);
        return values.some((value) => value > 0);
      });
      t.ok(seen, query.title);
    }
    const pending = await eventually('an alert', () =>
      rules().some(({ name, state }) => name === 'SiderouteConfigInvalid' && state === 'pending'),
    );
    t.ok(pending);
  });

  if (!RECORDED) return;
  await t.test('what the panels show is written down', async () => {
    const route = 'my-server-route.yaml';
    const to = (weight: number) => `backendRefs:
        - { name: my-server-v1, port: 80, weight: ${100 - weight} }
        - { name: my-server-v2, port: 80, weight: ${weight} }
`;
    // The rule without a match is the last one.
    const canary = (weight: number) => ({
      [route]: files[route]!.replace(/backendRefs:(?![^]*backendRefs:)[^]*/, to(weight)),
    });
    await pose(volume, { ...files, 'special.yaml': ROUTES }, canary, { 'special.yaml': UNKNOWN_FILTER });
    await writeRecording(join(ROOT, 'docs', 'dashboard', 'recording.json'), prometheus);
  });
});
