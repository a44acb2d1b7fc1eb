/**
 * An HTTP endpoint of the proxy: a table of paths on one address, served on the event loop of the data path.
 *
 * Stage before: the kubelet, Prometheus, a person with curl. Stage after: the handlers of `public-admin.ts` and
 * `private-admin.ts`. The server is uWebSockets.js if this Node can load it, otherwise `node:http`.
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
  /** Value of User-Agent, truncated; empty when there is none. */
  readonly agent: string;
}

export interface Answer {
  /** Default 200. */
  readonly status?: number;
  readonly contentType: string;
  /** Value of Allow, for status 405. */
  readonly allow?: string;
  /** Further fields: names and values, alternating. */
  readonly fields?: readonly string[];
  /**
   * Pieces are requested one by one: the next when the caller has taken the previous one, whose bytes may then be
   * overwritten.
   */
  readonly body: string | AsyncIterable<string | Uint8Array>;
  /** Called when the caller has left before everything was sent. For bodies that wait for events. */
  readonly onGone?: () => void;
}

/** An exception results in status 500. */
export type Handler = (request: EndpointRequest) => Answer | Promise<Answer>;

/** A `GET` handler must not change anything. Request bodies are discarded unread. */
type Method = 'GET' | 'PUT' | 'POST';

/** A function alone handles GET. */
export type Route = Handler | Readonly<Partial<Record<Method, Handler>>>;

export interface EndpointOptions {
  /** `0.0.0.0` also listens on IPv6 where available. */
  readonly address: string;
  /** 0 picks a free port. */
  readonly port: number;
  /** The flag that set the address, for the error message when it cannot be bound. */
  readonly flag: string;
  /** Handlers by path. Paths are compared as sent. */
  readonly routes: Readonly<Record<string, Route>>;
  /** Answer HEAD requests where there is a GET handler. Default: false. */
  readonly head?: boolean;
  /**
   * Refuse requests whose Host is not a loopback name or address, and requests that change something and come from a
   * page of another origin. Otherwise, in the browser of a person who forwards this port, a web page could point its
   * own name at 127.0.0.1 and read the answers (DNS rebinding), and any page could send a POST.
   */
  readonly loopbackHost?: boolean;
  /**
   * Everybody on the network can connect, so the rate of connections is limited and each connection ends with its
   * response.
   */
  readonly public?: boolean;
  /** Default: the one this Node can load. */
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
/** Maximum length of a User-Agent in a log line. */
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
  // A socket on :: also accepts IPv4.
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

/** Loaded on demand: it needs `node:http`, which no other part of a sidecar loads. */
async function httpServer(options: ServerOptions): Promise<EndpointServer> {
  const { HttpServer } = await import('./http-server.ts');
  return new HttpServer(options);
}

/** The handler for the request, or one that answers why there is none. */
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

/** Browsers send Origin with every POST and PUT of a page. Other clients send neither Origin nor Sec-Fetch-Site. */
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
    // The caller sees that the response is truncated.
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
    // Returning also ends the iteration of the body.
    if (!reply.open) return;
    const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece;
    // An empty chunk would end the body.
    if (bytes.length > 0) await reply.write(head, bytes);
  }
  if (!reply.open) return;
  if (reply.started) reply.end();
  else sendWhole(reply, given, '', false);
}
