/** One install in two forms: the chart of the controller and the kustomize base are the same, and what they hold is what there is. */
// Needs: helm.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { SETTING_KEYS, INJECT_SETTINGS } from '../../src/inject/annotations.ts';
import { runCommand } from '../support/cluster.ts';
import { schemaProblems } from '../support/kubernetes-schema.ts';
import {
  container,
  DEPLOY,
  find,
  parseManifests,
  program,
  readManifests,
  ROOT,
  type Manifest,
} from '../support/manifests.ts';
import { granted } from '../support/permissions.ts';
import { temporaryDirectory } from '../support/sidecar.ts';
import { matches } from '../support/match.ts';

const CHART = join(DEPLOY, 'helm', 'sideroute-controller');
const POLICY_API = 'admissionregistration.k8s.io/v1/MutatingAdmissionPolicy';
const helm = program('helm');
const noHelm = helm === null && 'helm is not there, nor Go to build it with';
/** What Helm says of itself. */
const HELM_LABELS = ['instance', 'version', 'managed-by'].map((name) => `app.kubernetes.io/${name}`);

function rendered(...args: readonly string[]): Manifest[] {
  const fixed = ['template', 'sideroute', CHART, '--namespace', 'sideroute-system', '--kube-version', '1.36.0'];
  const { status, stdout, stderr } = runCommand(helm!, [...fixed, ...args]);
  if (status !== 0) throw new Error(stderr);
  return parseManifests(stdout);
}

/** The resources of a kustomization and of those it names; patches are not for this test. */
function kustomized(directory: string): Manifest[] {
  const { resources } = parse(readFileSync(join(DEPLOY, directory, 'kustomization.yaml'), 'utf8')) as {
    resources: readonly string[];
  };
  return resources.flatMap((name) => {
    const path = join(directory, name);
    return name.endsWith('.yaml') ? readManifests(path) : kustomized(path);
  });
}

/** Without what Helm adds, and the defaults of a policy as what they say. */
function comparable(manifest: Manifest): unknown {
  const copy = structuredClone(manifest) as unknown as {
    metadata: { labels?: Record<string, string> };
    spec?: {
      template?: { metadata: { labels?: Record<string, string> } };
      variables?: { name: string; expression: unknown }[];
    };
  };
  for (const labels of [copy.metadata.labels, copy.spec?.template?.metadata.labels])
    for (const name of [...HELM_LABELS, 'helm.sh/chart']) delete labels?.[name];
  const defaults = copy.spec?.variables?.find(({ name }) => name === 'defaults');
  if (defaults !== undefined) defaults.expression = JSON.parse(defaults.expression as string) as unknown;
  return copy;
}

