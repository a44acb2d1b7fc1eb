/**
 * The HTTPS server for requests of the API server. All that clients in the cluster can use up is limited: connections,
 * time, bytes. Nothing of a request is kept.
 *
 * Stage before: a certificate of `rotation.ts`. Stage after: `review.ts`.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Logger } from '../log.ts';
import { Bodies, MAX_BODY_BYTES } from './bodies.ts';
import { BadReview, type Review } from './review.ts';

/** The path to which the MutatingWebhookConfiguration sends pods. */
export const INJECT_PATH = '/inject';
const MAX_CONNECTIONS = 256;
/** The API server keeps connections as long as it is allowed to. */
const KEEP_ALIVE_MS = 120_000;

export interface Timeouts {
  /**
   * Time for the TLS handshake, and again for the head of a request, so that a silent client does not hold a
   * connection.
   */
  readonly headMs: number;
  /** Longer than the API server waits. */
  readonly requestMs: number;
  /** How long `close` waits for requests in progress. */
  readonly closeMs: number;
}

const TIMEOUTS: Timeouts = { headMs: 5_000, requestMs: 35_000, closeMs: 5_000 };
/** Connections may be closed this much later than due. */
const CHECK_MS = 1_000;

export interface ServerOptions {
  readonly port: number;
  /** @throws BadReview */
  readonly review: (text: string) => Review;
  readonly log: Logger;
  /** For tests. */
  readonly timeouts?: Partial<Timeouts>;
  readonly maxBodiesBytes?: number;
}

export type ReviewOutcome = Review['outcome'] | 'bad' | 'crowded' | 'failed';

export class WebhookServer {
  readonly outcomes: Record<ReviewOutcome, number> = {
    injected: 0,
    untouched: 0,
    refused: 0,
    bad: 0,
    crowded: 0,
    failed: 0,
  };
  readonly #options: ServerOptions;
  readonly #server: Server;
  readonly #timeouts: Timeouts;
  readonly #bodies: Bodies;
  #closing = false;
  /** Resolves when all previous reviews have had their turn. */
  #turns: Promise<unknown> = Promise.resolve();

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#bodies = new Bodies(options.maxBodiesBytes);
    this.#timeouts = { ...TIMEOUTS, ...options.timeouts };
    const { headMs, requestMs } = this.#timeouts;
    this.#server = createServer(
      {
        minVersion: 'TLSv1.2',
        handshakeTimeout: headMs,
        headersTimeout: headMs,
        requestTimeout: requestMs,
        keepAliveTimeout: KEEP_ALIVE_MS,
        connectionsCheckingInterval: Math.min(CHECK_MS, headMs),
      },
      (request, response) => {
        void this.#answer(request, response);
      },
    );
    this.#server.maxConnections = MAX_CONNECTIONS;
    // For instance for lack of descriptors. Without a listener the error would end the process.
    this.#server.on('error', ({ message }) => {
      if (this.#server.listening) options.log.warn('webhook: a connection could not be accepted', { reason: message });
    });
    this.#server.on('tlsClientError', ({ message }) => {
      options.log.debug('webhook: no TLS with a client', { reason: message });
    });
  }

  get listening(): boolean {
    return this.#server.listening;
  }

  /** Bytes of reviews that are incomplete or waiting. */
  get heldBytes(): number {
    return this.#bodies.held;
  }

  /** Applies to new connections. */
  serve({ certificate, key }: { readonly certificate: string; readonly key: string }): void {
    this.#server.setSecureContext({ cert: certificate, key, minVersion: 'TLSv1.2' });
  }

  /** Resolves to the port. */
  async listen(): Promise<number> {
    // `once` removes its listeners in any case, so endless retries do not accumulate them.
    const listening = once(this.#server, 'listening');
    this.#server.listen({ port: this.#options.port });
    await listening;
    return (this.#server.address() as AddressInfo).port;
  }

  /** Requests in progress are answered, unless they take too long. */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    this.#closing = true;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    const cut = setTimeout(() => this.#server.closeAllConnections(), this.#timeouts.closeMs);
    await closed;
    clearTimeout(cut);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const refuse = (status: number, message: string, outcome: ReviewOutcome = 'bad'): void => {
      this.outcomes[outcome]++;
      response.writeHead(status, { 'content-type': 'text/plain', connection: 'close' }).end(`${message}\n`);
    };
    request.on('error', () => undefined);
    if (request.url?.split('?')[0] !== INJECT_PATH) {
      refuse(404, `there is only ${INJECT_PATH}`);
      return;
    }
    if (request.method !== 'POST') {
      refuse(405, 'POST is expected');
      return;
    }
    const body = this.#bodies.of(request);
    await body.ready;
    // One review in a turn of the event loop, however many arrive together, because the Lease must be renewed in
    // between.
    if (body.refusal === null) await (this.#turns = this.#turns.then(() => nextTurn()));
    if (body.refusal !== null) {
      if (body.refusal === 'crowded') refuse(503, 'too many reviews at once, of which this was the largest', 'crowded');
      else if (body.refusal === 'too-long') refuse(413, `the body has more than ${MAX_BODY_BYTES} bytes`);
      else refuse(400, 'the body has not come to its end');
      return;
    }
    this.#respond(body.take(), response, refuse);
  }

  #respond(text: string, response: ServerResponse, refuse: (status: number, message: string) => void): void {
    try {
      const { body, outcome } = this.#options.review(text);
      this.outcomes[outcome]++;
      const answer = Buffer.from(JSON.stringify(body));
      // While closing, the server waits for its connections to end, but the API server would keep them open.
      const ending = this.#closing ? { connection: 'close' } : {};
      const head = { 'content-type': 'application/json', 'content-length': answer.length, ...ending };
      response.writeHead(200, head).end(answer);
    } catch (error) {
      if (error instanceof BadReview) {
        refuse(400, error.message);
        return;
      }
      this.outcomes.failed++;
      this.#options.log.error('webhook: a review failed', { reason: (error as Error).stack ?? String(error) });
      response
        .writeHead(500, { 'content-type': 'text/plain' })
        .end('the review failed; the log of the controller says why\n');
    }
  }
}
