/** What deploy/ holds: valid, in agreement with itself, the CLI and the metrics. Rendered where the tools for it are there. */
// Needs: helm, promtool.
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { PROXY_SETTINGS } from '../../src/config/settings.ts';
import { SETTING_NAMES } from '../../src/iptables/settings.ts';
import { LOG_LEVELS } from '../../src/log.ts';
import { ACCESS_LOG_MODES } from '../../src/addon/access-log.ts';
import { runCommand } from '../support/cluster.ts';
import { schemaProblems } from '../support/kubernetes-schema.ts';
import {
  container,
  DEPLOY,
  deployFiles,
  find,
  parseManifests,
  program,
  readManifests,
  ROOT,
  type Container,
  type Manifest,
} from '../support/manifests.ts';
import { SIDEROUTE, temporaryDirectory } from '../support/sidecar.ts';
import { matches } from '../support/match.ts';

const VERSION = (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version;
/** Not of Kubernetes itself: Kustomize, the Prometheus Operator, the Gateway API; and files that are no manifests. */
const OTHER_KINDS = [
  ...['Kustomization', 'Component', 'PodMonitor', 'PrometheusRule', 'HTTPRoute'],
  // General since Kubernetes 1.36.
  ...['MutatingAdmissionPolicy', 'MutatingAdmissionPolicyBinding'],
];
const NO_MANIFESTS = [
  'helm/sideroute/Chart.yaml',
  'helm/sideroute/values.yaml',
  'helm/sideroute/files/alerts.yaml',
  'helm/sideroute-controller/Chart.yaml',
  'helm/sideroute-controller/values.yaml',
  'helm/sideroute-controller/files/alerts.yaml',
  'prometheus/alerts.yaml',
  'prometheus/alerts.test.yaml',
];

const CHART = join(DEPLOY, 'helm', 'sideroute');
const scenario = ['namespace', 'servers', 'routes', 'client'].flatMap((name) => readManifests(`scenario/${name}.yaml`));
const client = find(scenario, 'Deployment', 'client');

function must(command: string, args: readonly string[]): string {
  const result = runCommand(command, args);
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')}: exit ${result.status}: ${result.stderr}`);
  return result.stdout;
}

/** A patch of a component: a part of a workload. */
const isPatch = (path: string) => path.endsWith('/pod.yaml');

function checkSchema(t: Test, manifest: Manifest, from: string): void {
  const problems =
    schemaProblems(manifest)?.filter((problem) => !isPatch(from) || !problem.includes(': required ')) ?? null;
  if (problems === null)
    t.ok(OTHER_KINDS.includes(manifest.kind), `${from}: ${manifest.apiVersion} ${manifest.kind} is known`);
  else t.same(problems, [], `${from}: ${manifest.kind} ${manifest.metadata.name} has only fields of the API`);
}

/** What a container has beside the volume over the token of the service account, which only shared pods need. */
function comparable({ volumeMounts, ...rest }: Container): object {
  return { ...rest, volumeMounts: (volumeMounts ?? []).filter(({ name }) => name !== 'sideroute-no-token') };
}

t.test('every manifest is YAML and has only fields that the API has, of the right types', async (t) => {
  for (const path of deployFiles()) {
    const manifests = readManifests(path);
    t.ok(manifests.length > 0, `${path} parses`);
    if (!NO_MANIFESTS.includes(path)) for (const manifest of manifests) checkSchema(t, manifest, path);
  }
  const wrong = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'x' },
    spec: { ports: [{ port: '80' }], selctor: {} },
  };
  t.equal(schemaProblems(wrong)?.length, 2, 'a wrong type and an unknown field are found');
});

t.test('the scenario by label is valid to sideroute, too', async (t) => {
  const files = ['my-server', 'my-server-v1', 'my-server-v2', 'my-server-route'].map((name) =>
    join(DEPLOY, 'by-label', `${name}.yaml`),
  );
  t.match(must(SIDEROUTE[0], [...SIDEROUTE.slice(1), 'check', ...files]), /1 frontends; 0 errors, 0 warnings/);
});

