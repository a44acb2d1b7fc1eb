/**
 * One end of a TCP connection, and a server of such ends, for tests of single bytes, FINs and resets. Nothing is parsed
 * and nothing is answered automatically; text is Latin-1, one character per byte. Every wait is for an event, and
 * rejects at a deadline with what has arrived. `wire.ts` reads HTTP/1.x messages.
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { within } from './eventually.ts';

const DEADLINE_MS = 20_000;

/** The owner of a resource: a tap test, or a part of one. */
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

/** Turns of the loop, each with its poll, so that bytes written before are read by the other side separately. */
export async function loopTurns(count = 2): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Waits for the next event, up to a deadline. */
class Wakers {
  private readonly wakers = new Set<() => void>();

  wake(): void {
    for (const resolve of this.wakers) resolve();
    this.wakers.clear();
  }

  /** Resolves after an event after which `condition` holds; `late` says what was waited for. */
  async until(condition: () => boolean, late: () => string, deadlineMs: number): Promise<void> {
    const endMs = performance.now() + deadlineMs;
    while (!condition()) {
      const leftMs = endMs - performance.now();
      if (leftMs <= 0) throw new Error(`not within ${deadlineMs} ms: ${late()}`);
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.wakers.add(resolve);
        timer = setTimeout(resolve, leftMs);
      });
      clearTimeout(timer);
    }
  }
}

/**
 * `open`: bytes may still come. `fin`: ended regularly. `reset`: reset, or never connected; a reset that was received
 * together with bytes shows as `fin`, because libuv reports it like that.
 */
export type EndState = 'open' | 'fin' | 'reset';

export class WireEnd {
  readonly socket: Socket;
  /** What came first. */
  state: EndState = 'open';
  /** Both directions have ended, or the connection was torn down. */
  closed = false;
  errorCode: string | null = null;
  /** Total, also of what was forgotten. */
  receivedBytes = 0;
  private received: Buffer[] = [];
  private heldBytes = 0;
  private readonly wakers = new Wakers();

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      this.received.push(chunk);
      this.receivedBytes += chunk.length;
      this.heldBytes += chunk.length;
      this.wakers.wake();
    });
    socket.on('end', () => this.finish('fin'));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.errorCode = error.code ?? 'unknown';
      this.finish('reset');
    });
    socket.on('close', () => {
      this.closed = true;
      this.finish('reset');
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

  get length(): number {
    return this.heldBytes;
  }

  get open(): boolean {
    return this.state === 'open';
  }

  /** The first so many bytes; by default all. */
  forget(count = this.heldBytes): void {
    const kept = this.bytes.subarray(count);
    this.received = kept.length > 0 ? [kept] : [];
    this.heldBytes = kept.length;
  }

  send(bytes: string | Uint8Array): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** Resolves when written to the kernel. */
  write(bytes: string | Uint8Array): Promise<void> {
    const data = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
    return new Promise((resolve, reject) => this.socket.write(data, (error) => (error ? reject(error) : resolve())));
  }

  /** Each part in a write of its own that the other side has had the opportunity to read. Stops when the connection ends. */
  async sendApart(parts: Iterable<string>, turns?: number): Promise<void> {
    for (const part of parts) {
      if (!this.open) return;
      this.send(part);
      await loopTurns(turns);
    }
  }

  /** The same of one text: `at` are the offsets where a part ends. */
  async sendSplit(text: string, at: readonly number[]): Promise<void> {
    const ends = [...at, text.length];
    const parts = ends.map((end, index) => text.slice(index === 0 ? 0 : ends[index - 1], end));
    await this.sendApart(
      parts.filter((part) => part !== ''),
      3,
    );
  }

  /** FIN; receiving goes on. */
  end(): void {
    this.socket.end();
  }

  reset(): void {
    this.socket.resetAndDestroy();
  }

  untilHolds(what: string | (() => string), condition: () => boolean, deadlineMs = DEADLINE_MS): Promise<void> {
    const late = (): string => `${typeof what === 'string' ? what : what()}; ${this.state}, received ${this.show()}`;
    return this.wakers.until(condition, late, deadlineMs);
  }

  /** What has been received, once it contains `wanted` or is that long; rejects when it ends without. */
  async until(wanted: string | number): Promise<string> {
    const holds = (): boolean => (typeof wanted === 'number' ? this.length >= wanted : this.text.includes(wanted));
    await this.untilHolds(JSON.stringify(wanted), () => holds() || !this.open);
    if (!holds()) throw new Error(`ended (${this.state}) without ${JSON.stringify(wanted)}: ${this.show()}`);
    return this.text;
  }

  /** Like `until`, and forgets what it returns: everything up to the end of `text`. */
  async take(text: string): Promise<string> {
    const received = await this.until(text);
    const end = received.indexOf(text) + text.length;
    this.forget(end);
    return received.slice(0, end);
  }

  /** Also when it ends with fewer. */
  untilBytes(count: number): Promise<void> {
    return this.untilHolds(`${count} bytes`, () => this.length >= count || !this.open);
  }

  /** How the other side ended the connection. */
  async untilEnd(deadlineMs = DEADLINE_MS): Promise<'fin' | 'reset'> {
    await this.untilHolds('the end', () => !this.open, deadlineMs);
    return this.state === 'fin' ? 'fin' : 'reset';
  }

  /** Rejects when it is torn down instead. */
  async untilFin(): Promise<void> {
    if ((await this.untilEnd()) !== 'fin') throw new Error(`${this.errorCode ?? 'closed'} instead of a FIN`);
  }

  untilClosed(): Promise<void> {
    return this.untilHolds('close', () => this.closed);
  }

  private show(): string {
    return `${this.heldBytes} bytes: ${JSON.stringify(this.bytes.toString('latin1', 0, 2_000))}`;
  }

  private finish(how: 'fin' | 'reset'): void {
    if (this.open) this.state = how;
    this.wakers.wake();
  }
}

/** A connection that may fail: a reset can arrive before the application has seen that it is connected. */
export function attempt(scope: Scope, host: string, port: number): WireEnd {
  const socket = connect({ host, port, allowHalfOpen: true });
  scope.teardown(() => socket.destroy());
  return new WireEnd(socket);
}

/** A connection that stays open for writing when the other side has ended. */
export async function dial(scope: Scope, host: string, port: number): Promise<WireEnd> {
  const end = attempt(scope, host, port);
  await within(once(end.socket, 'connect'), `connection to ${host} port ${port}`);
  return end;
}

/** The descriptor, for code that takes a connection over from Node. */
export function descriptorOf(socket: Socket): number {
  return (socket as Socket & { readonly _handle: { readonly fd: number } })._handle.fd;
}

/** The client's end of a connection whose other end `adopt` duplicates, as an engine does for its owner. */
export async function adopted(scope: Scope, adopt: (fd: number) => void): Promise<WireEnd> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
    adopt(descriptorOf(socket));
    socket.destroy();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  scope.teardown(() => server.close());
  return dial(scope, '127.0.0.1', (server.address() as AddressInfo).port);
}

