/** Follows the status of the scenario's route: each generation that the controller has observed, with what it says of ResolvedRefs. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { NodeCluster } from './node.ts';
import { WITH_CALLER } from './processes.ts';
import { NAMESPACE } from './scenario.ts';

export function watchStatus(
  cluster: NodeCluster,
  seen: (generation: number, resolved: string) => void,
): { close(): void } {
  const conditions = '.status.parents[0].conditions[?(@.type=="ResolvedRefs")]';
  const columns = `GENERATION:${conditions}.observedGeneration,STATUS:${conditions}.status`;
  const [file, ...args] = [
    ...[...WITH_CALLER, join(cluster.bin, 'kubectl'), '-n', NAMESPACE, 'get', 'httproute', 'my-server-route'],
    ...['--watch', '--no-headers', '-o', `custom-columns=${columns}`],
  ];
  const watch = spawn(file!, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  let rest = '';
  watch.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      const [generation, status] = line.trim().split(/ +/);
      if (/^\d+$/.test(generation ?? '')) seen(Number(generation), status!);
    }
  });
  return { close: () => watch.kill('SIGKILL') };
}
