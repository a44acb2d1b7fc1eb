/**
 * Sends requests to the API server (JSON in, JSON out) and reads watch streams. Nothing is retried here, except a
 * request refused for its credentials when a program can issue new ones.
 *
 * Stage before: `access.ts`. Stage after: `reflector.ts`, `lease.ts`, and all code that writes objects. It uses Node's
 * own HTTP client: the client library of the Kubernetes project takes 75 MB and a second and a half to load, which is a
 * third of the memory of a controller, and its current version does not run on Node 20.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Issued, KubeAccess } from './access.ts';
import { isObject, numberOf, objectOf, textOf, type Json } from './json.ts';

/** An error answer of the API server; `status` 0: no answer. */
export class KubeError extends Error {
  readonly status: number;
  /** `Conflict`, `NotFound`, `Expired`...; empty when none is given. */
  readonly reason: string;
  /** How long the server wants the client to wait before a retry; null when not stated. */
  readonly retryAfterMs: number | null;

  constructor(status: number, reason: string, message: string, retryAfterMs: number | null = null) {
    super(message);
    this.name = 'KubeError';
    this.status = status;
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }
}

/** An answer beyond the size limit of its reader. */
export class TooLargeError extends Error {}

export interface KubeRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Absolute path, already encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: unknown;
  /** Default `application/json`. */
  readonly contentType?: string;
  readonly accept?: string;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  readonly maxBytes?: number;
}

export interface KubeWatch extends Omit<KubeRequest, 'method' | 'timeoutMs' | 'maxBytes' | 'signal' | 'body'> {
  /** How long the server may take to accept the watch or to refuse it. */
  readonly headTimeoutMs?: number | undefined;
}

/** The time a server reported, and when it was read by the clock of this machine; both in milliseconds. */
export interface ServerDate {
  readonly saidMs: number;
  readonly readMs: number;
}

/** Counters of requests and bytes. */
export interface KubeTraffic {
  /** By method and status, `GET 200`; status 0: no answer. */
  readonly requests: Map<string, number>;
  bytesSent: number;
  bytesReceived: number;
}

export interface SocketOptions {
  readonly url: string;
  readonly headers: Record<string, string | string[]>;
  /** Options for `tls.connect`. */
  readonly tls: object;
}

const TIMEOUT_MS = 15_000;
const CONNECT_TIMEOUT_MS = 5_000;
/** Time limit until a watch is accepted or refused. A server usually answers at once, and under load within 15 s. */
const WATCH_HEAD_TIMEOUT_MS = 30_000;
/** Limit for Retry-After: a larger value is a mistake of some proxy, and must not stop a controller for a day. */
const MAX_RETRY_AFTER_MS = 120_000;
/** Maximum size of an answer: one page of a list. */
const MAX_BYTES = 64 * 1024 * 1024;
/** etcd limits objects to a few MiB. */
const MAX_LINE_BYTES = 16 * 1024 * 1024;
const KEEP_ALIVE_MS = 15_000;
/**
 * Maximum number of simultaneous requests; more wait. Watches do not count. Writers have their own lower limits, so
 * some connections stay free.
 */
const MAX_CONNECTIONS = 40;
const NEWLINE = 10;

export class KubeClient {
  readonly #access: KubeAccess;
  readonly #requests: HttpAgent;
  readonly #watches: HttpAgent;
  readonly #userAgent: string;
  readonly #tls: object;
  readonly traffic: KubeTraffic = { requests: new Map(), bytesSent: 0, bytesReceived: 0 };
  #lastDate: ServerDate | null = null;

