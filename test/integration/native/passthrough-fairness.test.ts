/** One turn of the loop gives no tunnel more than its share, and lasts no longer for many of them: counted in bytes. */
import t from 'tap';
import { AcceptorProcess } from '../../support/acceptor.ts';
import { bulkClients, bulkServer } from '../../support/bulk.ts';
import { eventually } from '../../support/eventually.ts';
import { inPod, SERVICE } from '../../support/pod-test.ts';

const PORT = 9000;
const KIB = 1024;
const TOTAL = 256 * KIB * KIB;
const GREETING = 'anything\r\n\r\n';

void inPod(t, import.meta.url, (pod) => {
  t.test('neither direction of a tunnel waits for a pause of the other', async (t) => {
    const acceptor = await AcceptorProcess.start(t);
    await bulkServer(t, { host: pod.v4, port: PORT, blasts: true });
    await bulkClients(t, { host: SERVICE.v4, port: PORT, greeting: GREETING, blasts: true });
    await eventually('both directions', async () => {
      const { bytesUpstream, bytesDownstream } = await acceptor.counters();
      return bytesUpstream > KIB && bytesDownstream > KIB;
    });
    const turns = (await acceptor.call('slowTurns', 40)) as [number, number][];
    for (const [way, name] of ['upwards', 'downwards'].entries()) {
      let without = 0;
      let longest = 0;
      for (const turn of turns) {
        without = turn[way]! > 0 ? 0 : without + 1;
        longest = Math.max(longest, without);
      }
      t.ok(longest <= 4, `${name}: nothing in ${longest} turns`);
    }
  });

  for (const { name, connections, blasts, most } of [
    { name: 'a tunnel, downwards', connections: 1, blasts: false, most: 384 * KIB },
    { name: 'a tunnel, each way', connections: 1, blasts: true, most: 512 * KIB },
    { name: '24 tunnels', connections: 24, blasts: true, most: 2_560 * KIB },
  ]) {
    t.test(`${name}: at most ${most / KIB} KiB in one turn`, async (t) => {
      const acceptor = await AcceptorProcess.start(t);
      await bulkServer(t, { host: pod.v4, port: PORT, blasts: true });
      await bulkClients(t, { host: SERVICE.v4, port: PORT, greeting: GREETING, blasts, connections });
      const found = (await acceptor.call('mostPerTurn', TOTAL)) as number;
      t.ok(found <= most, `${(found / KIB).toFixed(0)} KiB`);
    });
  }
});
