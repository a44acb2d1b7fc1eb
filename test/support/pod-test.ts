/**
 * Runs a test file inside a pod: the file starts itself again in the pod's network namespace, where its own sockets are
 * those of the intercepted application.
 *
 * The pod is both the client and, through its own Services, the server: the node sends ClusterIP traffic back to it.
 */
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { Cluster } from './cluster.ts';

export const PROXY_UID = 1337;
export const CAPTURE_PORT = 15001;

/** ClusterIPs of the test's Services. Each port leads to the same port of the pod. */
export const SERVICE = { v4: '10.96.0.10', v6: 'fd00:96::10' } as const;
export const PORTS = [8080, 9000, 9001] as const;
/** A port whose Service has no endpoints: refused by the node. */
export const REFUSED_PORT = 9999;
/** In the captured range, but without an answer. */
export const SILENT_HOST = '10.96.66.66';

/** Where the pod's servers listen. */
export interface PodContext {
  readonly v4: string;
  readonly v6: string;
}

/** Generous: the machine may be busy with other tests. */
const TIMEOUT_MS = 180_000;
const VARIABLE = 'SIDEROUTE_TEST_POD';

/** Outside: makes the pod and runs the file in it. Inside: runs `body`. */
export async function inPod(
  t: Test,
  moduleUrl: string,
  body: (pod: PodContext) => void | Promise<void>,
): Promise<void> {
  t.setTimeout(TIMEOUT_MS);
  const inside = process.env[VARIABLE];
  if (inside !== undefined) {
    await body(JSON.parse(inside) as PodContext);
    return;
  }
  if (process.getuid!() !== 0) {
    t.plan(0, 'needs root for network namespaces');
    return;
  }
  const cluster = new Cluster();
  t.teardown(() => cluster.close());
  const pod = cluster.addPod('app');
  for (const port of PORTS) {
    cluster.addService(SERVICE.v4, port, [{ address: pod.v4, port }]);
    cluster.addService(SERVICE.v6, port, [{ address: pod.v6, port }]);
  }
  cluster.addService(SERVICE.v4, REFUSED_PORT, []);
  // Addresses without translation must still reach the FORWARD chain, which refuses or drops their packets.
  cluster.node.must(['iptables', '-w', '-A', 'FORWARD', '-d', SILENT_HOST, '-j', 'DROP']);
  for (const [tables, range] of [
    ['iptables', '10.96.0.0/16'],
    ['ip6tables', 'fd00:96::/112'],
  ] as const) {
    pod.must([
      ...[tables, '-w', '-t', 'nat', '-A', 'OUTPUT', '-p', 'tcp', '-d', range],
      ...['-m', 'owner', '!', '--uid-owner', String(PROXY_UID), '-j', 'REDIRECT', '--to-ports', String(CAPTURE_PORT)],
    ]);
  }
  const [program, ...args] = pod.commandLine([process.execPath, '--enable-source-maps', fileURLToPath(moduleUrl)]);
  const context: PodContext = { v4: pod.v4, v6: pod.v6 };
  const env = { ...process.env, [VARIABLE]: JSON.stringify(context) };
  await t.spawn(program!, args, { env, timeout: TIMEOUT_MS }, 'inside a pod');
}
