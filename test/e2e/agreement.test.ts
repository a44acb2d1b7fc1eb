/**
 * 10,000 random requests against random route tables, through real REDIRECT: where each request went, what `explain` says
 * of it, and what a slow matcher written from the specification says, are the same.
 */
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import t from 'tap';
import { stringify } from 'yaml';
import { attach } from '../../src/config/attach.ts';
import { parseRoutes } from '../../src/config/route-parser.ts';
import type { Explanation } from '../../src/routing/explain.ts';
import { explain, findFrontend } from '../../src/routing/explain.ts';
import { compileTable } from '../../src/routing/table.ts';
import { ConfigMapMount } from '../support/config-map-mount.ts';
import { generateRequests, generateTable } from '../support/random-routes.ts';
import { referenceRoute, type ReferenceResult, type WireRequest } from '../support/reference-matcher.ts';
import { requestHead, testDeps } from '../support/routes.ts';
import { fixture, Sidecar, SIDEROUTE, startFixture } from '../support/sidecar.ts';
import { clusterOf } from '../support/cluster-of.ts';

const TABLES = 50;
const REQUESTS_PER_PORT = 101;
const FIRST_PORT = 9000;

interface Answer {
  readonly status: number;
  readonly reason: string | null;
  readonly backend: number | null;
}

/** `prod/v1:80` is port 9001 of the server pod; the parent `prod/web` is 9000. */
function backendName(port: number): string {
  return port === FIRST_PORT ? 'original' : `prod/v${port - FIRST_PORT}:80`;
}

function described({ status, reason, backend }: Answer): string {
  return backend === null ? `${status} ${reason}` : backendName(backend);
}

/** Everything that may happen to a request, as the reference sees it. */
function allowedByReference(result: ReferenceResult): string[] {
  if (result.kind === 'original') return ['original'];
  if (result.kind === 'no_route') return ['404 no_route'];
  if (result.shares.length === 0) return ['500 no_backend'];
  return result.shares.map((share) => share.backend ?? '500 no_backend');
}

function allowedByExplanation({ outcome }: Explanation): string[] {
  if (outcome.kind === 'original') return ['original'];
  if (outcome.kind === 'local') return [`${outcome.status} ${outcome.reason}`];
  return outcome.shares
    .filter((share) => share.weight > 0)
    .map(({ answer, backend }) => (answer.kind === 'local' ? `${answer.status} ${answer.reason}` : backend));
}

function rule(result: ReferenceResult): string {
  return result.kind === 'rule'
    ? `${result.route.namespace}/${result.route.name}#${result.rule.name ?? result.rule.index}`
    : result.kind;
}

const services = [1, 2, 3].map((index) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: `v${index}`, namespace: 'prod' },
  spec: { clusterIP: `10.96.0.${10 + index}`, ports: [{ port: 80 }] },
}));

