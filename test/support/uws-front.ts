/**
 * The `uws` engine behind a port, without the native acceptor: Node accepts, uWS gets the descriptor.
 *
 * Node's socket never reads and is never closed: uWS owns the descriptor and closes it, and a Node handle that closed
 * the same number later would close another connection. So the objects are kept until the process ends.
 */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';

import { createNativeEngine, type NativeEngineOptions } from '../../src/engine/native/native-engine.ts';
import { createUwsEngine } from '../../src/engine/uws/uws-engine.ts';
import { FRONTEND, type MakeEngine } from './engine-cases.ts';
import { descriptorOf } from './wire-end.ts';

const kept: Socket[] = [];

export function uwsFront(options: NativeEngineOptions = {}): MakeEngine {
  return async (host, original) => {
    const native = createNativeEngine(host, options);
    const engine = await createUwsEngine(native);
    const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
      kept.push(socket);
      engine.adopt({ fd: descriptorOf(socket), frontend: FRONTEND, ...original });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return {
      engine,
      port: (server.address() as AddressInfo).port,
      close: async () => {
        server.close();
        server.unref();
        await engine.close();
        await native.close();
      },
    };
  };
}
