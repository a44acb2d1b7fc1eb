/**
 * The HTTPS server that the API server asks. Bounded in everything that somebody in the cluster could send: connections, time,
 * bytes; nothing is kept of a request.
 *
 * Stage before: a certificate of `rotation.ts`. Stage after: `review.ts`.
 */
import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from '../log.ts';
import { BadReview, type Review } from './review.ts';

/** Where the MutatingWebhookConfiguration sends pods. */
export const INJECT_PATH = '/inject';
/** A pod is smaller than what etcd takes, 1.5 MiB; a review of it has little more. */
const MAX_BODY_BYTES = 4 * 2 ** 20;
const MAX_CONNECTIONS = 256;
const HEAD_TIMEOUT_MS = 5_000;
/** More than the API server waits. */
const REQUEST_TIMEOUT_MS = 35_000;
/** The API server keeps connections for as long as it may. */
const KEEP_ALIVE_MS = 120_000;

export interface ServerOptions {
  readonly port: number;
  /** @throws BadReview */
  readonly review: (text: string) => Review;
  readonly log: Logger;
}

export type Outcome = Review['outcome'] | 'bad' | 'failed';

export class WebhookServer {
  readonly outcomes: Record<Outcome, number> = { injected: 0, untouched: 0, refused: 0, bad: 0, failed: 0 };
  readonly #options: ServerOptions;
  readonly #server: Server;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#server = createServer({ minVersion: 'TLSv1.2', requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
      void this.#answer(request, response);
    });
    this.#server.headersTimeout = HEAD_TIMEOUT_MS;
    this.#server.keepAliveTimeout = KEEP_ALIVE_MS;
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.on('tlsClientError', ({ message }) => {
      options.log.debug('webhook: no TLS with a client', { reason: message });
    });
  }

  get listening(): boolean {
    return this.#server.listening;
  }

  /** Of connections that begin from now on. */
  serve({ certificate, key }: { readonly certificate: string; readonly key: string }): void {
    this.#server.setSecureContext({ cert: certificate, key, minVersion: 'TLSv1.2' });
  }

  /** Resolves to the port. */
  async listen(): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ port: this.#options.port }, resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  /** What is under way is answered. */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const refuse = (status: number, message: string): void => {
      this.outcomes.bad++;
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
    const text = await bodyOf(request);
    if (text === null) {
      refuse(413, `the body has more than ${MAX_BODY_BYTES} bytes`);
      return;
    }
    try {
      const { body, outcome } = this.#options.review(text);
      this.outcomes[outcome]++;
      const answer = Buffer.from(JSON.stringify(body));
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length }).end(answer);
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

/** Null: too long, or not there to the end. */
async function bodyOf(request: IncomingMessage): Promise<string | null> {
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY_BYTES) return null;
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > MAX_BODY_BYTES) return null;
      chunks.push(chunk);
    }
  } catch {
    return null;
  }
  return Buffer.concat(chunks).toString();
}
