/** A thousand swaps of `..data`: configuration changes under load lose nothing and never mix. */
import { join } from 'node:path';
import t from 'tap';
import { ConfigMapMount } from '../support/config-map-mount.ts';
import { waitForLine } from '../support/processes.ts';
import { eventually } from '../support/eventually.ts';
import { serviceFile } from '../support/services.ts';
import { fixture, Sidecar, startFixture } from '../support/sidecar.ts';
import { startTwoPods } from '../support/two-pods.ts';

const SWAPS = 1_000;

function route(name: string, backend: string): string {
  return `---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: ${name}, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: web, port: 80}]
  rules:
    - backendRefs: [{name: ${backend}, port: 80}]
`;
}

const services = serviceFile('web', 'v1', 'v2');

// The route stands in one file in configuration A and in the other in B. A mix of the two has either no route at all, so
// that the Service itself answers ("Version parent"), or the same route twice, which is logged as an error.
const A = { 'services.yaml': services, 'one.yaml': route('only', 'v1'), 'two.yaml': '# none\n' };
const B = { 'services.yaml': services, 'one.yaml': '# none\n', 'two.yaml': route('only', 'v2') };

t.test(`${SWAPS} swaps of ..data under load: no failed request, no mix of two configurations`, async (t) => {
  const { cluster, client, server, directory } = await startTwoPods(t);
  cluster.addService('10.96.0.12', 80, [{ address: server.v4, port: 8002 }]);
  await startFixture(server, 'hello-server', '8002', '2');
  const volume = new ConfigMapMount(join(directory, 'routes'), A);
  const sidecar = await Sidecar.start(client, volume.path);

  const load = client.spawn(fixture('load-client', 'http://10.96.0.10/', '8'));
  const report = waitForLine(load, /^\{/, 280_000);
  await waitForLine(load, /^running/);
  for (let swap = 0; swap < SWAPS; swap += 1) {
    volume.write(swap % 2 === 0 ? B : A);
    // Most swaps follow each other faster than they can be applied; every ninth is waited for.
    if (swap % 9 === 8) {
      const expected = swap % 2 === 0 ? '2' : '1';
      await eventually(
        `answers of version ${expected}`,
        () => client.run(['curl', '-s', 'http://10.96.0.10/']).stdout === `Hello from Version ${expected}\n`,
      );
    } else {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  load.kill('SIGTERM');
  const { answers, failures } = JSON.parse(await report) as {
    answers: Record<string, number>;
    failures: Record<string, number>;
  };
  t.same(failures, {}, 'no request failed');
  t.same(
    Object.keys(answers).filter((answer) => !/^200 Hello from Version [12]$/.test(answer)),
    [],
    'every answer comes from configuration A or B',
  );
  t.ok(Object.values(answers).reduce((sum, count) => sum + count, 0) > 1_000, 'there was load all the while');
  t.ok(sidecar.metric(/^sideroute_config_generation /) > SWAPS / 9, 'the changes were applied along the way');
  t.equal(sidecar.metric(/^sideroute_config_valid /), 1);
  t.same(
    sidecar.log.filter((line) => /"level":"(warn|error)"/.test(line)),
    [],
    'no configuration was found wanting',
  );
  t.equal(await sidecar.stop(), 0);
});
