import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import { attach } from '../../../src/config/attach.ts';
import { readClusterObjects, type ClusterObject } from '../../../src/export/cluster-objects.ts';
import { configMapsFor, MAX_DATA_BYTES } from '../../../src/export/config-maps.ts';
import { yamlText } from '../../../src/export/yaml-text.ts';
import { parseRouteFile } from '../../../src/gateway-api/parse.ts';
import { missingServices, namespacesOf, neededBy } from '../../../src/export/route-export.ts';
import { matches } from '../../support/match.ts';

const text = readFileSync(
  fileURLToPath(new URL('../../../../test/fixtures/export/cluster.yaml', import.meta.url)),
  'utf8',
);
const cluster = readClusterObjects('cluster.yaml', text);

const label = ({ kind, namespace, name }: ClusterObject) => `${kind} ${namespace}/${name}`;

t.test('a namespace needs every producer route, its own consumer routes, and the Services they refer to', async (t) => {
  const producer = ['cart', 'cart-shadow', 'cart-v1', 'cart-v2'].map((name) => `Service shop/${name}`);
  t.same(neededBy('shop', cluster).map(label), [...producer, 'HTTPRoute shop/cart']);
  t.same(neededBy('kube-system', cluster).map(label), [...producer, 'HTTPRoute shop/cart'], 'clients everywhere');
  const [cart, shadow, v1, v2] = producer;
  t.same(neededBy('web', cluster).map(label), [
    ...[cart, shadow, 'Service shop/cart-test', v1, v2],
    'HTTPRoute shop/cart',
    'HTTPRoute web/cart-for-web',
  ]);
});

t.test('routes of Gateways, and Services that no route names, are left out', async (t) => {
  const labels = namespacesOf(cluster).flatMap((namespace) => neededBy(namespace, cluster).map(label));
  t.same(namespacesOf(cluster), ['kube-system', 'shop', 'web']);
  for (const name of ['HTTPRoute shop/ingress', 'Service shop/front', 'Service web/web'])
    t.notOk(labels.includes(name));
});

t.test('creationTimestamp and generation are kept; status, managedFields and what else is noise are not', async (t) => {
  const route = cluster.find((object) => label(object) === 'HTTPRoute shop/cart')!;
  const { metadata, status } = route.manifest as { metadata: object; status?: unknown };
  t.same(metadata, { name: 'cart', namespace: 'shop', creationTimestamp: '2025-01-31T12:00:00Z', generation: 7 });
  t.equal(status, undefined);
  const service = cluster.find((object) => label(object) === 'Service shop/cart')!;
  t.same(service.manifest['spec'], {
    type: 'ClusterIP',
    clusterIP: '10.96.0.10',
    clusterIPs: ['10.96.0.10'],
    ports: [{ name: 'http', port: 80, protocol: 'TCP', appProtocol: 'http' }],
  });
});

t.test('the route files give the sidecar what the originals would', async (t) => {
  const attached = (file: string, namespace: string) => {
    const { resources, problems } = parseRouteFile('r.yaml', file);
    const { frontends } = attach({ resources, namespace });
    const shown = frontends.map(({ key, rules }) => [key, rules.map(({ route, rule }) => [route.name, rule.matches])]);
    return { shown, errors: problems.filter(({ severity }) => severity === 'error') };
  };
  for (const namespace of ['shop', 'web', 'elsewhere']) {
    const [configMap] = configMapsFor(namespace, 'sideroute-routes', neededBy(namespace, cluster), MAX_DATA_BYTES);
    const { shown, errors } = attached(configMap!.data['routes.yaml']!, namespace);
    t.same(errors, []);
    t.same(shown, attached(text, namespace).shown, namespace);
    t.ok(shown.length > 0);
  }
});

