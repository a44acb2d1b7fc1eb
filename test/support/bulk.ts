/** The test's side of `fixtures/bulk-worker.ts`. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Test } from 'tap';

import type { BulkOptions } from './fixtures/bulk-worker.ts';

async function start(t: Test, options: BulkOptions): Promise<Worker> {
  const thread = new Worker(new URL('./fixtures/bulk-worker.js', import.meta.url), { workerData: options });
  t.teardown(() => thread.terminate());
  await once(thread, 'online');
  return thread;
}

export type BulkEnd = Partial<Pick<BulkOptions, 'host' | 'port' | 'greeting' | 'blasts' | 'connections'>>;

const DEFAULTS = { host: '127.0.0.1', port: 0, greeting: '', blasts: false, connections: 1 };

/** The port it listens on. */
export async function bulkServer(t: Test, options: BulkEnd): Promise<number> {
  const thread = await start(t, { ...DEFAULTS, ...options, role: 'server' });
  const [port] = (await once(thread, 'message')) as [number];
  return port;
}

export async function bulkClients(t: Test, options: BulkEnd): Promise<void> {
  await start(t, { ...DEFAULTS, ...options, role: 'client' });
}
