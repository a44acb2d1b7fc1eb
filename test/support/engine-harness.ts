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
 *     t.equal(await client.ended(), 'fin');                       // or 'reset'
 *     t.match(h.host.outcomes, [{ status: 204, reason: null }]);
 *
 * Everything is Latin-1 text, one character a byte. Nothing is parsed and nothing answers by itself. Teardown is done.
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

import type { Test } from 'tap';

import type { NativeEngineOptions } from '../../src/engine/native/native-engine.ts';
import type { Decision, RequestHead } from '../../src/routing/decision.ts';
import { forwardTo, RecordingHost } from './engine-cases.ts';
import { nativeFront, type NativeFront } from './native-front.ts';

const DEADLINE_MS = 5_000;

/** One end of a connection. */
export class RawPeer {
  readonly socket: Socket;
  /** Everything received that `take` has not taken. */
  received = '';
  private ending: 'fin' | 'reset' | null = null;
  private readonly wakers = new Set<() => void>();

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      this.received += chunk.toString('latin1');
      this.wake();
    });
    socket.on('end', () => this.finish('fin'));
    socket.on('error', () => this.finish('reset'));
    socket.on('close', () => this.finish('reset'));
  }

  send(bytes: string): void {
    this.socket.write(Buffer.from(bytes, 'latin1'));
  }

  /** Each piece is read by the other side before the next is sent: `at` are the offsets where one ends. */
  async sendSplit(bytes: string, at: readonly number[]): Promise<void> {
    let from = 0;
    for (const end of [...at, bytes.length]) {
      if (end > from) this.send(bytes.slice(from, end));
      from = end;
      await turns();
    }
  }

  /** FIN; receiving goes on. */
  end(): void {
    this.socket.end();
  }

  reset(): void {
    this.socket.resetAndDestroy();
  }

  /** What has been received, once it contains `text` (or is that long); rejects after 5 s or when it ends before. */
  async until(text: string | number): Promise<string> {
    const holds = (): boolean =>
      typeof text === 'number' ? this.received.length >= text : this.received.includes(text);
    await this.wait(JSON.stringify(text), () => holds() || this.ending !== null);
    if (!holds()) throw new Error(`ended (${this.ending}) without ${JSON.stringify(text)}: ${this.show()}`);
    return this.received;
  }

  /** Like `until`, and forgets what it returns: everything up to the end of `text`. */
  async take(text: string): Promise<string> {
    await this.until(text);
    const end = this.received.indexOf(text) + text.length;
    const taken = this.received.slice(0, end);
    this.received = this.received.slice(end);
    return taken;
  }

  /** How the other side ended the connection. */
  async ended(deadlineMs = DEADLINE_MS): Promise<'fin' | 'reset'> {
    await this.wait('the end', () => this.ending !== null, deadlineMs);
    return this.ending!;
  }

  get open(): boolean {
    return this.ending === null;
  }

  private show(): string {
    return JSON.stringify(this.received.slice(-300));
  }

  private finish(ending: 'fin' | 'reset'): void {
    this.ending ??= ending;
    this.wake();
  }

  private wake(): void {
    for (const waker of [...this.wakers]) waker();
  }

  private wait(what: string, holds: () => boolean, deadlineMs = DEADLINE_MS): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        clearTimeout(timer);
        this.wakers.delete(check);
      };
      const check = (): void => {
        if (!holds()) return;
        stop();
        resolve();
      };
      const timer = setTimeout(() => {
        stop();
        reject(new Error(`not within ${deadlineMs} ms: ${what}; received ${this.show()}`));
      }, deadlineMs);
      this.wakers.add(check);
      check();
    });
  }
}

/** Turns of the loop, in which the engine handles what has arrived. */
export async function turns(count = 3): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

export class RawBackend {
  readonly port: number;
  readonly connections: RawPeer[] = [];
  onConnection: (peer: RawPeer) => void = () => undefined;
  private taken = 0;
  private readonly server: Server;
  private readonly wakers = new Set<() => void>();
  private readonly closers: (() => void)[] = [];

  private constructor(server: Server) {
    this.server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (socket) => {
      const peer = new RawPeer(socket);
      this.connections.push(peer);
      this.onConnection(peer);
      for (const waker of [...this.wakers]) waker();
    });
  }

  static async listen(t: Test, port = 0, address = '127.0.0.1'): Promise<RawBackend> {
    const server = createServer({ allowHalfOpen: true }).listen(port, address);
    await once(server, 'listening');
    const backend = new RawBackend(server);
    t.teardown(() => backend.close());
    return backend;
  }

  /** The next connection that was not returned yet. */
  async next(): Promise<RawPeer> {
    const endMs = performance.now() + DEADLINE_MS;
    while (this.connections.length <= this.taken) {
      if (performance.now() > endMs) throw new Error('the engine has made no further connection');
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 50);
        this.wakers.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
      this.wakers.clear();
    }
    return this.connections[this.taken++]!;
  }

  /** Refuses from now on; connections that stand go on. */
  refuse(): void {
    this.server.close();
  }

  onClose(closer: () => void): void {
    this.closers.push(closer);
  }

  close(): void {
    for (const closer of this.closers) closer();
    this.server.close();
    for (const { socket } of this.connections) socket.destroy();
  }
}

export interface HarnessOptions {
  readonly engine?: NativeEngineOptions;
  /** Default: forward to the backend. */
  readonly decide?: (request: RequestHead, backendPort: number) => Decision;
}

export interface Harness {
  readonly backend: RawBackend;
  readonly host: RecordingHost;
  readonly front: NativeFront;
  connect(): Promise<RawPeer>;
  /** A connection with its request sent and received by the backend: the client, and the backend's side. */
  exchange(request: string): Promise<{ client: RawPeer; upstream: RawPeer }>;
}

export async function startHarness(t: Test, options: HarnessOptions = {}): Promise<Harness> {
  const backend = await RawBackend.listen(t);
  const decide = options.decide ?? ((): Decision => forwardTo(backend.port));
  const host = new RecordingHost((request) => decide(request, backend.port));
  const front = await nativeFront(options.engine)(host, { address: '127.0.0.1', port: backend.port });
  t.teardown(() => front.close());
  const harness: Harness = {
    backend,
    host,
    front,
    connect: async () => {
      const socket = connect({ port: front.port, host: '127.0.0.1', allowHalfOpen: true });
      await once(socket, 'connect');
      t.teardown(() => socket.destroy());
      return new RawPeer(socket);
    },
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
