/** Protocol detection on routed frontends: what is handed over, what is tunnelled, and that every byte survives it. */
import { connect } from 'node:net';
import t, { type Test } from 'tap';
import type { FrontendAddress } from '../../../src/addon/binding.ts';
import { AcceptorProcess } from '../../support/acceptor.ts';
import type { StartOptions } from '../../support/fixtures/acceptor-process.ts';
import { inPod, REFUSED_PORT, SERVICE } from '../../support/pod-test.ts';
import { eventually } from '../../support/eventually.ts';
import { HELLO, prefaceAtEverySplit } from '../../support/preface.ts';
import { dial, listen, type WireEnd } from '../../support/wire-end.ts';
import { matches } from '../../support/match.ts';

const PORT = 8080;
const HEAD = 'GET /x HTTP/1.1\r\nHost: my-server\r\nUser-Agent: test\r\n\r\n';
const FRONTENDS: readonly FrontendAddress[] = [
  { address: SERVICE.v4, port: PORT, id: 7, mode: 'http' },
  { address: SERVICE.v6, port: PORT, id: 8, mode: 'http' },
  { address: SERVICE.v4, port: 9000, id: 9, mode: 'opaque' },
  { address: SERVICE.v4, port: REFUSED_PORT, id: 10, mode: 'http' },
];

function start(t: Test, options: Partial<StartOptions> = {}): Promise<AcceptorProcess> {
  return AcceptorProcess.start(t, { frontends: FRONTENDS, ...options });
}

/** Writes that stay separate segments: each has been acknowledged by the kernel before the next. */
async function writeApart(end: WireEnd, parts: readonly (string | Uint8Array)[]): Promise<void> {
  for (const part of parts) await end.write(part);
}

interface Answer {
  readonly verdict: string;
  readonly reason: string | null;
  readonly frontend: number;
}

/** What the acceptor said about a connection it handed over. */
async function answer(end: WireEnd): Promise<Answer> {
  await end.untilFin();
  return JSON.parse(end.text.slice(end.text.indexOf('\r\n\r\n') + 4)) as Answer;
}

