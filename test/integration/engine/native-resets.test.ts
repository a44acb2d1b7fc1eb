/** Resets that come when nobody reads: together with a request, and into a tunnel that stands still or has half ended. */
import t from 'tap';

import { startHarness, type Harness } from '../../support/engine-harness.ts';
import { loopTurns } from '../../support/wire-end.ts';
import { eventually } from '../../support/eventually.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const UPGRADE = 'Connection: Upgrade\r\nUpgrade: x\r\n\r\n';
const MIB = 1024 * 1024;

t.test('a request that is reset before it was read is not forwarded', async (t) => {
  for (const kept of [false, true]) {
    const h = await startHarness(t);
    const client = await h.connect();
    if (kept) {
      client.send(GET);
      const upstream = await h.backend.next();
      await upstream.until('\r\n\r\n');
      upstream.send(OK);
      await client.take('ok');
    }
    client.send(GET);
    client.reset();
    await eventually('the connection to be closed', () => {
      const { adopted, downstreamOpen } = h.front.engine.counters();
      return adopted === 1 && downstreamOpen === 0;
    });
    t.match(h.front.engine.counters(), { requests: kept ? 1 : 0, requestsOpen: 0 });
  }
});

/** Both ends of a tunnel, first the one that is reset: the client's if `upward`. */
async function tunnel(h: Harness, upward: boolean) {
  const { client, upstream } = await h.exchange(`GET / HTTP/1.1\r\nHost: a\r\n${UPGRADE}`);
  upstream.send(`HTTP/1.1 101 Switching Protocols\r\n${UPGRADE}`);
  await client.take('\r\n\r\n');
  return upward ? { from: client, to: upstream } : { from: upstream, to: client };
}

t.test('a reset passes through a tunnel whose other side takes nothing', async (t) => {
  for (const upward of [true, false]) {
    const h = await startHarness(t);
    const { from, to } = await tunnel(h, upward);
    to.socket.pause();
    from.send('x'.repeat(64 * MIB));
    let moved = 0;
    await eventually('a standstill', async () => {
      await loopTurns(20);
      const before = moved;
      const { bytesUpstream, bytesDownstream } = h.front.engine.counters();
      moved = bytesUpstream + bytesDownstream;
      return moved === before && moved > MIB;
    });
    from.reset();
    await eventually('the end of the tunnel', () => h.front.engine.counters().relaysOpen === 0);
    to.socket.resume();
    await to.untilEnd();
    t.match(h.front.engine.counters(), { downstreamOpen: 0, upstreamOpen: 0 });
  }
});

t.test('a reset after FIN passes through a tunnel', async (t) => {
  for (const upward of [true, false]) {
    const h = await startHarness(t);
    const { from, to } = await tunnel(h, upward);
    from.end();
    t.equal(await to.untilEnd(), 'fin');
    from.reset();
    await eventually('the end of the tunnel', () => h.front.engine.counters().relaysOpen === 0);
    t.match(h.front.engine.counters(), { downstreamOpen: 0, upstreamOpen: 0 });
  }
});
