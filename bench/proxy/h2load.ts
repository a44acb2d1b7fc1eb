/** HTTP/2 calls through the proxy under test, by h2load. */
import type { Pod } from '../../test/support/cluster.ts';
import { eventually } from '../../test/support/eventually.ts';
import { SERVICE } from '../peers/peer.ts';

/** Long, for a machine with other load. */
const START_DEADLINE_MS = 60_000;

export interface Calls {
  readonly connections: number;
  /** Concurrent calls on each connection. */
  readonly streams: number;
  /** Bytes of a response. */
  readonly size: number;
  readonly calls: number;
}

/**
 * Duration of the calls in seconds.
 * @throws Error if one of them has failed; the message names the proxy
 */
export function h2load(pod: Pod, name: string, { connections, streams, size, calls }: Calls): number {
  const started = performance.now();
  const report = pod.must([
    ...['taskset', '-c', '1', 'h2load', '-c', String(connections), '-m', String(streams), '-n', String(calls)],
    `http://${SERVICE}/${size}`,
  ]);
  const seconds = (performance.now() - started) / 1000;
  if (!report.includes(` ${calls} succeeded, 0 failed`) || !report.includes(`status codes: ${calls} 2xx`))
    throw new Error(`${name}: ${report}`);
  return seconds;
}

/** Resolves when a call for a response of `size` bytes is answered. */
export async function servesHttp2(pod: Pod, name: string, size: number): Promise<void> {
  const one = ['h2load', '-c', '1', '-m', '1', '-n', '1', `http://${SERVICE}/${size}`];
  const serves = (): boolean => pod.run(one).stdout.includes('status codes: 1 2xx');
  await eventually(`${name} serves`, serves, START_DEADLINE_MS);
}
