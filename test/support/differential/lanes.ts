/** Independent ways through the native engine, side by side: each with its own frontend and backend. */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

import type { NativeEngine } from '../../../src/engine/native/native-engine.ts';
import type { Backend } from '../../../src/routing/decision.ts';
import type { Scope } from '../wire-end.ts';

export const LANES = 24;

/** A path that is answered locally, and a request for it that ends its connection. */
export const END = '/~end~';
export const END_REQUEST = `GET ${END} HTTP/1.1\r\nHost: end\r\nConnection: close\r\n\r\n`;

export async function portOf(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

export function laneBackend(id: number, port: number): Backend {
  return {
    ...{ namespace: 'ns', name: `lane${id}`, port, key: `ns/lane${id}:${port}`, id },
    addresses: ['127.0.0.1'],
    state: 'resolved',
  };
}

/** Resolves with a port; the engine adopts connections to it for the frontend `id`. */
export function listenFor(scope: Scope, engine: NativeEngine, id: number, backendPort: number): Promise<number> {
  const front = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
    const { fd } = (socket as Socket & { readonly _handle: { readonly fd: number } })._handle;
    engine.adopt({ fd, frontend: id, address: '127.0.0.1', port: backendPort });
    socket.destroy();
  });
  scope.teardown(() => front.close());
  return portOf(front);
}

/** Runs as many at a time as `lanes`; the results are in the order of `list`. */
export async function each<T, R>(list: readonly T[], lanes: number, run: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < list.length) {
      const index = next++;
      results[index] = await run(list[index]!);
    }
  };
  await Promise.all(Array.from({ length: lanes }, work));
  return results;
}
