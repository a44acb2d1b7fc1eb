/** Engine behaviour over time that a table of bytes cannot show: streams, back-pressure, aborts, draining. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request as nodeRequest, Agent, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

import type { Test } from 'tap';

import type { Engine } from '../../src/engine/engine.ts';
import { forwardTo, FRONTEND, RecordingHost, type EngineFront, type MakeEngine } from './engine-cases.ts';
import { eventually } from './eventually.ts';
import { field, WireBackend, WireClient } from './wire.ts';
import { matches } from './match.ts';

const MIB = 1024 * 1024;
const HOST = 'Host: svc.ns:80\r\n';

interface Setup {
  readonly backend: WireBackend;
  readonly host: RecordingHost;
  readonly front: EngineFront;
}

export async function setUp(t: Test, makeEngine: MakeEngine, respond: WireBackend['respond']): Promise<Setup> {
  const backend = await WireBackend.listen(respond);
  t.teardown(() => backend.close());
  const host = new RecordingHost(() => forwardTo(backend.port));
  const front = await makeEngine(host, { address: '127.0.0.1', port: backend.port });
  t.teardown(() => front.close());
  return { backend, host, front };
}

export async function connect(t: Test, front: EngineFront): Promise<WireClient> {
  const client = await WireClient.connect(front.port);
  t.teardown(() => client.socket.destroy());
  return client;
}

async function httpBackend(
  t: Test,
  makeEngine: MakeEngine,
  server: Server,
): Promise<{ front: EngineFront; host: RecordingHost }> {
  server.listen(0, '127.0.0.1');
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const host = new RecordingHost(() => forwardTo(port));
  const front = await makeEngine(host, { address: '127.0.0.1', port });
  t.teardown(() => front.close());
  return { front, host };
}

async function digest(message: IncomingMessage): Promise<{ sha: string; bytes: number }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { sha: hash.digest('hex'), bytes };
}

/** Writes `size` bytes of a repeated block and returns their digest. */
async function pour(target: NodeJS.WritableStream, size: number): Promise<string> {
  const block = randomBytes(MIB - 7);
  const hash = createHash('sha256');
  for (let sent = 0; sent < size;) {
    const chunk = block.subarray(0, Math.min(block.length, size - sent));
    hash.update(chunk);
    sent += chunk.length;
    if (!target.write(chunk)) await once(target, 'drain');
  }
  target.end();
  return hash.digest('hex');
}

