/** Route sets in a volume as kubelet swaps it, under load: no request is ever answered from half of one. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { PREVIOUS_KEY } from '../../src/route-set/format.ts';
import { ConfigMapMount } from '../support/config-map-mount.ts';
import { eventually } from '../support/eventually.ts';
import { waitForLine } from '../support/processes.ts';
import { replacedFiles, setFiles, setHash, setItem, shardOf } from '../support/route-set.ts';
import { fixture, Sidecar, SIDEROUTE, startFixture } from '../support/sidecar.ts';
import { startTwoPods } from '../support/two-pods.ts';

const skip = process.getuid!() === 0 ? false : 'needs root for network namespaces';
const ROUTES = 2_000;
const PATIENCE_MS = 60_000;

interface Served {
  readonly hash: string;
  readonly set: { readonly generation: number; readonly hash: string } | null;
  readonly torn: { readonly shard: number; readonly message: string } | null;
}

function service(name: string, index: number): object {
  const spec = { clusterIP: `10.96.0.1${index}`, ports: [{ name: 'http', port: 80 }] };
  return { apiVersion: 'v1', kind: 'Service', metadata: { namespace: 'shop', name }, spec };
}

function route(name: string, path: string, backend: string | null): object {
  const rule = {
    matches: [{ path: { type: 'Exact', value: path } }],
    ...(backend === null ? {} : { backendRefs: [{ name: backend, port: 80 }] }),
  };
  return {
    ...{ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata: { namespace: 'shop', name } },
    spec: { parentRefs: [{ group: '', kind: 'Service', name: 'web', port: 80 }], rules: [rule] },
  };
}

const services = ['web', 'v1', 'v2'].map(service);
/** So many that a set is spread over several shards. */
const others = Array.from({ length: ROUTES }, (_, index) => route(`other-${index}`, `/other/${index}`, 'v1'));

/**
 * One of two routes, in different shards, serves what is asked for; which one, and from where, goes with the version. Of two
 * mixed versions both would, and that is logged, or none, and the answer is 404.
 */
function version(number: number): object[] {
  const odd = number % 2 === 1;
  const backend = odd ? 'v1' : 'v2';
  const probes = [route('probe-a', odd ? '/probe' : '/a', backend), route('probe-c', odd ? '/b' : '/probe', backend)];
  return [...services, ...others, ...probes];
}

