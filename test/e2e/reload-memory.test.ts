/**
 * What a sidecar keeps does not grow with the number of reloads, although routes, rules, filters and backends of each are
 * new ones and have had requests.
 */
import { join } from 'node:path';
import t from 'tap';
import { ConfigMapMount } from '../support/config-map-mount.ts';
import { eventually } from '../support/eventually.ts';
import { Sidecar, startFixture } from '../support/sidecar.ts';
import { clusterOf } from '../support/cluster-of.ts';

const ROUTES = 200;
const WARM_UP = 10;
const RELOADS = 20;
/** A configuration of this test takes more than a megabyte; of 20 retained ones this is a fraction. */
const GROWTH_LIMIT_MIB = 6;
const MIB = 1024 * 1024;
/** Answers SIGUSR2 with the size of what is left after collecting everything. */
const PRELOAD = `data:text/javascript,import{setFlagsFromString}from'node:v8';import{runInNewContext}from'node:vm';
setFlagsFromString('--expose-gc');const gc=runInNewContext('gc');
process.on('SIGUSR2',()=>{gc();setTimeout(()=>{gc();console.error('live '+process.memoryUsage().heapUsed)},50)})`;

function service(name: string): string {
  return `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}, namespace: web}\nspec: {clusterIP: 10.96.0.10, ports: [{port: 80}]}\n`;
}

/** Routes of one Service; only the last rule has a path that requests of any generation match. */
function configuration(generation: number): Record<string, string> {
  const routes = Array.from({ length: ROUTES }, (_, index) => {
    const path = index === 0 ? '/' : `/generation${generation}/route${index}`;
    return `---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: route-${generation}-${index}, namespace: web}
spec:
  parentRefs: [{group: "", kind: Service, name: web, port: 80}]
  rules:
    - matches: [{path: {value: ${path}}, headers: [{name: x-tenant, value: "${index}"}]}, {path: {value: ${path}}}]
      filters:
        - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-generation, value: "${generation}"}]}}
        - {type: RequestMirror, requestMirror: {backendRef: {name: web, port: 80}}}
      backendRefs: [{name: web, port: 80, weight: ${1 + (index % 7)}}, {name: v${generation}, port: 80}]
`;
  });
  return { 'routes.yaml': `${service('web')}---\n${service(`v${generation}`)}${routes.join('')}` };
}

t.setTimeout(180_000);
t.test('the live heap stays the same over reloads of other routes', async (t) => {
  const { cluster, directory } = clusterOf(t);
  const client = cluster.addPod('client');
  const server = cluster.addPod('server');
  cluster.addService('10.96.0.10', 80, [{ address: server.v4, port: 8080 }]);
  await startFixture(server, 'hello-server', '8080', '1');
  const volume = new ConfigMapMount(join(directory.path, 'routes'), configuration(0));
  process.env['NODE_OPTIONS'] = `--import "${PRELOAD.replaceAll('\n', '')}"`;
  const sidecar = await Sidecar.start(client, volume.path);
  delete process.env['NODE_OPTIONS'];

  const live = async (): Promise<number> => {
    const lines = (): string[] => sidecar.log.filter((line) => line.startsWith('live '));
    const before = lines().length;
    client.must(['kill', '-USR2', String(sidecar.process.pid)]);
    await eventually('collected', () => lines().length > before, 30_000);
    return Number(lines().at(-1)!.slice('live '.length)) / MIB;
  };
  const applied = (): number => sidecar.log.filter((line) => line.includes('configuration applied')).length;
  const reload = async (generation: number): Promise<void> => {
    const before = applied();
    volume.write(configuration(generation));
    await eventually(`generation ${generation}`, () => applied() > before, 20_000);
    const urls = [1, 2, 3, 4].map((index) => `http://10.96.0.10/generation${generation}/route${index}`);
    const answers = client.must(['curl', '-s', '--max-time', '5', ...urls]);
    if (answers !== 'Hello from Version 1\n'.repeat(urls.length)) t.fail(`generation ${generation}: ${answers}`);
  };
  for (let generation = 1; generation <= WARM_UP; generation++) await reload(generation);
  const first = await live();
  for (let generation = WARM_UP + 1; generation <= WARM_UP + RELOADS; generation++) await reload(generation);
  const growth = (await live()) - first;
  t.ok(
    growth < GROWTH_LIMIT_MIB,
    `${first.toFixed(1)} MiB live, ${growth.toFixed(1)} MiB more after ${RELOADS} reloads`,
  );
  t.equal(await sidecar.stop(), 0);
});
