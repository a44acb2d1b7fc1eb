/** Start, failure and end of the sidecar: a missing or broken configuration, SIGTERM under load, a loop. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Pod } from '../support/cluster.ts';
import { ConfigMapMount } from '../support/config-map-mount.ts';
import { stopProcess, waitForLine } from '../support/processes.ts';
import { eventually } from '../support/eventually.ts';
import { serviceFile } from '../support/services.ts';
import { fixture, Sidecar } from '../support/sidecar.ts';
import { startTwoPods } from '../support/two-pods.ts';

const SERVICES = serviceFile('web', 'v1');
const ROUTE = `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: web, port: 80}]
  rules: [{backendRefs: [{name: v1, port: 80}]}]
`;
const GOOD = { 'services.yaml': SERVICES, 'route.yaml': ROUTE };
const BROKEN = { 'services.yaml': SERVICES, 'route.yaml': ROUTE.replace('port: 80}]}]', 'port: 80}]') };

t.test('the life of a sidecar', async (t) => {
  const { client, server, directory } = await startTwoPods(t);
  const curl = (pod: Pod, ...args: string[]) => pod.run(['curl', '-sS', '--max-time', '10', ...args]);
  const path = join(directory, 'routes');

  await t.test(
    'SPEC A5, A14: a directory that does not exist means passthrough, a broken file its last good content',
    async (t) => {
      const sidecar = await Sidecar.start(client, path);
      t.equal(curl(client, 'http://10.96.0.10/').stdout, 'Hello from Version parent\n', 'as without sideroute');
      t.equal(sidecar.metric(/^sideroute_config_valid /), 0);
      t.match(sidecar.get('/readyz'), /ok|ready/i);
      const volume = new ConfigMapMount(path, GOOD);
      await eventually(
        'the route is applied',
        () => curl(client, 'http://10.96.0.10/').stdout === 'Hello from Version 1\n',
      );
      t.equal(sidecar.metric(/^sideroute_config_valid /), 1);

      volume.write(BROKEN);
      await eventually('the broken file is noticed', () => sidecar.metric(/^sideroute_config_valid /) === 0);
      t.equal(
        curl(client, 'http://10.96.0.10/').stdout,
        'Hello from Version 1\n',
        'the last good content of the file still serves',
      );

      volume.write({ 'services.yaml': SERVICES });
      await eventually(
        'the route is gone',
        () => curl(client, 'http://10.96.0.10/').stdout === 'Hello from Version parent\n',
      );
      t.equal(await sidecar.stop(), 0);
      rmSync(path, { recursive: true });
    },
  );

  await t.test('--strict: not ready while the files have errors, ready once they are mended', async (t) => {
    const volume = new ConfigMapMount(path, BROKEN);
    const sidecar = await Sidecar.startProxy(client, path, '--strict');
    const status = () => curl(client, '-o', '/dev/null', '-w', '%{http_code}', 'http://127.0.0.1:15020/readyz').stdout;
    t.equal(status(), '503');
    t.match(sidecar.get('/readyz'), /route\.yaml|config/);
    volume.write(GOOD);
    await eventually('ready', () => status() === '200');
    t.equal(await sidecar.stop(), 0);
  });

  /** A sidecar that has got SIGTERM while a request was under way, which is answered after `release`. */
  const endedInRequest = async (drainQuiet: string) => {
    const sidecar = await Sidecar.startProxy(client, path, '--drain-timeout', '25s', '--drain-quiet', drainQuiet);
    const slow = client.spawn(['curl', '-sS', `http://10.96.0.10/?hold=${drainQuiet}`]);
    const answer = waitForLine(slow, /Version/, 60_000);
    await eventually('the request is under way', () => sidecar.metric(/^sideroute_open_requests /) === 1);
    sidecar.process.kill('SIGTERM');
    await eventually('draining', () => sidecar.log.some((line) => line.includes('draining')));
    const release = () => t.equal(curl(server, `http://127.0.0.1:8001/?release=${drainQuiet}`).status, 0);
    return { sidecar, answer, release };
  };

  await t.test(
    'SIGTERM: a request in flight is answered, new connections are still served until the application is done',
    async (t) => {
      const { sidecar, answer, release } = await endedInRequest('500ms');
      t.equal(
        curl(client, 'http://10.96.0.10/').stdout,
        'Hello from Version 1\n',
        'an application that still works is still served',
      );
      release();
      t.equal(await answer, 'Hello from Version 1');
      t.equal(await sidecar.ended(), 0);
      t.ok(
        sidecar.log.some((line) => line.includes('stopped')),
        'it says goodbye',
      );
    },
  );

  await t.test(
    'SIGTERM without a quiet time, as a native sidecar has it: a request in flight is answered',
    async (t) => {
      const { sidecar, answer, release } = await endedInRequest('0s');
      release();
      t.equal(await answer, 'Hello from Version 1');
      t.equal(await sidecar.ended(), 0);
    },
  );

  await t.test(
    'SIGTERM: a request that outlasts the time to drain is told so, and logged with its reason',
    async (t) => {
      const sidecar = await Sidecar.startProxy(client, path, '--drain-timeout', '300ms', '--drain-quiet', '0s');
      const logged = waitForLine(sidecar.process, /"kind":"request"/);
      const slow = client.spawn(['curl', '-sS', '-i', 'http://10.96.0.10/?delay=8000']);
      const answer = waitForLine(slow, /x-sideroute-reason/i);
      await eventually('the request', () => sidecar.metric(/^sideroute_open_requests /) === 1);
      sidecar.process.kill('SIGTERM');
      t.match(await answer, 'x-sideroute-reason: shutdown');
      t.match(JSON.parse(await logged), { code: 503, reason: 'shutdown', path: '/' });
      t.equal(await sidecar.ended(), 0);
    },
  );

  await t.test('SIGTERM under load: no request is lost while the application still sends', async (t) => {
    // Quiet for longer than a busy machine lets the application wait for its turn.
    const sidecar = await Sidecar.startProxy(client, path, '--drain-timeout', '60s', '--drain-quiet', '3s');
    const load = client.spawn(fixture('load-client', 'http://10.96.0.10/', '4'));
    await waitForLine(load, /^running/);
    const served = (): number => sidecar.metric(/^sideroute_requests_total\{.*code="200"/);
    await eventually('load', () => served() > 200);
    sidecar.process.kill('SIGTERM');
    await eventually('draining', () => sidecar.log.some((line) => line.includes('draining')));
    const before = served();
    await eventually('load after SIGTERM', () => served() > before + 100);
    const report = waitForLine(load, /^\{/);
    load.kill('SIGTERM');
    const { answers, failures } = JSON.parse(await report) as {
      answers: Record<string, number>;
      failures: Record<string, number>;
    };
    t.same(failures, {});
    t.same(Object.keys(answers), ['200 Hello from Version 1']);
    t.equal(await sidecar.ended(), 0);
  });

  await t.test('SIGKILL: captured connections are refused, not misrouted, and a restart serves at once', async (t) => {
    const sidecar = await Sidecar.startProxy(client, path);
    await stopProcess(sidecar.process, 'SIGKILL');
    t.equal(curl(client, 'http://10.96.0.10/').status, 7, 'refused');
    const again = await Sidecar.startProxy(client, path);
    t.equal(curl(client, 'http://10.96.0.10/').stdout, 'Hello from Version 1\n');
    await again.stop();
  });

  await t.test('a destination that is the proxy itself is closed and counted, not followed', async (t) => {
    const sidecar = await Sidecar.startProxy(client, path);
    for (let i = 0; i < 20; i += 1) t.not(curl(client, 'http://127.0.0.1:15001/').status, 0);
    t.equal(sidecar.metric(/^sideroute_passthrough_connections_total\{reason="loop"\}/), 20);
    await sidecar.stop();
  });

  await t.test('a flag that cannot be is a usage error that names it; a port that is taken says so', async (t) => {
    const bad = client.run([...fixture('../../../src/main'), 'proxy', '--detect-timeout', 'soon']);
    t.equal(bad.status, 2);
    t.match(bad.stderr, /--detect-timeout.*soon/s);
    const sidecar = await Sidecar.startProxy(client, path);
    const second = client.run([...fixture('../../../src/main'), 'proxy', '--routes', path]);
    t.equal(second.status, 1);
    t.match(second.stderr, /15001.*(in use|EADDRINUSE)/);
    await sidecar.stop();
  });
});
