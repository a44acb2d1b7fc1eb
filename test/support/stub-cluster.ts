/** An API server that answers what a test sets, and has empty lists of everything else. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: unknown;
}

export type Answer = { readonly status: number; readonly body: object } | null;

export interface StubCluster {
  readonly url: string;
  readonly asked: readonly Asked[];
}

const EMPTY = { kind: 'List', apiVersion: 'v1', metadata: {}, items: [] };

/** `date`: the Date field of its responses. */
export async function stubCluster(t: Test, answer: (asked: Asked) => Answer, date?: string): Promise<StubCluster> {
  const asked: Asked[] = [];
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://x');
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const one = {
      ...{ method: request.method ?? '', path: url.pathname, query: url.searchParams },
      body: text === '' ? null : (JSON.parse(text) as unknown),
    };
    asked.push(one);
    const own = url.pathname === '/version' ? { status: 200, body: { gitVersion: 'v1.36.1' } } : null;
    const { status, body } = answer(one) ?? own ?? { status: 200, body: EMPTY };
    if (date !== undefined) response.setHeader('date', date);
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  const server = createServer((request, response) => void serve(request, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}
