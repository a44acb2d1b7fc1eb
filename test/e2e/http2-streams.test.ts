/**
 * Long streams of HTTP/2 through REDIRECT: reloads while they are open, whatever either side speaks, and SIGTERM. That the rules are
 * those of HTTP/1.1 is in http2-conformance.test.ts.
 */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { clusterOf } from '../support/cluster-of.ts';
import type { Pod } from '../support/cluster.ts';
import { ConfigMapMount } from '../support/config-map-mount.ts';
import { Echo, ECHO_PORT } from '../support/echo.ts';
import { eventually } from '../support/eventually.ts';
import { Http2Client } from '../support/http2-client.ts';
import { matches } from '../support/match.ts';
import { Sidecar } from '../support/sidecar.ts';
import { withoutUws } from '../support/uws-loads.ts';

const WEB = '10.96.0.10';
const NAMES = ['web', 'v1', 'v2'] as const;
type Name = (typeof NAMES)[number];
/** As the second GOAWAY of a drain names the last stream, the first names every one there can be (RFC 9113 section 6.8). */
const EVERY_STREAM = 2 ** 31 - 1;

interface Stage {
  readonly client: Pod;
  readonly echoes: Readonly<Record<Name, Echo>>;
  readonly volume: ConfigMapMount;
  /** With requests to `web` sent to this backend; null: without a route. `protocols`: of the ports. */
  readonly files: (backend: Name | null, protocols?: Partial<Record<Name, string>>) => Record<string, string>;
}

async function stage(t: Test): Promise<Stage> {
  const { cluster, directory } = clusterOf(t);
  const client = cluster.addPod('client');
  const pods = NAMES.map(async (name, index) => {
    const echo = await Echo.start(cluster.addPod(name), 'shop');
    cluster.addService(`10.96.0.${10 + index}`, 80, [{ address: echo.pod.v4, port: ECHO_PORT }]);
    return [name, echo] as const;
  });
  const echoes = Object.fromEntries(await Promise.all(pods)) as Record<Name, Echo>;
  const files: Stage['files'] = (backend, protocols = {}) => {
    const services = NAMES.map((name, index) => {
      const protocol = protocols[name] === undefined ? '' : `, appProtocol: ${protocols[name]}`;
      return `apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: shop}
spec: {clusterIP: 10.96.0.${10 + index}, ports: [{port: 80${protocol}}]}
`;
    });
    const route = `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: web, port: 80}]
  rules: [{backendRefs: [{name: ${backend}, port: 80}]}]
`;
    return { 'all.yaml': [...services, ...(backend === null ? [] : [route])].join('---\n') };
  };
  const volume = new ConfigMapMount(join(directory.path, 'routes'), files('v1'));
  return { client, echoes, volume, files };
}

t.setTimeout(180_000);

