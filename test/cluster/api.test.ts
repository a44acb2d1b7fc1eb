/** The small cluster by itself: what tests of the controller build on. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { fencedBlocks } from '../support/docs/blocks.ts';
import { CHECKOUT, SHOP } from '../support/docs/shop.ts';
import { ROOT } from '../support/manifests.ts';
import { startApi } from './api.ts';

const TASKS = 'docs/tasks';
/** The first line of what a page calls a mistake. */
const REFUSED = '# Refused\n';

const ROUTE = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'HTTPRoute',
  metadata: { name: 'my-server-route', namespace: 'default' },
  spec: {
    parentRefs: [{ group: '', kind: 'Service', name: 'my-server', port: 80 }],
    rules: [{ backendRefs: [{ name: 'my-server-v1', port: 80 }] }],
  },
};

t.test('the small cluster is an API server with the resources of the Gateway API', async (t) => {
  const cluster = await startApi();
  t.teardown(() => cluster.stop());

  await t.test('objects are kept, with their status beside them', async (t) => {
    await cluster.mustKubectl(['create', '-f', '-'], JSON.stringify(ROUTE));
    const condition = {
      type: 'Accepted',
      status: 'True',
      reason: 'Accepted',
      message: '',
      observedGeneration: 1,
      lastTransitionTime: '2026-01-01T00:00:00Z',
    };
    const status = {
      parents: [{ parentRef: ROUTE.spec.parentRefs[0], controllerName: 'example.com/mesh', conditions: [condition] }],
    };
    await cluster.mustKubectl([
      ...['patch', 'httproute', 'my-server-route', '--subresource=status', '--type=merge'],
      ...['-p', JSON.stringify({ status })],
    ]);
    const found = JSON.parse(await cluster.mustKubectl(['get', 'httproute', 'my-server-route', '-o', 'json'])) as {
      metadata: { generation: number };
      status: unknown;
    };
    t.equal(found.metadata.generation, 1, 'a status is no new generation');
    t.match(found.status, status);
  });

  await t.test('what the definitions forbid is refused', async (t) => {
    const wrong = structuredClone(ROUTE);
    wrong.metadata.name = 'wrong';
    wrong.spec.rules[0]!.backendRefs[0]!.port = 70_000;
    const refused = await cluster.kubectl(['create', '-f', '-'], JSON.stringify(wrong));
    t.not(refused.status, 0);
    t.match(refused.stderr, /port.*65535/);
  });

  await t.test('the objects of the pages about tasks are as the definitions want them', async (t) => {
    const create = async (text: string, flags: readonly string[]) =>
      await cluster.kubectl(['apply', '--server-side', '--validate=strict', ...flags, '-f', '-'], text);
    for (const path of [SHOP, CHECKOUT]) {
      const { status, stderr } = await create(readFileSync(join(ROOT, path), 'utf8'), []);
      t.equal(status, 0, `${path}: ${stderr}`);
    }
    const pages = readdirSync(join(ROOT, TASKS)).filter((name) => name.endsWith('.md'));
    const blocks = pages.flatMap((page) => fencedBlocks(join(TASKS, page)));
    const objects = blocks.filter(({ language }) => language === 'yaml');
    t.ok(objects.length >= pages.length - 1, `${objects.length} blocks`);
    for (const { document, line, text } of objects) {
      const { status, stderr } = await create(text, ['--dry-run=server']);
      const isRefused = text.startsWith(REFUSED);
      t.equal(status, isRefused ? 1 : 0, `${document}:${line}: ${stderr}`);
      if (isRefused)
        t.match(stderr, /^The HTTPRoute "my-route" is invalid: |^Error from server: .*: expected string, /);
    }
  });

  await t.test('the API server and etcd can be killed and started again, and keep what they had', async (t) => {
    await cluster.apiServer.stop('SIGKILL');
    t.not((await cluster.kubectl(['get', 'httproutes', '--request-timeout=2s'])).status, 0);
    cluster.apiServer.start();
    await cluster.ready();
    await cluster.etcd.stop('SIGKILL');
    cluster.etcd.start();
    await cluster.ready();
    t.match(await cluster.mustKubectl(['get', 'httproutes', '-A', '-o', 'name']), /my-server-route/);
  });
});
