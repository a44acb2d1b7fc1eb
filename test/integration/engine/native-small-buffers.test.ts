/** A connection that takes a part of the request before the engine has heard that it stands: that part has been sent. */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import t from 'tap';

import { startHarness } from '../../support/engine-harness.ts';
import { loopTurns } from '../../support/wire-end.ts';
import { forwardTo } from '../../support/engine-cases.ts';
import { inPod } from '../../support/pod-test.ts';

const HEAD = `POST /large HTTP/1.1\r\nHost: a\r\nX-Large: ${'x'.repeat(60_000)}\r\nContent-Length: 5\r\n\r\n`;

/** In a thread of its own: resets each connection with its first bytes, and counts them in shared memory. */
const RESETTING = `
  const { parentPort, workerData } = require('node:worker_threads');
  const server = require('node:net').createServer((socket) => {
    socket.once('data', () => {
      socket.resetAndDestroy();
      Atomics.add(workerData, 0, 1);
      Atomics.notify(workerData, 0);
    });
  });
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
`;

void inPod(t, import.meta.url, () => {
  t.test('a connection that is reset with a part of the request is not dialled again', async (t) => {
    writeFileSync('/proc/sys/net/ipv4/tcp_wmem', '4096 4096 4096');
    const resets = new Int32Array(new SharedArrayBuffer(4));
    const thread = new Worker(RESETTING, { eval: true, workerData: resets });
    t.teardown(() => thread.terminate());
    const [port] = (await once(thread, 'message')) as [number];
    const h = await startHarness(t, {
      decide: ({ path }) => {
        // Until the reset has arrived, which then is the first that is heard of the connection.
        if (path === '/wait') Atomics.wait(resets, 0, 0, 5_000);
        return forwardTo(port);
      },
    });
    const [first, second] = [await h.connect(), await h.connect()];
    await loopTurns(10);
    // Read in this order, in one turn.
    first.send(`${HEAD}hello`);
    second.send('GET /wait HTTP/1.1\r\nHost: a\r\n\r\n');
    t.match(await first.until('\r\n\r\n'), /^HTTP\/1.1 502 /);
    t.match(h.front.engine.counters(), { redials: 0, upstreamConnectFailures: 0 });
  });
});
