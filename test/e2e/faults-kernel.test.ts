/** Faults of the machine: descriptors and listen queues that are full, processes that are stopped and killed, a calendar clock that jumps. */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { eventually } from '../support/eventually.ts';
import { FaultHarness, FULL, ONE, THREE, TIMEOUT_MS } from '../support/faults/harness.ts';
import { ingredient } from '../support/faults/ingredient.ts';
import { metricValue } from '../support/faults/witnesses.ts';
import { stopProcess } from '../support/processes.ts';

t.setTimeout(FULL ? 900_000 : 180_000);

const one = { backends: ONE };
const POST = { method: 'POST', bodyBytes: 50 };

t.test('a machine that fails', async (t) => {
  const get = ingredient('get', { path: '/one', plan: 'delay=2' }, one);
  const post = ingredient('post', { path: '/one', plan: 'delay=2', ...POST }, one);
  const late = ingredient('late', { path: '/one' }, one);
  const latePost = ingredient('late-post', { path: '/one', ...POST }, one);
  const timed = ingredient('timed', { path: '/timed' }, { ...one, expected: /^refused 504 timeout$/ });
  const queued = ingredient('queued', { path: '/one/queued' }, one);
  const queuedPost = ingredient('queued-post', { path: '/one/queued', ...POST }, one);
  const killed = ingredient('killed', { path: '/one', plan: 'delay=5' }, one);
  const killedPost = ingredient('killed-post', { path: '/one', plan: 'delay=5', ...POST }, one);
  const harness = await FaultHarness.start(
    t,
    [get, post, late, latePost, timed, queued, queuedPost, killed, killedPost],
    { flags: ['--connect-timeout', '1s'] },
  );
  const b1 = harness.backends[0]!;

  await t.test('FAULT 8: a backend that is stopped answers later, or costs what its timeouts say', async (t) => {
    const count = FULL ? 250 : 40;
    await harness.send(late, count);
    b1.signal('SIGSTOP');
    const waiting = Promise.all([harness.send(late, count, count), harness.send(latePost, count, count)]);
    await harness.send(timed, count, count);
    b1.signal('SIGCONT');
    await waiting;
    // It finds requests that nobody waits for any more.
    await eventually('the backend has seen them', () => harness.executions(timed) >= count);
    await harness.settle(t);
    t.equal(harness.count(late, 'answered 200'), 2 * count);
    t.equal(harness.count(latePost, 'answered 200'), count, 'once each');
    t.equal(harness.count(timed, 'refused 504 timeout'), count, `after ${TIMEOUT_MS} ms`);
  });

  await t.test('FAULT 9: a listen queue that is full is a 504, of what was not sent', async (t) => {
    const count = FULL ? 400 : 60;
    await b1.listenAgain(1);
    let timeouts = 0;
    harness.onRecord = ({ reason }) => {
      if (reason === 'connect_timeout') timeouts += 1;
    };
    b1.signal('SIGSTOP');
    const full = harness.ledger.fault('listen queue', ['b1'], (outcome) => outcome === 'refused 504 connect_timeout');
    const sending = Promise.all([harness.send(queued, count, count), harness.send(queuedPost, count, count)]);
    // Some are in the queue; others are not even there, and wait for their timeout.
    await eventually('a connection that nobody takes', () => timeouts > 0, 20_000);
    b1.signal('SIGCONT');
    await sending;
    full(0);
    await harness.settle(t);
    harness.onRecord = () => undefined;
    t.comment(`${2 * count - timeouts} of ${2 * count} answered, ${timeouts} times connect_timeout`);
    await b1.listenAgain();
    await harness.send(queued, 30);
    await harness.settle(t);
  });

  await t.test(
    'FAULT 10: a sidecar that is killed costs what it had; nothing is misrouted or sent twice, and the next one serves',
    async (t) => {
      for (let round = 0; round < (FULL ? 10 : 2); round += 1) {
        const end = harness.ledger.fault('killed', null, (outcome) =>
          /^(none|untaken|unconnected|truncated 200|silent)$/.test(outcome),
        );
        const before = harness.ledger.executions;
        const load = Promise.all([harness.send(killed, 600, 12), harness.send(killedPost, 300, 6)]);
        await eventually('load', () => harness.ledger.executions > before + 100);
        for (const { rule } of [killed, killedPost]) harness.ledger.mayLackLines.add(rule.name);
        await stopProcess(harness.sidecar, 'SIGKILL');
        await load;
        await harness.startSidecar();
        end(0);
        await harness.send(get, 100);
        await harness.send(post, 100);
      }
      await harness.settle(t);
      t.ok(harness.count(killed, 'answered 200') > 0);
      t.ok(harness.count(killed, 'unconnected') > 0, 'some met nobody');
    },
  );

  await harness.reconcile(t);
});

