/**
 * HTTP/1.x on raw sockets for tests: a client that sends bytes as they are, a backend that shows the bytes it got.
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A parsed message; names in lower case, values as Latin-1. */
export interface Message {
  readonly startLine: string;
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
  /** Raw bytes of the head. */
  readonly rawHead: string;
}

export function field(message: Message, name: string): string | undefined {
  return message.fields.find((entry) => entry[0] === name)?.[1];
}

function parseHead(rawHead: string): Omit<Message, 'body'> {
  const [startLine, ...lines] = rawHead.slice(0, -4).split('\r\n') as [string, ...string[]];
  const fields = lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
  });
  return { startLine, fields, rawHead };
}

/** Body length in `buffer` from `offset`, and the decoded body; null when it is not complete. */
function dechunk(buffer: Buffer, offset: number): { body: Buffer; end: number } | null {
  const parts: Buffer[] = [];
  for (;;) {
    const lineEnd = buffer.indexOf('\r\n', offset);
    if (lineEnd < 0) return null;
    const size = Number.parseInt(buffer.toString('latin1', offset, lineEnd), 16);
    if (Number.isNaN(size)) throw new Error(`bad chunk size: ${buffer.toString('latin1', offset, lineEnd)}`);
    const end = lineEnd + 2 + size + 2;
    if (buffer.length < end) return null;
    if (size === 0) return { body: Buffer.concat(parts), end };
    parts.push(buffer.subarray(lineEnd + 2, lineEnd + 2 + size));
    offset = end;
  }
}

/** Takes complete messages off the front of what arrived. */
class MessageReader {
  buffer: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): void {
    this.buffer = Buffer.concat([this.buffer, chunk]);
  }

  /** Null until one is complete. `bodyless`: a response to HEAD. `ended`: no byte will follow. */
  take(bodyless: boolean, ended: boolean): Message | null {
    const headEnd = this.buffer.indexOf('\r\n\r\n');
    if (headEnd < 0) return null;
    const head = parseHead(this.buffer.toString('latin1', 0, headEnd + 4));
    const message = { ...head, body: Buffer.alloc(0) as Buffer };
    const start = headEnd + 4;
    const value = (name: string): string | undefined => field(message, name);
    const status = /^HTTP\/1\.[01] (\d{3})/.exec(head.startLine)?.[1];
    let end = start;
    if (bodyless || status === '204' || status === '304') {
      // Nothing follows.
    } else if (value('transfer-encoding') !== undefined) {
      const chunked = dechunk(this.buffer, start);
      if (chunked === null) return null;
      message.body = chunked.body;
      end = chunked.end;
    } else if (value('content-length') !== undefined) {
      end = start + Number(value('content-length'));
      if (this.buffer.length < end) return null;
      message.body = this.buffer.subarray(start, end);
    } else if (status !== undefined) {
      if (!ended) return null;
      end = this.buffer.length;
      message.body = this.buffer.subarray(start);
    }
    this.buffer = this.buffer.subarray(end);
    return message;
  }
}

/** A connection to the proxy. */
export class WireClient {
  readonly socket: Socket;
  closed = false;
  private readonly reader = new MessageReader();
  private readonly wakers = new Set<() => void>();

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.reader.push(chunk);
      this.wake();
    });
    // A reset is a way of closing.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.closed = true;
      this.wake();
    });
  }

  static async connect(port: number): Promise<WireClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    return new WireClient(socket);
  }

  send(bytes: string | Buffer): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** The next complete response; rejects when the connection closes before it. */
  async response(options: { head?: boolean } = {}): Promise<Message> {
    for (;;) {
      const message = this.reader.take(options.head ?? false, this.closed);
      if (message !== null) return message;
      if (this.closed) throw new Error(`closed after: ${JSON.stringify(this.rest)}`);
      await this.change();
    }
  }

  /** Bytes that arrived and belong to no message taken yet. */
  get rest(): string {
    return this.reader.buffer.toString('latin1');
  }

  get restLength(): number {
    return this.reader.buffer.length;
  }

  async untilClosed(): Promise<void> {
    while (!this.closed) await this.change();
  }

  private change(): Promise<void> {
    return new Promise((resolve) => this.wakers.add(resolve));
  }

  private wake(): void {
    for (const resolve of this.wakers) resolve();
    this.wakers.clear();
  }
}

export type Responder = (request: Message, socket: Socket) => void;

/** A backend that records what it gets, byte by byte, and answers as told. */
export class WireBackend {
  readonly port: number;
  readonly requests: Message[] = [];
  connections = 0;
  /** Connections that were accepted and are closed. */
  closed = 0;
  respond: Responder;
  /** Called before anything is read. */
  onConnection: (socket: Socket) => void = () => undefined;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();

  private constructor(server: Server, respond: Responder) {
    this.server = server;
    this.respond = respond;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (socket) => this.accept(socket));
  }

  static async listen(respond: Responder): Promise<WireBackend> {
    const server = createServer({ noDelay: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new WireBackend(server, respond);
  }

  close(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }

  private accept(socket: Socket): void {
    this.connections++;
    this.sockets.add(socket);
    const reader = new MessageReader();
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.closed++;
      this.sockets.delete(socket);
    });
    this.onConnection(socket);
    const paused = socket.isPaused();
    socket.on('data', (chunk: Buffer) => {
      reader.push(chunk);
      for (;;) {
        const request = reader.take(false, false);
        if (request === null) return;
        this.requests.push(request);
        this.respond(request, socket);
      }
    });
    if (paused) socket.pause();
  }
}

/** Polls until `condition` holds; rejects with `what` after the deadline. */
export async function eventually(what: string, condition: () => boolean, deadlineMs = 5_000): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/**
 * A port on which nothing listens, and nothing will: below those that the kernel gives away, one of which a socket that dials it
 * could get for itself, and thereby meet itself.
 */
export async function closedPort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const server = createServer().listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch {
      continue;
    }
    server.close();
    await once(server, 'close');
    return port;
  }
}
