/**
 * What an engine does without a retry policy when an upstream connection fails before a response was, or can have been,
 * sent.
 */
import { createServer, type Socket } from 'node:net';

import type { Test } from 'tap';

import { backendAt, forwardTo, type MakeEngine } from './engine-cases.ts';
import { plan } from './engine-plan-cases.ts';
import { connect, setUp } from './engine-scenarios.ts';
import { eventually } from './eventually.ts';
import { matches } from './match.ts';
import { closedPort, WireBackend } from './wire.ts';

const HOST = 'Host: svc.ns:80\r\n';

export async function runRecoveryScenarios(t: Test, makeEngine: MakeEngine): Promise<void> {
  await t.test('a GET is sent once more where its reused connection has closed, a POST is not', async (t) => {
    for (const how of ['fin', 'reset'] as const) {
      const served = new Map<Socket, number>();
      const { front, backend, host } = await setUp(t, makeEngine, (_request, socket) => {
        served.set(socket, (served.get(socket) ?? 0) + 1);
        if (served.get(socket) === 1) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
        else if (how === 'fin') socket.end();
        else socket.resetAndDestroy();
      });
      const client = await connect(t, front);
      for (let i = 1; i <= 3; i++) {
        client.send(`GET /${i} HTTP/1.1\r\n${HOST}\r\n`);
        t.equal((await client.response()).body.toString(), 'ok', how);
      }
      t.equal(
        backend.requests.filter(({ startLine }) => startLine.includes('/2')).length,
        2,
        'the second was sent twice',
      );
      client.send(`POST / HTTP/1.1\r\n${HOST}Content-Length: 0\r\n\r\n`);
      t.match((await client.response()).startLine, /^HTTP\/1.1 502 /, how);
      await eventually('the outcomes', () => host.outcomes.length === 4);
    }
  });

  await t.test('a route retries what its rule says, with the body, as often as that says', async (t) => {
    let failures = 1;
    const { front, backend, host } = await setUp(t, makeEngine, (_request, socket) => {
      const status = failures-- > 0 ? '503 Service Unavailable' : '200 OK';
      socket.write(`HTTP/1.1 ${status}\r\nContent-Length: 2\r\n\r\nok`);
    });
    const policy = { requestTimeoutMs: 0, attemptTimeoutMs: 0, retry: { attempts: 2, codes: [503], backoffMs: 1 } };
    host.answer = () => ({ ...forwardTo(backend.port), policy });
    const client = await connect(t, front);
    for (const [failing, status] of [
      [1, 200],
      [2, 200],
      [3, 503],
    ] as const) {
      failures = failing;
      backend.requests.length = host.outcomes.length = 0;
      client.send(`POST /${failing} HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nhello`);
      t.match((await client.response()).startLine, `HTTP/1.1 ${status} `);
      await eventually('the outcome', () => host.outcomes.length === 1);
      const retries = Math.min(failing, 2);
      matches(t, host.outcomes, [{ status, reason: null, retries }]);
      t.same(
        backend.requests.map(({ body }) => body.toString()),
        Array.from({ length: retries + 1 }, () => 'hello'),
      );
    }
  });

  await t.test('a request is mirrored, and what becomes of its copy is told', async (t) => {
    const { front, backend, host } = await setUp(t, makeEngine, ({ startLine }, socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${startLine.length}\r\n\r\n${startLine}`);
    });
    const copies = await WireBackend.listen((_request, socket) =>
      socket.write('HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n'),
    );
    t.teardown(() => copies.close());
    const copied = plan({ path: { kind: 'full', path: '/copy' } });
    const mirror = { backend: { ...backendAt(copies.port), id: 1 }, plan: copied, series: 9 };
    host.answer = () => ({ ...forwardTo(backend.port), mirrors: [mirror] });
    const client = await connect(t, front);
    for (const body of ['', 'hello']) {
      client.send(`PUT /own HTTP/1.1\r\n${HOST}Content-Length: ${body.length}\r\n\r\n${body}`);
      t.equal((await client.response()).body.toString(), 'PUT /own HTTP/1.1');
    }
    await eventually('both copies', () => host.mirrors.length === 2);
    t.same(
      copies.requests.map(({ startLine, body }) => `${startLine} ${body.toString()}`),
      ['PUT /copy HTTP/1.1 ', 'PUT /copy HTTP/1.1 hello'],
    );
    t.same(host.mirrors, [
      { series: 9, result: 'answered' },
      { series: 9, result: 'answered' },
    ]);
  });

  await t.test('a refused connection is dialled again until somebody listens', async (t) => {
    const refusing = await closedPort();
    for (const request of [`GET / HTTP/1.1\r\n${HOST}\r\n`, `POST / HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\nhi`]) {
      const { front, host } = await setUp(t, makeEngine, () => undefined);
      host.answer = () => forwardTo(refusing);
      const client = await connect(t, front);
      client.send(request);
      await eventually('the decision', () => host.asked.length === 1);
      let requests = 0;
      const late = createServer((socket) => {
        socket.on('error', () => undefined);
        socket.once('data', () => {
          requests += 1;
          socket.end('HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n');
        });
      }).listen(refusing, '127.0.0.1');
      t.match((await client.response()).startLine, /^HTTP\/1.1 204 /);
      t.equal(requests, 1);
      matches(t, host.outcomes, [{ status: 204, reason: null }]);
      await new Promise((resolve) => late.close(resolve));
    }
  });
}
