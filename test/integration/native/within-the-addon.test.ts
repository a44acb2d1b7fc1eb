/**
 * A connection that the native engine carries never comes to JavaScript: the acceptor reads its first bytes and gives it to the
 * engine with them. What it tunnels: `first-bytes.test.ts`.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import type { FrontendAddress } from '../../../src/addon/binding.ts';
import type { HttpEngineCounters } from '../../../src/addon/http-engine.ts';
import { AcceptorProcess } from '../../support/acceptor.ts';
import type { StartOptions } from '../../support/fixtures/acceptor-process.ts';
import { eventually } from '../../support/eventually.ts';
import { inPod, SERVICE } from '../../support/pod-test.ts';
import { greeted, HELLO, prefaceAtEverySplit } from '../../support/preface.ts';
import { traced } from '../../support/strace.ts';
import { attempt, dial, listen, type ScriptedBackend, type WireEnd } from '../../support/wire-end.ts';
import { matches } from '../../support/match.ts';

const PORT = 8080;
const HEAD = 'GET /x HTTP/1.1\r\nHost: my-server\r\n\r\n';
const LAST_HEAD = 'GET /x HTTP/1.1\r\nHost: my-server\r\nConnection: close\r\n\r\n';
const RESPONSE = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const FRONTENDS: readonly FrontendAddress[] = [
  { address: SERVICE.v4, port: PORT, id: 7, mode: 'http' },
  { address: SERVICE.v6, port: PORT, id: 8, mode: 'http' },
];

function start(t: Test, options: Partial<StartOptions> = {}): Promise<AcceptorProcess> {
  return AcceptorProcess.start(t, { http: 'within', frontends: FRONTENDS, detectTimeoutMs: 60_000, ...options });
}

/** Answers every head at once. */
function serve(t: Test, host: string): Promise<ScriptedBackend> {
  return listen(t, host, PORT, (end) => {
    let answered = 0;
    end.socket.on('data', () => {
      for (const heads = end.text.split('\r\n\r\n').length - 1; answered < heads; answered++) void end.write(RESPONSE);
    });
  });
}

function engineCounters(acceptor: AcceptorProcess): Promise<HttpEngineCounters> {
  return acceptor.call('engineCounters') as Promise<HttpEngineCounters>;
}

function count(text: string, part: string): number {
  return text.split(part).length - 1;
}

async function answers(end: WireEnd, number: number): Promise<void> {
  await eventually(`${number} answers in ${JSON.stringify(end.text)}`, () => count(end.text, '200 OK') === number);
}

