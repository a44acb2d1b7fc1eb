/**
 * Connection tracking remembers a captured connection for some seconds after it was reset: what the sidecar dials from its
 * port to its destination is taken for more of it, and comes back. It is passed on; nobody notices.
 */
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import t, { type Test } from 'tap';
import { AcceptorProcess } from '../../support/acceptor.ts';
import { inPod, SERVICE } from '../../support/pod-test.ts';
import { eventually, within } from '../../support/eventually.ts';
import { dial, listen, WireEnd } from '../../support/wire-end.ts';

const PORT = 9000;
/** Two, of which the first is always taken where both are free. */
const EPHEMERAL = '41000 41001';
const RANGE = '/proc/sys/net/ipv4/ip_local_port_range';
const ROUNDS = 4;

/** From a port that is none of the ephemeral ones. */
async function dialFrom(t: Test, localPort: number, host: string): Promise<WireEnd> {
  const socket = connect({ host, port: PORT, localPort });
  t.teardown(() => socket.destroy());
  const end = new WireEnd(socket);
  await within(once(socket, 'connect'), `connection from port ${localPort}`);
  return end;
}

void inPod(t, import.meta.url, (pod) => {
  // Of version 1.0, so that an answer without an end that breaks off is a reset.
  const request = 'GET / HTTP/1.0\r\nHost: a\r\n\r\n';
  for (const { name, http, question, answer, last } of [
    { name: 'a tunnel', http: false, question: 'any protocol', answer: 'any answer', last: 'any answer' },
    { name: 'a request', http: true, question: request, answer: 'HTTP/1.1 200 OK\r\n\r\nx', last: '\r\n\r\nx' },
  ]) {
    for (const [own, service] of [
      [pod.v4, SERVICE.v4],
      [pod.v6, SERVICE.v6],
    ] as const) {
      t.test(`${name} to ${service}, from the port of one that was reset`, async (t) => {
        const frontend = { address: service, port: PORT, id: 1, mode: 'http' } as const;
        const acceptor = await AcceptorProcess.start(t, { http: 'within', frontends: http ? [frontend] : [] });
        const server = await listen(t, own, PORT, (end) => {
          end.socket.on('data', () => void end.write(answer));
        });
        const usual = readFileSync(RANGE, 'latin1');
        t.teardown(() => writeFileSync(RANGE, usual));
        writeFileSync(RANGE, EPHEMERAL);
        const untilQuiet = () =>
          eventually('the end of every connection', async () => {
            const { tunnelsOpen } = await acceptor.counters();
            if (!http) return tunnelsOpen === 0;
            const { requestsOpen, upstreamOpen } = (await acceptor.call('engineCounters')) as Record<string, number>;
            return tunnelsOpen === 0 && requestsOpen === 0 && upstreamOpen === 0;
          });

        for (let round = 0; round < ROUNDS; round += 1) {
          const first = await dial(t, service, PORT);
          await first.write(question);
          await first.until(last);
          server.connections.at(-1)!.socket.resetAndDestroy();
          await first.untilClosed();
          await untilQuiet();
          const second = await dialFrom(t, 42000 + round, service);
          await second.write(question);
          await second.until(last);
          second.socket.resetAndDestroy();
          await second.untilClosed();
          await untilQuiet();
        }
        // The first is not recognised, and is carried like one of the application.
        t.match(await acceptor.counters(), { connections: { own_dial: ROUNDS - 1, loop: 0 } });
      });
    }
  }
});
