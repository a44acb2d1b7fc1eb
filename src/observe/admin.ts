/**
 * The public admin endpoint: metrics and probes, read-only.
 *
 * Stage before: the kubelet and Prometheus. Stage after: `exposition.ts` and what the composition root says of its
 * state. Served by uWebSockets.js on the event loop of the data path: a probe that is answered shows that it turns.
 */
import { createServer } from 'node:net';

import { ProxyError } from '../errors.ts';
import { loadUws, type UwsApp, type UwsListenSocket, type UwsResponse } from '../uws-library.ts';
import type { Exposition } from './exposition.ts';

export interface ProbeState {
  readonly ready: boolean;
  /** What a person should know, one sentence each; shown whether ready or not. */
  readonly lines: readonly string[];
}

export interface AdminOptions {
  /** `0.0.0.0` listens on IPv6, too, where there is any. */
  readonly address: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** What the user set the address with, for the message when it cannot be bound. */
  readonly flag: string;
  readonly exposition: Exposition;
  live(): ProbeState;
  ready(): ProbeState;
  started(): ProbeState;
}

export interface AdminServer {
  readonly address: string;
  readonly port: number;
  /** Stops listening and closes every connection. */
  close(): void;
}

interface Answer {
  readonly status: string;
  readonly contentType: string;
  readonly body: string;
}

const TEXT = 'text/plain; charset=utf-8';
const PATHS = ['/metrics', '/livez', '/readyz', '/startupz'] as const;
/** Fails where SO_REUSEPORT would share the port with another process. */
const EXCLUSIVE_PORT = 1;

/** @throws ProxyError `admin-listen` naming the flag when the address cannot be bound */
export async function startAdmin(options: AdminOptions): Promise<AdminServer> {
  const uws = await loadUws();
  const app = uws.App();
  app.any('/*', (response, request) => {
    let open = true;
    response.onAborted(() => {
      open = false;
    });
    const method = request.getCaseSensitiveMethod();
    void answer(options, method, request.getUrl()).then((reply) => {
      if (open) send(response, reply, method === 'HEAD');
    });
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

/** Never rejects. */
async function answer(options: AdminOptions, method: string, path: string): Promise<Answer> {
  try {
    if (!(PATHS as readonly string[]).includes(path)) {
      return { status: '404 Not Found', contentType: TEXT, body: `There is:\n${PATHS.join('\n')}\n` };
    }
    if (method !== 'GET' && method !== 'HEAD') {
      return { status: '405 Method Not Allowed', contentType: TEXT, body: 'This endpoint is read-only.\n' };
    }
    if (path === '/metrics') {
      const { exposition } = options;
      return { status: '200 OK', contentType: exposition.contentType, body: await exposition.render() };
    }
    if (path === '/livez') return probe(options.live());
    return probe(path === '/readyz' ? options.ready() : options.started());
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { status: '500 Internal Server Error', contentType: TEXT, body: `${message}\n` };
  }
}

function probe({ ready, lines }: ProbeState): Answer {
  const body = `${[ready ? 'ok' : 'not ready', ...lines].join('\n')}\n`;
  return { status: ready ? '200 OK' : '503 Service Unavailable', contentType: TEXT, body };
}

function send(response: UwsResponse, { status, contentType, body }: Answer, head: boolean): void {
  response.cork(() => {
    response.writeStatus(status);
    response.writeHeader('Content-Type', contentType);
    if (status.startsWith('405')) response.writeHeader('Allow', 'GET, HEAD');
    if (head) {
      response.writeHeader('Content-Length', String(Buffer.byteLength(body)));
      response.endWithoutBody();
    } else {
      response.end(body);
    }
  });
}
