/**
 * Server-sent events through REDIRECT and the native engine: nothing is held back, however long the silence between two
 * events. SIDEROUTE_SSE_SECONDS (default 4) makes the stream longer.
 */
import { writeFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ConfigMapMount } from '../support/config-map-mount.ts';
import { waitForLine } from '../support/processes.ts';
import { clientRoutes, CLIENT_SERVICES } from '../support/client-routes.ts';
import { fixture, Sidecar, startFixture } from '../support/sidecar.ts';
import { clusterOf } from '../support/cluster-of.ts';

const SECONDS = Number(process.env['SIDEROUTE_SSE_SECONDS'] ?? 4);
const ALLOWED_MS = 50;
/** A machine that was busy elsewhere spoils a measurement; a proxy that holds events back spoils each. */
const ATTEMPTS = SECONDS > 10 ? 1 : 3;

interface Lateness {
  readonly headMs: number;
  readonly eventsMs: readonly number[];
}

t.setTimeout((SECONDS * ATTEMPTS + 60) * 1000);
t.test(`the head and each event arrive within ${ALLOWED_MS} ms, over ${SECONDS} s of mostly silence`, async (t) => {
  const { cluster, directory } = clusterOf(t);
  const client = cluster.addPod('client');
  const server = cluster.addPod('backend');
  cluster.addService(CLIENT_SERVICES.web, 80, []);
  cluster.addService(CLIENT_SERVICES.node, 80, [{ address: server.v4, port: 8080 }]);
  mkdirSync(`/etc/netns/${client.netns}`, { recursive: true });
  writeFileSync(`/etc/netns/${client.netns}/hosts`, `127.0.0.1 localhost\n${CLIENT_SERVICES.web} web\n`);
  await startFixture(server, 'client-backend', '8080');
  const volume = new ConfigMapMount(join(directory.path, 'routes'), { 'routes.yaml': clientRoutes() });
  const sidecar = await Sidecar.start(client, volume.path, '--namespace', 'shop');

  const measure = async (): Promise<Lateness> => {
    const reader = client.spawn(fixture('sse-client', `http://web/node/events?seconds=${SECONDS}`));
    return JSON.parse(await waitForLine(reader, /^\{/, (SECONDS + 30) * 1000)) as Lateness;
  };
  let worstMs = Infinity;
  for (let attempt = 1; attempt <= ATTEMPTS && worstMs > ALLOWED_MS; attempt += 1) {
    const { headMs, eventsMs } = await measure();
    t.equal(eventsMs.length, 15, 'every event arrives');
    worstMs = Math.max(headMs, ...eventsMs);
    t.comment(`attempt ${attempt}: head ${headMs} ms, events ${eventsMs.join(' ')} ms`);
  }
  t.ok(worstMs <= ALLOWED_MS, `the latest arrived after ${worstMs} ms`);
  t.equal(await sidecar.stop(), 0);
});
