/**
 * Connections whose first bytes the acceptor has read, for the native engine, and that are no HTTP: every byte reaches the original
 * destination, those that were read first. What is HTTP: `within-the-addon.test.ts`.
 */
import t, { type Test } from 'tap';
import { AcceptorProcess } from '../../support/acceptor.ts';
import { eventually } from '../../support/eventually.ts';
import { inPod, SERVICE } from '../../support/pod-test.ts';
import { dial, listen } from '../../support/wire-end.ts';

const PORT = 8080;
const HEAD = 'GET /x HTTP/1.1\r\nHost: my-server\r\n\r\n';
const RESPONSE = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

function start(t: Test, detectTimeoutMs = 60_000): Promise<AcceptorProcess> {
  const frontends = [{ address: SERVICE.v4, port: PORT, id: 7, mode: 'http' }] as const;
  return AcceptorProcess.start(t, { http: 'within', frontends, detectTimeoutMs });
}

void inPod(t, import.meta.url, (pod) => {
  t.test('TLS and other protocols are tunnelled byte-exact and counted, the end included', async (t) => {
    const acceptor = await start(t);
    await listen(t, pod.v4, PORT, (end) => end.socket.pipe(end.socket));
    const protocols = [
      Buffer.from([0x16, 0x03, 0x01, 0x00, 0x05, 1, 2, 3, 4, 5]),
      // More than is read at a time, so that the rest comes through the pipe.
      Buffer.concat([Buffer.from([0x16, 0x03, 0x03]), Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251))]),
      Buffer.from([0x16, 0x99, 0x01]),
      Buffer.from('SSH-2.0-OpenSSH_9.2\r\n'),
      Buffer.from(`${'text '.repeat(1000)}\n`),
    ];
    for (const bytes of protocols) {
      const client = await dial(t, SERVICE.v4, PORT);
      await client.write(bytes.subarray(0, 1));
      await client.write(bytes.subarray(1, 2));
      client.socket.end(bytes.subarray(2));
      await client.untilFin();
      t.ok(client.bytes.equals(bytes), `${bytes.length} bytes of ${bytes.subarray(0, 8).toString('hex')}`);
    }
    const bytesUpstream = protocols.reduce((sum, bytes) => sum + bytes.length, 0);
    t.match(await acceptor.counters(), { connections: { tls: 2, not_http: 3 }, bytesUpstream, handedOver: 0 });
  });

  t.test('an upstream that reads late gets what was read first, and in order', async (t) => {
    const acceptor = await start(t);
    const server = await listen(t, pod.v4, PORT, (end) => void end.socket.pause());
    const client = await dial(t, SERVICE.v4, PORT);
    const bytes = Buffer.alloc(8 * 1024 * 1024, 0x16);
    bytes.forEach((_, i) => (bytes[i] = i === 1 ? 3 : i === 0 ? 0x16 : i % 253));
    client.socket.end(bytes);
    const upstream = await server.connection(0);
    await eventually('the tunnel', async () => (await acceptor.counters()).connections.tls === 1);
    upstream.socket.resume();
    await upstream.untilFin();
    t.ok(upstream.bytes.equals(bytes));
  });

  t.test('a silent downstream gets its server-first protocol, or is routed when it speaks', async (t) => {
    const acceptor = await start(t, 100);
    let greeting = '220 mail\r\n';
    const server = await listen(t, pod.v4, PORT, (end) => {
      if (greeting !== '') void end.write(greeting);
      end.socket.on('data', () => void end.write(RESPONSE));
    });
    const client = await dial(t, SERVICE.v4, PORT);
    await client.until(greeting);
    await client.write('EHLO');
    await (await server.connection(0)).until('EHLO');
    t.match(await acceptor.counters(), { connections: { server_first: 1 }, detectingOpen: 0, tunnelsOpen: 1 });
    greeting = '';
    const late = await dial(t, SERVICE.v4, PORT);
    const speculative = await server.connection(1);
    await late.write(HEAD.slice(0, 2));
    await speculative.untilFin();
    t.equal(speculative.length, 0, 'the upstream that was dialled got nothing');
    await late.write(HEAD.slice(2));
    await late.until('ok');
    t.match(await acceptor.counters(), { handedOver: 1, connections: { server_first: 1 } });
  });

  t.test('a first byte that says too little is decided at the deadline', async (t) => {
    await start(t, 100);
    await listen(t, pod.v4, PORT, (end) => end.socket.pipe(end.socket));
    const tls = await dial(t, SERVICE.v4, PORT);
    await tls.write(Buffer.from([0x16]));
    await eventually('one byte of no HTTP, tunnelled at the deadline', () => tls.length === 1);
  });
});
