/** Many connections that end at random points, on either side: nothing may be left behind. */
import { readdirSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import t from 'tap';

import { forwardTo, RecordingHost } from '../../support/engine-cases.ts';
import { nativeFront } from '../../support/native-front.ts';
import { eventually } from '../../support/eventually.ts';

/** SIDEROUTE_FULL=1: the full size. */
const CONNECTIONS = process.env['SIDEROUTE_FULL'] === '1' ? 100_000 : 2_000;
t.setTimeout(CONNECTIONS > 2_000 ? 900_000 : 120_000);
const PARALLEL = 40;

/** A small generator, so that a run can be repeated. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
}

const REQUESTS = [
  'GET /a HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n',
  `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n${'x'.repeat(70_000)}`,
  'PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: 1\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello',
  'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nbytes',
  'GET / HTTP/1.0\r\n\r\n',
  'BAD\r\n\r\n',
];
const ANSWERS = [
  'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  `HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n${'y'.repeat(90_000)}`,
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n',
  'HTTP/1.1 101 Switch\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nbytes',
  'HTTP/1.0 200 OK\r\n\r\nuntil close',
  'nonsense',
];

function descriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

/** Writes a part of `text`, or all of it, and ends in some way, or does not. */
function act(socket: Socket, text: string, pick: (below: number) => number): void {
  const whole = pick(3) > 0;
  socket.write(whole ? text : text.slice(0, pick(text.length)));
  const end = pick(6);
  if (end === 0) socket.resetAndDestroy();
  if (end === 1) socket.end();
  if (end === 2) setImmediate(() => socket.destroy());
}

t.test('connections that end anywhere leave no descriptor, request or buffer behind', async (t) => {
  const pick = random(7);
  const sockets = new Set<Socket>();
  const backend = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', () => act(socket, ANSWERS[pick(ANSWERS.length)]!, pick));
    socket.on('end', () => socket.end());
  }).listen(0, '127.0.0.1');
  await once(backend, 'listening');
  const { port } = backend.address() as AddressInfo;
  const host = new RecordingHost(() => forwardTo(port));
  const front = await nativeFront({ expectTimeoutMs: 20, upstreamIdleMs: 200 })(host, { address: '127.0.0.1', port });
  const before = descriptors();

  let started = 0;
  const worker = async (): Promise<void> => {
    while (started < CONNECTIONS) {
      started++;
      const socket = connect({ port: front.port, host: '127.0.0.1', allowHalfOpen: pick(2) === 0 });
      socket.on('error', () => undefined);
      socket.on('data', () => undefined);
      const closed = new Promise((resolve) => socket.on('close', resolve));
      await once(socket, 'connect');
      act(socket, REQUESTS[pick(REQUESTS.length)]!, pick);
      const timer = setTimeout(() => socket.destroy(), 5 + pick(40));
      await closed;
      clearTimeout(timer);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  // A client that sent FIN may still want its response, so those that the backend owes are given up here.
  await eventually(
    'everything to end',
    () => {
      for (const socket of sockets) socket.destroy();
      const { downstreamOpen, requestsOpen, upstreamOpen, relaysOpen } = front.engine.counters();
      return downstreamOpen + requestsOpen + upstreamOpen + relaysOpen === 0;
    },
    10_000,
  );
  const counters = front.engine.counters();
  // Some are reset before they are accepted.
  t.ok(counters.adopted > CONNECTIONS / 2, `${counters.adopted} connections`);
  t.equal(host.outcomes.length, counters.requests, 'one outcome a request');
  t.ok(counters.bufferedBytes <= 8 * 1024, `${counters.bufferedBytes} bytes`);
  // Closing connections linger for up to 2 s. A pipe for long bodies stays.
  await eventually('descriptors', () => descriptors() <= before + 2, 10_000);
  await front.close();
  backend.close();
});