function byName(manifests: readonly Manifest[]): Record<string, unknown> {
  const entries = manifests
    .filter(({ kind }) => kind !== 'Namespace')
    .map((manifest) => [`${manifest.kind} ${manifest.metadata.name}`, comparable(manifest)] as const);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

t.test('files that the charts have copies of are those of deploy/', async (t) => {
  for (const [copy, original] of [
    ['helm/sideroute-controller/files/policy.yaml', 'kustomize/controller/policy/policy.yaml'],
    ['helm/sideroute-controller/files/alerts.yaml', 'prometheus/alerts.yaml'],
    ['helm/sideroute/files/alerts.yaml', 'prometheus/alerts.yaml'],
    ['helm/sideroute/files/dashboard.json', 'grafana/sideroute.json'],
  ] as const) {
    const text = (path: string) => readFileSync(join(DEPLOY, path), 'utf8');
    t.equal(text(copy), text(original), `cp deploy/${original} deploy/${copy}`);
  }
});

t.test('the chart by default and the kustomize base with policies are the same', { skip: noHelm }, async (t) => {
  const chart = byName(rendered('--api-versions', POLICY_API));
  const base = byName(kustomized('kustomize/controller/policy'));
  t.same(Object.keys(chart), Object.keys(base));
  for (const [name, manifest] of Object.entries(base)) t.same(chart[name], manifest, name);
});

t.test('with the webhook too, but for the patch that kustomize carries out', { skip: noHelm }, async (t) => {
  const chart = rendered('--set', 'injection.kind=webhook');
  const base = byName(kustomized('kustomize/controller/webhook'));
  t.same(Object.keys(byName(chart)), Object.keys(base));
  for (const [name, manifest] of Object.entries(base).filter(([key]) => !key.startsWith('Deployment')))
    t.same(byName(chart)[name], manifest, name);
  const { env } = container(find(chart, 'Deployment'), 'controller');
  t.same(env?.find(({ name }) => name === 'SIDEROUTE_WEBHOOK_PORT')?.value, '9443');
});

t.test('auto takes policies where the cluster has them, the webhook elsewhere', { skip: noHelm }, async (t) => {
  // The policy about what the controller writes is there either way.
  const kinds = (...args: string[]) =>
    new Set(
      rendered(...args)
        .filter(({ metadata }) => metadata.name !== 'sideroute-controller-pods')
        .map(({ kind, apiVersion }) => `${kind} ${apiVersion}`),
    );
  const group = 'admissionregistration.k8s.io';
  t.ok(kinds('--api-versions', POLICY_API).has(`MutatingAdmissionPolicy ${group}/v1`));
  const beta = kinds('--api-versions', `${group}/v1beta1/MutatingAdmissionPolicy`);
  t.ok(beta.has(`MutatingAdmissionPolicy ${group}/v1beta1`) && beta.has(`ValidatingAdmissionPolicy ${group}/v1`));
  const old = kinds();
  t.ok(
    old.has(`MutatingWebhookConfiguration ${group}/v1`) && ![...old].some((kind) => kind.includes('Policy admission')),
  );
  const none = [...kinds('--set', 'injection.kind=none')];
  t.ok(none.length > 0 && none.every((kind) => !kind.includes(group)));
});

t.test('everything that can be set, in a namespace of another name', { skip: noHelm }, async (t) => {
  const { path, remove } = temporaryDirectory();
  t.teardown(remove);
  mkdirSync(path, { recursive: true });
  const values = join(path, 'values.yaml');
  writeFileSync(
    values,
    JSON.stringify({
      image: { registry: 'registry.example/team', tag: 20251128, pullPolicy: 'IfNotPresent' },
      imagePullSecrets: ['pull'],
      injection: { serviceCidrs: ['10.96.0.0/12', 'fd00::/108'], defaults: { 'log-level': 'warn', 'cpu-limit': '1' } },
      controller: {
        replicas: 1,
        logLevel: 'debug',
        nudge: false,
        env: { SIDEROUTE_CLEANUP_AFTER: '1h', SIDEROUTE_NUDGE_RATE: 10000000 },
        priorityClassName: 'p',
      },
      networkPolicy: { enabled: true },
      podMonitor: { enabled: true, labels: { release: 'r' } },
      alerts: { enabled: true, runbookUrl: 'https://wiki.example/r' },
    }),
  );
  for (const kind of ['policy', 'webhook']) {
    const all = rendered('--namespace', 'mesh', '--values', values, '--set', `injection.kind=${kind}`);
    for (const manifest of all) t.same(schemaProblems(manifest) ?? [], [], `${kind}: ${manifest.kind}`);
    t.notMatch(JSON.stringify(all), 'sideroute-system');
    const controller = container(find(all, 'Deployment'), 'controller');
    t.equal(controller.image, 'registry.example/team/sideroute:20251128');
    const environment = Object.fromEntries((controller.env ?? []).map(({ name, value }) => [name, value]));
    t.match(environment, {
      SIDEROUTE_LOG_LEVEL: 'debug',
      SIDEROUTE_NUDGE: 'off',
      SIDEROUTE_CLEANUP_AFTER: '1h',
      SIDEROUTE_NUDGE_RATE: '10000000',
    });
    const defaults = {
      image: 'registry.example/team/sideroute:20251128',
      'init-image': 'registry.example/team/sideroute-init:20251128',
      ...{
        'image-pull-policy': 'IfNotPresent',
        'service-cidrs': '10.96.0.0/12,fd00::/108',
        'log-level': 'warn',
        'cpu-limit': '1',
      },
    };
    if (kind === 'policy') {
      const { variables } = find(all, 'MutatingAdmissionPolicy').spec as unknown as {
        variables: { expression: string }[];
      };
      t.match(JSON.parse(variables[0]!.expression), defaults);
    } else {
      for (const [name, value] of Object.entries(defaults))
        t.equal(environment[`SIDEROUTE_INJECT_${name.toUpperCase().replaceAll('-', '_')}`], value, name);
    }
    const rules = (
      find(all, 'ClusterRole', 'sideroute-controller') as unknown as {
        rules: { resources: string[]; verbs: string[] }[];
      }
    ).rules;
    t.same(
      rules.find(({ resources }) => resources.includes('pods'))?.verbs,
      ['list', 'watch'],
      'without nudges pods are not written',
    );
  }
});

t.test('values that the chart does not have, or cannot have, are refused by name', { skip: noHelm }, async (t) => {
  for (const [values, place] of [
    ['injection.kind=ebpf', 'kind'],
    ['injection.defaults.loglevel=warn', 'loglevel'],
    ['injection.defaults.mode=classic', 'mode'],
    ['injection.webhook.failurePolicy=Maybe', 'failurePolicy'],
    ['controller.replica=1', 'replica'],
    ['controller.replicas=0', 'replicas'],
    ['image.pullPolicy=Sometimes', 'pullPolicy'],
    ['podMonitor.enable=true', 'enable'],
  ] as const) {
    const { status, stderr } = runCommand(helm!, ['template', 'r', CHART, '--kube-version', '1.36.0', '--set', values]);
    t.not(status, 0, values);
    t.match(stderr, place, values);
  }
});

t.test('the schema has the values there are, and every setting of a pod but the mode', async (t) => {
  interface Schema {
    readonly properties?: Readonly<Record<string, Schema>>;
    readonly propertyNames?: { readonly enum?: readonly string[] };
  }
  const schema = JSON.parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8')) as Schema;
  const compare = (of: Schema, values: object, path: string): void => {
    if (of.properties === undefined) return;
    const names = Object.keys(of.properties).filter((name) => name in values || !['global', 'claims'].includes(name));
    t.same(names.sort(), Object.keys(values).sort(), `${path}*`);
    for (const [name, value] of Object.entries(values))
      if (typeof value === 'object' && value !== null)
        compare(of.properties[name]!, value as object, `${path}${name}.`);
  };
  compare(schema, parse(readFileSync(join(CHART, 'values.yaml'), 'utf8')) as object, '');
  const settings = SETTING_KEYS.filter((key) => key !== 'mode').map((key) => INJECT_SETTINGS[key].name);
  t.same([...schema.properties!['injection']!.properties!['defaults']!.propertyNames!.enum!].sort(), settings.sort());
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  t.match(parse(readFileSync(join(CHART, 'Chart.yaml'), 'utf8')), { version, appVersion: version });
});

t.test('the controller may be in a namespace with the strictest level of Pod Security', async (t) => {
  const base = kustomized('kustomize/controller/base');
  t.equal(find(base, 'Namespace').metadata.labels?.['pod-security.kubernetes.io/enforce'], 'restricted');
  matches(t, container(find(base, 'Deployment'), 'controller').securityContext, {
    ...{ runAsNonRoot: true, allowPrivilegeEscalation: false, readOnlyRootFilesystem: true },
    ...{ capabilities: { drop: ['ALL'] }, seccompProfile: { type: 'RuntimeDefault' } },
  });
});

t.test('docs/controller.md justifies every permission, and no other', async (t) => {
  const text = readFileSync(join(ROOT, 'docs', 'controller.md'), 'utf8');
  const rows = text
    .slice(text.indexOf('## Permissions'), text.indexOf('### What `patch pods`'))
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').map((cell) => cell.trim()));
  const documented = rows.flatMap(([, resources = '', verbs = '', why = '']) => {
    t.ok(why.length > 10, resources);
    const names = [...resources.replace(/`[^`]*` only$|\(`[^`]*`\)/g, '').matchAll(/`([^`]+)`/g)].map(
      ([, name]) => name,
    );
    const limited = resources.endsWith(' only') ? ' by name' : '';
    return names.flatMap((name) => verbs.split(', ').map((verb) => `${name} ${verb}${limited}`));
  });
  const files = [
    ...kustomized('kustomize/controller/base'),
    ...readManifests('kustomize/controller/webhook/webhook.yaml'),
  ];
  const permissions = granted(files).map(
    ({ resource, verb, names }) => `${resource} ${verb}${names === null ? '' : ' by name'}`,
  );
  t.same(documented.sort(), permissions.sort());
});

t.test(
  'where pods are written there is the policy that limits it, and it is about the account of the controller',
  async (t) => {
    const condition = (manifests: readonly Manifest[]) => {
      const { matchConditions, failurePolicy } = find(
        manifests,
        'ValidatingAdmissionPolicy',
        'sideroute-controller-pods',
      ).spec as unknown as { matchConditions: { expression: string }[]; failurePolicy: string };
      t.equal(failurePolicy, 'Fail');
      return matchConditions.map(({ expression }) => expression).join(' and ');
    };
    const account = (namespace: string) =>
      `request.userInfo.username == 'system:serviceaccount:${namespace}:sideroute-controller'`;
    t.equal(condition(kustomized('kustomize/controller/base')), account('sideroute-system'));
    if (helm === null) return;
    t.equal(condition(rendered('--namespace', 'mesh')), account('mesh'));
    for (const args of [
      ['--kube-version', '1.29.9'],
      ['--set', 'controller.nudge=false'],
    ])
      t.notMatch(JSON.stringify(rendered(...args)), 'sideroute-controller-pods', args.join(' '));
  },
);
