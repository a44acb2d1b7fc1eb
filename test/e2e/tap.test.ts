/** Taps of a running sidecar: requests through both engines and all workers as they end, filtered, as `/tap` streams them. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import { clusterOf } from '../support/cluster-of.ts';
import type { Pod } from '../support/cluster.ts';
import { ConfigMapMount } from '../support/config-map-mount.ts';
import { eventually, within } from '../support/eventually.ts';
import { route, service } from '../support/grpc/stage.ts';
import { matches } from '../support/match.ts';
import { stopProcess } from '../support/processes.ts';
import { Sidecar, SIDEROUTE, startFixture } from '../support/sidecar.ts';
import { withoutUws } from '../support/uws-loads.ts';

type Line = Readonly<Record<string, unknown>>;

interface Tap {
  /** Requests, without what was left out. */
  readonly records: readonly Line[];
  readonly notes: readonly Line[];
  /** Resolves with the status of curl when the stream has ended. */
  readonly ended: Promise<number | null>;
  leave(): Promise<void>;
}

/** Resolves when it is open. */
async function openTap(t: Test, pod: Pod, query = ''): Promise<Tap> {
  const child = pod.spawn(['curl', '-sSN', '--max-time', '60', `http://127.0.0.1:15000/tap?${query}`]);
  t.teardown(() => stopProcess(child));
  const [records, notes]: [Line[], Line[]] = [[], []];
  createInterface({ input: child.stdout! }).on('line', (line) => {
    (line.startsWith('{"dropped":') ? notes : records).push(JSON.parse(line) as Line);
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  await eventually('the tap is open', () => notes.length > 0);
  return {
    ...{ records, notes, ended },
    leave: async () => {
      await stopProcess(child);
    },
  };
}

/** Value of a metric. */
async function counted(sidecar: Sidecar, name: string): Promise<number> {
  return Number(new RegExp(`^sideroute_${name} (\\d+)$`, 'm').exec(await sidecar.ask('/metrics'))?.[1]);
}

const prefix = (value: string) => [{ path: { type: 'PathPrefix', value } }];

function documents(backend: string): string {
  return [
    service('web', '10.96.0.10', [{ port: 80 }]),
    service('v1', '10.96.0.11', [{ port: 80 }]),
    service('v2', '10.96.0.12', [{ port: 80 }]),
    service('nobody', '10.96.0.13', [{ port: 80 }]),
    service('calls', '10.96.0.14', [{ port: 80 }]),
    service('calls-v1', '10.96.0.15', [{ port: 80 }]),
    route('HTTPRoute', 'web', 'web', 80, [
      { name: 'blue', matches: prefix('/blue'), backendRefs: [{ name: backend, port: 80 }] },
      { name: 'refused', matches: prefix('/refused'), backendRefs: [{ name: 'nobody', port: 80 }] },
    ]),
    route('GRPCRoute', 'calls', 'calls', 80, [
      {
        matches: [{ method: { service: 'sideroute.test.Calls', method: 'Say' } }],
        backendRefs: [{ name: 'calls-v1', port: 80 }],
      },
    ]),
  ].join('---\n');
}

t.test('taps', { timeout: 280_000 }, async (t) => {
  const { cluster, directory } = clusterOf(t);
  const [client, server] = [cluster.addPod('client'), cluster.addPod('server')];
  for (const [ip, port] of [
    ['10.96.0.11', 8001],
    ['10.96.0.12', 8002],
    ['10.96.0.15', 50_051],
  ] as const) {
    cluster.addService(ip, 80, [{ address: server.v4, port }]);
  }
  cluster.addService('10.96.0.13', 80, []);
  await startFixture(server, 'hello-server', '8001', '1');
  await startFixture(server, 'hello-server', '8002', '2');
  await startFixture(server, 'grpc-calls-server', '50051', 'a');
  const volume = new ConfigMapMount(join(directory.path, 'routes'), { 'all.yaml': documents('v1') });
  client.must([...SIDEROUTE, 'iptables', 'apply', '--service-cidrs', '10.96.0.0/16,fd00:96::/112']);
  const curl = (...args: string[]) => client.must(['curl', '-sS', '--max-time', '20', '-o', '/dev/null', ...args]);
  const start = async (t: Test, ...flags: string[]): Promise<Sidecar> => {
    const sidecar = await Sidecar.startProxy(client, volume.path, '--access-log', 'off', ...flags);
    t.teardown(() => sidecar.stop());
    return sidecar;
  };

  for (const engine of ['native', 'uws'] as const) {
    await t.test(
      `${engine}: each tap gets what its filter says`,
      { skip: engine === 'uws' && withoutUws },
      async (t) => {
        volume.write({ 'all.yaml': documents('v1') });
        const sidecar = await start(t, '--engine', engine);
        const all = await openTap(t, client);
        const blue = await openTap(t, client, 'route=shop/web&rule=blue&header=x-user:me&header=authorization');
        const failing = await openTap(t, client, 'code=5xx&path=/re');
        const one = await openTap(t, client, 'limit=1&sample=1');
        curl('-H', 'x-user: me', '-H', 'Authorization: Bearer abc', 'http://10.96.0.10/blue/1?token=secret');
        curl('-H', 'x-user: you', '-H', 'Authorization: Bearer abc', 'http://10.96.0.10/blue/2');
        curl('http://10.96.0.10/refused', 'http://10.96.0.10/other');
        await eventually('all of it', () => all.records.length >= 4 && failing.records.length > 0);
        matches(
          t,
          all.records.map(({ kind, path, code, rule, backend }) => ({ kind, path, code, rule, backend })),
          [
            { kind: 'request', path: '/blue/1', code: 200, rule: 'blue', backend: 'shop/v1:80' },
            { kind: 'request', path: '/blue/2', code: 200, rule: 'blue' },
            { kind: 'request', path: '/refused', code: 503, rule: 'refused', backend: 'shop/nobody:80' },
            { kind: 'request', path: '/other', code: 404, rule: null, backend: null },
          ],
        );
        t.match(all.records[0], {
          ...{ method: 'GET', host: '10.96.0.10', frontend: 'shop/web:80', upstream: '10.96.0.11:80' },
          user_agent: /^curl/,
          // That engine does not say.
          downstream: engine === 'uws' ? null : new RegExp(`^${client.v4.replaceAll('.', '\\.')}:\\d+$`),
        });
        t.notMatch(JSON.stringify([...all.records, ...blue.records]), /secret|Bearer/, 'no query, no credentials');
        t.notOk('headers' in all.records[0]!);
        t.same(
          blue.records.map(({ path, headers }) => ({ path, headers })),
          [{ path: '/blue/1', headers: { 'x-user': 'me', authorization: '(hidden)' } }],
        );
        matches(t, failing.records, [{ path: '/refused', reason: 'connect_failure' }]);
        t.equal(await within(one.ended, 'its limit'), 0);
        matches(t, one.records, [{ path: '/blue/1' }]);
        t.match(one.notes.at(-1), { end: 'limit', records: 1, total_dropped: 0 });
        await blue.leave();
        await eventually('two are left', async () => (await counted(sidecar, 'taps_open')) === 2);

        volume.write({ 'all.yaml': documents('v2') });
        await sidecar.applied(2);
        curl('http://10.96.0.10/blue/3');
        await eventually('after a reload', () => all.records.length === 5);
        t.match(all.records[4], { path: '/blue/3', rule: 'blue', backend: 'shop/v2:80' });
        t.equal(await counted(sidecar, 'tap_records_total'), 8);
        t.equal(await counted(sidecar, 'tap_dropped_records_total'), 0);

        t.equal(await sidecar.stop(), 0);
        t.equal(await within(all.ended, 'the end of the sidecar'), 0, 'the stream is complete');
        t.match(all.notes.at(-1), { end: 'shutdown', records: 5 });
      },
    );
  }

  await t.test('calls of gRPC, requests that are refused, and what begins before a tap', async (t) => {
    await start(t);
    const all = await openTap(t, client);
    const unimplemented = await openTap(t, client, 'code=UNIMPLEMENTED');
    const message = join(directory.path, 'message');
    writeFileSync(message, Buffer.alloc(5));
    const type = ['-H', 'content-type: application/grpc', '-H', 'te: trailers'];
    for (const method of ['Say', 'Nobody']) {
      const url = `http://10.96.0.14/sideroute.test.Calls/${method}`;
      curl('--http2-prior-knowledge', ...type, '--data-binary', `@${message}`, url);
    }
    curl('-H', 'Transfer-Encoding: nonsense', '-d', 'x', 'http://10.96.0.10/bad');
    await eventually('three', () => all.records.length === 3 && unimplemented.records.length === 1);
    matches(t, all.records, [
      { protocol: 'HTTP/2', code: 200, grpc_status: 'OK', backend: 'shop/calls-v1:80' },
      { protocol: 'HTTP/2', code: 200, grpc_status: 'UNIMPLEMENTED', reason: 'no_route' },
      { path: '/bad', grpc_status: null, route: null },
    ]);
    matches(t, unimplemented.records, [{ path: '/sideroute.test.Calls/Nobody' }]);
  });

  await t.test('several workers: what all of them carry comes together, and a share of it is sampled', async (t) => {
    const sidecar = await start(t, '--workers', '2');
    const all = await openTap(t, client);
    const some = await openTap(t, client, 'sample=0.5');
    // Everybody answers that has heard of the taps before.
    await sidecar.ask('/metrics');
    // A connection each: that all of them come to one of two listeners has a chance of one in 2^63.
    curl('-H', 'Connection: close', 'http://10.96.0.10/blue/[1-64]');
    await eventually('all of it', () => all.records.length === 64);
    t.same(
      all.records.map(({ path }) => Number(/\d+$/.exec(String(path))?.[0])).sort((a, b) => a - b),
      Array.from({ length: 64 }, (_, i) => i + 1),
    );
    await some.leave();
    t.ok(some.records.length > 0 && some.records.length < 64, `${some.records.length} of 64`);
  });

  await t.test('what is wrong with the query', async (t) => {
    await start(t);
    const { stdout } = client.run(['curl', '-sS', '-w', '%{http_code}', 'http://127.0.0.1:15000/tap?code=abc']);
    t.match(stdout, /^code: got "abc", expected a status such as 503, .*\n400$/);
  });
});