t.test("the scenario's routes are valid, and send the requests of the README where it says", async (t) => {
  const directory = temporaryDirectory();
  t.teardown(directory.remove);
  for (const [name, text] of Object.entries(find(scenario, 'ConfigMap').data!))
    writeFileSync(join(directory.path, name), text);
  const sideroute = (...args: string[]) => must(SIDEROUTE[0], [...SIDEROUTE.slice(1), ...args]);
  sideroute('check', directory.path, '--namespace', 'devopssong');
  const explain = (...args: string[]) =>
    sideroute(
      'explain',
      '--routes',
      directory.path,
      '--namespace',
      'devopssong',
      '--service',
      'my-server.devopssong:80',
      ...args,
    );
  t.match(explain(), /my-server-v1/);
  t.match(explain('-H', 'Version: new'), /my-server-v2/);
  t.same(
    parse(Object.values(find(scenario, 'ConfigMap').data!)[0]!),
    parse(readFileSync(join(ROOT, 'test/fixtures/scenario/my-server-route.yaml'), 'utf8')),
    'they are those that the other tests of the scenario use',
  );
});

t.test('the containers of sideroute have no more privileges than they need', async (t) => {
  const init = container(client, 'sideroute-init').securityContext;
  const sidecar = container(client, 'sideroute').securityContext;
  for (const context of [init, sidecar]) {
    t.match(context, {
      runAsNonRoot: true,
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      seccompProfile: { type: 'RuntimeDefault' },
    });
  }
  t.same(init?.['capabilities'], { drop: ['ALL'], add: ['NET_ADMIN'] });
  t.same(sidecar?.['capabilities'], { drop: ['ALL'] });
  t.equal(sidecar?.['runAsUser'], 1337);
});

t.test('variables and versions in the manifests are those of the program', async (t) => {
  const known = new Set<string>([
    ...PROXY_SETTINGS.map(({ env }) => env),
    ...Object.values(SETTING_NAMES).map(({ env }) => env),
    ...['POD_IP', 'POD_IPS', 'HOST_IP', 'NODE_OPTIONS'],
  ]);
  for (const name of ['sideroute-init', 'sideroute']) {
    for (const { name: variable } of container(client, name).env ?? [])
      t.ok(known.has(variable), `${variable} is read`);
    t.equal(container(client, name).image, `${name}:${VERSION}`);
  }
  const templates = readFileSync(join(CHART, 'templates', '_workload.tpl'), 'utf8');
  const settings = readFileSync(join(ROOT, 'docs', 'configuration.md'), 'utf8');
  for (const [variable] of templates.matchAll(/\bSIDEROUTE_[A-Z_]+/g))
    t.ok(settings.includes(`\`${variable}\``), `${variable} is documented`);
  const chart = parse(readFileSync(join(CHART, 'Chart.yaml'), 'utf8')) as { version: string; appVersion: string };
  t.match(chart, { version: VERSION, appVersion: VERSION });
});

t.test('alerts and the dashboard ask for metrics that are there', async (t) => {
  const sources = readdirSync(join(ROOT, 'src', 'observe')).map((name) =>
    readFileSync(join(ROOT, 'src', 'observe', name), 'utf8'),
  );
  const text = sources.join('\n');
  // A test compares it with what a scrape of the controller gets.
  const documented = readFileSync(join(ROOT, 'docs', 'controller.md'), 'utf8');
  const dashboard = readFileSync(join(DEPLOY, 'grafana', 'sideroute.json'), 'utf8');
  t.ok((JSON.parse(dashboard) as { panels: unknown[] }).panels.length > 10, 'the dashboard is JSON with panels');
  for (const file of [dashboard, readFileSync(join(DEPLOY, 'prometheus', 'alerts.yaml'), 'utf8')]) {
    const names = new Set([...file.matchAll(/\bsideroute_[a-z0-9_]+/g)].map(([name]) => name.replace(/_bucket$/, '')));
    for (const name of names) {
      const isThere = name.startsWith('sideroute_controller_')
        ? documented.includes(`| \`${name}\` |`)
        : text.includes(`'${name}'`);
      t.ok(isThere, `${name} exists`);
    }
  }
});