void inPod(t, import.meta.url, (pod) => {
  t.test('a complete HTTP/1.1 head is handed over at once, nothing consumed', async (t) => {
    const acceptor = await start(t, { http: 'echo', detectTimeoutMs: 60_000 });
    const client = await dial(t, SERVICE.v4, PORT);
    const head = 'POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 15\r\n\r\n';
    await client.write(`${head}early body`);
    await client.until(`${head}early body`);
    await client.write('later');
    await client.until('early bodylater');
    matches(t, await acceptor.events(), {
      http: [{ frontend: 7, address: SERVICE.v4, port: PORT, verdict: 'admit', reason: null }],
    });
    t.match(await acceptor.counters(), { accepted: 1, handedOver: 1, detectingOpen: 0, tunnelsOpen: 0 });
  });

  t.test('IPv6: a head is handed over with the address as inet_ntop writes it', async (t) => {
    const acceptor = await start(t);
    const client = await dial(t, SERVICE.v6, PORT);
    await client.write(HEAD);
    t.same(await answer(client), { verdict: 'admit', reason: null, frontend: 8 });
    matches(t, await acceptor.events(), { http: [{ address: SERVICE.v6, port: PORT }] });
  });

  t.test('SPEC A2: a frontend with port 0 takes every port without an entry of its own', async (t) => {
    const acceptor = await start(t);
    await acceptor.call('setFrontends', [
      { address: SERVICE.v4, port: 0, id: 1, mode: 'http' },
      { address: SERVICE.v4, port: 9000, id: 2, mode: 'http' },
    ]);
    for (const [port, frontend] of [
      [PORT, 1],
      [9000, 2],
    ] as const) {
      const client = await dial(t, SERVICE.v4, port);
      await client.write(HEAD);
      t.equal((await answer(client)).frontend, frontend);
    }
  });

  t.test('SPEC A13: an opaque frontend is tunnelled and counted as such', async (t) => {
    const acceptor = await start(t);
    await listen(t, pod.v4, 9000, (end) => void end.write('banner'));
    const client = await dial(t, SERVICE.v4, 9000);
    await client.until('banner');
    t.match(await acceptor.counters(), { connections: { opaque: 1, unrouted: 0 } });
  });

  t.test('a head dribbled byte by byte gives the same verdict', async (t) => {
    const acceptor = await start(t, { detectTimeoutMs: 60_000 });
    const client = await dial(t, SERVICE.v4, PORT);
    await writeApart(client, HEAD.split(''));
    t.same(await answer(client), { verdict: 'admit', reason: null, frontend: 7 });
    t.match(await acceptor.counters(), { handedOver: 1, connections: { not_http: 0 } });
  });

  t.test('a head of 60 KiB is handed over, whether it comes at once or in pieces', async (t) => {
    const acceptor = await start(t, { http: 'echo', detectTimeoutMs: 60_000 });
    const fields = Array.from({ length: 60 }, (_, i) => `X-Field-${i}: ${'v'.repeat(1000)}\r\n`).join('');
    const head = `GET / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;
    for (const size of [head.length, 1448, 100]) {
      const parts = Array.from({ length: Math.ceil(head.length / size) }, (_, i) =>
        head.slice(i * size, (i + 1) * size),
      );
      const client = await dial(t, SERVICE.v4, PORT);
      await writeApart(client, parts);
      await eventually(`the echo in pieces of ${size}`, () => client.length === head.length);
      t.ok(client.text === head, `pieces of ${size} bytes`);
      client.socket.destroy();
    }
    t.equal((await acceptor.events()).http.length, 3);
    t.same(
      (await acceptor.events()).http.map((connection) => connection.verdict),
      ['admit', 'admit', 'admit'],
    );
  });

  t.test('heads over a limit are invalid, with the reason of the reply', async (t) => {
    await start(t);
    const line = `GET /${'p'.repeat(9000)} HTTP/1.1\r\nHost: a\r\n\r\n`;
    const bytes = `GET / HTTP/1.1\r\nHost: a\r\nX: ${'v'.repeat(70_000)}`;
    const fields = `GET / HTTP/1.1\r\nHost: a\r\n${'a: b\r\n'.repeat(300)}\r\n`;
    for (const [head, reason] of [
      [line, 'uri_limit'],
      [bytes, 'header_limit'],
      [fields, 'header_limit'],
    ] as const) {
      const client = await dial(t, SERVICE.v4, PORT);
      client.socket.write(head);
      t.match(await answer(client), { verdict: 'invalid', reason });
    }
  });

  t.test('HTTP that the engine must not carry is refused, malformed HTTP is invalid', async (t) => {
    await start(t);
    for (const [head, verdict, reason] of [
      ['GET / HTTP/1.0\r\nHost: a\r\n\r\n', 'refuse', 'not_implemented'],
      ['POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n', 'refuse', 'not_implemented'],
      ['GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n', 'refuse', 'not_implemented'],
      ['GET / HTTP/1.1\r\n\r\n', 'invalid', 'bad_request'],
      ['GET / HTTP/1.1\r\nHost : a\r\n\r\n', 'invalid', 'bad_request'],
    ] as const) {
      const client = await dial(t, SERVICE.v4, PORT);
      await client.write(head);
      t.match(await answer(client), { verdict, reason }, JSON.stringify(head));
    }
  });

  t.test('the HTTP/2 preface, split at every byte, is told from a head, nothing consumed', async (t) => {
    const acceptor = await start(t, { http: 'echo', detectTimeoutMs: 60_000 });
    const connections = await prefaceAtEverySplit(t, acceptor, PORT, async (client, split) => {
      await eventually(`the echo, split at ${split}`, () => client.bytes.equals(HELLO));
    });
    t.match(await acceptor.counters(), { handedOver: connections, tunnelsOpen: 0 });
    const finding = { verdict: 'refuse', reason: 'not_implemented', http2: true };
    t.match((await acceptor.events()).http, Array(connections).fill(finding));
  });

  t.test('a preface that goes wrong is HTTP of a version we do not speak', async (t) => {
    await start(t);
    const client = await dial(t, SERVICE.v4, PORT);
    await client.write('PRI * HTTP/2.0\r\n\r\nSM\r\nX\r\n');
    t.match(await answer(client), { verdict: 'invalid', reason: 'bad_version' });
  });

  t.test('TLS and other protocols are tunnelled byte-exact and counted', async (t) => {
    const acceptor = await start(t);
    await listen(t, pod.v4, PORT, (end) => end.socket.pipe(end.socket));
    for (const bytes of [
      Buffer.from([0x16, 0x03, 0x01, 0x00, 0x05, 1, 2, 3, 4, 5]),
      Buffer.from([0x16, 0x99, 0x01]),
      Buffer.from([0x00, 0x01, 0x02]),
      Buffer.from('SSH-2.0-OpenSSH_9.2\r\n'),
    ]) {
      const client = await dial(t, SERVICE.v4, PORT);
      await writeApart(client, [bytes.subarray(0, 1), bytes.subarray(1)]);
      await eventually(bytes.toString('hex'), () => client.bytes.equals(bytes));
    }
    t.match(await acceptor.counters(), { connections: { tls: 1, not_http: 3 }, handedOver: 0 });
  });

  t.test('a silent downstream gets its server-first protocol after the deadline', async (t) => {
    const acceptor = await start(t, { detectTimeoutMs: 100 });
    await listen(t, pod.v4, PORT, (end) => {
      void end.write('220 mail\r\n');
      end.socket.pipe(end.socket);
    });
    const client = await dial(t, SERVICE.v4, PORT);
    await client.until('220 mail\r\n');
    await client.write('EHLO');
    await client.until('220 mail\r\nEHLO');
    t.match(await acceptor.counters(), { connections: { server_first: 1 }, detectingOpen: 0, tunnelsOpen: 1 });
  });

  t.test('a preconnected, silent HTTP client is routed after the deadline all the same', async (t) => {
    const acceptor = await start(t, { detectTimeoutMs: 100 });
    const server = await listen(t, pod.v4, PORT);
    const client = await dial(t, SERVICE.v4, PORT);
    const speculative = await server.connection(0);
    await client.write(HEAD.slice(0, 10));
    await speculative.untilFin();
    t.equal(speculative.length, 0, 'the upstream that was dialled got nothing');
    await client.write(HEAD.slice(10));
    t.same(await answer(client), { verdict: 'admit', reason: null, frontend: 7 });
    t.match(await acceptor.counters(), { handedOver: 1, connections: { server_first: 0 } });
  });

  t.test(
    'neither an upstream that refuses, ends, nor one that gives up in HTTP takes a silent client away',
    async (t) => {
      const acceptor = await start(t, { detectTimeoutMs: 50 });
      const server = await listen(t, pod.v4, PORT);
      const client = await dial(t, SERVICE.v4, PORT);
      (await server.connection(0)).socket.end();
      const second = await dial(t, SERVICE.v4, PORT);
      (await server.connection(1)).socket.end('HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n');
      await eventually('both upstreams to be dropped', () => server.connections.every((end) => !end.open));
      const refused = await dial(t, SERVICE.v4, REFUSED_PORT);
      // A dial that fails leaves no trace to wait for; whichever comes first, the answer must be the same.
      for (const end of [client, second, refused]) {
        await end.write(HEAD);
        t.match(await answer(end), { verdict: 'admit' });
      }
      t.match(await acceptor.counters(), { handedOver: 3, connections: { server_first: 0, connect_failure: 0 } });
    },
  );

  t.test('a head begun but unfinished at its deadline is a request timeout', async (t) => {
    await start(t, { detectTimeoutMs: 150 });
    const client = await dial(t, SERVICE.v4, PORT);
    await client.write('GET / HTTP/1.1\r\nHost:');
    const startMs = performance.now();
    t.match(await answer(client), { verdict: 'invalid', reason: 'request_timeout' });
    t.ok(performance.now() - startMs > 100);
    const tls = await dial(t, SERVICE.v4, PORT);
    await listen(t, pod.v4, PORT, (end) => end.socket.pipe(end.socket));
    await tls.write(Buffer.from([0x16]));
    await eventually('one byte of no HTTP, tunnelled at the deadline', () => tls.length === 1);
  });

  t.test('EOF in mid-head is decided at once', async (t) => {
    const acceptor = await start(t, { detectTimeoutMs: 60_000 });
    for (const part of ['GET / HTTP/1.1\r\nHost:', 'PRI * HT', 'G']) {
      const client = await dial(t, SERVICE.v4, PORT);
      client.socket.end(part);
      t.match(await answer(client), { verdict: 'invalid', reason: 'bad_request' }, part);
    }
    const complete = await dial(t, SERVICE.v4, PORT);
    complete.socket.end(HEAD);
    t.match(await answer(complete), { verdict: 'admit' }, 'a complete head with a FIN behind it');
    const silent = await dial(t, SERVICE.v4, PORT);
    silent.socket.end();
    await silent.untilFin();
    t.equal(silent.length, 0);
    t.match(await acceptor.counters(), { accepted: 5, handedOver: 4, detectingOpen: 0 });
  });

  t.test('waiting for a head costs no CPU', async (t) => {
    const acceptor = await start(t, { detectTimeoutMs: 60_000 });
    const clients = await Promise.all(Array.from({ length: 50 }, () => dial(t, SERVICE.v4, PORT)));
    for (const client of clients) await client.write('GET / HTTP/1.1\r\n');
    await eventually('50 unfinished heads', async () => (await acceptor.counters()).detectingOpen === 50);
    const before = await acceptor.state();
    await new Promise((resolve) => setTimeout(resolve, 500)); // a span to measure CPU over, not a synchronisation
    const after = await acceptor.state();
    t.ok(after.cpuMs - before.cpuMs < 50, `${after.cpuMs - before.cpuMs} ms of 500`);
  });

  t.test('a downstream that resets while it is looked at is forgotten', async (t) => {
    const acceptor = await start(t, { detectTimeoutMs: 60_000 });
    const client = connect(PORT, SERVICE.v4);
    client.on('connect', () => client.write('GET / HT'));
    await eventually('detection', async () => (await acceptor.counters()).detectingOpen === 1);
    client.resetAndDestroy();
    await eventually('its end', async () => (await acceptor.counters()).detectingOpen === 0);
    t.match(await acceptor.counters(), { handedOver: 0 });
  });
});
