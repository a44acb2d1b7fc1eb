/** Another pod on the network: what it reaches of a sidecar, and what it can do there. */
import { readdirSync } from 'node:fs';
import t from 'tap';
import type { Pod } from '../support/cluster.ts';
import { FaultHarness, THREE } from '../support/faults/harness.ts';
import { ingredient } from '../support/faults/ingredient.ts';
import { waitForLine } from '../support/processes.ts';
import { fixture } from '../support/sidecar.ts';

t.setTimeout(120_000);
/** Of the sidecar. */
const DESCRIPTORS = 1_024;
const CROWD = 1_500;
/** Status of curl when it was refused. */
const REFUSED = 7;

t.test('what other pods reach of a sidecar', async (t) => {
  const get = ingredient('get', { style: 'fresh', path: '/three' }, { backends: THREE });
  const harness = await FaultHarness.start(t, [get], { descriptors: DESCRIPTORS });
  const [, neighbour, monitor] = harness.backendPods as readonly [Pod, Pod, Pod];
  const asked = (pod: Pod, port: number, path = '/') =>
    pod.run([
      'curl',
      '-s',
      '--max-time',
      '10',
      '-o',
      '/dev/null',
      '-w',
      '%{http_code}',
      `http://${harness.pod.v4}:${port}${path}`,
    ]);

  await t.test('the port of metrics and probes alone, which only reads', async (t) => {
    for (const port of [15000, 15001]) {
      t.equal(asked(neighbour, port).status, REFUSED, `port ${port}`);
      const v6 = neighbour.run(['curl', '-s', '--max-time', '10', `http://[${harness.pod.v6}]:${port}/`]);
      t.equal(v6.status, REFUSED, `port ${port}, IPv6`);
    }
    t.equal(asked(neighbour, 15020, '/metrics').stdout, '200');
    for (const path of ['/config', '/connections', '/explain', '/stats', '/log-level', '/quit']) {
      t.equal(asked(neighbour, 15020, path).stdout, '404', path);
    }
    t.equal(
      neighbour.run([
        'curl',
        '-s',
        '-X',
        'POST',
        '-w',
        '%{http_code}',
        '-o',
        '/dev/null',
        `http://${harness.pod.v4}:15020/metrics`,
      ]).stdout,
      '405',
    );
  });

  await t.test(
    'a neighbour that opens connections without end takes no descriptor from the traffic, and keeps no probe out',
    async (t) => {
      const before = readdirSync(`/proc/${harness.pid}/fd`).length;
      const crowd = neighbour.spawn(fixture('crowd', harness.pod.v4, '15020', String(CROWD)));
      t.teardown(() => crowd.kill());
      // All have been there; those beyond what one caller may have were closed.
      await waitForLine(crowd, new RegExp(`^${CROWD} 1[45]\\d\\d$`), 30_000);
      t.ok(readdirSync(`/proc/${harness.pid}/fd`).length < before + 100, 'few descriptors are open');
      await harness.send(get, 300, 30);
      await harness.settle(t);
      t.equal(harness.count(get, 'answered 200'), 300);
      t.equal(asked(monitor, 15020, '/livez').stdout, '200');
      t.equal(asked(monitor, 15020, '/metrics').stdout, '200');
    },
  );
});