t.test('alerts fire when they should, and only then', async (t) => {
  const alerts = join(DEPLOY, 'prometheus');
  must('promtool', ['check', 'rules', join(alerts, 'alerts.yaml')]);
  t.match(must('promtool', ['test', 'rules', join(alerts, 'alerts.test.yaml')]), /SUCCESS/);
});

t.test('every query of the dashboard can be parsed', async (t) => {
  const directory = temporaryDirectory();
  t.teardown(directory.remove);
  const { panels } = JSON.parse(readFileSync(join(DEPLOY, 'grafana', 'sideroute.json'), 'utf8')) as {
    panels: { title: string; targets?: { expr: string }[] }[];
  };
  const rules = panels.flatMap(({ title, targets = [] }, panel) =>
    targets.map(({ expr }, index) => ({
      record: `panel:${panel}:${index}`,
      expr: expr.replaceAll('$__rate_interval', '5m').replaceAll(/\$(namespace|pod|service)\b/g, '.*'),
      labels: { title },
    })),
  );
  t.ok(rules.length > 20);
  const file = join(directory.path, 'rules.yaml');
  writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
  t.match(must('promtool', ['check', 'rules', file]), /SUCCESS/);
});

t.test('the kustomize component adds what the scenario has', async (t) => {
  for (const [component, mode] of [
    ['sideroute', 'native'],
    ['classic', 'classic'],
  ] as const) {
    const [patch] = readManifests(`kustomize/${component}/pod.yaml`);
    t.same(
      comparable(container(patch!, 'sideroute-init')),
      comparable(container(client, 'sideroute-init')),
      `${mode} init`,
    );
    t.same(
      inMode(container(patch!, 'sideroute'), mode),
      inMode(container(client, 'sideroute'), mode),
      `${mode} sidecar`,
    );
  }

  const kustomize = program('kustomize');
  if (kustomize === null) {
    t.comment('kustomize is not installed: go install sigs.k8s.io/kustomize/kustomize/v5@v5.7.1');
    return;
  }
  const built = parseManifests(must(kustomize, ['build', join(DEPLOY, 'scenario')]));
  t.equal(built.length, scenario.length);
  const directory = temporaryDirectory();
  t.teardown(directory.remove);
  for (const component of ['sideroute', 'classic']) {
    const overlay = join(directory.path, component);
    mkdirSync(overlay);
    writeFileSync(
      join(overlay, 'kustomization.yaml'),
      [
        'resources: [app.yaml]',
        `components: [${relative(overlay, join(DEPLOY, 'kustomize', component))}]`,
        'images: [{ name: sideroute, newName: registry.example/sideroute, newTag: "9" }]',
      ].join('\n'),
    );
    const pod = (name: string) => ({
      metadata: { labels: { app: name } },
      spec: { initContainers: [{ name: 'migrate', image: 'app' }], containers: [{ name: 'app', image: 'app' }] },
    });
    const workload = (kind: string, name: string, labels: Record<string, string>) =>
      JSON.stringify({
        apiVersion: 'apps/v1',
        kind,
        metadata: { name, labels },
        spec: {
          selector: { matchLabels: { app: name } },
          template: pod(name),
          ...(kind === 'StatefulSet' ? { serviceName: name } : {}),
        },
      });
    const marked = { 'sideroute.dev/sidecar': 'true' };
    writeFileSync(
      join(overlay, 'app.yaml'),
      [
        workload('Deployment', 'with', marked),
        workload('StatefulSet', 'set', marked),
        workload('Deployment', 'without', {}),
      ].join('\n---\n'),
    );
    const manifests = parseManifests(must(kustomize, ['build', overlay]));
    for (const manifest of manifests) checkSchema(t, manifest, component);
    for (const [kind, name] of [
      ['Deployment', 'with'],
      ['StatefulSet', 'set'],
    ] as const) {
      const spec = find(manifests, kind, name).spec!.template!.spec;
      const names = (list: readonly Container[] = []) => list.map((entry) => entry.name);
      t.same(
        [names(spec.initContainers), names(spec.containers)],
        component === 'sideroute'
          ? [['sideroute-init', 'sideroute', 'migrate'], ['app']]
          : [
              ['sideroute-init', 'migrate'],
              ['sideroute', 'app'],
            ],
        `${component}: ${kind} has the containers in order`,
      );
      t.equal(container(find(manifests, kind, name), 'sideroute').image, 'registry.example/sideroute:9');
    }
    t.equal(
      find(manifests, 'Deployment', 'without').spec!.template!.spec.initContainers?.length,
      1,
      'others are left alone',
    );
  }
});