export async function runEngineScenarios(t: Test, name: Engine['name'], makeEngine: MakeEngine): Promise<void> {
  for (const chunked of [false, true]) {
    await t.test(`a large body goes both ways intact, response ${chunked ? 'chunked' : 'with a length'}`, async (t) => {
      const size = 48 * MIB + 13;
      const received: { sha: string; bytes: number }[] = [];
      const server = createServer((request, response) => {
        void (async () => {
          received.push(await digest(request));
          if (!chunked) response.setHeader('Content-Length', size);
          response.setHeader('X-Sha', 'follows');
          sentSha = await pour(response, size);
        })();
      });
      let sentSha = '';
      const { front, host } = await httpBackend(t, makeEngine, server);
      const agent = new Agent();
      t.teardown(() => agent.destroy());
      const request = nodeRequest({
        port: front.port,
        method: 'PUT',
        agent,
        headers: { 'Content-Length': size },
      });
      const uploadSha = await pour(request, size);
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      const downloaded = await digest(response);
      t.strictSame(received, [{ sha: uploadSha, bytes: size }]);
      t.strictSame(downloaded, { sha: sentSha, bytes: size });
      t.equal(response.headers['content-length'], chunked ? undefined : String(size));
      await eventually('the outcome', () => host.outcomes.length === 1);
      t.match(host.outcomes[0], { status: 200, reason: null });
    });

    await t.test(
      `a stalled reader holds the backend up, response ${chunked ? 'chunked' : 'with a length'}`,
      async (t) => {
        const size = 256 * MIB;
        const framing = chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${size}`;
        let written = 0;
        let done = false;
        const { front } = await setUp(t, makeEngine, (_request, socket) => {
          socket.write(`HTTP/1.1 200 OK\r\n${framing}\r\n\r\n`);
          const block = Buffer.alloc(64 * 1024, 'x');
          const frame = chunked ? Buffer.concat([Buffer.from('10000\r\n'), block, Buffer.from('\r\n')]) : block;
          const fill = (): void => {
            while (written < size) {
              written += block.length;
              if (!socket.write(frame)) return;
            }
            if (!done) socket.write(chunked ? '0\r\n\r\n' : '');
            done = true;
          };
          socket.on('drain', fill);
          fill();
        });
        const client = await connect(t, front);
        client.socket.pause();
        const before = process.memoryUsage().rss;
        client.send(`GET / HTTP/1.1\r\n${HOST}\r\n`);
        let last = -1;
        await eventually('the backend to be held up', () => {
          const still = written === last && written > 0;
          last = written;
          return still;
        });
        t.ok(written < 64 * MIB, `${written / MIB} MiB left the backend`);
        const growth = process.memoryUsage().rss - before;
        t.ok(growth < 64 * MIB, `memory grew by ${Math.round(growth / MIB)} MiB`);
        // The rest arrives when the reader continues.
        let received = 0;
        client.socket.removeAllListeners('data');
        client.socket.on('data', (chunk: Buffer) => {
          received += chunk.length;
        });
        client.socket.resume();
        await eventually('the rest', () => done && received > size, 20_000);
      },
    );
  }

  await t.test('an upload waits for a backend that does not read', async (t) => {
    let backendSocket: Socket | undefined;
    const { front, backend } = await setUp(t, makeEngine, () => undefined);
    backend.onConnection = (socket) => {
      backendSocket = socket;
      socket.pause();
    };
    const client = await connect(t, front);
    const size = 64 * MIB;
    client.send(`PUT / HTTP/1.1\r\n${HOST}Content-Length: ${size}\r\n\r\n`);
    const block = Buffer.alloc(64 * 1024, 'x');
    let written = 0;
    const fill = (): void => {
      while (written < size) {
        written += block.length;
        if (!client.socket.write(block)) return;
      }
    };
    client.socket.on('drain', fill);
    fill();
    let last = -1;
    await eventually('the client to be held up', () => {
      const still = written === last && backendSocket !== undefined;
      last = written;
      return still;
    });
    t.ok(written < 32 * MIB, `${written / MIB} MiB left the client`);
    let received = 0;
    backendSocket!.removeAllListeners('data');
    backendSocket!.on('data', (chunk: Buffer) => {
      received += chunk.length;
      if (received >= size + 1) backendSocket!.write('HTTP/1.1 204 No Content\r\n\r\n');
    });
    backendSocket!.resume();
    t.equal((await client.response()).startLine, 'HTTP/1.1 204 No Content');
    t.ok(received > size);
  });

  await t.test('a client that goes away cancels its request upstream', async (t) => {
    const { front, backend, host } = await setUp(t, makeEngine, () => undefined);
    const client = await connect(t, front);
    client.send(`GET / HTTP/1.1\r\n${HOST}\r\n`);
    await eventually('the request', () => backend.requests.length === 1);
    // A FIN alone is a half-close and must not cancel anything.
    client.socket.resetAndDestroy();
    await eventually('the backend connection to close', () => backend.closed === 1);
    matches(t, host.outcomes, [{ status: 0, reason: 'downstream_reset' }]);
  });

  await t.test('a client that goes away during the response cancels it upstream', async (t) => {
    const { front, backend, host } = await setUp(t, makeEngine, (_request, socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello');
    });
    const client = await connect(t, front);
    client.send(`GET / HTTP/1.1\r\n${HOST}\r\n`);
    await eventually('the first bytes', () => client.length > 0);
    client.socket.resetAndDestroy();
    await eventually('the backend connection to close', () => backend.closed === 1);
    matches(t, host.outcomes, [{ status: 200, reason: 'downstream_reset' }]);
  });

  await t.test('a client that goes away during its upload cancels it upstream', async (t) => {
    const { front, backend, host } = await setUp(t, makeEngine, () => undefined);
    const client = await connect(t, front);
    client.send(`PUT / HTTP/1.1\r\n${HOST}Content-Length: 100\r\n\r\nhello`);
    await eventually('the backend connection', () => backend.connections === 1);
    client.socket.destroy();
    await eventually('the backend connection to close', () => backend.closed === 1);
    matches(t, host.outcomes, [{ status: 0, reason: 'downstream_reset' }]);
    t.strictSame(backend.requests, []);
  });

  await t.test('frontends of open connections are in use, with and without a request', async (t) => {
    let answer = (): void => undefined;
    const server = createServer((_request, response) => {
      answer = () => response.end('ok');
    });
    const { front } = await httpBackend(t, makeEngine, server);
    const inUse = (): number[] => [...new Set(front.engine.frontendsInUse())];
    t.same(inUse(), []);
    const agent = new Agent({ keepAlive: true });
    t.teardown(() => agent.destroy());
    const arrived = once(server, 'request');
    const request = nodeRequest({ port: front.port, agent }).end();
    await arrived;
    t.same(inUse(), [FRONTEND], 'with a request');
    answer();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    await digest(response);
    t.same(inUse(), [FRONTEND], 'idle');
    agent.destroy();
    await eventually('closed', () => inUse().length === 0);
  });

  await t.test('connections are reused on both sides', async (t) => {
    const { front, backend, host } = await setUp(t, makeEngine, (_request, socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
    const client = await connect(t, front);
    for (let i = 0; i < 20; i++) {
      client.send(`GET /${i} HTTP/1.1\r\n${HOST}\r\n`);
      t.equal((await client.response()).body.toString(), 'ok');
    }
    t.equal(backend.connections, 1);
    t.equal(host.outcomes.length, 20);
    t.equal(front.engine.connections, 1);
  });

  await t.test('a response that overtakes its request is relayed', async (t) => {
    const { front, backend } = await setUp(t, makeEngine, () => undefined);
    backend.onConnection = (socket) => {
      socket.once('data', () => socket.write('HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nbig!'));
    };
    const client = await connect(t, front);
    client.send(`PUT / HTTP/1.1\r\n${HOST}Content-Length: 100000000\r\n\r\nhello`);
    const response = await client.response();
    t.equal(response.startLine, 'HTTP/1.1 413 Content Too Large');
    t.equal(response.body.toString(), 'big!');
    await client.untilClosed();
    await eventually('the backend connection to close', () => backend.closed === 1);
  });

  await t.test('what follows a request with two lengths is never taken for a request', async (t) => {
    const { front, backend, host } = await setUp(t, makeEngine, (_request, socket) => {
      socket.write('HTTP/1.1 204 No Content\r\n\r\n');
    });
    for (const lines of [
      'Content-Length: 0\r\nContent-Length: 37\r\n',
      'Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n',
      'Connection: host\r\n',
    ]) {
      const client = await connect(t, front);
      const body = lines.startsWith('Transfer') ? '0\r\n\r\n' : '';
      client.send(`POST / HTTP/1.1\r\n${HOST}${lines}\r\n${body}GET /smuggled HTTP/1.1\r\n${HOST}\r\n`);
      await client.untilClosed();
    }
    t.strictSame(host.asked, []);
    t.strictSame(backend.requests, []);
  });

  await t.test('an engine that drains finishes what runs, and closes', async (t) => {
    let answer: (() => void) | undefined;
    const { front, host } = await setUp(t, makeEngine, (_request, socket) => {
      answer = () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
    const idle = await connect(t, front);
    const client = await connect(t, front);
    client.send(`GET / HTTP/1.1\r\n${HOST}\r\n`);
    await eventually('the request', () => answer !== undefined);
    const drained = front.engine.drain(10_000);
    answer!();
    const response = await client.response();
    t.equal(field(response, 'connection'), 'close');
    await drained;
    await client.untilClosed();
    await idle.untilClosed();
    t.equal(front.engine.connections, 0);
    matches(t, host.outcomes, [{ status: 200, reason: null }]);
  });

  await t.test('draining ends at its deadline, and requests that it cuts have a reason of their own', async (t) => {
    const { front, host, backend } = await setUp(t, makeEngine, ({ startLine }, socket) => {
      if (startLine.includes('/begun')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello');
    });
    const client = await connect(t, front);
    const begun = await connect(t, front);
    client.send(`GET / HTTP/1.1\r\n${HOST}\r\n`);
    await eventually('the request', () => host.asked.length === 1);
    begun.send(`GET /begun HTTP/1.1\r\n${HOST}\r\n`);
    await eventually('the first bytes', () => begun.length > 0);
    await front.engine.drain(50);
    const response = await client.response();
    t.equal(response.startLine, 'HTTP/1.1 503 Service Unavailable');
    t.equal(field(response, 'x-sideroute-reason'), 'shutdown');
    t.equal(field(response, 'connection'), 'close');
    await client.untilClosed();
    await begun.untilClosed();
    await eventually('the backend connections to close', () => backend.closed === backend.connections);
    t.strictSame(host.outcomes.map(({ status, reason }) => `${status} ${reason}`).sort(), [
      '200 shutdown',
      '503 shutdown',
    ]);
  });

  await t.test('an exception in a decision costs one request', async (t) => {
    const { front, host, backend } = await setUp(t, makeEngine, (_request, socket) => {
      socket.write('HTTP/1.1 204 No Content\r\n\r\n');
    });
    host.answer = () => {
      throw new Error('a bug');
    };
    const client = await connect(t, front);
    client.send(`GET / HTTP/1.1\r\n${HOST}\r\n`);
    const response = await client.response();
    t.equal(response.startLine, 'HTTP/1.1 500 Internal Server Error');
    t.equal(field(response, 'x-sideroute-reason'), 'internal');
    host.answer = () => forwardTo(backend.port);
    const next = await connect(t, front);
    next.send(`GET / HTTP/1.1\r\n${HOST}\r\n`);
    t.equal((await next.response()).startLine, 'HTTP/1.1 204 No Content');
  });

  await t.test('an event stream arrives event by event', async (t) => {
    let backendSocket: Socket | undefined;
    const { front } = await setUp(t, makeEngine, (_request, socket) => {
      backendSocket = socket;
      socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n');
    });
    const client = await connect(t, front);
    client.send(`GET / HTTP/1.1\r\n${HOST}\r\n`);
    await eventually('the request', () => backendSocket !== undefined);
    if (name !== 'uws') await eventually('the head', () => client.text.includes('\r\n\r\n'));
    for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
      backendSocket!.write(`${event.length.toString(16)}\r\n${event}\r\n`);
      await eventually(event, () => client.text.includes(event));
    }
    backendSocket!.write('0\r\n\r\n');
    t.equal((await client.response()).body.toString(), 'data: 1\n\ndata: 2\n\n');
  });
}

/**
 * Longer than any timer that could mistake slowness for a dead peer: those of uWebSockets.js end after 8 to 12 s. Takes
 * about 14 s.
 */
export async function runSlowScenarios(t: Test, makeEngine: MakeEngine): Promise<void> {
  const SLOW_MS = 13_500;

  await t.test('neither a slow upload nor a stalled reader is cut off', async (t) => {
    const bodies: string[] = [];
    const size = 32 * MIB;
    const { front, host } = await setUp(t, makeEngine, (request, socket) => {
      bodies.push(request.body.toString());
      if (request.startLine.startsWith('PUT')) {
        socket.write('HTTP/1.1 204 No Content\r\n\r\n');
      } else {
        const chunked = request.startLine.includes('chunked');
        socket.write(
          `HTTP/1.1 200 OK\r\n${chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${size}`}\r\n\r\n`,
        );
        if (chunked) socket.write(`${size.toString(16)}\r\n`);
        socket.write(Buffer.alloc(size, 'x'));
        if (chunked) socket.write('\r\n0\r\n\r\n');
      }
    });
    const uploader = await connect(t, front);
    uploader.send(`PUT / HTTP/1.1\r\n${HOST}Content-Length: 28\r\n\r\n`);
    const readers = [await connect(t, front), await connect(t, front)];
    for (const [index, reader] of readers.entries()) {
      reader.socket.pause();
      reader.send(`GET /${index === 0 ? 'chunked' : 'counted'} HTTP/1.1\r\n${HOST}\r\n`);
    }
    // One byte every half second, so that time passes.
    for (let sent = 0; sent < 28; sent++) {
      uploader.send('x');
      await new Promise((resolve) => setTimeout(resolve, SLOW_MS / 28));
    }
    t.equal((await uploader.response()).startLine, 'HTTP/1.1 204 No Content');
    t.ok(bodies.includes('x'.repeat(28)));
    for (const { socket } of readers) {
      let received = 0;
      socket.removeAllListeners('data');
      socket.on('data', (chunk: Buffer) => {
        received += chunk.length;
      });
      socket.resume();
      await eventually('the whole response', () => received > size, 20_000);
    }
    await eventually('the outcomes', () => host.outcomes.length === 3);
    t.same(
      host.outcomes.map((outcome) => outcome.reason),
      [null, null, null],
    );
  });
}
