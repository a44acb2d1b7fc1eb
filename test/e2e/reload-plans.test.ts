/**
 * Memory over reloads whose filters are other ones each time, while requests are under way: what the addon had of a table goes with it, but a
 * request keeps what it was decided by. Measured is the memory of its own beside the JavaScript heap, which reload-memory.test.ts watches: what V8 has
 * in reserve differs from version to version, by more than a table has.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { ConfigMapMount } from '../support/config-map-mount.ts';
import { eventually } from '../support/eventually.ts';
import { waitForLine } from '../support/processes.ts';
import { Sidecar, startFixture } from '../support/sidecar.ts';
import { clusterOf } from '../support/cluster-of.ts';

const RULES = 16;
const VALUES = 4;
/** Until buffers, and what is left of threads that parsed, have the size that they keep: on Node 26 that takes 40 of them. */
const WARM_UP = 40;
const RELOADS = 100;
const GROWTH_LIMIT_MIB = 5;
const SLOW_RELOADS = 50;
/** Longer than a sidecar is left alone before it gives memory back. */
const QUIET_MS = 8_000;
const QUIET_LOOKS = 5;
/** What `sideroute inject`, the chart and the kustomize components give the sidecar. */
const HEAP_OF_THE_MANIFESTS = '--max-old-space-size=128 --max-semi-space-size=2';
/** Answers SIGUSR2 when what can be collected is, with the bytes of the heap. Standard error has lines of its own. */
const PRELOAD = `data:text/javascript,import{setFlagsFromString}from'node:v8';import{runInNewContext}from'node:vm';
setFlagsFromString('--expose-gc');const gc=runInNewContext('gc');
process.on('SIGUSR2',()=>{gc();setTimeout(()=>{gc();console.error('collected '+process.memoryUsage().heapTotal)},50)})`;

/** Every value differs with the generation and the rule; 0.5 MB in all. */
function configuration(generation: number): Record<string, string> {
  const rules = Array.from({ length: RULES }, (_, index) => {
    const value = `${generation}.${index}.${'v'.repeat(3_500)}`;
    const values = Array.from({ length: VALUES }, (_, name) => `{name: x-long-${name}, value: "${value}"}`).join(', ');
    return `    - matches: [{path: {value: /r${index}}}]
      timeouts: {request: ${1_000 + generation}s}
      filters:
        - {type: RequestHeaderModifier, requestHeaderModifier: {set: [${values}]}}
        - {type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-generation, value: "g${generation}"}, ${values}]}}
      backendRefs: [{name: web, port: 80}]
`;
  });
  return {
    'routes.yaml': `apiVersion: v1
kind: Service
metadata: {name: web, namespace: web}
spec: {clusterIP: 10.96.0.10, ports: [{port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: web}
spec:
  parentRefs: [{group: "", kind: Service, name: web, port: 80}]
  rules:
${rules.join('')}`,
  };
}

t.setTimeout(290_000);
t.test('100 reloads of changing filters: memory stays, a slow request ends by its own route', async (t) => {
  const { cluster, directory } = clusterOf(t);
  const client = cluster.addPod('client');
  const server = cluster.addPod('server');
  cluster.addService('10.96.0.10', 80, [{ address: server.v4, port: 8080 }]);
  const backend = await startFixture(server, 'gate-server', '8080');
  const volume = new ConfigMapMount(join(directory.path, 'routes'), configuration(0));
  process.env['NODE_OPTIONS'] = `${HEAP_OF_THE_MANIFESTS} --import "${PRELOAD.replaceAll('\n', '')}"`;
  const sidecar = await Sidecar.start(client, volume.path);
  delete process.env['NODE_OPTIONS'];

  const count = (text: string): number => sidecar.log.filter((line) => line.includes(text)).length;
  const besideTheHeap = async (): Promise<number> => {
    const before = count('collected ');
    client.must(['kill', '-USR2', String(sidecar.process.pid)]);
    await eventually('collected', () => count('collected ') > before, 30_000);
    const status = readFileSync(`/proc/${sidecar.process.pid}/status`, 'latin1');
    const line = sidecar.log.findLast((text) => text.startsWith('collected '))!;
    return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)![1]) / 1024 - Number(line.split(' ')[1]) / 2 ** 20;
  };
  const urls = Array.from({ length: RULES }, (_, index) => `http://10.96.0.10/r${index}`);
  const reload = async (generation: number): Promise<void> => {
    const before = count('configuration applied');
    volume.write(configuration(generation));
    await eventually(`generation ${generation}`, () => count('configuration applied') > before, 20_000);
    const answers = client.must(['curl', '-s', '--max-time', '5', '-w', '%header{x-generation} ', ...urls]);
    if (answers !== `ok g${generation} `.repeat(RULES)) t.fail(`generation ${generation}: ${answers}`);
  };
  for (let generation = 1; generation <= WARM_UP; generation++) await reload(generation);
  const first = await besideTheHeap();

  const arrived = waitForLine(backend, /^waiting/);
  const slow = client.spawn(['curl', '-s', '-w', '%header{x-generation}\n', 'http://10.96.0.10/r3?wait']);
  const answer = waitForLine(slow, /^ok/, 400_000);
  await arrived;
  let generation = WARM_UP + 1;
  for (; generation <= WARM_UP + SLOW_RELOADS; generation++) await reload(generation);
  t.equal(
    sidecar.metric(/^sideroute_compiled_objects\{kind="plan"\}/),
    RULES + 1,
    'of the current routes, and of the slow request',
  );
  client.must(['curl', '-s', 'http://10.96.0.10/r0?open']);
  t.equal(await answer, `ok g${WARM_UP}`, 'the slow request has the response of the route it began with');

  // What a thread of the moment holds comes and goes; what is not given back stays.
  let least = Number.POSITIVE_INFINITY;
  for (; generation <= WARM_UP + RELOADS; generation++) {
    await reload(generation);
    if (generation % 10 === 0 && generation > WARM_UP + RELOADS - 30) least = Math.min(least, await besideTheHeap());
  }
  // Some of it is given back only when there is nothing to do, as it may have been before the first look.
  for (let looks = 0; looks < QUIET_LOOKS && least - first >= GROWTH_LIMIT_MIB; looks++) {
    await delay(QUIET_MS);
    least = Math.min(least, await besideTheHeap());
  }
  const growth = least - first;
  t.comment(`${first.toFixed(1)} MiB beside the heap, ${growth.toFixed(1)} MiB more`);
  t.ok(
    growth < GROWTH_LIMIT_MIB,
    `${first.toFixed(1)} MiB beside the heap, ${growth.toFixed(1)} MiB more after ${RELOADS} reloads`,
  );
  for (const kind of ['plan', 'policy']) {
    const line = new RegExp(`^sideroute_compiled_objects\\{kind="${kind}"\\}`);
    t.equal(sidecar.metric(line), RULES, `${kind}: as many as the current routes use`);
  }
  t.equal(await sidecar.stop(), 0);
});