/** A sidecar as it is in both modes; what differs is checked here. */
function inMode(sidecar: Container, mode: 'native' | 'classic'): object {
  const { restartPolicy, lifecycle, env = [], ...rest } = sidecar;
  if (restartPolicy !== undefined && mode === 'native') {
    if (restartPolicy !== 'Always' || lifecycle !== undefined) throw new Error('a native sidecar always restarts');
  } else if (restartPolicy === undefined && lifecycle === undefined) {
    throw new Error('a classic sidecar has a postStart hook');
  }
  return comparable({ ...rest, env: env.filter(({ name }) => name !== 'SIDEROUTE_DRAIN_QUIET') });
}

const helm = program('helm');
const noHelm = helm === null && 'helm is not there, nor Go to build it with';
t.test('the Helm chart renders what the scenario has, and its monitoring', { skip: noHelm }, async (t) => {
  const directory = temporaryDirectory();
  t.teardown(directory.remove);
  must(helm!, ['lint', CHART]);

  const values = join(directory.path, 'values.yaml');
  writeFileSync(
    values,
    JSON.stringify({
      routes: { files: find(scenario, 'ConfigMap').data },
      podMonitor: { enabled: true },
      alerts: { enabled: true },
      dashboard: { enabled: true },
    }),
  );
  const rendered = parseManifests(
    must(helm!, ['template', 'r', CHART, '--kube-version', '1.31.0', '--namespace', 'devopssong', '--values', values]),
  );
  for (const manifest of rendered) checkSchema(t, manifest, 'chart');
  t.same(find(rendered, 'ConfigMap', 'sideroute-routes').data, find(scenario, 'ConfigMap').data, 'the routes');
  t.same(find(rendered, 'PodMonitor').spec, readManifests('prometheus/podmonitor.yaml')[0]!.spec, 'the PodMonitor');
  t.same(find(rendered, 'PrometheusRule').spec, readManifests('prometheus/alerts.yaml')[0], 'the alerts');
  const elsewhere = must(helm!, [
    ...['template', 'r', CHART, '--kube-version', '1.31.0'],
    ...['--set', 'alerts.enabled=true', '--set', 'alerts.runbookUrl=https://wiki.example/sideroute'],
  ]);
  const links = [...elsewhere.matchAll(/runbook_url: (.*)/g)].map(([, link]) => link!);
  t.ok(
    links.length > 0 && links.every((link) => link.startsWith('https://wiki.example/sideroute#sideroute')),
    'another runbook',
  );
  const dashboard = find(rendered, 'ConfigMap', 'r-sideroute-dashboard').data!['sideroute.json']!;
  t.same(
    JSON.parse(dashboard),
    JSON.parse(readFileSync(join(DEPLOY, 'grafana', 'sideroute.json'), 'utf8')),
    'the dashboard',
  );

  // The chart of a workload that has this one as its dependency.
  const workload = join(directory.path, 'workload');
  cpSync(join(ROOT, 'test', 'fixtures', 'workload-chart'), workload, { recursive: true });
  cpSync(CHART, join(workload, 'charts', 'sideroute'), { recursive: true, dereference: true });
  const deployment = (...args: string[]) =>
    find(parseManifests(must(helm!, ['template', 'r', workload, ...args])), 'Deployment', 'app');
  for (const [version, mode] of [
    ['1.31.0', 'native'],
    ['1.27.3', 'classic'],
  ] as const) {
    const app = deployment('--kube-version', version);
    checkSchema(t, app, `chart, Kubernetes ${version}`);
    t.same(
      comparable(container(app, 'sideroute-init')),
      comparable(container(client, 'sideroute-init')),
      `${mode} init`,
    );
    t.same(inMode(container(app, 'sideroute'), mode), inMode(container(client, 'sideroute'), mode), `${mode} sidecar`);
    const quiet = deployment('--kube-version', version, '--set-json', 'sideroute.proxy.accessLog=false');
    const setting = container(quiet, 'sideroute').env?.find(({ name }) => name === 'SIDEROUTE_ACCESS_LOG');
    t.equal(setting?.value, 'off', 'an off without quotes');
    const { initContainers = [], containers = [] } = app.spec!.template!.spec;
    t.equal(initContainers.length, mode === 'native' ? 2 : 1, `${mode}: init containers`);
    t.equal(containers[0]!.name, mode === 'native' ? 'app' : 'sideroute', `${mode}: the first container`);
    const component = readManifests(`kustomize/${mode === 'native' ? 'sideroute' : 'classic'}/pod.yaml`)[0]!;
    t.same(app.spec!.template!.spec.volumes, component.spec!.template!.spec.volumes, `${mode}: volumes`);
    t.same(
      app.spec!.template!.metadata.annotations,
      component.spec!.template!.metadata.annotations,
      `${mode}: annotations`,
    );
  }

  const everything = deployment(
    ...['--kube-version', '1.31.0'],
    ...['--set', 'sideroute.image.registry=registry.example/team', '--set', 'sideroute.image.tag=9'],
    ...[
      '--set',
      'sideroute.interception.serviceCidrs={10.96.0.0/12,fd00::/108}',
      '--set',
      'sideroute.interception.backend=legacy',
    ],
    ...['--set', 'sideroute.interception.excludeOutboundPorts={5432,9000-9010}', '--set', 'sideroute.proxy.uid=2000'],
    ...['--set', 'sideroute.proxy.env.SIDEROUTE_ENGINE=uws', '--set', 'sideroute.routes.extraConfigMaps={more}'],
  );
  checkSchema(t, everything, 'chart, everything set');
  const init = container(everything, 'sideroute-init');
  t.equal(init.image, 'registry.example/team/sideroute-init:9');
  matches(t, init.securityContext, { runAsUser: 0, capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'NET_RAW'] } });
  const environment = (from: Container) => Object.fromEntries((from.env ?? []).map(({ name, value }) => [name, value]));
  t.match(environment(init), {
    SIDEROUTE_SERVICE_CIDRS: '10.96.0.0/12,fd00::/108',
    SIDEROUTE_EXCLUDE_OUTBOUND_PORTS: '5432,9000-9010',
    SIDEROUTE_IPTABLES_BACKEND: 'legacy',
    SIDEROUTE_PROXY_UID: '2000',
  });
  t.match(environment(container(everything, 'sideroute')), {
    SIDEROUTE_ENGINE: 'uws',
    SIDEROUTE_SERVICE_CIDRS: '10.96.0.0/12,fd00::/108',
  });
  t.match(container(everything, 'sideroute').securityContext, { runAsUser: 2000, runAsGroup: 2000 });
  t.match(JSON.stringify(everything.spec!.template!.spec.volumes), /"name":"more","optional":true/);
});

