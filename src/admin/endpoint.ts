/**
 * An HTTP endpoint of the proxy's own: a table of paths on one address, answered on the event loop of the data path.
 *
 * Stage before: the kubelet, Prometheus, a person with curl. Stage after: the handlers of `public-admin.ts` and `private-admin.ts`.
 * What listens and writes is uWebSockets.js where this Node can load it, otherwise `node:http`.
 */
import { ProxyError } from '../errors.ts';
import { loadUws } from '../uws-library/library.ts';
import type { EndpointServer, Reply, ReplyHead, EndpointHead, ServerName, ServerOptions } from './endpoint-server.ts';
import { UwsServer } from './uws-server.ts';

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
  /** The caller has left before all of it was sent. Of a body that waits for something to tell. */
  readonly onGone?: () => void;
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
  /** Default: what this Node can load. */
  readonly server?: ServerName | undefined;
}

export interface Endpoint {
  readonly address: string;
  readonly port: number;
  /** Stops listening and closes every connection. */
  close(): void;
}

export const TEXT = 'text/plain; charset=utf-8';
export const JSON_TYPE = 'application/json; charset=utf-8';
/** Of a User-Agent, for a log line. */
const MAX_AGENT_CHARS = 80;
const LOOPBACK_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i;

/** @throws ProxyError `admin-listen` naming the flag when the address cannot be bound */
export async function startEndpoint(options: EndpointOptions): Promise<Endpoint> {
  const onRequest = (head: EndpointHead, reply: Reply): void => {
    const agent = (head.values('user-agent')[0] ?? '').slice(0, MAX_AGENT_CHARS);
    const asked = { query: head.query, accept: head.values('accept')[0] ?? '', agent };
    void answer(reply, head.method === 'HEAD', handlerFor(options, head), asked);
  };
  const server = await createServer({ public: options.public === true, onRequest }, options.server);
  const { address, port } = options;
  // A socket on :: takes IPv4, too.
  const candidates = address === '0.0.0.0' ? ['::', '0.0.0.0'] : [address];
  let cause: unknown;
  for (const candidate of candidates) {
    try {
      return { address: candidate, port: await server.listen(candidate, port), close: () => server.close() };
    } catch (error) {
      cause = error;
    }
  }
  server.close();
  throw new ProxyError(
    'admin-listen',
    `${options.flag}: cannot listen on ${address} port ${port}: ${(cause as Error).message}`,
    { cause },
  );
}

async function createServer(options: ServerOptions, name?: ServerName): Promise<EndpointServer> {
  if (name === 'http') return httpServer(options);
  try {
    return new UwsServer(await loadUws(), options);
  } catch (error) {
    if (name === 'uws') throw error;
    return httpServer(options);
  }
}

/** Loaded here: it stands on `node:http`, which nothing else of a sidecar needs. */
async function httpServer(options: ServerOptions): Promise<EndpointServer> {
  const { HttpServer } = await import('./http-server.ts');
  return new HttpServer(options);
}

/** The one that may be asked, or one that says why there is none. */
function handlerFor(options: EndpointOptions, request: EndpointHead): Handler {
  const { routes, head = false, loopbackHost = false } = options;
  const { method, path } = request;
  const refuse = (status: number, text: string, allow?: string): Handler => {
    return () => ({ status, contentType: TEXT, body: `${text}\n`, ...(allow === undefined ? {} : { allow }) });
  };
  if (loopbackHost && !isLoopback(request)) {
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
  if (method === 'GET' || method === 'HEAD' || isSameOrigin(request)) return handler;
  return refuse(403, 'A page of another origin must not change anything here.');
}

function isLoopback(request: EndpointHead): boolean {
  const hosts = request.values('host');
  return hosts.length === 1 && LOOPBACK_HOST.test(hosts[0]!);
}

/** Browsers send Origin with every POST and PUT of a page; others send neither field. */
function isSameOrigin(request: EndpointHead): boolean {
  const own = `http://${request.values('host').join()}`.toLowerCase();
  return (
    request.values('origin').every((origin) => origin.toLowerCase() === own) &&
    request.values('sec-fetch-site').every((site) => site === 'same-origin')
  );
}

/** Never rejects. */
async function answer(reply: Reply, isHead: boolean, handler: Handler, request: EndpointRequest): Promise<void> {
  try {
    const given = await handler(request);
    if (!reply.open) {
      given.onGone?.();
      return;
    }
    if (given.onGone !== undefined) reply.onGone(given.onGone);
    const { body } = given;
    if (typeof body === 'string') sendWhole(reply, given, body, isHead);
    else if (isHead) reply.send(headOf(given), null);
    else await sendPieces(reply, given, body);
  } catch (error) {
    // What has begun is seen as truncated.
    if (reply.started) reply.abort();
    else if (reply.open) sendWhole(reply, { status: 500, contentType: TEXT }, `${messageOf(error)}\n`, isHead);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function headOf({ status = 200, contentType, allow, fields: others = [] }: Omit<Answer, 'body'>): ReplyHead {
  const fields = ['Content-Type', contentType, 'X-Content-Type-Options', 'nosniff', ...others];
  if (allow !== undefined) fields.push('Allow', allow);
  return { status, fields };
}

function sendWhole(reply: Reply, given: Omit<Answer, 'body'>, text: string, isHead: boolean): void {
  const { status, fields } = headOf(given);
  const body = Buffer.from(text);
  if (isHead) reply.send({ status, fields: [...fields, 'Content-Length', String(body.length)] }, null);
  else reply.send({ status, fields }, body);
}

async function sendPieces(reply: Reply, given: Answer, body: AsyncIterable<string | Uint8Array>): Promise<void> {
  const head = headOf(given);
  for await (const piece of body) {
    // Leaving the loop ends the iteration, too.
    if (!reply.open) return;
    const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece;
    // An empty chunk would be the end.
    if (bytes.length > 0) await reply.write(head, bytes);
  }
  if (!reply.open) return;
  if (reply.started) reply.end();
  else sendWhole(reply, given, '', false);
}
