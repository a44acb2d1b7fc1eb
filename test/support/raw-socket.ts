/** Plain TCP ends for tests that look at bytes, FINs and resets one by one. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import type { Test } from 'tap';

/** Fails the test's await instead of hanging it. */
export async function eventually(
  condition: () => boolean | Promise<boolean>,
  what: string,
  withinMs = 10_000,
): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export function within<T>(promise: Promise<T>, what: string, withinMs = 10_000): Promise<T> {
  let timer: NodeJS.Timeout;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${withinMs} ms: ${what}`)), withinMs);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** One end of a connection with everything that happened to it. */
export class RawEnd {
  readonly socket: Socket;
  received = Buffer.alloc(0);
  ended = false;
  closed = false;
  errorCode: string | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => (this.received = Buffer.concat([this.received, chunk])));
    socket.on('end', () => (this.ended = true));
    socket.on('close', () => (this.closed = true));
    socket.on('error', (error: NodeJS.ErrnoException) => (this.errorCode = error.code ?? 'unknown'));
  }

  get text(): string {
    return this.received.toString('latin1');
  }

  /** Resolves when written to the kernel. */
  write(data: string | Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => this.socket.write(data, (error) => (error ? reject(error) : resolve())));
  }

  async until(text: string): Promise<void> {
    await eventually(() => this.text.includes(text), `${JSON.stringify(text)} in ${JSON.stringify(this.text)}`);
  }

  async untilEnded(): Promise<void> {
    await eventually(() => this.ended, 'FIN');
  }

  async untilClosed(): Promise<void> {
    await eventually(() => this.closed, 'close');
  }
}

/** A connection that may fail: a reset can arrive before the application has seen that it is connected. */
export function attempt(t: Test, host: string, port: number): RawEnd {
  const socket = connect({ host, port, allowHalfOpen: true });
  t.teardown(() => socket.destroy());
  return new RawEnd(socket);
}

export async function dial(t: Test, host: string, port: number): Promise<RawEnd> {
  const end = attempt(t, host, port);
  await within(once(end.socket, 'connect'), `connection to ${host} port ${port}`);
  return end;
}

export interface RawServer {
  readonly server: Server;
  readonly accepted: RawEnd[];
  /** The nth connection, from 0. */
  connection(index: number): Promise<RawEnd>;
}

export async function listen(
  t: Test,
  host: string,
  port: number,
  onConnection: (end: RawEnd) => void = () => undefined,
): Promise<RawServer> {
  const accepted: RawEnd[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const end = new RawEnd(socket);
    accepted.push(end);
    onConnection(end);
  });
  server.listen({ host, port, backlog: 1024 });
  await within(once(server, 'listening'), `listening on ${host} port ${port}`);
  t.teardown(async () => {
    for (const end of accepted) end.socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return {
    server,
    accepted,
    async connection(index) {
      await eventually(() => accepted.length > index, `connection ${index}`);
      return accepted[index]!;
    },
  };
}