t.test(
  'traces: values of the chart reach the sidecar, and the token stays in its Secret',
  { skip: noHelm },
  async (t) => {
    const traces = (values: object) => {
      const { status, stdout, stderr } = renderedWith(t, { proxy: { traces: values } });
      if (status !== 0) throw new Error(stderr);
      const app = find(parseManifests(stdout), 'Deployment', 'app');
      checkSchema(t, app, 'chart, traces');
      const { env = [] } = container(app, 'sideroute');
      const { volumes = [] } = app.spec!.template!.spec;
      return { otel: env.filter(({ name }) => name.startsWith('OTEL_')), volumes: JSON.stringify(volumes) };
    };
    t.same(traces({}).otel, [], 'off by default');
    const ca = { caConfigMap: { name: 'collector-ca', key: 'root.pem' } };
    const off = traces({ ...ca, headersSecret: { name: 'collector-token' } });
    t.same([off.otel, off.volumes.includes('collector-ca')], [[], false], 'and without an endpoint');
    const endpoint = 'https://collector.observability:4318';
    const on = traces({ endpoint, sample: 0.05, headersSecret: { name: 'collector-token' }, ...ca });
    t.same(on.otel, [
      { name: 'OTEL_EXPORTER_OTLP_ENDPOINT', value: endpoint },
      { name: 'OTEL_TRACES_SAMPLER_ARG', value: '0.05' },
      {
        name: 'OTEL_EXPORTER_OTLP_HEADERS',
        valueFrom: { secretKeyRef: { name: 'collector-token', key: 'headers' } },
      },
      { name: 'OTEL_EXPORTER_OTLP_CERTIFICATE', value: '/etc/sideroute/routes/collector-ca.crt' },
    ]);
    const authorities = (name: string, key: string) =>
      JSON.stringify({ configMap: { name, items: [{ key, path: 'collector-ca.crt' }], optional: true } });
    t.match(on.volumes, authorities('collector-ca', 'root.pem'));
    const names = { headersSecret: { name: '123', key: 'on' }, caConfigMap: { name: '1e3', key: '1.0' } };
    const texts = traces({ endpoint, ...names });
    t.match(texts.otel[2], { valueFrom: { secretKeyRef: { name: '123', key: 'on' } } }, 'names that YAML may misread');
    t.match(texts.volumes, authorities('1e3', '1.0'));
    const nulls = traces({ endpoint, sample: null, headersSecret: null, caConfigMap: null });
    t.same(nulls.otel.slice(1), [{ name: 'OTEL_TRACES_SAMPLER_ARG', value: '0.01' }], 'null is the default');
    const keys = { headersSecret: { name: 'token', key: null }, caConfigMap: { name: 'ca', key: null } };
    t.match(traces({ endpoint, ...keys }).volumes, authorities('ca', 'ca.crt'));
    const sample = PROXY_SETTINGS.find(({ key }) => key === 'tracesSample')!;
    for (const rate of [0, 1, 0.5, 0.00001, 0.123456789]) {
      const { value } = traces({ endpoint, sample: rate }).otel[1]!;
      t.equal(sample.parse(value!), rate, `${value}`);
    }
    for (const [values, field] of [
      [{ endpoint: 'collector:4318' }, /endpoint/],
      [{ endpoint: 'http://me:secret@collector' }, /endpoint/],
      [{ endpoint, sample: 2 }, /sample/],
      [{ endpoint, headersSecret: 'token' }, /headersSecret/],
      [{ endpoint, headersSecret: { name: 'Not A Name' } }, /headersSecret.*name/],
      [{ endpoint, caConfigMap: { file: 'x' } }, /caConfigMap/],
    ] as const) {
      const { status, stderr } = renderedWith(t, { proxy: { traces: values } });
      t.not(status, 0);
      t.match(stderr, field);
    }
  },
);

