/**
 * Runs a test file inside the application's pod, so that the connections of `@grpc/grpc-js` within the test are
 * intercepted; servers are in other pods. Outside, the pods are made and the file starts itself again; inside, it is
 * given them.
 */
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';

import { clusterOf } from '../cluster-of.ts';
import { Pod } from '../cluster.ts';

const VARIABLE = 'SIDEROUTE_TEST_GRPC';
/** Generous: the machine may be busy with other tests. */
const TIMEOUT_MS = 180_000;

interface Saved {
  readonly pods: readonly Pick<Pod, 'netns' | 'name' | 'v4' | 'v6'>[];
  readonly directory: string;
}

export interface Inside {
  readonly client: Pod;
  /** By name. */
  readonly servers: Readonly<Record<string, Pod>>;
  /** For files of the test, readable by other uids. */
  readonly directory: string;
}

/**
 * `services`: ClusterIP by the name of the pod behind it; each port leads to the same port of the pod. `nobody` has no
 * pod.
 */
export async function insideClient(
  t: Test,
  moduleUrl: string,
  services: Readonly<Record<string, { ip: string; ports: readonly number[] }>>,
  body: (inside: Inside) => Promise<void>,
): Promise<void> {
  t.setTimeout(TIMEOUT_MS);
  const saved = process.env[VARIABLE];
  if (saved !== undefined) {
    const { pods, directory } = JSON.parse(saved) as Saved;
    const [client, ...servers] = pods.map((pod) => new Pod(pod.netns, pod.name, pod));
    await body({ client: client!, servers: Object.fromEntries(servers.map((pod) => [pod.name, pod])), directory });
    return;
  }
  const { cluster, directory } = clusterOf(t);
  const client = cluster.addPod('client');
  for (const [name, { ip, ports }] of Object.entries(services)) {
    const pod = name === 'nobody' ? null : cluster.addPod(name);
    for (const port of ports) cluster.addService(ip, port, pod === null ? [] : [{ address: pod.v4, port }]);
  }
  const [program, ...args] = client.commandLine([process.execPath, '--enable-source-maps', fileURLToPath(moduleUrl)]);
  const env = { ...process.env, [VARIABLE]: JSON.stringify({ pods: cluster.pods, directory: directory.path }) };
  await t.spawn(program!, args, { env, timeout: TIMEOUT_MS }, 'inside the pod of the client');
}
