/**
 * What users do with gRPC beside calls that succeed, with `@grpc/grpc-js` through REDIRECT: routes for each method, what sideroute answers by
 * itself, metadata and sizes, deadlines, cancellation, policies of retries, servers that come and go, streams across reloads.
 */
import { compressionAlgorithms, status } from '@grpc/grpc-js';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import t, { type Test } from 'tap';

import { ConfigMapMount } from '../support/config-map-mount.ts';
import type { Pod } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { CallsClient, metadataOf, type Result, type Words } from '../support/grpc/calls.ts';
import { insideClient } from '../support/grpc/inside.ts';
import { route, service } from '../support/grpc/stage.ts';
import { lines, type Lines } from '../support/lines.ts';
import { stopProcess } from '../support/processes.ts';
import { fixture, Sidecar } from '../support/sidecar.ts';

const SERVICE = 'sideroute.test.Calls';
const PARENT = '10.96.0.10:80';
const PORT = 50_051;
const BACKENDS = { a: '10.96.0.20', b: '10.96.0.21' } as const;
const NOBODY = '10.96.0.30';
/** Of server `b`. */
const MORE_PORTS = [50_052, 50_053, 50_054];

const methods = (...names: string[]) => names.map((method) => ({ method: { service: SERVICE, method } }));
const to = (name: string, port = PORT, weight = 1) => ({ name, port, weight });
const rules = [
  { matches: [{ ...methods('Say')[0], headers: [{ name: 'x-version', value: 'b' }] }], backendRefs: [to('b')] },
  { matches: methods('Split'), backendRefs: [to('a', PORT, 1), to('b', PORT, 3)] },
  { matches: methods('Nobody') },
  { matches: methods('Refused'), backendRefs: [to('nobody')] },
  { matches: methods('Unknown'), backendRefs: [to('unknown')] },
  { matches: methods('Say', 'Talk', 'Wait', 'Fail'), backendRefs: [to('a')] },
];

/** `round` makes it another one, with the same rules. */
function documents(round: number): string {
  const extra = { matches: [{ headers: [{ name: 'x-round', value: String(round) }] }], backendRefs: [to('b')] };
  return [
    service(
      'calls',
      '10.96.0.10',
      [80, 81, 82, 83].map((port) => ({ name: `p${port}`, port })),
    ),
    service('a', BACKENDS.a, [{ port: PORT }]),
    service(
      'b',
      BACKENDS.b,
      [PORT, ...MORE_PORTS].map((port) => ({ name: `p${port}`, port })),
    ),
    service('nobody', NOBODY, [{ port: PORT }]),
    route('GRPCRoute', 'calls', 'calls', 80, [...rules, extra]),
    // Of each server that comes and goes its own port.
    ...MORE_PORTS.map((port, index) =>
      route('GRPCRoute', `calls-${port}`, 'calls', 81 + index, [{ backendRefs: [to('b', port)] }]),
    ),
  ].join('---\n');
}

interface Server {
  readonly process: ChildProcess;
  readonly events: Lines;
}