/** The chart of a workload with values for this one, as helm renders it, or what it says against them. */
function renderedWith(t: Test, values: object) {
  const { path, remove } = temporaryDirectory();
  t.teardown(remove);
  const workload = join(path, 'workload');
  cpSync(join(ROOT, 'test', 'fixtures', 'workload-chart'), workload, { recursive: true });
  cpSync(CHART, join(workload, 'charts', 'sideroute'), { recursive: true, dereference: true });
  const file = join(path, 'values.yaml');
  writeFileSync(file, JSON.stringify({ sideroute: values }));
  return runCommand(helm!, ['template', 'r', workload, '--kube-version', '1.31.0', '--values', file]);
}

t.test('numbers of a values file are rendered as they are written, however large', { skip: noHelm }, async (t) => {
  const { status, stdout, stderr } = renderedWith(t, {
    image: { tag: 20251128 },
    routes: { extraConfigMaps: ['more'] },
    interception: { excludeOutboundPorts: [5432, '9000-9010'], resources: { requests: { memory: 134217728 } } },
    proxy: {
      ...{ uid: 1000650000, heapMiB: 1048576 },
      env: {
        SIDEROUTE_MAX_HEAD_BYTES: 1048576,
        SIDEROUTE_MAX_CONNECTIONS: 1000000,
        SIDEROUTE_STRICT: true,
        RATIO: 0.25,
      },
      resources: { requests: { cpu: 1, memory: 268435456 }, limits: { cpu: 1.5, memory: '1Gi' } },
    },
  });
  t.equal(status, 0, stderr);
  t.notMatch(stdout, /[0-9]e\+[0-9]/);
  const app = find(parseManifests(stdout), 'Deployment', 'app');
  checkSchema(t, app, 'chart, large numbers');
  const [init, sidecar] = [container(app, 'sideroute-init'), container(app, 'sideroute')];
  const environment = (from: Container) => Object.fromEntries((from.env ?? []).map(({ name, value }) => [name, value]));
  t.match(environment(init), { SIDEROUTE_PROXY_UID: '1000650000', SIDEROUTE_EXCLUDE_OUTBOUND_PORTS: '5432,9000-9010' });
  t.match(environment(sidecar), {
    SIDEROUTE_MAX_HEAD_BYTES: '1048576',
    SIDEROUTE_MAX_CONNECTIONS: '1000000',
    SIDEROUTE_STRICT: 'true',
    RATIO: '0.25',
    NODE_OPTIONS: '--max-old-space-size=1048576 --max-semi-space-size=2',
  });
  t.match(sidecar.securityContext, { runAsUser: 1000650000, runAsGroup: 1000650000 });
  t.same(sidecar['resources'], {
    requests: { cpu: '1', memory: '268435456' },
    limits: { cpu: '1.5', memory: '1Gi' },
  });
  t.match(init['resources'], { requests: { cpu: '10m', memory: '134217728' }, limits: { memory: '128Mi' } });
  t.equal(sidecar.image, 'sideroute:20251128');
  const sources = JSON.stringify(app.spec!.template!.spec.volumes);
  t.match(
    sources,
    /sideroute-routes".*sideroute-routes-2".*sideroute-routes-3".*"more".*sideroute-set-0".*sideroute-set-7"/,
  );
});

