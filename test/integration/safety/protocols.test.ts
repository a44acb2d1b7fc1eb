/** What is not HTTP/1.x, or begins as something else, through real redirects, the acceptor and the engine behind it. */
import t, { type Test } from 'tap';

import type { ConnectionReason } from '../../../src/errors.ts';
import { AcceptorProcess } from '../../support/acceptor.ts';
import { inPod, SERVICE } from '../../support/pod-test.ts';
import { eventually } from '../../support/eventually.ts';
import { greeted, HELLO } from '../../support/preface.ts';
import { localReply, maskDate } from '../../support/safety.ts';
import { dial, listen, loopTurns, type WireEnd } from '../../support/wire-end.ts';

const PORT = 8080;
const BINARY = '\0\x01\xfe\xff\r\n\r\nGET / HTTP/1.1\r\n\r\n';

function start(t: Test, detectTimeoutMs = 60_000): Promise<AcceptorProcess> {
  return AcceptorProcess.start(t, {
    frontends: [{ address: SERVICE.v4, port: PORT, id: 7, mode: 'http' }],
    http: 'engine',
    detectTimeoutMs,
  });
}

function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

async function has(end: WireEnd, text: string): Promise<void> {
  await eventually(`${text.length} bytes, got ${JSON.stringify(end.text)}`, () => end.length >= text.length);
}

async function counted(t: Test, acceptor: AcceptorProcess, reason: ConnectionReason, count: number): Promise<void> {
  const { connections, handedOver } = await acceptor.counters();
  t.equal(connections[reason], count, `${reason} is counted`);
  t.equal(handedOver, 0, 'the engine has seen none of it');
}

/** Sends `parts` one by one, answers, and compares every byte of both directions and both ends. */
async function throughTunnel(t: Test, host: string, sent: readonly string[]): Promise<void> {
  const server = await listen(t, host, PORT);
  const client = await dial(t, SERVICE.v4, PORT);
  for (const part of sent) {
    await client.write(latin1(part));
    // The proxy is another process: its turn may come later, and then sees two parts as one.
    await loopTurns();
  }
  const all = sent.join('');
  const upstream = await server.connection(0);
  await has(upstream, all);
  t.equal(upstream.text, all, 'bytes that the backend received');
  await upstream.write(latin1(BINARY));
  await has(client, BINARY);
  t.equal(client.text, BINARY, 'bytes that the client received');
  client.socket.end();
  await upstream.untilFin();
  upstream.socket.end();
  await client.untilClosed();
  t.strictSame([client.errorCode, upstream.errorCode], [null, null]);
  t.equal(upstream.text, all);
  t.equal(server.connections.length, 1);
  await server.refuse();
}

void inPod(t, import.meta.url, (pod) => {
  t.test('SAFETY 67: a client that stays silent gets what its backend says first', async (t) => {
    const acceptor = await start(t, 50);
    const greeting = '220 mail ESMTP\r\n';
    const server = await listen(t, pod.v4, PORT, (end) => void end.write(greeting));
    const client = await dial(t, SERVICE.v4, PORT);
    await has(client, greeting);
    await client.write(latin1(`HELO a\r\n${BINARY}`));
    const upstream = await server.connection(0);
    await has(upstream, `HELO a\r\n${BINARY}`);
    await upstream.write('250 a\r\n');
    await has(client, `${greeting}250 a\r\n`);
    t.equal(upstream.text, `HELO a\r\n${BINARY}`);
    t.equal(client.text, `${greeting}250 a\r\n`);
    await counted(t, acceptor, 'server_first', 1);
  });

  t.test('SAFETY 77: the HTTP/2 preface, split anywhere, is the beginning of HTTP/2', async (t) => {
    const acceptor = await start(t);
    const server = await listen(t, pod.v4, PORT);
    const sent = HELLO.toString('latin1');
    const splits = Array.from({ length: sent.length - 1 }, (_, at) => [sent.slice(0, at + 1), sent.slice(at + 1)]);
    for (const parts of [...splits, sent.split('')]) {
      const client = await dial(t, SERVICE.v4, PORT);
      for (const part of parts) {
        await client.write(latin1(part));
        await loopTurns();
      }
      await greeted(t, client, `${parts.length} parts, the first of ${parts[0]!.length} bytes`);
      client.socket.destroy();
    }
    t.match(await acceptor.counters(), { handedOver: sent.length, tunnelsOpen: 0 });
    t.equal(server.connections.length, 0, 'nobody is asked for anything');
  });

  t.test('SAFETY 78: a preface that goes wrong is answered with 505 and reaches nobody', async (t) => {
    await start(t);
    const server = await listen(t, pod.v4, PORT);
    const wrong = 'PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n';
    for (let at = 0; at < wrong.length; at++) {
      const client = await dial(t, SERVICE.v4, PORT);
      for (const part of [wrong.slice(0, at), wrong.slice(at)]) {
        if (part !== '') await client.write(part);
        await loopTurns();
      }
      await client.untilFin();
      t.equal(maskDate(client.text), localReply('bad_version', { close: true }), `split after ${at}`);
      t.equal(client.errorCode, null);
      client.socket.destroy();
    }
    t.equal(server.connections.length, 0);
  });

  t.test('SAFETY 79: other protocols are passed through to the byte', async (t) => {
    for (const [name, reason, sent] of [
      ['a TLS ClientHello', 'tls', '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03'],
      ['SSH', 'not_http', 'SSH-2.0-OpenSSH_9.2\r\n'],
      ['Redis', 'not_http', '*1\r\n$4\r\nPING\r\n'],
      ['PostgreSQL', 'not_http', '\0\0\0\x08\x04\xd2\x16\x2f'],
      ['a PROXY header', 'not_http', 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\n'],
    ] as const) {
      await t.test(name, async (t) => {
        const acceptor = await start(t);
        await throughTunnel(t, pod.v4, [sent]);
        await throughTunnel(t, pod.v4, sent.split(''));
        await counted(t, acceptor, reason, 2);
        await acceptor.kill();
      });
    }
  });

  t.test('SAFETY 79: a database whose server speaks first is passed through to the byte', async (t) => {
    const acceptor = await start(t, 50);
    const greeting = 'J\0\0\0\x0a8.0.36\0\x08\0\0\0';
    const server = await listen(t, pod.v4, PORT, (end) => void end.write(latin1(greeting)));
    const client = await dial(t, SERVICE.v4, PORT);
    await has(client, greeting);
    await client.write(latin1(BINARY));
    const upstream = await server.connection(0);
    await has(upstream, BINARY);
    t.strictSame([client.text, upstream.text], [greeting, BINARY]);
    await counted(t, acceptor, 'server_first', 1);
  });
});