async function startServer(t: Test, pod: Pod, port: number, name: string, options = {}): Promise<Server> {
  const process = pod.spawn(fixture('grpc-calls-server', String(port), name, JSON.stringify(options)), {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // This process would wait for it.
  t.teardown(() => process.kill('SIGKILL'));
  const events = lines(process.stdout!);
  await events.next(/^listening/);
  return { process, events };
}

const { a: aIp, b: bIp } = BACKENDS;
const services = {
  a: { ip: aIp, ports: [PORT] },
  b: { ip: bIp, ports: [PORT, ...MORE_PORTS] },
  nobody: { ip: NOBODY, ports: [PORT] },
};

t.setTimeout(240_000);
const skip = process.getuid!() === 0 ? false : 'needs root for network namespaces';
t.test('calls', { skip }, (t) =>
  insideClient(t, import.meta.url, services, async ({ client: pod, servers, directory }) => {
    const a = await startServer(t, servers['a']!, PORT, 'a');
    await startServer(t, servers['b']!, PORT, 'b');
    const volume = new ConfigMapMount(join(directory, 'routes'), { 'routes.yaml': documents(0) });
    const sidecar = await Sidecar.start(pod, volume.path, '--namespace', 'shop');
    const clients: CallsClient[] = [];
    const open = (address = PARENT, options = {}): CallsClient => {
      const client = new CallsClient(address, options);
      clients.push(client);
      return client;
    };
    const client = open();
    const talked = async (talk: ReturnType<CallsClient['talk']>, text: string): Promise<Words> => {
      talk.write({ text });
      const [words] = (await once(talk, 'data')) as [Words];
      return words;
    };

    await t.test('a rule for each method, by header and by weight', async (t) => {
      t.match(await client.ask('Say', { text: 'hello' }), { code: status.OK, answer: { text: 'hello', server: 'a' } });
      const metadata = metadataOf({ 'x-version': ['b'] });
      t.match(await client.ask('Say', { text: 'hello' }, { metadata }), { answer: { server: 'b' } });
      const counts = new Map<string, number>();
      for (let call = 0; call < 400; call += 1) {
        const { answer } = await client.ask('Split', {});
        counts.set(answer!.server!, (counts.get(answer!.server!) ?? 0) + 1);
      }
      // 300 are expected, with a standard deviation of 9.
      const toB = counts.get('b') ?? 0;
      t.ok(toB > 240 && toB < 360, `${toB} of 400 on one connection went to b`);
    });

    await t.test('what sideroute answers by itself', async (t) => {
      const told = ({ code, trailing }: Result): unknown => [code, trailing.get('x-sideroute-reason')[0]];
      t.same(told(await client.ask('Unlisted', {})), [status.UNIMPLEMENTED, 'no_route']);
      t.same(told(await client.ask('Nobody', {})), [status.UNIMPLEMENTED, 'no_backend']);
      t.same(told(await client.ask('Unknown', {})), [status.UNAVAILABLE, 'unresolved']);
      t.same(told(await client.ask('Refused', {})), [status.UNAVAILABLE, 'connect_failure']);
      t.match(await client.ask('Say', {}), { code: status.OK }, 'the connection serves on');
      const line = '"reason":"connect_failure","status":200,"grpcStatus":"UNAVAILABLE"';
      await eventually('a line of the log with the code', () => sidecar.log.join('').includes(line));
    });

    await t.test('metadata of 8 KiB, binary, repeated; messages of 4 MB, compressed or not', async (t) => {
      const binary = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
      const metadata = metadataOf({
        'x-long': ['m'.repeat(8192)],
        'x-octets-bin': [binary, Buffer.alloc(0)],
        'x-two': ['1', '2'],
      });
      const { code, initial, trailing } = await client.ask('Say', {}, { metadata });
      t.equal(code, status.OK);
      for (const fields of [initial, trailing]) {
        t.equal(fields.get('x-long')[0], 'm'.repeat(8192));
        t.same(fields.get('x-octets-bin'), [binary, Buffer.alloc(0)]);
        t.equal(fields.get('x-two').join(', '), '1, 2');
      }
      const body = Buffer.alloc(4_000_000, 'four megabytes ');
      for (const algorithm of [compressionAlgorithms.identity, compressionAlgorithms.gzip]) {
        const large = open(PARENT, { 'grpc.default_compression_algorithm': algorithm });
        const { code, answer } = await large.ask('Say', { body });
        t.equal(code, status.OK);
        t.ok(answer?.body?.equals(body), '4 MB there and back');
      }
      const tooLarge = await client.ask('Say', { body: Buffer.alloc(5_000_000) });
      t.equal(tooLarge.code, status.RESOURCE_EXHAUSTED, 'the limit of a client is its own');
      t.match(await client.ask('Say', {}), { code: status.OK });
    });

    await t.test('a deadline reaches the backend, and ends a call', async (t) => {
      const leftOf = ({ initial }: Result): unknown => initial.get('x-left-ms')[0];
      const left = Number(leftOf(await client.ask('Say', {}, { deadlineMs: 30_000 })));
      t.ok(left > 0 && left <= 30_000, `${left} ms were left`);
      t.equal(leftOf(await client.ask('Say', {}, { deadlineMs: null })), 'none');
      const { code } = await client.ask('Wait', { text: 'deadline' }, { deadlineMs: 300 });
      t.equal(code, status.DEADLINE_EXCEEDED);
      await a.events.next(/^Wait cancelled deadline/);
    });

    await t.test('a cancelled call is cancelled at the backend, and its connection serves on', async (t) => {
      const { call, result } = client.start('Wait', { text: 'unary' });
      await a.events.next(/^Wait begun unary/);
      call.cancel();
      await a.events.next(/^Wait cancelled unary/);
      t.equal((await result).code, status.CANCELLED);
      const talk = client.talk();
      const ended = once(talk, 'error') as Promise<[Result]>;
      t.match(await talked(talk, 'first'), { text: 'first', server: 'a' });
      talk.cancel();
      t.equal((await ended)[0].code, status.CANCELLED);
      await a.events.next(/^Talk cancelled/);
      t.match(await client.ask('Say', {}), { code: status.OK });
    });

    await t.test('retries and hedging of a service config', async (t) => {
      const config = (policy: object): object => ({
        'grpc.enable_retries': 1,
        'grpc.service_config': JSON.stringify({ methodConfig: [{ name: [{ service: SERVICE }], ...policy }] }),
      });
      const codes = ['UNAVAILABLE'];
      const times = { maxAttempts: 4, initialBackoff: '0.01s', maxBackoff: '0.05s', backoffMultiplier: 2 };
      const retrying = open(PARENT, config({ retryPolicy: { ...times, retryableStatusCodes: codes } }));
      const failure = { times: 2, code: status.UNAVAILABLE };
      const retried = await retrying.ask('Fail', { key: 'retried', ...failure });
      t.match(retried, { code: status.OK, answer: { text: '2' } });
      t.same(retried.trailing.get('grpc-previous-rpc-attempts'), ['2']);
      t.match(await retrying.ask('Fail', { key: 'other', times: 2, code: status.ABORTED }), { code: status.ABORTED });
      const hedging = open(
        PARENT,
        config({ hedgingPolicy: { maxAttempts: 4, hedgingDelay: '0.01s', nonFatalStatusCodes: codes } }),
      );
      t.match(await hedging.ask('Fail', { key: 'hedged', ...failure }), { code: status.OK });
    });

    await t.test('pings of a client are answered, however many they are', async (t) => {
      const options = { 'grpc.keepalive_time_ms': 1, 'grpc.keepalive_timeout_ms': 20_000 };
      const pinging = open(PARENT, { ...options, 'grpc.keepalive_permit_without_calls': 1 });
      const talk = pinging.talk();
      for (let round = 0; round < 300; round += 1) t.match(await talked(talk, String(round)), { text: String(round) });
      talk.end();
      const [end] = (await once(talk, 'status')) as [{ code: status }];
      t.equal(end.code, status.OK);
    });

    await t.test('a stream lives through 20 reloads', async (t) => {
      const talk = client.talk();
      for (let round = 1; round <= 20; round += 1) {
        volume.write({ 'routes.yaml': documents(round) });
        await sidecar.applied(1 + round);
        t.match(await talked(talk, String(round)), { text: String(round), server: 'a' });
        const metadata = metadataOf({ 'x-round': [String(round)] });
        t.match(await client.ask('Unlisted', {}, { metadata }), { answer: { server: 'b' } }, 'the new routes serve');
      }
      talk.end();
      const [end] = (await once(talk, 'status')) as [{ code: status }];
      t.equal(end.code, status.OK);
    });

    await t.test('a server that ends in order costs no call, one that is killed what it was executing', async (t) => {
      const [port] = MORE_PORTS;
      const restarted = open('10.96.0.10:81');
      let server = await startServer(t, servers['b']!, port!, 'first');
      t.match(await restarted.ask('Say', {}), { answer: { server: 'first' } });
      const waiting = restarted.start('Wait', { text: 'executing' });
      const talk = restarted.talk();
      await server.events.next(/^Wait begun/);
      t.match(await talked(talk, 'before'), { text: 'before' });
      server.process.kill('SIGTERM');
      await server.events.next(/^ending/);
      const next = await startServer(t, servers['b']!, port!, 'second');
      t.match(await restarted.ask('Say', {}), { code: status.OK, answer: { server: 'second' } });
      t.match(await talked(talk, 'after'), { text: 'after', server: 'first' }, 'a stream goes on where it is');
      talk.end();
      await once(talk, 'status');
      waiting.call.cancel();
      t.equal((await waiting.result).code, status.CANCELLED);
      await once(server.process, 'exit');

      server = next;
      const executing = restarted.start('Wait', { text: 'killed' });
      await server.events.next(/^Wait begun/);
      await stopProcess(server.process, 'SIGKILL');
      t.match(await executing.result, { code: status.UNAVAILABLE });
      const again = await startServer(t, servers['b']!, port!, 'third');
      t.match(await restarted.ask('Say', {}), { code: status.OK, answer: { server: 'third' } });
      await stopProcess(again.process);
    });

    await t.test('connections of a server that bounds their age cost no call', async (t) => {
      // A call may meet one that is at its end, but hardly five in a row, however late a busy machine comes to use them.
      const age = { 'grpc.max_connection_age_ms': 400, 'grpc.max_connection_age_grace_ms': 10_000 };
      const server = await startServer(t, servers['b']!, MORE_PORTS[1]!, 'short', age);
      const many = open('10.96.0.10:82');
      const results: Result[] = [];
      const until = performance.now() + 3000;
      const callers = Array.from({ length: 8 }, async () => {
        while (performance.now() < until) results.push(await many.ask('Say', {}));
      });
      await Promise.all(callers);
      t.ok(results.length > 0, 'there were calls');
      t.same(
        results
          .filter(({ code }) => code !== (status.OK as number))
          .map(({ code, details, trailing }) => [code, details, trailing.toJSON()]),
        [],
        `of ${results.length}`,
      );
      await stopProcess(server.process);
    });

    for (const each of clients) each.close();
    t.equal(await sidecar.stop(), 0);
  }),
);