for (const [engine, skip] of [
  ['native', false],
  ['uws', withoutUws],
] as const) {
  t.test(`--engine ${engine}`, { skip }, async (t) => {
    const { client, echoes, volume, files } = await stage(t);
    const sidecar = await Sidecar.start(client, volume.path, '--engine', engine, '--drain-timeout', '60s');
    let generation = 1;
    const apply = async (...given: Parameters<typeof files>) => {
      volume.write(files(...given));
      generation++;
      await sidecar.applied(generation);
    };
    const connect = (t: Test): Http2Client => {
      const connection = new Http2Client(client, WEB);
      t.teardown(() => connection.close());
      return connection;
    };
    const servedBy = async (connection: Http2Client, stream: number, name: Name): Promise<void> => {
      const { headers } = await connection.until(stream, 'a response', ({ status }) => status === 200);
      t.equal(headers['x-pod'], name, `stream ${stream}`);
    };

    await t.test('streams keep their route over reloads, later ones of the connection get the new one', async (t) => {
      const connection = connect(t);
      const first = await connection.post();
      await servedBy(connection, first, 'v1');
      await connection.echoes(first, 'one');
      await apply('v2');
      const second = await connection.post();
      await servedBy(connection, second, 'v2');
      await connection.echoes(first, 'two');
      await connection.echoes(second, 'two');
      for (let reload = 0; reload < 20; reload++) {
        await apply(reload % 2 === 0 ? 'v1' : 'v2');
        for (const stream of [first, second]) await connection.echoes(stream, `reload ${reload}`);
      }
      // Without a route the connection stays, and what it asks for goes where it was going.
      await apply(null);
      const third = await connection.post();
      await servedBy(connection, third, 'web');
      for (const stream of [first, second, third]) {
        await connection.echoes(stream, 'the last');
        await connection.end(stream, { 'x-end': `of ${stream}` });
        const ended = await connection.until(stream, 'its end', ({ code }) => code !== null);
        matches(t, ended, { ended: true, code: 0, trailers: { 'x-end': `of ${stream}` } });
      }
      matches(t, await connection.connection(), { goaways: [], closed: false });
      t.equal(
        sidecar.metric(/^sideroute_passthrough_connections_total\{reason="unrouted"\}/),
        0,
        'nothing was tunnelled',
      );
      await apply('v1');
    });

    for (const [protocol, proto] of [
      ['kubernetes.io/h2c', 'HTTP/2.0'],
      ['kubernetes.io/ws', 'HTTP/1.1'],
    ] as const) {
      await t.test(`to a backend of ${protocol}: crumbs, te, interim responses, trailers, CONNECT`, async (t) => {
        await apply('v1', { v1: protocol });
        echoes.v1.forget();
        const connection = connect(t);
        const asked = { ':path': '/stream?early', te: 'trailers', cookie: ['a=1', 'b=2'], trailer: 'x-end' };
        const stream = await connection.post(asked);
        await servedBy(connection, stream, 'v1');
        await connection.echoes(stream, 'there and back');
        await connection.end(stream, { 'x-end': 'trailer' });
        const ended = await connection.until(stream, 'its end', ({ code }) => code !== null);
        matches(t, ended, { interim: [103], text: 'there and back', trailers: { 'x-end': 'trailer' }, code: 0 });
        const [seen] = echoes.v1.seen().received;
        matches(t, seen, { proto, path: '/stream?early', headers: { cookie: ['a=1; b=2'] } });
        // To HTTP/1.1 it is of the connection (RFC 9110 section 10.1.4).
        t.same(seen!.headers['te'], proto === 'HTTP/2.0' ? ['trailers'] : undefined);

        const tunnel = await connection.open({ ':method': 'CONNECT', ':authority': 'web:80' });
        await connection.until(tunnel, 'the tunnel', ({ status }) => status === 200);
        await connection.echoes(tunnel, 'through it');
        await connection.end(tunnel);
        matches(t, await connection.until(tunnel, 'its end', ({ code }) => code !== null), { ended: true, code: 0 });
      });
    }

    await t.test(
      'at SIGTERM streams that are open go on, the connection is told twice, and then all ends',
      async (t) => {
        const connection = connect(t);
        const stream = await connection.post();
        await servedBy(connection, stream, 'v1');
        sidecar.process.kill('SIGTERM');
        await eventually('the first word', async () => (await connection.connection()).goaways.length > 0);
        t.same((await connection.connection()).goaways[0], { code: 0, last: EVERY_STREAM });
        await connection.echoes(stream, 'still there');
        await eventually('the second', async () => (await connection.connection()).goaways.length > 1);
        t.same((await connection.connection()).goaways[1], { code: 0, last: 1 });
        await connection.echoes(stream, 'to the end');
        t.equal(sidecar.process.exitCode, null, 'it waits');
        await connection.end(stream, { 'x-end': 'well' });
        const ended = await connection.until(stream, 'its end', ({ code }) => code !== null);
        matches(t, ended, { ended: true, code: 0, trailers: { 'x-end': 'well' } });
        t.equal(await sidecar.ended(), 0);
      },
    );
  });
}
