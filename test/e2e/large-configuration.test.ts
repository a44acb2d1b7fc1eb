/** Configurations of 10,000 rules are applied under load, one after the other, and the last one stays. */
import { join } from 'node:path';
import t from 'tap';
import { ConfigMapMount } from '../support/config-map-mount.ts';
import { eventually } from '../support/eventually.ts';
import { largeRouteFiles } from '../support/large-routes.ts';
import { waitForLine } from '../support/processes.ts';
import { fixture, Sidecar, startFixture } from '../support/sidecar.ts';
import { clusterOf } from '../support/cluster-of.ts';

const VERSIONS = [1, 2, 3, 4];

function webFile(version: number): string {
  const names = ['web', ...VERSIONS.map((other) => `v${other}`)];
  const services = names.map(
    (name, index) =>
      `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}, namespace: web}\nspec: {clusterIP: 10.96.0.${10 + index}, ports: [{port: 80}]}\n`,
  );
  return `${services.join('---\n')}---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: only, namespace: web}
spec:
  parentRefs: [{group: "", kind: Service, name: web, port: 80}]
  rules:
    - backendRefs: [{name: v${version}, port: 80}]
`;
}

/** All rules but that of `web` differ from those of the other generations; `z` comes last. */
function files(version: number, format: 'documents' | 'list'): Record<string, string> {
  const large = largeRouteFiles({
    routes: 625,
    rulesPerRoute: 16,
    services: 50,
    format,
    files: 3,
    generation: version,
  });
  return { ...Object.fromEntries(large), 'z-web.yaml': webFile(version) };
}

t.test(
  '10,000 rules: no failed request, every generation in its turn, the later of two quick changes wins',
  async (t) => {
    const { cluster, directory } = clusterOf(t);
    const client = cluster.addPod('client');
    const server = cluster.addPod('server');
    cluster.addService('10.96.0.10', 80, [{ address: server.v4, port: 8000 }]);
    await startFixture(server, 'hello-server', '8000', 'parent');
    for (const version of VERSIONS) {
      cluster.addService(`10.96.0.${10 + version}`, 80, [{ address: server.v4, port: 8000 + version }]);
      await startFixture(server, 'hello-server', String(8000 + version), String(version));
    }
    const volume = new ConfigMapMount(join(directory.path, 'routes'), { 'z-web.yaml': webFile(1) });
    const sidecar = await Sidecar.start(client, volume.path);
    const answer = (): string => client.run(['curl', '-s', 'http://10.96.0.10/']).stdout.trim();
    const applied = (): string[] => sidecar.log.filter((line) => line.includes('configuration applied'));

    const load = client.spawn(fixture('load-client', 'http://10.96.0.10/', '4'));
    const report = waitForLine(load, /^\{/, 280_000);
    await waitForLine(load, /^running/);

    const seen: string[] = [];
    const until = async (version: number): Promise<void> => {
      const wanted = `Hello from Version ${version}`;
      await eventually(
        wanted,
        () => {
          const found = answer();
          if (found !== seen.at(-1)) seen.push(found);
          return found === wanted;
        },
        60_000,
      );
    };
    await until(1);
    volume.write(files(2, 'documents'));
    await until(2);
    // The second change comes while the first one is being read, parsed or compiled.
    volume.write(files(3, 'list'));
    await new Promise((resolve) => setTimeout(resolve, 150));
    volume.write(files(4, 'documents'));
    await until(4);
    await eventually('the last configuration is applied', () => sidecar.metric(/^sideroute_config_generation /) >= 3);
    load.kill('SIGTERM');

    const order = seen.map((text) => Number(text.slice(text.lastIndexOf(' ') + 1)));
    t.same(order, [...order].sort(), `no answer goes back: ${seen.join(', ')}`);
    const { answers, failures } = JSON.parse(await report) as {
      answers: Record<string, number>;
      failures: Record<string, number>;
    };
    t.same(failures, {}, 'no request failed');
    t.same(
      Object.keys(answers).filter((text) => !/^200 Hello from Version [1-4]$/.test(text)),
      [],
      'every answer comes from one of the configurations',
    );
    const generations = applied().map((line) => (JSON.parse(line) as { generation: number }).generation);
    t.same(generations, [...new Set(generations)].sort(), `generations ${generations.join(', ')}`);
    t.equal(answer(), 'Hello from Version 4', 'it stays');
    t.same(
      sidecar.log.filter((line) => /"level":"(warn|error)"/.test(line) && !line.includes('service address')),
      [],
      'no configuration was found wanting',
    );
    t.equal(await sidecar.stop(), 0);
  },
);
