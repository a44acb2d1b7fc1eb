/**
 * The cluster that docs/injection.md starts from: servers and routes of the scenario, and a client without sideroute.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../manifests.ts';
import { sideroute } from '../cli.ts';
import { clusterPlace, IMAGES, plainClient, type ClusterPlace } from './places.ts';

export async function injectionPlace(): Promise<ClusterPlace> {
  const place = await clusterPlace();
  place.cluster.images.add(...IMAGES, 'registry.example/sideroute:0.1.0');
  const client = plainClient();
  place.write('deployment.yaml', client);
  place.write('injected.yaml', sideroute(['inject', '--service-cidrs', '10.96.0.0/12'], client).stdout);
  place.write('chart/Chart.yaml', 'apiVersion: v2\nname: shop\nversion: 0.1.0\n');
  place.write('chart/templates/deployment.yaml', client.replaceAll('"client"', '"shop"'));
  // The route of the README, as the object in a cluster with the Gateway API.
  place.write('route.yaml', readFileSync(join(ROOT, 'test', 'fixtures', 'scenario', 'my-server-route.yaml'), 'utf8'));
  const scenario = join(ROOT, 'deploy', 'scenario');
  const result = await place.run(`
    for file in namespace servers routes; do kubectl apply -f ${scenario}/$file.yaml; done
    kubectl create namespace shop
    kubectl config set-context --current --namespace devopssong
    kubectl apply -f deployment.yaml -f route.yaml
    rm route.yaml
    kubectl wait --for=condition=Available --timeout=120s deployment --all`);
  if (result.status !== 0) throw new Error(result.stderr);
  return place;
}
