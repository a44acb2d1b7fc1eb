/**
 * An endpoint on uWebSockets.js.
 *
 * Stage before: `endpoint-server.ts`. Stage after: `uws-library/downstream.ts`, which also writes the responses of the
 * `uws` engine. It is needed because uWS may lose a part of a large answer that is written at once.
 */
import { statusPhrase } from '../status-phrases.ts';
import { Downstream, type ResponseHead } from '../uws-library/downstream.ts';
import type { UwsApp, UwsLibrary, UwsListenSocket, UwsRequest, UwsResponse } from '../uws-library/library.ts';
import { ConnectionLimit } from './connection-limit.ts';
import type { EndpointServer, Reply, ReplyHead, EndpointHead, ServerOptions } from './endpoint-server.ts';

/** Makes `listen` fail where SO_REUSEPORT would share the port with another process. */
const EXCLUSIVE_PORT = 1;

export class UwsServer implements EndpointServer {
  readonly #library: UwsLibrary;
  readonly #app: UwsApp;

  constructor(library: UwsLibrary, options: ServerOptions) {
    this.#library = library;
    this.#app = library.App();
    if (options.public) limitConnections(this.#app);
    this.#app.any('/*', (response, request) =>
      options.onRequest(headOf(request), new UwsReply(response, options.public)),
    );
  }

  async listen(address: string, port: number): Promise<number> {
    let listening = null as UwsListenSocket | null;
    // The typings allow the option only without a host; the binary accepts both.
    const listenOn = this.#app.listen.bind(this.#app) as unknown as (
      host: string,
      port: number,
      options: number,
      done: (socket: UwsListenSocket | false) => void,
    ) => void;
    listenOn(address, port, EXCLUSIVE_PORT, (socket) => {
      if (socket !== false) listening = socket;
    });
    if (listening !== null) return this.#library.us_socket_local_port(listening);
    throw (await bindError(address, port)) ?? new Error('refused by the kernel');
  }

  close(): void {
    this.#app.close();
  }
}

function limitConnections(app: UwsApp): void {
  const limit = new ConnectionLimit();
  app.filter((connection, change) => {
    if (change === -1) limit.closed();
    else if (!limit.takes(new Uint8Array(connection.getRemoteAddress()))) connection.close();
  });
}

/** uWS does not report the reason, but Node does. Null when the address can be bound. */
async function bindError(host: string, port: number): Promise<Error | null> {
  const { createServer } = await import('node:net');
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', resolve);
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve(null)));
  });
}

function headOf(request: UwsRequest): EndpointHead {
  // Undefined without a `?`; the typings omit this.
  const query = request.getQuery() as string | undefined;
  return {
    method: request.getCaseSensitiveMethod(),
    path: request.getUrl(),
    query: query ?? '',
    values: (name) => {
      const values: string[] = [];
      request.forEach((found, value) => {
        if (found === name) values.push(value);
      });
      return values;
    },
  };
}

class ReplyDownstream extends Downstream {
  wake = (): void => undefined;

  protected override onDrained(): void {
    this.wake();
  }
}

class UwsReply implements Reply {
  readonly #downstream: ReplyDownstream;
  readonly #close: boolean;
  #gone = (): void => undefined;

  constructor(response: UwsResponse, close: boolean) {
    this.#close = close;
    this.#downstream = new ReplyDownstream(response);
    response.onAborted(() => {
      this.#downstream.open = false;
      this.#downstream.wake();
      this.#gone();
    });
  }

  get open(): boolean {
    return this.#downstream.open;
  }

  get started(): boolean {
    return this.#downstream.started;
  }

  send(head: ReplyHead, body: Uint8Array | null): void {
    if (body === null) this.#downstream.reply(withPhrase(head), null, this.#close);
    else this.#downstream.start(withPhrase(head), body.length, body, this.#close);
  }

  write(head: ReplyHead, piece: Uint8Array): Promise<void> {
    const downstream = this.#downstream;
    const more = downstream.started
      ? downstream.write(piece)
      : downstream.start(withPhrase(head), null, piece, this.#close);
    if (more) return Promise.resolve();
    return new Promise((resolve) => {
      downstream.wake = resolve;
      if (!downstream.open || !downstream.blocked) resolve();
    });
  }

  onGone(callback: () => void): void {
    this.#gone = callback;
  }

  end(): void {
    this.#downstream.end();
  }

  abort(): void {
    this.#downstream.abort();
  }
}

function withPhrase({ status, fields }: ReplyHead): ResponseHead {
  return { status: `${status} ${statusPhrase(status)}`, fields };
}