t.test('values that the chart does not have, or cannot have, are refused by name', { skip: noHelm }, async (t) => {
  for (const [values, place] of [
    [{ proxi: {} }, 'proxi'],
    [{ proxy: { loglevel: 'debug' } }, 'loglevel'],
    [{ proxy: { logLevel: 'trace' } }, 'logLevel'],
    [{ proxy: { accessLog: 'some' } }, 'accessLog'],
    [{ proxy: { uid: 0 } }, 'uid'],
    [{ proxy: { uid: '1337' } }, 'uid'],
    [{ proxy: { heapMiB: '128' } }, 'heapMiB'],
    [{ proxy: { strict: 'yes' } }, 'strict'],
    [{ proxy: { drainTimeout: 25 } }, 'drainTimeout'],
    [{ proxy: { env: { SIDEROUTE_MAX_HEADBYTES: 1 } } }, 'SIDEROUTE_MAX_HEADBYTES'],
    [{ proxy: { resources: { limit: {} } } }, 'limit'],
    [{ mode: 'sidecar' }, 'mode'],
    [{ image: { pullPolicy: 'Sometimes' } }, 'pullPolicy'],
    [{ image: { tag: 1.1 } }, 'tag'],
    [{ routes: { files: { 'my-route': 'kind: HTTPRoute' } } }, 'my-route'],
    [{ routes: { configMap: 'Upper' } }, 'configMap'],
    [{ interception: { serviceCidrs: '10.96.0.0/12' } }, 'serviceCidrs'],
    [{ interception: { excludeOutboundPorts: [70000] } }, 'excludeOutboundPorts'],
    [{ interception: { backend: 'ebpf' } }, 'backend'],
    [{ podMonitor: { enable: true } }, 'enable'],
    [{ dashboard: { labels: { grafana_dashboard: 1 } } }, 'grafana_dashboard'],
  ] as const) {
    const { status, stderr } = renderedWith(t, values);
    t.not(status, 0, JSON.stringify(values));
    t.match(stderr, place, `${JSON.stringify(values)} is named`);
  }
  // What a parent chart may say besides.
  t.equal(renderedWith(t, { enabled: true, global: { anything: 1 }, proxy: { accessLog: false } }).status, 0);
});

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly enum?: readonly unknown[];
  readonly propertyNames?: { readonly anyOf: readonly Schema[] };
}