t.test('real traffic, explain and the reference agree on 10,000 random requests', async (t) => {
  const { cluster, directory } = clusterOf(t);
  const client = cluster.addPod('client');
  const server = cluster.addPod('server');
  for (const port of [80, 8080]) cluster.addService('10.96.0.10', port, [{ address: server.v4, port: FIRST_PORT }]);
  for (const index of [1, 2, 3])
    cluster.addService(`10.96.0.${10 + index}`, 80, [{ address: server.v4, port: FIRST_PORT + index }]);
  await startFixture(server, 'identity-server', String(FIRST_PORT), '4');
  const volume = new ConfigMapMount(join(directory.path, 'routes'), {});
  const sidecar = await Sidecar.start(client, volume.path, '--namespace', 'shop');
  const wire = client.spawn(fixture('wire-client'), { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: wire.stdout! })[Symbol.asyncIterator]();

  let requests = 0;
  const disagreements: string[] = [];
  const seen = { original: 0, forward: 0, local: 0 };
  const expectedByRule = new Map<string, number>();
  for (let seed = 1; seed <= TABLES; seed += 1) {
    const generated = generateTable(seed);
    const text = [...generated.documents, ...services].map((document) => stringify(document)).join('---\n');
    volume.write({ 'routes.yaml': text });
    await sidecar.applied(seed + 1);
    const parsed = parseRoutes('routes.yaml', text, null);
    t.same(
      parsed.problems.filter((problem) => problem.severity === 'error'),
      [],
      `table ${seed} is valid`,
    );
    const attachment = attach({ resources: parsed.resources, namespace: generated.clientNamespace });
    const table = compileTable(attachment, testDeps());
    for (const port of generated.service.ports) {
      const { namespace, name } = generated.service;
      const frontend = findFrontend(table, namespace, name, port);
      const batch: WireRequest[] = generateRequests(generated, seed * 7919 + port, REQUESTS_PER_PORT);
      wire.stdin!.write(`${JSON.stringify({ host: '10.96.0.10', port, requests: batch })}\n`);
      const answers = JSON.parse((await lines.next()).value as string) as Answer[];
      batch.forEach((request, index) => {
        requests += 1;
        const answer = described(answers[index]!);
        const input = {
          resources: parsed.resources,
          clientNamespace: generated.clientNamespace,
          service: { namespace, name, port },
        };
        const reference = referenceRoute(input, request);
        expectedByRule.set(rule(reference), (expectedByRule.get(rule(reference)) ?? 0) + 1);
        const byReference = allowedByReference(reference).sort();
        const byExplain = allowedByExplanation(explain(frontend, requestHead(request))).sort();
        seen[answer === 'original' ? 'original' : /^\d/.test(answer) ? 'local' : 'forward'] += 1;
        if (!byReference.includes(answer) || byReference.join() !== byExplain.join()) {
          disagreements.push(
            `seed ${seed} port ${port} ${JSON.stringify(request)}: went ${answer}, reference ${byReference.join()}, explain ${byExplain.join()}`,
          );
        }
      });
    }
  }
  wire.stdin!.end();
  t.same(disagreements.slice(0, 10), [], 'no disagreement');
  t.ok(requests >= 10_000, `${requests} requests`);
  for (const [kind, count] of Object.entries(seen)) t.ok(count > 300, `${count} requests ended ${kind}`);

  // The sum over all tables, rule by rule: the counters say which rule served, not only which backend.
  const counted = new Map<string, number>();
  for (const line of sidecar
    .get('/metrics')
    .split('\n')
    .filter((text) => text.startsWith('sideroute_requests_total{'))) {
    const label = (name: string) => new RegExp(`[{,]${name}="([^"]*)"`).exec(line)?.[1] ?? '';
    const key =
      label('route_name') === ''
        ? label('reason') === 'no_route'
          ? 'no_route'
          : 'original'
        : `${label('route_namespace')}/${label('route_name')}#${label('rule')}`;
    counted.set(key, (counted.get(key) ?? 0) + Number(line.slice(line.lastIndexOf(' ') + 1)));
  }
  // A destination without a frontend is tunnelled, not counted as a request.
  expectedByRule.delete('original');
  counted.delete('original');
  t.same(
    [...counted].sort(),
    [...expectedByRule].sort(),
    'each rule served as many requests as the reference gives it',
  );

  await t.test('the command line says the same as the library', async (t) => {
    for (let seed = 1; seed <= 10; seed += 1) {
      const generated = generateTable(seed);
      const path = join(directory.path, `table-${seed}`);
      new ConfigMapMount(path, {
        'routes.yaml': [...generated.documents, ...services].map((document) => stringify(document)).join('---\n'),
      });
      const [request] = generateRequests(generated, seed, 1);
      const headers = request!.headers.flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
      const output = client.must([
        ...SIDEROUTE,
        ...['explain', '--routes', path, '--namespace', 'shop', '--service', 'web.prod:80', '--output', 'json'],
        ...['--method', request!.method, '--path', request!.target, ...headers],
      ]);
      const input = {
        resources: generated.resources,
        clientNamespace: 'shop',
        service: { ...generated.service, port: 80 },
      };
      t.same(
        allowedByExplanation(JSON.parse(output) as Explanation).sort(),
        allowedByReference(referenceRoute(input, request!)).sort(),
      );
    }
  });
});
