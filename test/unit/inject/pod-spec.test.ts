import { Pod } from 'kubernetes-models/v1';
import { DaemonSet, Deployment, ReplicaSet, StatefulSet } from 'kubernetes-models/apps/v1';
import { CronJob, Job } from 'kubernetes-models/batch/v1';
import t from 'tap';
import { shardNames } from '../../../src/route-set/format.ts';
import { buildProgram } from '../../../src/program.ts';
import { exportEnvironment } from '../../../src/traces/environment.ts';
import {
  containerOf,
  environmentOf,
  injected,
  manifest,
  manifests,
  modesOf,
  objectsOf,
  onlyTemplate,
  templatesOf,
} from './fixtures.ts';
import { matches } from '../../support/match.ts';

const names = (list: readonly { readonly name: string }[] | null | undefined) => (list ?? []).map(({ name }) => name);

t.test('native: rules, sidecar, then the init containers of the pod; containers as they were', async (t) => {
  const { spec } = onlyTemplate(injected(manifest('lists-without-indentation.yaml')));
  t.same(names(spec.initContainers), ['sideroute-init', 'sideroute', 'chown']);
  t.same(names(spec.containers), ['db']);
  t.same(names(spec.volumes), ['sideroute-routes', 'sideroute-no-token', 'cache']);
});

t.test('classic: the sidecar is the first container, the rules come after every init container', async (t) => {
  const { spec, metadata } = onlyTemplate(injected(manifest('classic.yaml')));
  t.same(names(spec.initContainers), ['one', 'two', 'sideroute-init']);
  t.same(names(spec.containers), ['sideroute', 'cart']);
  t.equal(
    metadata?.annotations?.['kubectl.kubernetes.io/default-container'],
    'cart',
    'kubectl logs shows the application',
  );
});

t.test('the init container has NET_ADMIN and nothing else, knows its addresses, and applies the rules', async (t) => {
  const container = containerOf(onlyTemplate(injected(manifest('deployment.yaml'))), 'sideroute-init');
  t.equal(container.command, undefined, 'the entry point of its image');
  t.same(
    container.env?.map(({ name, valueFrom, value }) => [name, valueFrom ?? value]),
    [
      ['POD_IP', { fieldRef: { fieldPath: 'status.podIP' } }],
      ['POD_IPS', { fieldRef: { fieldPath: 'status.podIPs' } }],
      ['HOST_IP', { fieldRef: { fieldPath: 'status.hostIP' } }],
      ['SIDEROUTE_PROXY_UID', '1337'],
    ],
  );
  t.same(container['securityContext'], {
    runAsUser: 65534,
    runAsGroup: 65534,
    runAsNonRoot: true,
    readOnlyRootFilesystem: true,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] },
    seccompProfile: { type: 'RuntimeDefault' },
  });
});

t.test('the sidecar: native, probed, limited, unprivileged, with the routes mounted as directories', async (t) => {
  const template = onlyTemplate(injected(manifest('deployment.yaml')));
  const sidecar = containerOf(template, 'sideroute');
  t.same(sidecar.command, ['sideroute', 'proxy']);
  t.equal(sidecar.restartPolicy, 'Always');
  t.match(sidecar.env?.[0], { name: 'POD_NAMESPACE', valueFrom: { fieldRef: { fieldPath: 'metadata.namespace' } } });
  t.match(environmentOf(sidecar), {
    SIDEROUTE_DRAIN_QUIET: '0s',
    NODE_OPTIONS: '--max-old-space-size=128 --max-semi-space-size=2',
  });
  t.same(sidecar['ports'], [{ name: 'sideroute-prom', containerPort: 15020, protocol: 'TCP' }]);
  t.same(sidecar['startupProbe'], {
    httpGet: { path: '/startupz', port: 15020 },
    periodSeconds: 1,
    failureThreshold: 60,
  });
  t.same(sidecar['readinessProbe'], {
    httpGet: { path: '/readyz', port: 15020 },
    periodSeconds: 5,
    failureThreshold: 3,
  });
  t.same(sidecar['livenessProbe'], {
    httpGet: { path: '/livez', port: 15020 },
    periodSeconds: 10,
    failureThreshold: 6,
  });
  t.same(sidecar['resources'], { requests: { cpu: '50m', memory: '80Mi' }, limits: { memory: '256Mi' } });
  t.same(sidecar['securityContext'], {
    runAsUser: 1337,
    runAsGroup: 1337,
    runAsNonRoot: true,
    readOnlyRootFilesystem: true,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  });
  t.equal(sidecar['lifecycle'], undefined);
  t.notMatch(JSON.stringify(template.spec), /subPath/);
  t.same(template.spec.volumes, [
    {
      name: 'sideroute-routes',
      projected: {
        sources: [...['', '-2', '-3'].map((part) => `sideroute-routes${part}`), ...shardNames()].map((name) => ({
          configMap: { name, optional: true },
        })),
      },
    },
    { name: 'sideroute-no-token', emptyDir: {} },
  ]);
});