  constructor(access: KubeAccess, userAgent: string) {
    this.#access = access;
    this.#userAgent = userAgent;
    const options = { keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS, scheduling: 'lifo' as const };
    this.#tls = {
      ...(access.ca === null ? {} : { ca: access.ca }),
      ...(access.cert === null ? {} : { cert: access.cert }),
      ...(access.key === null ? {} : { key: access.key }),
      ...(access.servername === null ? {} : { servername: access.servername }),
      rejectUnauthorized: access.verify,
    };
    const secure = access.server.startsWith('https:');
    const agent = (more: object): HttpAgent =>
      secure ? new HttpsAgent({ ...options, ...this.#tls, ...more }) : new HttpAgent({ ...options, ...more });
    this.#requests = agent({ maxSockets: MAX_CONNECTIONS });
    this.#watches = agent({ keepAlive: false });
  }

  /** The Date of the last answer that had one; null before. */
  get lastDate(): ServerDate | null {
    return this.#lastDate;
  }

  /** The body of the answer. @throws KubeError unless the status is 2xx, TooLargeError, or the reason of the signal */
  send(request: KubeRequest): Promise<Json> {
    return this.asUser(async (issued) => {
      const { status, text, response } = await this.#answer(request, issued);
      const body = parseJson(text);
      if (status < 200 || status > 299) throw errorOf(status, body, response, text);
      if (body === null) throw new KubeError(status, '', `${describe(request)}: the answer is no JSON object`);
      return body;
    });
  }

  /** Like `send`, for answers that are not JSON: logs and metrics. */
  sendForText(request: KubeRequest): Promise<string> {
    return this.asUser(async (issued) => {
      const { status, text, response } = await this.#answer(request, issued);
      if (status < 200 || status > 299) throw errorOf(status, parseJson(text), response, text);
      return text;
    });
  }

  /** Uses the cached credentials. If the server refuses them and a program can issue new ones, tries once more. */
  async asUser<T>(attempt: (issued: Issued | null) => Promise<T>): Promise<T> {
    const { issuer } = this.#access;
    if (issuer === null) return attempt(null);
    const issued = await issuer.issue();
    try {
      return await attempt(issued);
    } catch (error) {
      if (!(error instanceof KubeError) || error.status !== 401) throw error;
      issuer.refused(issued);
    }
    return attempt(await issuer.issue());
  }

  async #answer(request: KubeRequest, issued: Issued | null) {
    // AbortSignal.any is not used, because its result stays referenced by a signal that lives as long as the process.
    const ending = new AbortController();
    const abort = (): void => ending.abort(request.signal?.reason);
    request.signal?.addEventListener('abort', abort, { once: true });
    if (request.signal?.aborted === true) abort();
    const timeout = new KubeError(0, 'Timeout', `${describe(request)}: no answer in time`);
    const timer = setTimeout(() => ending.abort(timeout), request.timeoutMs ?? TIMEOUT_MS);
    try {
      const response = await this.#open(request, this.#requests, ending.signal, issued);
      const text = await this.#read(response, request, request.maxBytes ?? MAX_BYTES);
      return { status: response.statusCode ?? 0, text, response };
    } catch (error) {
      throw ending.signal.aborted ? ending.signal.reason : error;
    } finally {
      clearTimeout(timer);
      request.signal?.removeEventListener('abort', abort);
    }
  }

  /**
   * Yields the events of a watch, each `{ type, object }`, until the server ends it. `idleMs`: a connection without
   * data for this long is considered dead. `onOpen`: called when the server has accepted the watch. @throws KubeError,
   * or the reason of the signal
   */
  async *watch(
    request: KubeWatch,
    idleMs: () => number,
    signal: AbortSignal,
    onOpen: () => void,
  ): AsyncGenerator<Json> {
    const response = await this.asUser((issued) => this.#openWatch(request, signal, issued));
    const idle = (): void => {
      response.destroy(new KubeError(0, 'Idle', `the watch of ${request.path} was silent for too long`));
    };
    let timer = setTimeout(idle, idleMs());
    onOpen();
    try {
      let parts: Buffer[] = [];
      let length = 0;
      for await (const chunk of response as AsyncIterable<Buffer>) {
        this.traffic.bytesReceived += chunk.length;
        clearTimeout(timer);
        let start = 0;
        for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
          parts.push(chunk.subarray(start, end));
          const event = parseJson(parts.length === 1 ? parts[0]!.toString() : Buffer.concat(parts).toString());
          [parts, length, start] = [[], 0, end + 1];
          if (event === null) throw new KubeError(0, 'BadEvent', `the watch of ${request.path} sent no JSON object`);
          yield event;
        }
        if (start < chunk.length) {
          parts.push(chunk.subarray(start));
          length += chunk.length - start;
          if (length > MAX_LINE_BYTES) throw new KubeError(0, 'BadEvent', `an event of ${request.path} is too large`);
        }
        timer = setTimeout(idle, idleMs());
      }
    } catch (error) {
      throw signal.aborted ? signal.reason : asKubeError(error, `GET ${request.path}`);
    } finally {
      clearTimeout(timer);
      response.destroy();
    }
  }

