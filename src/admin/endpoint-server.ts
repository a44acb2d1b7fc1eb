/**
 * What carries an endpoint, on uWebSockets.js (`uws-server.ts`) or on `node:http` (`http-server.ts`). Both keep the same limits, and
 * callers see no difference; test/unit/admin/endpoint.test.ts says what both have to do.
 *
 * Stage before: `endpoint.ts`, which chooses.
 */

export type ServerName = 'uws' | 'http';

/** Good only until the call that it is given to returns. */
export interface EndpointHead {
  readonly method: string;
  /** Raw, without the query. */
  readonly path: string;
  /** Raw, without the `?`; empty when there is none. */
  readonly query: string;
  /** What the field of this lower-case name says, in order; more than once where it is there more than once. */
  values(name: string): readonly string[];
}

export interface ReplyHead {
  readonly status: number;
  /** Names and values in turn. No framing fields, no Date, no Connection. */
  readonly fields: readonly string[];
}

/** The response to one request. */
export interface Reply {
  /** False once it is complete or the caller is gone: then nothing may be called. */
  readonly open: boolean;
  /** A part of it has been sent. */
  readonly started: boolean;
  /** All of it; what the caller does not take now follows by itself. `body` null for HEAD, whose Content-Length is then a field. */
  send(head: ReplyHead, body: Uint8Array | null): void;
  /**
   * A piece of a body whose length nobody knows, the first one with the head. Resolves when the caller has taken it, or is gone;
   * before, the bytes must stay as they are.
   */
  write(head: ReplyHead, piece: Uint8Array): Promise<void>;
  /** There are no more pieces. */
  end(): void;
  /** Called when the caller leaves before the end. Replaces who was called before. */
  onGone(callback: () => void): void;
  /** Breaks the connection off, so that what has begun is seen as truncated. */
  abort(): void;
}

export interface ServerOptions {
  /** Everybody on the network may connect: not too often, and each connection ends with its response. */
  readonly public: boolean;
  onRequest(head: EndpointHead, reply: Reply): void;
}

export interface EndpointServer {
  /**
   * Resolves to the port; never shares it. May be called again after it has failed.
   *
   * @throws Error of the kernel, with its code
   */
  listen(address: string, port: number): Promise<number>;
  /** Stops listening and closes every connection. */
  close(): void;
}
