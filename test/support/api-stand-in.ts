/**
 * An API server that knows a few objects and forwards ports as kubelets do, for tests of commands that need no more of
 * a cluster. `test/cluster/` has the real one.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { WebSocketServer } from 'ws';

export interface ApiStandIn {
  /** A file. */
  readonly kubeconfig: string;
  readonly port: number;
  /** Path with query, and method, of what was asked. */
  readonly asked: string[];
}

export interface Answer {
  readonly status?: number;
  readonly body: unknown;
}

const TOKEN = 'token-of-the-test';

/** `answer`: null for an unknown path. `forward`: a port of this machine, or the text for the error channel. */
export async function apiStandIn(
  t: Test,
  answer: (path: string, request: IncomingMessage) => Answer | null,
  forward: (pod: string, port: number) => number | string | Answer = (_, port) => port,
): Promise<ApiStandIn> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    asked.push(`${request.method} ${path}`);
    const known = request.headers.authorization === `Bearer ${TOKEN}`;
    const missing = { status: 404, body: { reason: 'NotFound', message: `${path} not found` } };
    const { status = 200, body } = known
      ? (answer(path, request) ?? missing)
      : { status: 401, body: { reason: 'Unauthorized', message: 'Unauthorized' } };
    response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: (all) => [...all][0] ?? false });
  server.on('upgrade', (request, socket, head) => {
    const path = request.url ?? '';
    asked.push(`UPGRADE ${path}`);
    const [, pod = '', port = ''] = /pods\/([^/]+)\/portforward\?ports=(\d+)$/.exec(path) ?? [];
    const target = forward(pod, Number(port));
    if (typeof target === 'object') {
      const body = JSON.stringify(target.body);
      socket.end(`HTTP/1.1 ${target.status} No\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`);
      return;
    }
    // Sent together with the bytes that follow, as happens on a busy machine.
    socket.cork();
    sockets.handleUpgrade(request, socket, head, (web) => {
      process.nextTick(() => socket.uncork());
      const number = Buffer.alloc(2);
      number.writeUInt16LE(Number(port));
      for (const channel of [0, 1]) web.send(Buffer.concat([Buffer.of(channel), number]));
      if (typeof target === 'string') {
        web.send(Buffer.concat([Buffer.of(1), Buffer.from(target)]), () => web.close());
        return;
      }
      const inner = connect(target, '127.0.0.1');
      web.on('message', (message: Buffer) => inner.write(message.subarray(1)));
      web.on('close', () => inner.destroy());
      inner.on('data', (chunk) => web.send(Buffer.concat([Buffer.of(0), chunk])));
      inner.on('error', (error) => web.send(Buffer.concat([Buffer.of(1), Buffer.from(error.message)])));
      inner.on('close', () => web.close());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const directory = mkdtempSync(join(tmpdir(), 'api-stand-in-'));
  const kubeconfig = join(directory, 'config');
  const config = {
    'current-context': 'here',
    contexts: [{ name: 'here', context: { cluster: 'here', user: 'me', namespace: 'shop' } }],
    clusters: [{ name: 'here', cluster: { server: `http://127.0.0.1:${port}` } }],
    users: [{ name: 'me', user: { token: TOKEN } }],
  };
  writeFileSync(kubeconfig, JSON.stringify(config));
  t.teardown(async () => {
    rmSync(directory, { recursive: true });
    for (const client of sockets.clients) client.terminate();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { kubeconfig, port, asked };
}

/** A pod as the API server stores it. */
export function podObject(name: string, more: { sidecar?: boolean; ready?: boolean; running?: boolean } = {}): object {
  const { sidecar = true, ready = true, running = true } = more;
  const state = running ? { running: {} } : { waiting: { reason: 'ImagePullBackOff' } };
  return {
    metadata: { name, namespace: 'shop' },
    spec: { initContainers: sidecar ? [{ name: 'sideroute' }] : [], containers: [{ name: 'app' }] },
    status: {
      phase: running ? 'Running' : 'Pending',
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
      initContainerStatuses: sidecar ? [{ name: 'sideroute', state }] : [],
    },
  };
}