t.test('JSON, typed lists and several documents read the same as a List in YAML', async (t) => {
  const list = parseAllDocuments(text)[0]!.toJS() as { items: { kind: string }[] };
  t.same(readClusterObjects('c.json', JSON.stringify(list)), cluster);
  t.same(readClusterObjects('c.yaml', list.items.map((item) => `---\n${yamlText(item)}`).join('')), cluster);
  const routes = list.items.filter(({ kind }) => kind === 'HTTPRoute');
  const typed = {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRouteList',
    items: routes.map((item) => ({ ...item, kind: undefined, apiVersion: undefined })),
  };
  t.same(
    readClusterObjects('c.json', JSON.stringify(typed)),
    cluster.filter(({ kind }) => kind === 'HTTPRoute'),
  );
});

t.test('input that is none is refused with file and document', async (t) => {
  for (const [input, message] of [
    ['kind: [', /c\.yaml \(document 1\): /],
    ['---\nkind: Service\napiVersion: v1\n---\n- a\n', /c\.yaml \(document 1\): Service: metadata\.name is required/],
    ['apiVersion: v1\n', /document 1\): has no kind/],
    ['{"kind":"List","items":[1]}', /items\[0\]: is no Kubernetes object/],
  ] as const) {
    t.throws(() => readClusterObjects('c.yaml', input), { name: 'ProxyError', message }, input);
  }
  t.same(readClusterObjects('c.yaml', ''), []);
});

t.test('the order of the input does not matter', async (t) => {
  const expected = JSON.stringify(neededBy('web', cluster));
  fc.assert(
    fc.property(fc.shuffledSubarray([...cluster], { minLength: cluster.length }), (shuffled) => {
      return JSON.stringify(neededBy('web', shuffled)) === expected;
    }),
  );
  t.pass();
});

t.test('what does not fit one ConfigMap is split into numbered ones, with file names that differ', async (t) => {
  const objects = neededBy('web', cluster);
  const whole = configMapsFor('web', 'r', objects, MAX_DATA_BYTES);
  t.same(
    whole.map(({ metadata, data }) => [metadata.name, Object.keys(data)]),
    [['r', ['routes.yaml']]],
  );
  const parts = configMapsFor('web', 'r', objects, 1200);
  t.ok(parts.length > 1);
  t.same(
    parts.slice(0, 2).map(({ metadata, data }) => [metadata.name, metadata.namespace, Object.keys(data)]),
    [
      ['r', 'web', ['routes.yaml']],
      ['r-2', 'web', ['routes-2.yaml']],
    ],
  );
  const files = parts.flatMap(({ data }) => Object.values(data));
  t.ok(files.every((file) => Buffer.byteLength(file) <= 1200));
  t.equal(files.join('---\n'), Object.values(whole[0]!.data)[0], 'together they hold the same');
  t.throws(() => configMapsFor('web', 'r', objects, 300), { code: 'too-large', message: /HTTPRoute shop\/cart has/ });
});

t.test('a namespace without routes has an empty ConfigMap, so that routes can go', async (t) => {
  matches(t, configMapsFor('lonely', 'r', neededBy('lonely', []), MAX_DATA_BYTES), [
    { metadata: { name: 'r' }, data: {} },
  ]);
});

t.test('Services that are not in the input are named', async (t) => {
  t.same(missingServices(cluster), []);
  t.same(missingServices(cluster.filter(({ name }) => name !== 'cart-shadow')), ['shop/cart-shadow']);
});

t.test('texts survive the way through YAML', async (t) => {
  const texts = fc.oneof(
    fc.string(),
    fc.constantFrom('on', 'y', '1e3', '0x1f', '~', 'null', '010', '12:30:45', ' a', 'a\n', '\ta', '--- a'),
  );
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom('a', 'b', 'yes'), texts), (value) => {
      const written = yamlText({ value });
      const [as11, as12] = (['1.1', '1.2'] as const).map(
        (version) => parseAllDocuments(written, { version })[0]!.toJS() as unknown,
      );
      t.same(as11, { value });
      t.same(as12, { value });
    }),
    { numRuns: 200 },
  );
});
