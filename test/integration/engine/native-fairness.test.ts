/**
 * One turn of the loop gives no connection more than its share, and lasts no longer for many of them: counted in bytes and
 * requests per turn, with ends in other threads that move bytes as fast as they are taken.
 */
import t from 'tap';

import type { HttpEngineCounters } from '../../../src/addon/http-engine.ts';
import { bulkClients, bulkServer, type BulkEnd } from '../../support/bulk.ts';
import { forwardTo } from '../../support/engine-cases.ts';
import { startHarness } from '../../support/engine-harness.ts';
import { eventually } from '../../support/eventually.ts';
import { mostPerTurn } from '../../support/turns.ts';

const MIB = 1024 * 1024;
const TOTAL = 128 * MIB;
/** What a connection without company may move, and the window that takes it over the edge. */
const SHARE = 384 * 1024;
/** The same for all connections together, and the first windows of those that moved little before. */
const TURN = 2.5 * MIB;
const CONTENT_LENGTH = `Content-Length: ${1024 * MIB * MIB}`;

interface Transfer {
  readonly name: string;
  readonly connections: number;
  readonly client: BulkEnd;
  readonly server: BulkEnd;
  readonly moved: (counters: HttpEngineCounters) => number;
  readonly most: number;
}

const UPGRADE = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n';
const SWITCHED = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n';
const DOWNLOAD = {
  client: { greeting: 'GET / HTTP/1.1\r\nHost: a\r\n\r\n' },
  server: { greeting: `HTTP/1.1 200 OK\r\n${CONTENT_LENGTH}\r\n\r\n`, blasts: true },
};
const TRANSFERS: readonly Transfer[] = [
  { ...DOWNLOAD, name: 'a download', connections: 1, moved: (c) => c.bytesDownstream, most: SHARE },
  {
    name: 'an upload',
    connections: 1,
    client: { greeting: `POST / HTTP/1.1\r\nHost: a\r\n${CONTENT_LENGTH}\r\n\r\n`, blasts: true },
    server: {},
    moved: (c) => c.bytesUpstream,
    most: SHARE,
  },
  {
    name: 'an upgraded connection, each way',
    connections: 1,
    client: { greeting: UPGRADE, blasts: true },
    server: { greeting: SWITCHED, blasts: true },
    moved: (c) => c.bytesDownstream + c.bytesUpstream,
    most: 2 * SHARE,
  },
  { ...DOWNLOAD, name: '24 downloads', connections: 24, moved: (c) => c.bytesDownstream, most: TURN },
];

for (const { name, connections, client, server, moved, most } of TRANSFERS) {
  t.test(`${name}: at most ${most / 1024} KiB in one turn`, async (t) => {
    const port = await bulkServer(t, server);
    const h = await startHarness(t, { decide: () => forwardTo(port) });
    await bulkClients(t, { ...client, port: h.front.port, connections });
    const read = (): number => moved(h.front.engine.counters());
    const found = await mostPerTurn(read, (total) => total >= TOTAL);
    t.ok(found <= most, `${(found / 1024).toFixed(0)} KiB`);
  });
}

t.test('requests sent ahead on one connection are answered a few at a time', async (t) => {
  const h = await startHarness(t, { decide: () => ({ kind: 'local', series: 0, reason: 'no_route', status: 404 }) });
  const client = await h.connect();
  const other = await h.connect();
  const requests = 1_000;
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(requests));
  // Between two shares of the first connection the second one is served.
  other.send('GET /other HTTP/1.1\r\nHost: a\r\n\r\n');
  const found = await mostPerTurn(
    () => h.host.asked.length,
    (asked) => asked > requests,
  );
  t.ok(found <= 24, `${found} in one turn`);
  await eventually('all replies', () => client.text.split('no_route').length > requests);
});
