/** A network that delays, loses and reorders packets between the node and a backend, and in front of the sidecar. */
import { existsSync } from 'node:fs';
import t from 'tap';
import { FaultHarness, FULL, NAMED, ONE, THREE } from '../support/faults/harness.ts';
import { ingredient } from '../support/faults/ingredient.ts';
import { FAR, SlowLink } from '../support/faults/slow-link.ts';

t.setTimeout(FULL ? 1_800_000 : 180_000);

const skip = existsSync('/dev/net/tun') ? false : 'needs /dev/net/tun';

t.test('FAULT 12: delay, loss and reordering cost time, and no request', { skip }, async (t) => {
  const count = FULL ? 10_000 : 400;
  const far = { backends: ONE };
  const POST = { method: 'POST', bodyBytes: 20_000 };
  const kinds = [
    ingredient('get', { path: '/named' }, far),
    ingredient('fresh', { style: 'fresh', path: '/named', plan: 'close=1' }, far),
    ingredient('large', { path: '/named', plan: 'size=60000,chunked=1' }, far),
    ingredient('post', { path: '/named', ...POST }, far),
    ingredient('post-chunked', { path: '/named', ...POST, chunked: true }, far),
    ingredient('upgrade', { style: 'upgrade', path: '/named' }, { ...far, expected: /^answered 101$/ }),
    ingredient('pipelined', { style: 'pipelined', path: '/named' }, far),
    ingredient('half', { style: 'half-close', path: '/named' }, far),
  ];
  const near = ingredient('near', { path: '/three' }, { backends: THREE });
  const harness = await FaultHarness.start(t, [...kinds, near], { flags: ['--connect-timeout', '15s'] });
  const { cluster } = harness;
  const link = await SlowLink.start(cluster, harness.backendPods[0]!, {
    delayMs: FULL ? 100 : 10,
    lossPercent: 5,
    reorderPercent: 10,
  });
  cluster.removeService(NAMED, 80, [{ address: harness.backendPods[0]!.v4, port: 8080 }]);
  cluster.addService(NAMED, 80, [{ address: FAR, port: 8080 }]);
  await Promise.all(kinds.map((kind) => harness.send(kind, Math.ceil(count / kinds.length), FULL ? 50 : 20)));
  await harness.send(near, 50);
  await harness.reconcile(t);
  const sent = kinds.map((kind) => harness.executions(kind)).reduce((sum, n) => sum + n, 0);
  t.ok(sent >= count, `${sent} requests`);
  const counts = await link.end();
  t.match(counts, /^relayed \d{3,} dropped [1-9]\d* reordered [1-9]\d*$/);
  t.comment(counts);
});
