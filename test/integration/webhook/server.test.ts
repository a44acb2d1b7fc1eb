/** The HTTPS server of the webhook, with sockets: nobody in the cluster holds it up, and it ends when it is told to. */
import { once } from 'node:events';
import { connect as connectTcp, createServer, type AddressInfo } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import t, { type Test } from 'tap';
import { createLogger } from '../../../src/log.ts';
import { newServingCertificate } from '../../../src/webhook/certificate.ts';
import { WebhookServer, type ServerOptions } from '../../../src/webhook/server.ts';
import { eventually } from '../../support/eventually.ts';

const CERTIFICATE = newServingCertificate(['localhost'], new Date(), 3_600_000);
const ANSWER = { body: { kind: 'AdmissionReview' }, outcome: 'untouched' } as const;

function newServer(options: Partial<ServerOptions> = {}): WebhookServer {
  const log = createLogger('error', () => undefined);
  const server = new WebhookServer({ port: 0, review: () => ANSWER, log, ...options });
  server.serve(CERTIFICATE);
  return server;
}

async function listening(
  t: Test,
  options: Partial<ServerOptions> = {},
): Promise<{ server: WebhookServer; port: number }> {
  const server = newServer(options);
  const port = await server.listen();
  t.teardown(() => server.close());
  return { server, port };
}

