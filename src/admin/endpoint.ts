/**
 * An HTTP endpoint of the proxy's own: a table of paths on one address, answered on the event loop of the data path.
 *
 * Stage before: the kubelet, Prometheus, a person with curl. Stage after: the handlers of `public-admin.ts` and `private-admin.ts`.
 * Served by uWebSockets.js; answers are written by the class that writes responses of the `uws` engine, because uWS may
 * lose a part of a large answer that is written at once (SAFETY U26).
 */
import { STATUS_CODES } from 'node:http';
import { createServer } from 'node:net';

import { ProxyError } from '../errors.ts';
import { Downstream, type ResponseHead } from '../uws-library/downstream.ts';
import {
  loadUws,
  type UwsApp,
  type UwsListenSocket,
  type UwsRequest,
  type UwsResponse,
} from '../uws-library/library.ts';
import { ConnectionLimit } from './connection-limit.ts';

export interface EndpointRequest {
  /** Raw, without the `?`; empty when there is none. */
  readonly query: string;
  /** Value of Accept; empty when there is none. */
  readonly accept: string;
  /** Value of User-Agent, cut; empty when there is none. */
  readonly agent: string;
}

export interface Answer {
  /** Default 200. */
  readonly status?: number;
  readonly contentType: string;
  /** Value of Allow, with 405. */
  readonly allow?: string;
  /** Further fields: names and values in turn. */
  readonly fields?: readonly string[];
  /** Pieces are asked for one by one, the next when the caller has taken the one before; bytes may then be overwritten. */
  readonly body: string | AsyncIterable<string | Uint8Array>;
}

/** What it throws is a 500. */
export type Handler = (request: EndpointRequest) => Answer | Promise<Answer>;

/** `GET` must not change anything. Bodies of requests are dropped unread. */
type Method = 'GET' | 'PUT' | 'POST';

/** A bare handler is for GET. */
export type Route = Handler | Readonly<Partial<Record<Method, Handler>>>;

export interface EndpointOptions {
  /** `0.0.0.0` listens on IPv6, too, where there is any. */
  readonly address: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** What the user set the address with, for the message when it cannot be bound. */
  readonly flag: string;
  /** By path, which is compared as sent. */
  readonly routes: Readonly<Record<string, Route>>;
  /** Answer HEAD where GET is. Default false. */
  readonly head?: boolean;
  /**
   * Refuse requests whose Host is not a loopback name or address, and those that change something and come from a page of
   * another origin. In the browser of somebody who forwards this port, a web page that makes its own name point to
   * 127.0.0.1 could otherwise read the answers, and any page could send a POST.
   */
  readonly loopbackHost?: boolean;
  /** Everybody on the network may connect: not too often, and each connection ends with its response. */
  readonly public?: boolean;
}

export interface Endpoint {
  readonly address: string;
  readonly port: number;
  /** Stops listening and closes every connection. */
  close(): void;
}

export const TEXT = 'text/plain; charset=utf-8';
export const JSON_TYPE = 'application/json; charset=utf-8';
/** Fails where SO_REUSEPORT would share the port with another process. */
const EXCLUSIVE_PORT = 1;
/** Of a User-Agent, for a log line. */
const MAX_AGENT_CHARS = 80;
const LOOPBACK_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i;

/** @throws ProxyError `admin-listen` naming the flag when the address cannot be bound */
export async function startEndpoint(options: EndpointOptions): Promise<Endpoint> {
  const uws = await loadUws();
  const app = uws.App();
  if (options.public === true) limitConnections(app);
  app.any('/*', (response, request) => {
    // Valid only until this returns.
    const method = request.getCaseSensitiveMethod();
    const path = request.getUrl();
    // Undefined without a `?`, which the typings do not say.
    const query = request.getQuery() as string | undefined;
    const agent = request.getHeader('user-agent').slice(0, MAX_AGENT_CHARS);
    const asked = { query: query ?? '', accept: request.getHeader('accept'), agent };
    void reply(response, method === 'HEAD', handlerFor(options, method, path, request), asked, options.public === true);
  });
  const { address, port } = options;
  // A socket on :: takes IPv4, too.
  const candidates = address === '0.0.0.0' ? ['::', '0.0.0.0'] : [address];
  for (const candidate of candidates) {
    const socket = listen(app, candidate, port);
    if (socket !== null) {
      return { address: candidate, port: uws.us_socket_local_port(socket), close: () => void app.close() };
    }
  }
  app.close();
  const cause = await bindError(address, port);
  throw new ProxyError(
    'admin-listen',
    `${options.flag}: cannot listen on ${address} port ${port}: ${cause?.message ?? 'refused by the kernel'}`,
    { cause },
  );
}

function limitConnections(app: UwsApp): void {
  const limit = new ConnectionLimit();
  app.filter((connection, change) => {
    if (change === -1) limit.closed();
    else if (!limit.takes(new Uint8Array(connection.getRemoteAddress()))) connection.close();
  });
}

function listen(app: UwsApp, address: string, port: number): UwsListenSocket | null {
  let listening: UwsListenSocket | null = null;
  // The typings know the option only without a host; the binary takes both.
  const listenOn = app.listen.bind(app) as unknown as (
    host: string,
    port: number,
    options: number,
    done: (socket: UwsListenSocket | false) => void,
  ) => void;
  listenOn(address, port, EXCLUSIVE_PORT, (socket) => {
    if (socket !== false) listening = socket;
  });
  return listening;
}

