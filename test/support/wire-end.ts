/**
 * One end of a TCP connection for tests that assert exact bytes: what arrived and how it ended. Every wait is for an event,
 * and rejects with what did arrive when the deadline passes.
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

const DEADLINE_MS = 10_000;

/** What a resource is bound to: a tap test, or a part of one. */
export interface Scope {
  teardown(close: () => unknown): void;
}

/** Runs `body`, then closes what it has opened, last first. */
export async function inScope<T>(body: (scope: Scope) => Promise<T>): Promise<T> {
  const open: (() => unknown)[] = [];
  try {
    return await body({ teardown: (close) => open.push(close) });
  } finally {
    for (const close of open.reverse()) await close();
  }
}

/** A turn of the loop with its poll for events: what was written before is read by the other side on its own. */
export async function loopTurn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
}

/**
 * `open`: bytes may still come. `fin`: ended in order. `reset`: torn down; but a reset that was received together with bytes
 * shows as `fin`, for so does libuv.
 */
export type EndState = 'open' | 'fin' | 'reset';

export class WireEnd {
  readonly socket: Socket;
  state: EndState = 'open';
  /** Total, also of what was forgotten. */
  receivedBytes = 0;
  private received: Buffer[] = [];
  private heldBytes = 0;
  private readonly wakers = new Set<() => void>();

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      this.received.push(chunk);
      this.receivedBytes += chunk.length;
      this.heldBytes += chunk.length;
      this.wake();
    });
    socket.on('end', () => {
      if (this.state === 'open') this.state = 'fin';
      this.wake();
    });
    socket.on('error', () => {
      this.state = 'reset';
      this.wake();
    });
  }

  /** What arrived since the start or `forget`. */
  get bytes(): Buffer {
    if (this.received.length > 1) this.received = [Buffer.concat(this.received)];
    return this.received[0] ?? Buffer.alloc(0);
  }

  /** `bytes` as Latin-1. */
  get text(): string {
    return this.bytes.toString('latin1');
  }

  forget(): void {
    this.received = [];
    this.heldBytes = 0;
  }

  send(bytes: string | Buffer): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** Each part in a write of its own that the other side has had the opportunity to read. Stops when the connection ends. */
  async sendApart(parts: Iterable<string>): Promise<void> {
    for (const part of parts) {
      if (this.state !== 'open') return;
      this.send(part);
      await loopTurn();
    }
  }

  async until(what: string | (() => string), condition: () => boolean): Promise<void> {
    const endMs = performance.now() + DEADLINE_MS;
    while (!condition()) {
      const leftMs = endMs - performance.now();
      if (leftMs <= 0) {
        const start = JSON.stringify(this.bytes.toString('latin1', 0, 2_000));
        throw new Error(
          `not within ${DEADLINE_MS} ms: ${typeof what === 'string' ? what : what()}; ${this.state}, received ${this.heldBytes} bytes: ${start}`,
        );
      }
      await this.change(leftMs);
    }
  }

  untilBytes(count: number): Promise<void> {
    return this.until(`${count} bytes`, () => this.heldBytes >= count || this.state !== 'open');
  }

  untilText(text: string): Promise<void> {
    return this.until(JSON.stringify(text), () => this.text.includes(text));
  }

  untilEnd(): Promise<void> {
    return this.until('the end', () => this.state !== 'open');
  }

  private async change(withinMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.wakers.add(resolve);
      timer = setTimeout(resolve, withinMs);
    });
    clearTimeout(timer);
  }

  private wake(): void {
    for (const resolve of this.wakers) resolve();
    this.wakers.clear();
  }
}

/** A connection that stays open for writing when the other side has ended. */
export async function dialWire(scope: Scope, port: number): Promise<WireEnd> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  scope.teardown(() => socket.destroy());
  await once(socket, 'connect');
  return new WireEnd(socket);
}

/** The client's end of a connection whose other end `adopt` duplicates, as an engine does for its owner. */
export async function adopted(scope: Scope, adopt: (fd: number) => void): Promise<WireEnd> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
    adopt((socket as Socket & { readonly _handle: { readonly fd: number } })._handle.fd);
    socket.destroy();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  scope.teardown(() => server.close());
  return dialWire(scope, (server.address() as AddressInfo).port);
}

/** Accepts, records, and does what it is told. */
export class ScriptedBackend {
  readonly port: number;
  readonly connections: WireEnd[] = [];
  /** Called for each connection before its bytes are read. */
  onConnection: (end: WireEnd) => void = () => undefined;
  /** Called whenever bytes have arrived. */
  onBytes: (end: WireEnd) => void = () => undefined;
  private readonly wakers = new Set<() => void>();

  private constructor(server: Server) {
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (socket) => {
      const end = new WireEnd(socket);
      this.connections.push(end);
      socket.on('data', () => this.onBytes(end));
      this.onConnection(end);
      for (const resolve of this.wakers) resolve();
      this.wakers.clear();
    });
  }

  static async listen(scope: Scope): Promise<ScriptedBackend> {
    const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const backend = new ScriptedBackend(server);
    scope.teardown(() => {
      server.close();
      for (const end of backend.connections) end.socket.destroy();
    });
    return backend;
  }

  /** The nth connection, from 0. */
  async connection(index: number): Promise<WireEnd> {
    const endMs = performance.now() + DEADLINE_MS;
    while (this.connections.length <= index) {
      const leftMs = endMs - performance.now();
      if (leftMs <= 0) throw new Error(`not within ${DEADLINE_MS} ms: upstream connection ${index}`);
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.wakers.add(resolve);
        timer = setTimeout(resolve, leftMs);
      });
      clearTimeout(timer);
    }
    return this.connections[index]!;
  }
}