async function client(t: Test, port: number): Promise<TLSSocket> {
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
  t.teardown(() => socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
}

async function all(socket: TLSSocket): Promise<string> {
  let text = '';
  for await (const chunk of socket as AsyncIterable<Buffer>) text += chunk.toString();
  return text;
}

const head = (...fields: string[]) => ['POST /inject HTTP/1.1', 'host: x', ...fields, '', ''].join('\r\n');

t.test('a port that is taken, however often it is tried, leaves nothing behind', async (t) => {
  const warnings: Error[] = [];
  const warned = (warning: Error): void => void warnings.push(warning);
  process.on('warning', warned);
  t.teardown(() => process.off('warning', warned));
  const other = createServer().listen(0);
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  const server = newServer({ port });
  t.teardown(() => server.close());
  for (let attempt = 0; attempt < 15; attempt++) await t.rejects(server.listen(), { code: 'EADDRINUSE' });
  other.close();
  await once(other, 'close');
  t.equal(await server.listen(), port);
  // Warnings come in a turn of their own.
  await new Promise((resolve) => setImmediate(resolve));
  t.same(warnings, []);
});

t.test('whoever says nothing, before the handshake or after it, is let go', async (t) => {
  const { port } = await listening(t, { timeouts: { headMs: 100 } });
  const silent = connectTcp({ port, host: '127.0.0.1' })
    .resume()
    .on('error', () => undefined);
  t.teardown(() => silent.destroy());
  await once(silent, 'close');
  const socket = await client(t, port);
  socket.resume().on('error', () => undefined);
  await once(socket, 'close');
  t.pass();
});

t.test('a body that is too long is answered, whether its length is said or not', async (t) => {
  const { server, port } = await listening(t);
  const said = await client(t, port);
  said.write(head('content-length: 5000000'));
  t.match(await all(said), /^HTTP\/1\.1 413 /);
  const chunked = await client(t, port);
  const answered = all(chunked);
  chunked.on('error', () => undefined);
  chunked.write(head('transfer-encoding: chunked'));
  const size = 2 ** 20;
  for (let index = 0; index < 5; index++) chunked.write(`${size.toString(16)}\r\n${'x'.repeat(size)}\r\n`);
  t.match(await answered, /^HTTP\/1\.1 413 /);
  t.match(server.outcomes, { bad: 2 });
});

t.test('bodies that never end leave room for others: of too many the largest goes', async (t) => {
  const { server, port } = await listening(t, { maxBodiesBytes: 1_000_000 });
  const stalled: TLSSocket[] = [];
  const answers: Promise<string>[] = [];
  for (const bytes of [300_000, 320_000, 340_000]) {
    const socket = await client(t, port);
    socket.write(head('content-length: 400000'));
    socket.write('x'.repeat(bytes));
    stalled.push(socket);
    answers.push(all(socket));
  }
  await eventually('all has come', () => server.heldBytes === 960_000);
  const usual = await client(t, port);
  const body = 'y'.repeat(100_000);
  usual.write(`${head('connection: close', `content-length: ${body.length}`)}${body}`);
  t.match(await all(usual), /^HTTP\/1.1 200 /);
  t.match(await answers[2], /^HTTP\/1.1 503 [^]*too many reviews at once/);
  t.match(server.outcomes, { crowded: 1, bad: 0, untouched: 1 });
  for (const socket of stalled.slice(0, 2)) {
    t.notOk(socket.readableEnded, 'the others wait on');
    socket.write('x'.repeat(100_000));
  }
  const [first, second] = stalled as [TLSSocket, TLSSocket];
  first.end();
  second.end();
  await Promise.all(answers);
  await server.close();
});

t.test('a body in pieces of a byte is one body', async (t) => {
  const texts: string[] = [];
  const { port } = await listening(t, {
    review: (text) => {
      texts.push(text);
      return ANSWER;
    },
  });
  const socket = await client(t, port);
  const letters = Array.from({ length: 40_000 }, (_, index) => String.fromCharCode(97 + (index % 26)));
  const body = letters.join('');
  const pieces = letters.map((letter) => `1\r\n${letter}\r\n`).join('');
  socket.write(`${head('connection: close', 'transfer-encoding: chunked')}${pieces}0\r\n\r\n`);
  t.match(await all(socket), /^HTTP\/1.1 200 /);
  t.equal(texts.length, 1);
  t.ok(texts[0] === body, `${texts[0]?.length} characters`);
});

t.test('a sender that goes before the end of its body leaves nothing behind', async (t) => {
  const { server, port } = await listening(t, { maxBodiesBytes: 500_000 });
  for (let i = 0; i < 5; i++) {
    const gone = await client(t, port);
    gone.write(head('content-length: 400000'));
    gone.write('x'.repeat(300_000));
    await eventually('a part of it is there', () => server.heldBytes > 0);
    gone.destroy();
    await once(gone, 'close');
    await eventually('it is noticed', () => server.outcomes.bad + server.outcomes.crowded === i + 1);
  }
  t.equal(server.outcomes.crowded, 0);
  t.equal(server.heldBytes, 0);
});

t.test('at the end what is under way is answered, and connections do not stay', async (t) => {
  const { server, port } = await listening(t, { timeouts: { closeMs: 3_600_000 } });
  const socket = await client(t, port);
  const answered = all(socket);
  socket.write(`${head('content-length: 2')}{`);
  const idle = await client(t, port);
  idle.write(`${head('content-length: 2')}{}`);
  await once(idle, 'data');
  idle.resume().on('error', () => undefined);
  // It has been taken by the server when a second one has been answered.
  const asked = await client(t, port);
  asked.write(`${head('content-length: 2', 'connection: close')}{}`);
  t.match(await all(asked), /^HTTP\/1\.1 200 /);
  const closed = server.close();
  socket.write('}');
  t.match(await answered, /^HTTP\/1\.1 200 [^]*\r\nconnection: close\r\n/i);
  await closed;
  t.notOk(server.listening);
});

t.test('a request that never ends does not keep it from ending', async (t) => {
  const { server, port } = await listening(t, { timeouts: { closeMs: 100 } });
  const socket = await client(t, port);
  socket.resume().on('error', () => undefined);
  socket.write(`${head('content-length: 2')}{`);
  const asked = await client(t, port);
  asked.write(`${head('content-length: 2', 'connection: close')}{}`);
  await all(asked);
  await server.close();
  t.notOk(server.listening);
});