t.test('sets torn, whole, damaged and mended, beside and instead of files', { skip }, async (t) => {
  const [a, b] = version(1)
    .slice(-2)
    .map((each) => shardOf(setItem(each)));
  t.not(a, b, 'the two routes are in different shards');
  const { cluster, client, server, directory } = await startTwoPods(t);
  cluster.addService('10.96.0.12', 80, [{ address: server.v4, port: 8002 }]);
  await startFixture(server, 'hello-server', '8002', '2');
  const documents = [...services, route('probe-file', '/probe', 'v1')].map((each) => JSON.stringify(each));
  const volume = new ConfigMapMount(join(directory, 'routes'), { 'routes.yaml': documents.join('\n---\n') });
  const sidecar = await Sidecar.start(client, volume.path);
  const served = () => JSON.parse(sidecar.get('/served')) as Served;
  const answer = () => client.run(['curl', '-s', 'http://10.96.0.10/probe']).stdout.trim();
  const answers = async (number: number) => {
    const expected = `Hello from Version ${number}`;
    await eventually(expected, () => answer() === expected, PATIENCE_MS);
  };
  t.match(served(), { hash: /^[0-9a-f]{16}$/, set: null, torn: null });
  await answers(1);
  const load = client.spawn(fixture('load-client', 'http://10.96.0.10/probe', '4'));
  const report = waitForLine(load, /^\{/, 280_000);
  await waitForLine(load, /^running/);

  // A controller takes over from a person.
  volume.write(setFiles(version(2), 2));
  await answers(2);
  t.match(served(), { set: { generation: 2, hash: setHash(version(2)) }, torn: null });

  let files = setFiles(version(2), 2);
  for (const number of [3, 4, 5]) {
    const next = setFiles(version(number), number);
    const changed = Object.keys(next).filter((name) => !next[name]!.equals(files[name]!));
    t.equal(changed.length, 3, 'two shards with the two routes, and shard 0');
    // In another order each time: shard 0 first, last, between.
    const order = [...changed.slice(number % 3), ...changed.slice(0, number % 3)];
    for (const [index, name] of order.entries()) {
      files = { ...files, [name]: next[name]! };
      volume.write(files);
      if (index < order.length - 1) await eventually('it is seen to be torn', () => served().torn, PATIENCE_MS);
    }
    await answers(number % 2 === 1 ? 1 : 2);
    t.match(served(), { set: { generation: number }, torn: null });
  }

  // Half of an update, for longer than one is under way.
  const sixth = setFiles(version(6), 6);
  const { hash } = served();
  volume.write({ ...files, 'sideroute-set-0.gz': sixth['sideroute-set-0.gz']! });
  await eventually('it has lasted', () => sidecar.metric(/^sideroute_config_valid /) === 0, PATIENCE_MS);
  t.match(served(), { hash, set: { generation: 5 }, torn: { message: /of another version/ } });
  t.ok(sidecar.metric(/^sideroute_route_set_torn_seconds /) >= 10);
  await eventually('it is logged', () => sidecar.log.some((line) => line.includes('"code":"torn-set"')));
  t.equal(answer(), 'Hello from Version 1');
  const status = client.run([...SIDEROUTE, 'status']);
  t.match(status.stdout, /^route set: generation 5, hash [0-9a-f]{64}$/m);
  t.match(status.stdout, /^sideroute-set-\d\.gz: error: .*generation 5 are served \[torn-set\]$/m);

  // What is broken on its way.
  const broken = `sideroute-set-${b}.gz`;
  volume.write({ ...sixth, [broken]: sixth[broken]!.subarray(0, 1_000) });
  await eventually(
    'it is logged',
    () => sidecar.log.some((line) => line.includes('"code":"damaged-set"')),
    PATIENCE_MS,
  );
  t.match(served(), { hash, set: { generation: 5 }, torn: null });
  t.equal(answer(), 'Hello from Version 1');

  volume.write(sixth);
  const wait = ['status', '--wait', setHash(version(6)).slice(0, 12), '--timeout', '60s'];
  t.match(client.run([...SIDEROUTE, ...wait]), { status: 0, stdout: /^route set: generation 6, /m });
  t.equal(answer(), 'Hello from Version 2');
  t.equal(sidecar.metric(/^sideroute_config_valid /), 1);
  t.equal(sidecar.metric(/^sideroute_route_set_torn_seconds /), 0);

  load.kill('SIGTERM');
  const { answers: seen, failures } = JSON.parse(await report) as Record<string, Record<string, number>>;
  t.same(failures, {}, 'no request failed');
  t.same(Object.keys(seen!).sort(), ['200 Hello from Version 1', '200 Hello from Version 2']);
  const codes = sidecar.log.flatMap((line) => /"code":"([a-z-]+)"/.exec(line)?.[1] ?? []);
  t.same([...new Set(codes)].sort(), ['damaged-set', 'torn-set'], 'no version was taken for another');
  t.equal(await sidecar.stop(), 0);
});

t.test('check and explain read a directory, and ConfigMaps, with a set', { skip }, async (t) => {
  const { client, directory } = await startTwoPods(t);
  const volume = new ConfigMapMount(join(directory, 'routes'), setFiles(version(1), 1));
  const check = (...args: string[]) => client.run([...SIDEROUTE, 'check', ...args, '--namespace', 'shop']);
  t.match(check(volume.path), { status: 0 });
  const explain = [
    'explain',
    '--routes',
    volume.path,
    '--namespace',
    'shop',
    '--service',
    'web.shop:80',
    '--path',
    '/probe',
  ];
  t.match(client.run([...SIDEROUTE, ...explain]), { status: 0, stdout: /probe-a/ });
  const bad = route('bad', 'no-slash', 'v1');
  volume.write(setFiles([...services, bad], 2));
  t.match(check(volume.path), {
    status: 1,
    stdout: /^sideroute-set-0\.gz:5: error: HTTPRoute shop\/bad: spec\.rules\[0\]\.matches\[0\]\.path\.value: /m,
  });
  const torn = Object.entries(setFiles(version(1), 1)).filter(([name]) => name !== 'sideroute-set-3.gz');
  volume.write(Object.fromEntries(torn));
  t.match(check(volume.path), { status: 1, stdout: /^sideroute-set-3\.gz .*is missing.*\[torn-set\]$/m });

  // As kubectl prints what a controller has written.
  const maps = Object.entries(setFiles(version(1), 1)).map(([name, bytes]) => ({
    ...{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: name.slice(0, -'.gz'.length), namespace: 'shop' } },
    binaryData: { [name]: bytes.toString('base64') },
  }));
  const written = join(directory, 'maps.json');
  writeFileSync(written, maps.map((each) => JSON.stringify(each)).join('\n---\n'));
  t.match(check(written), { status: 0, stdout: /^2002 routes, 3 Services, /m });
  writeFileSync(
    written,
    maps
      .slice(1)
      .map((each) => JSON.stringify(each))
      .join('\n---\n'),
  );
  t.match(check(written), { status: 1, stdout: /\[torn-set\]/ });

  // With what shard 0 brings along: a pod that starts while shard 4 is under way serves the set before, and so it is checked.
  const { before, next } = replacedFiles(version(1), version(2), 2);
  const arrived = Object.entries({ ...before, ...next }).map(([key, bytes]) => {
    const name = key === PREVIOUS_KEY ? 'sideroute-set-0' : key.slice(0, -'.gz'.length);
    return { name, data: { [key]: bytes.toString('base64') } };
  });
  const documents = (without: string): string =>
    [...new Set(arrived.map(({ name }) => name))]
      .filter((name) => name !== without)
      .map((name) => {
        const data: object[] = arrived.filter((each) => each.name === name).map((each) => each.data);
        const binaryData: object = Object.assign({}, ...data) as object;
        return JSON.stringify({
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: { name, namespace: 'shop' },
          binaryData,
        });
      })
      .join('\n---\n');
  writeFileSync(written, documents(''));
  t.match(check(written), { status: 0, stdout: /^2002 routes, 3 Services, /m });
  const late = Object.keys(next).find((key) => /-[246]\.gz$/.test(key))!;
  writeFileSync(written, documents(late.slice(0, -'.gz'.length)));
  t.match(check(written), {
    status: 1,
    stdout:
      /sideroute-set-[246]\.gz.* error: .*the routes of generation 1 are served \[torn-set\]$[^]*^2002 routes, 3 Services, /m,
  });
});
