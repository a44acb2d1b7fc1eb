/**
 * The `native` engine behind a port, without the acceptor: Node accepts, the engine takes a duplicate of the
 * descriptor, and Node closes its own.
 */
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';

import {
  createNativeEngine,
  type NativeEngine,
  type NativeEngineOptions,
} from '../../src/engine/native/native-engine.ts';
import type { EngineHost } from '../../src/engine/engine.ts';
import { FRONTEND, type EngineFront } from './engine-cases.ts';
import { descriptorOf } from './wire-end.ts';

export interface NativeFront extends EngineFront {
  readonly engine: NativeEngine;
  /** Of connections accepted from now on. */
  frontend: number;
  original: { readonly address: string; readonly port: number };
  /** They begin with the preface of HTTP/2. */
  http2: boolean;
}

export function nativeFront(options: NativeEngineOptions = {}) {
  return async (
    host: EngineHost,
    original: { readonly address: string; readonly port: number },
  ): Promise<NativeFront> => {
    const engine = createNativeEngine(host, { ...options, duplicate: true });
    const server = createServer({ pauseOnConnect: true, noDelay: true, allowHalfOpen: true }, (socket) => {
      engine.adopt({ fd: descriptorOf(socket), frontend: front.frontend, ...front.original, http2: front.http2 });
      socket.destroy();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const front: NativeFront = {
      engine,
      frontend: FRONTEND,
      original,
      http2: false,
      port: (server.address() as AddressInfo).port,
      close: async () => {
        server.close();
        await engine.close();
      },
    };
    return front;
  };
}