t.test(
  'FAULT 7: with its descriptors used up, accepting waits; everybody is served in the end, and the process lives',
  async (t) => {
    const count = FULL ? 3_000 : 600;
    const crowd = ingredient('crowd', { style: 'fresh', path: '/one', plan: 'delay=150' }, one);
    const crowdPost = ingredient('crowd-post', { style: 'fresh', path: '/one', plan: 'delay=150', ...POST }, one);
    const harness = await FaultHarness.start(t, [crowd, crowdPost], { descriptors: 256 });
    await Promise.all([harness.send(crowd, count, 150), harness.send(crowdPost, count, 150)]);
    await harness.settle(t);
    t.ok(
      metricValue(harness.metrics(), 'sideroute_accept_pauses_total{limit="descriptors"}') > 0,
      'accepting has paused',
    );
    for (const kind of [crowd, crowdPost]) t.equal(harness.count(kind, 'answered 200'), count, kind.kind.name);
    await harness.send(crowd, 50);
    await harness.reconcile(t);
  },
);

t.test('FAULT 11: a calendar clock that jumps a day either way ends nothing', async (t) => {
  const rounds = FULL ? 20 : 4;
  const count = FULL ? 400 : 60;
  const quick = ingredient('quick', { path: '/patient', plan: 'delay=5' }, one);
  const slow = ingredient('slow', { path: '/patient', plan: 'delay=250,size=3000,over=100' }, one);
  const post = ingredient('post', { path: '/patient', plan: 'delay=100', ...POST }, one);
  const retried = ingredient('retried', { path: '/retried', plan: 'delay=100' }, { backends: THREE });
  const hang = ingredient(
    'hang',
    { path: '/timed', plan: 'fault=hang' },
    { ...one, expected: /^refused 504 timeout$/ },
  );
  let shift = '';
  let library = '';
  const env: Record<string, string> = {};
  const harness = await FaultHarness.start(t, [quick, slow, post, retried, hang], {
    env,
    prepare: (_cluster, _pod, directory) => {
      shift = join(directory, 'shift');
      library = join(directory, 'clock.so');
      const source = fileURLToPath(new URL('../../../native/test/clock_shift.cc', import.meta.url));
      execFileSync('g++', ['-O1', '-shared', '-fPIC', '-o', library, source, '-ldl']);
      writeFileSync(shift, Buffer.alloc(8), { mode: 0o644 });
      env['LD_PRELOAD'] = library;
      env['CLOCK_SHIFT_FILE'] = shift;
    },
  });
  const jump = (seconds: number): void => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(seconds));
    const fd = openSync(shift, 'r+');
    writeSync(fd, bytes);
    closeSync(fd);
  };
  /** Of its answers, by its own clock. */
  const date = (): number => {
    const head = harness.pod.must(['curl', '-sSi', 'http://127.0.0.1:15020/livez']);
    return Date.parse(/^date: (.*)$/im.exec(head)![1]!);
  };
  jump(86_400);
  // The field is made once a second.
  await eventually('it believes that it is tomorrow', () => date() > Date.now() + 80_000_000);
  for (let round = 0; round < rounds; round += 1) {
    const sending = Promise.all([
      ...[quick, slow, post, retried].map((kind) => harness.send(kind, count, 20)),
      harness.send(hang, 10, 10),
    ]);
    for (const seconds of [86_400, 0, -86_400, 86_400]) {
      jump(seconds);
      await delay(60);
    }
    await sending;
  }
  await harness.reconcile(t);
  for (const kind of [quick, slow, post, retried]) {
    t.equal(harness.count(kind, 'answered 200'), rounds * count, `${kind.kind.name}: no timeout`);
  }
});

t.test('FAULT 17: idle connections are held, and cost little memory', async (t) => {
  const get = ingredient('get', { path: '/one' }, one);
  // With the heap of the manifests: what V8 has not collected yet must not count as that of connections.
  const env = { NODE_OPTIONS: '--max-old-space-size=128 --max-semi-space-size=2' };
  const harness = await FaultHarness.start(t, [get], { flags: ['--max-connections', '12000'], env });
  // Two descriptors for each connection are more than some machines give a process.
  const most = metricValue(harness.metrics(), 'sideroute_max_connections');
  const count = FULL ? Math.min(10_000, Math.floor((most - 100) / 500) * 500) : 3_000;
  await harness.send(get, 500, 20);
  const held = (): number => metricValue(harness.metrics(), 'sideroute_downstream_connections');
  // Neither code that is read in meanwhile nor the heap of V8, which has nothing for each connection.
  const residentKib = (): number => {
    const heap = metricValue(harness.metrics(), 'nodejs_heap_size_total_bytes') / 1024;
    return Number(/^RssAnon:\s+(\d+) kB/m.exec(readFileSync(`/proc/${harness.pid}/status`, 'utf8'))![1]) - heap;
  };
  const crowd = (connections: number): void =>
    harness.client.tell({ do: 'crowd', target: get.kind.target, connections, path: '/one' });
  const open = held();
  const before = residentKib();
  // In parts that the backend takes.
  for (let connections = 500; connections <= count; connections += 500) {
    crowd(connections);
    await eventually('they are served', () => held() >= open + connections, 30_000);
  }
  const idle = (): boolean => metricValue(harness.metrics(), 'sideroute_open_requests') === 0;
  await eventually('they are idle', idle, 30_000);
  const eachKib = (residentKib() - before) / count;
  t.comment(`${count} connections, ${eachKib.toFixed(1)} KiB each`);
  t.ok(eachKib <= 8, `${eachKib.toFixed(1)} KiB each`);
  await harness.send(get, 500, 20);
  await harness.settle(t);
  crowd(0);
  await eventually('they are gone', () => held() <= open, 30_000);
});