export interface BackendOptions {
  readonly port?: number;
  readonly host?: string;
  /** Its ends stay open for writing when the other side has ended. */
  readonly allowHalfOpen?: boolean;
}

/** Accepts, records, and does what it is told. */
export class ScriptedBackend {
  readonly port: number;
  readonly connections: WireEnd[] = [];
  /** Called for each connection before its bytes are read. */
  onConnection: (end: WireEnd) => void = () => undefined;
  /** Called whenever bytes have arrived. */
  onBytes: (end: WireEnd) => void = () => undefined;
  private taken = 0;
  private readonly server: Server;
  private readonly wakers = new Wakers();
  private readonly closers: (() => void)[] = [];

  private constructor(server: Server) {
    this.server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (socket) => {
      const end = new WireEnd(socket);
      this.connections.push(end);
      socket.on('data', () => this.onBytes(end));
      this.onConnection(end);
      this.wakers.wake();
    });
  }

  static async listen(scope: Scope, options: BackendOptions = {}): Promise<ScriptedBackend> {
    const { port = 0, host = '127.0.0.1', allowHalfOpen = true } = options;
    const server = createServer({ allowHalfOpen }).listen({ host, port, backlog: 1024 });
    await within(once(server, 'listening'), `listening on ${host} port ${port}`);
    const backend = new ScriptedBackend(server);
    scope.teardown(() => backend.close());
    return backend;
  }

  /** The nth connection, from 0. */
  async connection(index: number): Promise<WireEnd> {
    await this.wakers.until(
      () => this.connections.length > index,
      () => `connection ${index}`,
      DEADLINE_MS,
    );
    return this.connections[index]!;
  }

  /** The next connection that was not returned yet. */
  next(): Promise<WireEnd> {
    return this.connection(this.taken++);
  }

  /** Refuses from now on; connections that stand go on. Resolves when they have ended. */
  refuse(): Promise<void> {
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  onClose(closer: () => void): void {
    this.closers.push(closer);
  }

  close(): Promise<void> {
    for (const closer of this.closers) closer();
    for (const { socket } of this.connections) socket.destroy();
    return this.refuse();
  }
}

/** A backend at an address and a port of its own. */
export async function listen(
  scope: Scope,
  host: string,
  port: number,
  onConnection: (end: WireEnd) => void = () => undefined,
): Promise<ScriptedBackend> {
  const backend = await ScriptedBackend.listen(scope, { host, port });
  backend.onConnection = onConnection;
  return backend;
}
