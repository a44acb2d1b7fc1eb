/** The client of deploy/scenario, which people apply as it stands, is what `inject` makes of an application without a sidecar. */
import t from 'tap';
import {
  container,
  find,
  parseManifests,
  readManifests,
  type Container,
  type Manifest,
} from '../../support/manifests.ts';
import { injected } from './fixtures.ts';

const OURS = ['sideroute', 'sideroute-init', 'sideroute-routes', 'sideroute-no-token'];
const foreign = <T extends { readonly name: string }>(items: readonly T[] | undefined): T[] =>
  (items ?? []).filter(({ name }) => !OURS.includes(name));

function withoutSidecar(workload: Manifest): Manifest {
  const copy = structuredClone(workload) as unknown as {
    spec: { template: { metadata: { annotations: object }; spec: Record<string, unknown> } };
  };
  const { template } = copy.spec;
  const { initContainers, volumes } = workload.spec!.template!.spec;
  template.metadata.annotations = {};
  Object.assign(template.spec, { initContainers: foreign(initContainers), volumes: foreign(volumes) });
  return copy as unknown as Manifest;
}

/** The entry point of the image is the program, and inject says of the sidecar's user also what is so by default. */
function comparable({ command, args = [], ports, env, ...rest }: Container): object {
  const named = ports as readonly object[] | undefined;
  return {
    ...rest,
    env: env?.filter(({ name, value }) => name !== 'SIDEROUTE_PROXY_UID' || value !== '1337'),
    ...(rest.name === 'sideroute' ? { command: command ?? ['sideroute', ...args] } : {}),
    ports: named?.map((port) => ({ protocol: 'TCP', ...port })),
  };
}

t.test('containers, volumes and annotations', async (t) => {
  const client = find(readManifests('scenario/client.yaml'), 'Deployment', 'client');
  const [made] = parseManifests(injected(JSON.stringify(withoutSidecar(client)))) as [Manifest];
  for (const name of ['sideroute-init', 'sideroute'])
    t.same(comparable(container(client, name)), comparable(container(made, name)), name);
  const template = (manifest: Manifest) => manifest.spec!.template!;
  t.same(template(client).spec.volumes, template(made).spec.volumes, 'volumes');
  const names = (manifest: Manifest) => template(manifest).spec.initContainers?.map(({ name }) => name);
  t.same(names(client), names(made), 'their order');
  t.match(template(made).metadata.annotations, {
    'prometheus.io/scrape': template(client).metadata.annotations!['prometheus.io/scrape'],
    'prometheus.io/port': template(client).metadata.annotations!['prometheus.io/port'],
    'prometheus.io/path': template(client).metadata.annotations!['prometheus.io/path'],
  });
});