/** uWS does not say why; Node does. Null when it can bind. */
function bindError(host: string, port: number): Promise<Error | null> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', resolve);
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve(null)));
  });
}

/** The one that may be asked, or one that says why there is none. */
function handlerFor(options: EndpointOptions, method: string, path: string, request: UwsRequest): Handler {
  const { routes, head = false, loopbackHost = false } = options;
  const refuse = (status: number, text: string, allow?: string): Handler => {
    return () => ({ status, contentType: TEXT, body: `${text}\n`, ...(allow === undefined ? {} : { allow }) });
  };
  const fields = originFields(request);
  if (loopbackHost && !isLoopback(fields)) {
    return refuse(403, 'This endpoint is asked by a loopback name or address, such as localhost.');
  }
  if (!Object.hasOwn(routes, path)) return refuse(404, `There is:\n${Object.keys(routes).join('\n')}`);
  const route = routes[path]!;
  const handlers = typeof route === 'function' ? { GET: route } : route;
  const allowed = Object.keys(handlers).flatMap((name) => (name === 'GET' && head ? ['GET', 'HEAD'] : [name]));
  if (!allowed.includes(method)) {
    const allow = allowed.join(', ');
    return refuse(405, `${path} takes ${allow}.`, allow);
  }
  const handler = handlers[method === 'HEAD' ? 'GET' : (method as Method)]!;
  if (method === 'GET' || method === 'HEAD' || isSameOrigin(fields)) return handler;
  return refuse(403, 'A page of another origin must not change anything here.');
}

interface OriginFields {
  readonly hosts: readonly string[];
  readonly origins: readonly string[];
  readonly sites: readonly string[];
}

function originFields(request: UwsRequest): OriginFields {
  const fields = { hosts: [] as string[], origins: [] as string[], sites: [] as string[] };
  request.forEach((name, value) => {
    if (name === 'host') fields.hosts.push(value);
    else if (name === 'origin') fields.origins.push(value);
    else if (name === 'sec-fetch-site') fields.sites.push(value);
  });
  return fields;
}

function isLoopback({ hosts }: OriginFields): boolean {
  return hosts.length === 1 && LOOPBACK_HOST.test(hosts[0]!);
}

/** Browsers send Origin with every POST and PUT of a page; others send neither field. */
function isSameOrigin({ hosts, origins, sites }: OriginFields): boolean {
  const own = `http://${hosts.join()}`.toLowerCase();
  return origins.every((origin) => origin.toLowerCase() === own) && sites.every((site) => site === 'same-origin');
}

/** Never rejects: uWS must be called until the response is complete, or not at all. */
async function reply(
  response: UwsResponse,
  head: boolean,
  handler: Handler,
  request: EndpointRequest,
  close: boolean,
): Promise<void> {
  let wake = (): void => undefined;
  const downstream = new Downstream(response, () => wake());
  response.onAborted(() => {
    downstream.open = false;
    wake();
  });
  const drained = (): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve;
      if (!downstream.open || !downstream.blocked) resolve();
    });
  try {
    const answer = await handler(request);
    if (!downstream.open) return;
    const { body } = answer;
    if (typeof body === 'string') sendWhole(downstream, { ...answer, body }, head, close);
    else if (head) downstream.reply(headOf(answer), null, close);
    else await sendPieces(downstream, answer, body, drained, close);
  } catch (error) {
    // What has begun is seen as truncated.
    if (downstream.started) downstream.abort();
    else if (downstream.open) sendWhole(downstream, failure(error), head, close);
  }
}

function failure(error: unknown): Answer & { readonly body: string } {
  const message = error instanceof Error ? error.message : String(error);
  return { status: 500, contentType: TEXT, body: `${message}\n` };
}

function headOf({ status = 200, contentType, allow, fields: others = [] }: Answer): ResponseHead {
  const fields = ['Content-Type', contentType, 'X-Content-Type-Options', 'nosniff', ...others];
  if (allow !== undefined) fields.push('Allow', allow);
  return { status: `${status} ${STATUS_CODES[status] ?? 'Unknown'}`, fields };
}

function sendWhole(
  downstream: Downstream,
  answer: Answer & { readonly body: string },
  head: boolean,
  close: boolean,
): void {
  const { status, fields } = headOf(answer);
  const body = Buffer.from(answer.body);
  if (head) downstream.reply({ status, fields: [...fields, 'Content-Length', String(body.length)] }, null, close);
  // What the caller does not take now follows by itself.
  else downstream.start({ status, fields }, body.length, body, close);
}

async function sendPieces(
  downstream: Downstream,
  answer: Answer,
  body: AsyncIterable<string | Uint8Array>,
  drained: () => Promise<void>,
  close: boolean,
): Promise<void> {
  for await (const piece of body) {
    // Leaving the loop ends the iteration, too.
    if (!downstream.open) return;
    const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece;
    const more = downstream.started ? downstream.write(bytes) : downstream.start(headOf(answer), null, bytes, close);
    if (!more) await drained();
  }
  if (!downstream.open) return;
  if (downstream.started) downstream.end();
  else sendWhole(downstream, { ...answer, body: '' }, false, close);
}
