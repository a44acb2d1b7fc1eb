/**
 * The `native` engine between a raw client and a raw backend, for tests that assert wire bytes.
 *
 *     const h = await startHarness(t);
 *     const client = await h.connect();
 *     client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');          // or sendSplit(bytes, [1, 7]): pieces on their own
 *     const upstream = await h.backend.next();                    // the next connection the engine makes
 *     await upstream.until('\r\n\r\n');                          // everything received so far, once it holds that
 *     upstream.send('HTTP/1.1 204 No Content\r\n\r\n');
 *     t.equal(await client.until('\r\n\r\n'), 'HTTP/1.1 204 No Content\r\n\r\n');
 *     t.equal(await client.untilEnd(), 'fin');                       // or 'reset'
 *     t.match(h.host.outcomes, [{ status: 204, reason: null }]);
 *
 * Everything is Latin-1 text, one character a byte. Nothing is parsed and nothing answers by itself. Teardown is done.
 */
import type { Test } from 'tap';

import type { NativeEngineOptions } from '../../src/engine/native/native-engine.ts';
import type { Decision, RequestHead } from '../../src/routing/decision.ts';
import { forwardTo, RecordingHost } from './engine-cases.ts';
import { nativeFront, type NativeFront } from './native-front.ts';
import { dial, ScriptedBackend, type WireEnd } from './wire-end.ts';

export interface HarnessOptions {
  readonly engine?: NativeEngineOptions;
  /** Default: forward to the backend. */
  readonly decide?: (request: RequestHead, backendPort: number) => Decision;
}

export interface Harness {
  readonly backend: ScriptedBackend;
  readonly host: RecordingHost;
  readonly front: NativeFront;
  connect(): Promise<WireEnd>;
  /** A connection with its request sent and received by the backend: the client, and the backend's side. */
  exchange(request: string): Promise<{ client: WireEnd; upstream: WireEnd }>;
}

export async function startHarness(t: Test, options: HarnessOptions = {}): Promise<Harness> {
  const backend = await ScriptedBackend.listen(t);
  const decide = options.decide ?? ((): Decision => forwardTo(backend.port));
  const host = new RecordingHost((request) => decide(request, backend.port));
  const front = await nativeFront(options.engine)(host, { address: '127.0.0.1', port: backend.port });
  t.teardown(() => front.close());
  const harness: Harness = {
    backend,
    host,
    front,
    connect: () => dial(t, '127.0.0.1', front.port),
    exchange: async (request) => {
      const client = await harness.connect();
      client.send(request);
      const upstream = await backend.next();
      await upstream.until('\r\n\r\n');
      return { client, upstream };
    },
  };
  return harness;
}