t.test('the schema of the values has the values there are, and the words that the program knows', async (t) => {
  const schema = JSON.parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8')) as Schema;
  const compare = (of: Schema, values: object, path: string): void => {
    if (of.properties === undefined) return;
    const notRead =
      path === '' ? ['global', 'enabled'] : path.endsWith('resources.') ? ['claims', 'limits', 'requests'] : [];
    const names = Object.keys(of.properties).filter((name) => !notRead.includes(name) || name in values);
    t.same(names.sort(), Object.keys(values).sort(), `${path}*`);
    for (const [name, value] of Object.entries(values))
      if (typeof value === 'object' && value !== null)
        compare(of.properties[name]!, value as object, `${path}${name}.`);
  };
  compare(schema, parse(readFileSync(join(CHART, 'values.yaml'), 'utf8')) as object, '');
  const proxy = schema.properties!['proxy']!.properties!;
  t.same(proxy['logLevel']!.enum, LOG_LEVELS);
  t.same(proxy['accessLog']!.enum, [...ACCESS_LOG_MODES, false]);
  const known = PROXY_SETTINGS.map(({ env }) => env).filter((env) => env.startsWith('SIDEROUTE_'));
  t.same(proxy['env']!.propertyNames!.anyOf[1]!.enum, known.sort());
});

t.test('the list of software names every production dependency', async (t) => {
  const directory = temporaryDirectory();
  t.teardown(directory.remove);
  const file = join(directory.path, 'sbom.json');
  must(process.execPath, [join(ROOT, 'scripts', 'sbom.mjs'), file]);
  const { spdxVersion, packages } = JSON.parse(readFileSync(file, 'utf8')) as {
    spdxVersion: string;
    packages: { name: string; versionInfo: string; SPDXID: string }[];
  };
  t.equal(spdxVersion, 'SPDX-2.3');
  t.equal(new Set(packages.map(({ SPDXID }) => SPDXID)).size, packages.length, 'identifiers are unique');
  const listed = packages.map(({ name, versionInfo }) => `${name}@${versionInfo}`);
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
    devDependencies: Record<string, string>;
  };
  for (const [name, version] of Object.entries(manifest.dependencies))
    t.ok(listed.includes(version.startsWith('npm:') ? version.slice(4) : `${name}@${version}`), `${name} is listed`);
  t.ok(listed.includes(`node@${process.versions.node}`), 'Node.js is listed');
  t.notOk(
    listed.some((name) => name.startsWith('typescript@')),
    'what only development needs is not',
  );
});