t.test('neither container gets the token of the service account', async (t) => {
  const template = onlyTemplate(injected(manifest('deployment.yaml')));
  for (const name of ['sideroute-init', 'sideroute']) {
    t.match(JSON.stringify(containerOf(template, name)['volumeMounts']), /serviceaccount","readOnly":true/, name);
  }
});

t.test('a classic sidecar holds back the application until it is ready, and outlives it', async (t) => {
  const sidecar = containerOf(onlyTemplate(injected(manifest('classic.yaml'))), 'sideroute');
  t.equal(sidecar.restartPolicy, undefined);
  t.same(sidecar['lifecycle'], { postStart: { exec: { command: ['sideroute', 'wait', '--timeout', '60s'] } } });
  t.same(environmentOf(sidecar)['SIDEROUTE_DRAIN_TIMEOUT'], '40s', '5 s less than terminationGracePeriodSeconds');
  t.equal(environmentOf(sidecar)['SIDEROUTE_DRAIN_QUIET'], undefined);
});

t.test('Prometheus is led to the sidecar, except where it is led somewhere already', async (t) => {
  const annotations = (name: string) => onlyTemplate(injected(manifest(name))).metadata?.annotations ?? {};
  t.match(annotations('deployment.yaml'), {
    'prometheus.io/scrape': 'true',
    'prometheus.io/port': '15020',
    'prometheus.io/path': '/metrics',
  });
  const own = annotations('prometheus-already.yaml');
  t.equal(own['prometheus.io/port'], '8080');
  t.equal(own['prometheus.io/path'], undefined);
});

t.test('every setting reaches its place', async (t) => {
  const template = onlyTemplate(injected(manifest('settings.yaml')));
  const init = containerOf(template, 'sideroute-init');
  const sidecar = containerOf(template, 'sideroute');
  t.match(environmentOf(init), {
    SIDEROUTE_SERVICE_CIDRS: '10.96.0.0/12,fd00:96::/108',
    SIDEROUTE_EXCLUDE_OUTBOUND_CIDRS: '10.1.0.0/16',
    SIDEROUTE_EXCLUDE_OUTBOUND_PORTS: '5432, 9000-9010',
    SIDEROUTE_PROXY_UID: '2102',
  });
  t.equal(init.image, 'registry.example/sideroute-init:2');
  t.match(sidecar.image, /^registry\.example:5000\/sideroute@sha256:/);
  matches(t, [init['imagePullPolicy'], sidecar['imagePullPolicy']], ['IfNotPresent', 'IfNotPresent']);
  t.match(environmentOf(sidecar), {
    SIDEROUTE_SERVICE_CIDRS: '10.96.0.0/12,fd00:96::/108',
    SIDEROUTE_LOG_LEVEL: 'warn',
    SIDEROUTE_ACCESS_LOG: 'off',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector.observability:4318',
    OTEL_TRACES_SAMPLER_ARG: '0.5',
    SIDEROUTE_DRAIN_TIMEOUT: '40s',
    SIDEROUTE_STRICT: 'true',
    NODE_OPTIONS: '--max-old-space-size=256 --max-semi-space-size=2',
  });
  t.same(sidecar['resources'], {
    requests: { cpu: '100m', memory: '128Mi' },
    limits: { cpu: '1', memory: '512Mi' },
  });
  t.match(sidecar['securityContext'], { runAsUser: 2102, runAsGroup: 2102 });
  const { env } = sidecar;
  t.same(
    env?.find(({ name }) => name === 'OTEL_EXPORTER_OTLP_HEADERS'),
    {
      name: 'OTEL_EXPORTER_OTLP_HEADERS',
      valueFrom: { secretKeyRef: { name: 'collector-token', key: 'headers' } },
    },
  );
  t.equal(environmentOf(sidecar)['OTEL_EXPORTER_OTLP_CERTIFICATE'], '/etc/sideroute/routes/collector-ca.crt');
  t.same(template.spec.volumes?.[0], {
    name: 'sideroute-routes',
    projected: {
      sources: [
        ...['sideroute-routes', 'sideroute-routes-2', ...shardNames()].map((name) => ({
          configMap: { name, optional: true },
        })),
        { configMap: { name: 'collector-ca', items: [{ key: 'ca.crt', path: 'collector-ca.crt' }], optional: true } },
      ],
    },
  });
});

t.test('authorities of a collector are mounted only where there is a traces endpoint', async (t) => {
  const defaults = { tracesCaConfigMap: 'collector-ca' };
  const mounts = (settings: Parameters<typeof injected>[1]) => {
    const { spec } = onlyTemplate(injected(manifest('deployment.yaml'), settings));
    return JSON.stringify(spec).includes('collector-ca');
  };
  t.notOk(mounts(defaults));
  t.ok(mounts({ ...defaults, tracesEndpoint: 'https://collector.observability' }));
});

t.test('an annotation wins over what applies to all pods', async (t) => {
  const text = injected(manifest('settings.yaml'), {
    logLevel: 'debug',
    image: 'other:1',
    metadataAddresses: '100.100.100.200',
  });
  const template = onlyTemplate(text);
  t.equal(environmentOf(containerOf(template, 'sideroute'))['SIDEROUTE_LOG_LEVEL'], 'warn');
  const environment = environmentOf(containerOf(template, 'sideroute-init'));
  t.equal(environment['SIDEROUTE_METADATA_ADDRESSES'], '100.100.100.200', 'where the pod says nothing');
  t.equal(
    containerOf(onlyTemplate(injected(manifest('deployment.yaml'), { image: 'other:1' })), 'sideroute').image,
    'other:1',
  );
});

const MODELS = { CronJob, DaemonSet, Deployment, Job, Pod, ReplicaSet, StatefulSet };

t.test('what comes out is valid by the schemas of the Kubernetes API', async (t) => {
  let validated = 0;
  for (const { name, text } of manifests('inject')) {
    for (const mode of modesOf(name)) {
      for (const object of objectsOf(injected(text, { mode }))) {
        const kind = (object.kind ?? 'Pod') as keyof typeof MODELS;
        if (!(kind in MODELS) || !/^(?:v1|apps\/v1|batch\/v1)$/.test(object.apiVersion ?? 'v1')) continue;
        const model = new MODELS[kind](object as never);
        t.doesNotThrow(() => model.validate(), `${name} ${mode} ${kind}`);
        validated++;
      }
    }
  }
  t.ok(validated > 60, `${validated} objects`);
});

t.test('names and ports keep to the limits of the API that its schemas do not have', async (t) => {
  const templates = templatesOf(injected(manifest('list.yaml')));
  t.not(templates.length, 0);
  for (const template of templates) {
    const text = JSON.stringify(template.spec);
    const portNames = [...text.matchAll(/"name":"([^"]+)","containerPort"/g)].map((match) => match[1]!);
    t.ok(portNames.length > 0 && portNames.every((name) => name.length <= 15), portNames.join());
  }
});

/** Of OpenTelemetry: read where spans are exported. */
const WITHOUT_FLAG: readonly string[] = ['OTEL_EXPORTER_OTLP_HEADERS', 'OTEL_EXPORTER_OTLP_CERTIFICATE'];

t.test('the commands know every variable that is set, and take every value', async (t) => {
  const template = onlyTemplate(injected(manifest('settings.yaml')));
  const command = (...names: readonly string[]) =>
    names.reduce((current, name) => current.commands.find((child) => child.name() === name)!, buildProgram());
  for (const [name, { options }] of [
    ['sideroute-init', command('iptables', 'apply')],
    ['sideroute', command('proxy')],
  ] as const) {
    const environment = Object.entries(environmentOf(containerOf(template, name)));
    t.not(environment.length, 0, name);
    for (const [variable, value] of environment) {
      if (variable === 'NODE_OPTIONS') continue;
      if (WITHOUT_FLAG.includes(variable)) {
        t.strictNotSame(exportEnvironment({ [variable]: 'a=b' }), exportEnvironment({}), `${name}: ${variable}`);
        continue;
      }
      const option = options.find(({ envVar }) => envVar === variable);
      t.ok(option, `${name}: ${variable}`);
      if (value !== null) t.doesNotThrow(() => option?.parseArg?.(value, undefined), `${variable}=${value}`);
    }
  }
});
