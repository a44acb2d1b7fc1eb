/** A live edit with an error in a field, seen from the client: traffic goes on by the route as it was. */
import { join } from 'node:path';
import t from 'tap';
import { ConfigMapMount } from '../support/config-map-mount.ts';
import { eventually } from '../support/eventually.ts';
import { serviceFile } from '../support/services.ts';
import { Sidecar } from '../support/sidecar.ts';
import { startTwoPods } from '../support/two-pods.ts';
import { matches } from '../support/match.ts';

const skip = process.getuid!() === 0 ? false : 'needs root for network namespaces';

const route = (path: string) => `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: web, namespace: shop }
spec:
  parentRefs: [{ group: "", kind: Service, name: web, port: 80 }]
  rules: [{ matches: [{ path: { value: ${path} } }], backendRefs: [{ name: v1, port: 80 }] }]
`;

t.test('a refused edit leaves traffic and says so; deleted, the route is gone', { skip }, async (t) => {
  const { client, directory } = await startTwoPods(t);
  const services = { 'services.yaml': serviceFile('web', 'v1') };
  const volume = new ConfigMapMount(join(directory, 'routes'), { ...services, 'r.yaml': route('/') });
  await Sidecar.start(client, volume.path);
  const answer = () => client.run(['curl', '-s', 'http://10.96.0.10/']).stdout.trim();
  const scrape = () => client.run(['curl', '-s', 'http://127.0.0.1:15020/metrics']).stdout;
  t.equal(answer(), 'Hello from Version 1');
  t.match(scrape(), /^sideroute_held_routes 0$/m);

  volume.write({ ...services, 'r.yaml': route('no-slash') });
  await eventually('the edit is read', () => scrape().includes('\nsideroute_config_valid 0\n'));
  t.equal(answer(), 'Hello from Version 1', 'not what the Service itself answers');
  t.match(scrape(), /^sideroute_held_routes 1$/m);
  t.match(scrape(), /^sideroute_route_condition\{.*route_name="web".*type="PartiallyInvalid".*\} 1$/m);
  const config = client.run(['curl', '-s', 'http://127.0.0.1:15000/config']).stdout;
  matches(t, JSON.parse(config), { valid: false, heldRoutes: ['HTTPRoute shop/web'] });

  volume.write(services);
  await eventually('the route is gone', () => answer() === 'Hello from Version parent');
  t.match(scrape(), /^sideroute_held_routes 0$/m);
});