void inPod(t, import.meta.url, (pod) => {
  t.test('what a new connection with one request asks of the kernel', async (t) => {
    const acceptor = await start(t);
    await serve(t, pod.v4);
    const pid = acceptor.child.pid!;
    // So that there is a connection to the upstream.
    await answers(await requested(), 1);
    const calls = [
      ...['accept4', 'epoll_ctl', 'recvfrom', 'recvmsg', 'read', 'sendto', 'sendmsg', 'write', 'shutdown', 'close'],
      ...['getsockopt', 'setsockopt', 'getsockname', 'getpeername', 'fcntl', 'ioctl', 'fstat', 'newfstatat'],
    ];
    const trace = await traced(t, pid, calls, async () => {
      const client = await requested();
      await answers(client, 1);
      await client.untilFin();
      // The client may see the FIN before the descriptor is closed; who answers this has closed it.
      await acceptor.counters();
    });
    const accepted = /^\d+ +(?:accept4\(|<\.\.\. accept4 resumed>).* = (\d+)</m.exec(trace.join('\n'))?.[1];
    // With its number as first argument, or as that of epoll_ctl.
    const about = new RegExp(
      `^\\d+ +(?:(\\w+)\\(${accepted}<|(epoll_ctl)\\(\\d+<[^,]*, (EPOLL_CTL_\\w+), ${accepted}<)`,
    );
    const asked = trace.map((line) => about.exec(line)).filter((match) => match !== null);
    const names = asked.map(([, call, control, operation]) => call ?? `${control} ${operation}`);
    // The kernel has to tell of it only where the answer takes long, as it does on a busy machine.
    const isLate = names.includes('epoll_ctl EPOLL_CTL_ADD');
    t.same(
      names,
      isLate
        ? ['getsockopt', 'recvfrom', 'epoll_ctl EPOLL_CTL_ADD', 'sendto', 'shutdown', 'close']
        : ['getsockopt', 'recvfrom', 'sendto', 'recvfrom', 'shutdown', 'close'],
    );
    const sent = trace.filter((line) => new RegExp(`^\\d+ +sendto\\(${accepted}<`).test(line));
    matches(t, sent, [/MSG_MORE/], 'FIN leaves with the response');

    /** The request is there when its connection is accepted. */
    async function requested(): Promise<WireEnd> {
      process.kill(pid, 'SIGSTOP');
      const client = await dial(t, SERVICE.v4, PORT);
      await client.write(LAST_HEAD);
      process.kill(pid, 'SIGCONT');
      return client;
    }
  });

  t.test('requests are answered, and JavaScript is told of no connection', async (t) => {
    const acceptor = await start(t);
    await serve(t, pod.v4);
    await serve(t, pod.v6);
    for (const address of [SERVICE.v4, SERVICE.v6]) {
      const client = await dial(t, address, PORT);
      await client.write(HEAD);
      await answers(client, 1);
      await client.write(HEAD);
      await answers(client, 2);
      t.match(await acceptor.counters(), { detectingOpen: 0, tunnelsOpen: 0 });
      t.match(await engineCounters(acceptor), { downstreamOpen: 1 });
      client.socket.end();
      await client.untilFin();
    }
    t.same((await acceptor.events()).http, []);
    t.same(await acceptor.call('decided'), [7, 7, 8, 8]);
    t.match(await acceptor.counters(), { accepted: 2, handedOver: 2 });
    t.match(await engineCounters(acceptor), { adopted: 2, downstreamOpen: 0, requests: 4 });
  });

  t.test('a head in pieces, two heads at once, a body behind its head, an end behind a request', async (t) => {
    const acceptor = await start(t);
    const server = await serve(t, pod.v4);
    const client = await dial(t, SERVICE.v4, PORT);
    for (const byte of HEAD) await client.write(byte);
    await answers(client, 1);
    const pipelining = await dial(t, SERVICE.v4, PORT);
    await pipelining.write(`${HEAD}${HEAD}`);
    await answers(pipelining, 2);
    const sending = await dial(t, SERVICE.v4, PORT);
    const body = 'b'.repeat(100_000);
    await sending.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    await answers(sending, 1);
    await eventually('the body', () => server.connections.some((end) => end.text.includes(body)));
    const ending = await dial(t, SERVICE.v4, PORT);
    ending.socket.end(HEAD);
    await answers(ending, 1);
    await ending.untilFin();
    t.match(await engineCounters(acceptor), { adopted: 4, requests: 5 });
  });

  t.test('the first bytes of HTTP are given to the engine before the head is complete', async (t) => {
    const acceptor = await start(t);
    await serve(t, pod.v4);
    const client = await dial(t, SERVICE.v4, PORT);
    await client.write('GE');
    await eventually('detection', async () => (await acceptor.counters()).detectingOpen === 1);
    await client.write('T ');
    await eventually('the engine', async () => (await engineCounters(acceptor)).downstreamOpen === 1);
    t.match(await acceptor.counters(), { detectingOpen: 0, handedOver: 1 });
    await client.write(HEAD.slice(4));
    await answers(client, 1);
  });

  t.test('the HTTP/2 preface, split at every byte, is given to the engine, what was read included', async (t) => {
    const acceptor = await start(t, { detectTimeoutMs: 60_000 });
    const connections = await prefaceAtEverySplit(t, acceptor, PORT, (client, split) =>
      greeted(t, client, `split at ${split}`),
    );
    t.match(await acceptor.counters(), { handedOver: connections, tunnelsOpen: 0, bytesUpstream: 0 });
  });

  t.test('a connection of HTTP/2 that has ended before anybody looked at it ends here, too', async (t) => {
    const acceptor = await start(t);
    // First bytes and FIN are one event then, and the engine hears of no other.
    acceptor.child.kill('SIGSTOP');
    const client = await dial(t, SERVICE.v4, PORT);
    client.socket.end(HELLO);
    await once(client.socket, 'finish');
    acceptor.child.kill('SIGCONT');
    await eventually('the engine', async () => (await engineCounters(acceptor)).adopted === 1);
    await eventually('the end', async () => (await engineCounters(acceptor)).downstreamOpen === 0);
  });

  t.test('what is meant as HTTP and is none is answered by the engine', async (t) => {
    const acceptor = await start(t, { detectTimeoutMs: 100 });
    for (const [head, status] of [
      ['GET / HTTP/1.1\r\n\r\n', 400],
      ['PRI * HTTP/2.0\r\n\r\nSM\r\nX\r\n', 505],
      [`GET /${'p'.repeat(9000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414],
      [`GET / HTTP/1.1\r\nHost: a\r\nX: ${'v'.repeat(70_000)}`, 431],
    ] as const) {
      const client = await dial(t, SERVICE.v4, PORT);
      client.socket.write(head);
      await client.until(`HTTP/1.1 ${status} `);
      client.socket.end();
      await client.untilClosed();
    }
    for (const part of ['GET / HTTP/1.1\r\nHost:', 'PRI * HT', 'G']) {
      const client = await dial(t, SERVICE.v4, PORT);
      client.socket.end(part);
      await client.until('HTTP/1.1 400 ');
    }
    const silent = await dial(t, SERVICE.v4, PORT);
    silent.socket.end();
    await silent.untilFin();
    t.equal(silent.length, 0);
    await eventually('seven refusals', async () => (await engineCounters(acceptor)).refused === 7);
    t.match(await acceptor.counters(), { accepted: 8, handedOver: 7, detectingOpen: 0 });
  });

  t.test('a connection that was accepted for a frontend keeps it when the frontend is gone', async (t) => {
    const acceptor = await start(t);
    await serve(t, pod.v4);
    const client = await dial(t, SERVICE.v4, PORT);
    await eventually('detection', async () => (await acceptor.counters()).detectingOpen === 1);
    await acceptor.call('setFrontends', []);
    await client.write(HEAD);
    await answers(client, 1);
    t.same(await acceptor.call('decided'), [7]);
    const unrouted = await dial(t, SERVICE.v4, PORT);
    await unrouted.write(HEAD);
    await answers(unrouted, 1);
    t.match(await acceptor.counters(), { handedOver: 1, connections: { unrouted: 1 } });
  });

  t.test('downstreams that reset, while they are looked at and while their request is carried out', async (t) => {
    const acceptor = await start(t);
    const server = await listen(t, pod.v4, PORT);
    const early = await dial(t, SERVICE.v4, PORT);
    await early.write('GE');
    await eventually('detection', async () => (await acceptor.counters()).detectingOpen === 1);
    early.socket.resetAndDestroy();
    await eventually('its end', async () => (await acceptor.counters()).detectingOpen === 0);
    const client = await dial(t, SERVICE.v4, PORT);
    await client.write(HEAD);
    const upstream = await server.connection(0);
    await upstream.until('\r\n\r\n');
    client.socket.resetAndDestroy();
    await upstream.untilClosed();
    t.match(await engineCounters(acceptor), { adopted: 1, downstreamOpen: 0, requestsOpen: 0 });
  });

  t.test('a response that its reader takes slowly comes whole', async (t) => {
    await start(t);
    const body = Buffer.alloc(16 * 1024 * 1024, 'b');
    await listen(t, pod.v4, PORT, (end) => {
      end.socket.once('data', () => {
        void end.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`);
        void end.write(body);
      });
    });
    const client = await dial(t, SERVICE.v4, PORT);
    client.socket.pause();
    await client.write(HEAD);
    await eventually('its beginning', () => client.socket.readableLength > 0);
    client.socket.resume();
    await eventually('all of it', () => client.length > body.length);
    t.ok(client.bytes.subarray(-body.length).equals(body));
  });

  t.test('a last response reaches a caller that has sent more than it should, in the moment before', async (t) => {
    const acceptor = await start(t);
    const server = await listen(t, pod.v4, PORT);
    const client = await dial(t, SERVICE.v4, PORT);
    await client.write(LAST_HEAD);
    const upstream = await server.connection(0);
    await upstream.until('\r\n\r\n');
    // Held up, it finds the response first and closes with the other bytes unread.
    acceptor.child.kill('SIGSTOP');
    await eventually('it stands still', () =>
      /^State:\tT/m.test(readFileSync(`/proc/${acceptor.child.pid}/status`, 'utf8')),
    );
    await upstream.write(RESPONSE);
    await client.write('more');
    acceptor.child.kill('SIGCONT');
    await client.untilEnd();
    await answers(client, 1);
    t.ok(client.text.endsWith('ok'));
  });

  t.test('what an engine that is closed is given is reset', async (t) => {
    const acceptor = await start(t);
    await acceptor.call('closeEngine');
    const client = attempt(t, SERVICE.v4, PORT);
    await once(client.socket, 'connect');
    await client.write(HEAD);
    await client.untilClosed();
    t.equal(client.errorCode, 'ECONNRESET');
    t.equal(client.length, 0);
    t.match(await engineCounters(acceptor), { downstreamOpen: 0, requests: 0 });
  });

  t.test('a connection of which another process has a copy is over all the same', async (t) => {
    const acceptor = await start(t);
    await serve(t, pod.v4);
    const [first, second] = [await dial(t, SERVICE.v4, PORT), await dial(t, SERVICE.v4, PORT)];
    for (const client of [first, second]) {
      await client.write(HEAD);
      await answers(client, 1);
    }
    t.ok(Number(await acceptor.call('lendSockets')) >= 2);
    // Reset, so that the engine closes its descriptor; the copies keep it in the epoll instance.
    first.socket.resetAndDestroy();
    await eventually('the end of one', async () => (await engineCounters(acceptor)).downstreamOpen === 1);
    await second.write(LAST_HEAD);
    await answers(second, 2);
    await eventually('the end of the other', async () => (await engineCounters(acceptor)).downstreamOpen === 0);
    // Bytes for it come in while others take its number.
    await second.write(HEAD);
    for (let i = 0; i < 5; i++) {
      const client = await dial(t, SERVICE.v4, PORT);
      await client.write(HEAD);
      await second.write(HEAD);
      await answers(client, 1);
    }
    t.match(await engineCounters(acceptor), { downstreamOpen: 5, requests: 8 });
    await acceptor.call('endBorrower');
  });
});
