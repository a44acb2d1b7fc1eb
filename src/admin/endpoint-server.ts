/**
 * The server behind an endpoint: uWebSockets.js (`uws-server.ts`) or `node:http` (`http-server.ts`). Both apply the
 * same limits, and callers see no difference; test/unit/admin/endpoint.test.ts defines the common behaviour.
 *
 * Stage before: `endpoint.ts`, which chooses.
 */

export type ServerName = 'uws' | 'http';

/** Valid only until the function that receives it returns. */
export interface EndpointHead {
  readonly method: string;
  /** Raw, without the query. */
  readonly path: string;
  /** Raw, without the `?`; empty when there is none. */
  readonly query: string;
  /** All values of the field with this lower-case name, in order. */
  values(name: string): readonly string[];
}

export interface ReplyHead {
  readonly status: number;
  /** Names and values, alternating. No framing fields, Date or Connection. */
  readonly fields: readonly string[];
}

/** The response to one request. */
export interface Reply {
  /** False once it is complete or the caller is gone. No method may be called then. */
  readonly open: boolean;
  /** True once a part of it has been sent. */
  readonly started: boolean;
  /**
   * Sends all of it. Bytes the caller cannot take now are sent later. `body` is null for HEAD; Content-Length is then a
   * field.
   */
  send(head: ReplyHead, body: Uint8Array | null): void;
  /**
   * Sends a piece of a body of unknown length, with the head before the first one. Resolves when the caller has taken
   * it or is gone. The bytes must not change before that.
   */
  write(head: ReplyHead, piece: Uint8Array): Promise<void>;
  /** Ends the body. */
  end(): void;
  /** The callback is called when the caller leaves before the end. It replaces an earlier one. */
  onGone(callback: () => void): void;
  /** Aborts the connection, so that the caller sees a truncated response. */
  abort(): void;
}

export interface ServerOptions {
  /**
   * Everybody on the network can connect, so the rate of connections is limited and each connection ends with its
   * response.
   */
  readonly public: boolean;
  onRequest(head: EndpointHead, reply: Reply): void;
}

export interface EndpointServer {
  /**
   * Resolves to the port, which is never shared with another process. May be called again after a failure.
   *
   * @throws Error of the kernel, with its code
   */
  listen(address: string, port: number): Promise<number>;
  /** Stops listening and closes every connection. */
  close(): void;
}
