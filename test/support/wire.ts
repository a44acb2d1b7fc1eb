/** HTTP/1.x over raw connections: a client that sends given bytes, and a backend that records the bytes it got. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { ScriptedBackend, WireEnd } from './wire-end.ts';

/** Some responses are large, or wait for a timeout of the engine. */
const RESPONSE_DEADLINE_MS = 60_000;

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

/**
 * Removes a complete message from the front of what an end has received; null if there is none yet. `bodyless`: a
 * response to HEAD. `ended`: no more bytes will come.
 */
function takeMessage(end: WireEnd, bodyless: boolean, ended: boolean): Message | null {
  const buffer = end.bytes;
  const headEnd = buffer.indexOf('\r\n\r\n');
  if (headEnd < 0) return null;
  const head = parseHead(buffer.toString('latin1', 0, headEnd + 4));
  const message = { ...head, body: Buffer.alloc(0) as Buffer };
  const start = headEnd + 4;
  const value = (name: string): string | undefined => field(message, name);
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(head.startLine)?.[1];
  let length = start;
  if (bodyless || status === '204' || status === '304') {
    // Nothing follows.
  } else if (value('transfer-encoding') !== undefined) {
    const chunked = dechunk(buffer, start);
    if (chunked === null) return null;
    message.body = chunked.body;
    length = chunked.end;
  } else if (value('content-length') !== undefined) {
    length = start + Number(value('content-length'));
    if (buffer.length < length) return null;
    message.body = buffer.subarray(start, length);
  } else if (status !== undefined) {
    if (!ended) return null;
    length = buffer.length;
    message.body = buffer.subarray(start);
  }
  end.forget(length);
  return message;
}

/** A connection to the proxy. */
export class WireClient extends WireEnd {
  static async connect(port: number): Promise<WireClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    return new WireClient(socket);
  }

  /** The next complete response; rejects when the connection closes before it. */
  async response(options: { head?: boolean } = {}): Promise<Message> {
    let message: Message | null = null;
    const isThere = (): boolean => {
      message ??= takeMessage(this, options.head ?? false, this.closed);
      return message !== null;
    };
    await this.untilHolds('a response', () => isThere() || this.closed, RESPONSE_DEADLINE_MS);
    if (!isThere()) throw new Error(`closed after: ${JSON.stringify(this.text)}`);
    return message!;
  }
}

export type Responder = (request: Message, socket: Socket) => void;

/** A backend that records all bytes, and answers as configured. */
export class WireBackend {
  readonly port: number;
  readonly requests: Message[] = [];
  connections = 0;
  /** Connections that were accepted and are closed. */
  closed = 0;
  respond: Responder;
  /** Called before anything is read. */
  onConnection: (socket: Socket) => void = () => undefined;
  private readonly backend: ScriptedBackend;

  private constructor(backend: ScriptedBackend, respond: Responder) {
    this.backend = backend;
    this.respond = respond;
    this.port = backend.port;
    backend.onConnection = ({ socket }) => {
      this.connections++;
      socket.on('close', () => this.closed++);
      this.onConnection(socket);
    };
    backend.onBytes = (end) => {
      for (;;) {
        const request = takeMessage(end, false, false);
        if (request === null) return;
        this.requests.push(request);
        this.respond(request, end.socket);
      }
    };
  }

  /** Its connections end when the other side ends them. */
  static async listen(respond: Responder): Promise<WireBackend> {
    const unbound = { teardown: () => undefined };
    return new WireBackend(await ScriptedBackend.listen(unbound, { allowHalfOpen: false }), respond);
  }

  close(): void {
    void this.backend.close();
  }
}

/**
 * A port without a listener, below the ephemeral ports: a socket that dials an ephemeral port could be given the same
 * port and connect to itself.
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