  /** Resolves when the server has accepted the watch. Only this has a time limit, because a watch has no end. */
  async #openWatch(
    { headTimeoutMs, ...watch }: KubeWatch,
    signal: AbortSignal,
    issued: Issued | null,
  ): Promise<IncomingMessage> {
    const request = { ...watch, method: 'GET' as const };
    const ending = new AbortController();
    const abort = (): void => ending.abort(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    const late = new KubeError(0, 'Timeout', `the watch of ${request.path} was neither taken nor refused in time`);
    const timer = setTimeout(() => ending.abort(late), headTimeoutMs ?? WATCH_HEAD_TIMEOUT_MS);
    try {
      const response = await this.#open(request, this.#watches, ending.signal, issued);
      const status = response.statusCode ?? 0;
      if (status !== 200) {
        const text = await this.#read(response, request, MAX_BYTES);
        throw errorOf(status, parseJson(text), response, text);
      }
      // From now on the signal ends the response directly.
      const destroy = (): void => void response.destroy();
      signal.addEventListener('abort', destroy, { once: true });
      response.once('close', () => signal.removeEventListener('abort', destroy));
      if (signal.aborted) destroy();
      return response;
    } catch (error) {
      throw ending.signal.aborted ? ending.signal.reason : error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    }
  }

  /** What a connection of another protocol needs to reach the same server as the same user. */
  socketOptions(path: string, issued: Issued | null): SocketOptions {
    const url = this.#access.server.replace(/^http/, 'ws') + path;
    return { url, headers: this.#userFields(issued), tls: { ...this.#tls, ...certificateOf(issued) } };
  }

  /** Afterwards no new request can be sent. */
  close(): void {
    this.#requests.destroy();
    this.#watches.destroy();
  }

  #open(request: KubeRequest, agent: HttpAgent, signal: AbortSignal, issued: Issued | null): Promise<IncomingMessage> {
    const { method, query = {}, body } = request;
    const url = new URL(this.#access.server + request.path);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const content = body === undefined ? null : Buffer.from(JSON.stringify(body));
    const options: RequestOptions = {
      ...{ method, agent, signal },
      // The agent keeps connections with different certificates apart.
      ...certificateOf(issued),
      headers: {
        accept: request.accept ?? 'application/json',
        ...this.#userFields(issued),
        ...(content === null
          ? {}
          : { 'content-type': request.contentType ?? 'application/json', 'content-length': content.length }),
      },
    };
    return new Promise((resolve, reject) => {
      const sent = url.protocol === 'https:' ? httpsRequest(url, options) : httpRequest(url, options);
      let connecting: NodeJS.Timeout | undefined;
      let answered = false;
      sent.once('socket', (socket) => {
        socket.setKeepAlive(true, KEEP_ALIVE_MS);
        if (!socket.connecting) return;
        // When the machine of the server is gone, nothing answers at all.
        connecting = setTimeout(
          () => sent.destroy(new KubeError(0, 'ConnectTimeout', `${describe(request)}: no connection in time`)),
          CONNECT_TIMEOUT_MS,
        );
        socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', () => clearTimeout(connecting));
      });
      sent.once('response', (response) => {
        answered = true;
        clearTimeout(connecting);
        this.#count(`${method} ${response.statusCode ?? 0}`);
        const saidMs = Date.parse(response.headers.date ?? '');
        if (!Number.isNaN(saidMs)) this.#lastDate = { saidMs, readMs: Date.now() };
        resolve(response);
      });
      sent.on('error', (error) => {
        clearTimeout(connecting);
        // A truncated answer also ends here, but it has been counted already.
        if (!answered) this.#count(`${method} 0`);
        reject(asKubeError(error, describe(request)));
      });
      this.traffic.bytesSent += content?.length ?? 0;
      sent.end(content ?? undefined);
    });
  }

  #userFields(issued: Issued | null): Record<string, string | string[]> {
    const token = issued?.token ?? null;
    const authorization = token === null ? this.#access.authorization() : `Bearer ${token}`;
    const more = Object.entries(this.#access.headers).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : [...value],
    ]);
    return {
      'user-agent': this.#userAgent,
      ...(Object.fromEntries(more) as Record<string, string | string[]>),
      ...(authorization === null ? {} : { authorization }),
    };
  }

  async #read(response: IncomingMessage, request: KubeRequest, maxBytes: number): Promise<string> {
    const chunks: Buffer[] = [];
    let length = 0;
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        length += chunk.length;
        this.traffic.bytesReceived += chunk.length;
        if (length > maxBytes)
          throw new TooLargeError(`${describe(request)}: the answer has more than ${maxBytes} bytes`);
        chunks.push(chunk);
      }
    } catch (error) {
      if (error instanceof TooLargeError) throw error;
      throw asKubeError(error, describe(request));
    }
    return Buffer.concat(chunks).toString();
  }

  #count(key: string): void {
    this.traffic.requests.set(key, (this.traffic.requests.get(key) ?? 0) + 1);
  }
}

function certificateOf(issued: Issued | null): { cert?: string; key?: string } {
  const { cert = null, key = null } = issued ?? {};
  return cert === null || key === null ? {} : { cert, key };
}

function describe({ method, path }: Pick<KubeRequest, 'method' | 'path'>): string {
  return `${method} ${path}`;
}

function asKubeError(error: unknown, what: string): KubeError {
  if (error instanceof KubeError) return error;
  const { code = '', message } = error as NodeJS.ErrnoException;
  return new KubeError(0, code, `${what}: ${message || code}`);
}

/** The error for an answer with an unexpected status. */
export function refusal(response: IncomingMessage, text: string): KubeError {
  return errorOf(response.statusCode ?? 0, parseJson(text), response, text);
}

function errorOf(status: number, body: Json | null, response: IncomingMessage, text: string): KubeError {
  const retryAfter = Number(
    response.headers['retry-after'] ?? numberOf(objectOf(body, 'details'), 'retryAfterSeconds'),
  );
  const message = textOf(body, 'message') ?? (text.slice(0, 200) || (response.statusMessage ?? ''));
  const waitMs = retryAfter > 0 ? Math.min(retryAfter * 1_000, MAX_RETRY_AFTER_MS) : null;
  return new KubeError(status, textOf(body, 'reason') ?? '', message, waitMs);
}

function parseJson(text: string): Json | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}
