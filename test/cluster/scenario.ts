/** The scenario of the README in a test cluster: two versions of a server, a client, and a route between them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeCluster } from './node.ts';
import { ROOT } from './programs.ts';

export const NAMESPACE = 'devopssong';

/** The text of one of the scenario's manifests. */
export function manifest(name: string): string {
  return readFileSync(join(ROOT, 'deploy', 'by-label', `${name}.yaml`), 'utf8');
}

export const APPLICATIONS = ['my-server-v1', 'my-server-v2', 'curl-client'] as const;

/** The route with other words: what a person types into `kubectl edit`. */
export const ALL_TO_V2 = manifest('my-server-route').replace('my-server-v1', 'my-server-v2');

export async function available(cluster: NodeCluster): Promise<void> {
  await cluster.mustKubectl([
    ...['-n', NAMESPACE, 'wait', '--for=condition=Available', '--timeout=480s', 'deployment', '--all'],
  ]);
}

/** What the client's curl prints. */
export async function curl(cluster: NodeCluster, ...args: readonly string[]): Promise<string> {
  return await cluster.mustKubectl([
    ...['-n', NAMESPACE, 'exec', 'deploy/curl-client', '-c', 'curl', '--', 'curl', '-sS', '--max-time', '10'],
    ...[...args, 'http://my-server'],
  ]);
}

/** READY and name of each pod, as `kubectl get pods` shows them. */
export async function readyPods(cluster: NodeCluster): Promise<{ readonly name: string; readonly ready: string }[]> {
  const printed = await cluster.mustKubectl(['-n', NAMESPACE, 'get', 'pods', '--no-headers']);
  return printed
    .trim()
    .split('\n')
    .map((line) => {
      const [name, ready] = line.split(/ +/) as [string, string];
      return { name, ready };
    });
}
