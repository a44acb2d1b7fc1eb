/**
 * `sideroute bundle` against a stand-in of the API server in which every place that somebody might put a secret has one, and against pods that answer
 * garbage, too much, nothing, or are gone. `test/cluster/pod-commands.test.ts` has a real API server.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { packageRoot } from '../../src/package-root.ts';
import { apiStandIn, type Answer } from '../support/api-stand-in.ts';
import { siderouteMeanwhile } from '../support/cli.ts';
import { runCommand } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { SIDEROUTE, temporaryDirectory } from '../support/sidecar.ts';

/** Wherever it stands it must not be in a bundle; the number says where it came from. */
let planted = 0;
function secret(): string {
  planted++;
  return `PLANTED-${planted}-xyzzy`;
}

const LOGGED = secret();
const IN_ENVIRONMENT = secret();
const LAST_APPLIED = {
  'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify({ spec: { value: secret() } }),
};

function filters(): object[] {
  return [
    {
      type: 'RequestHeaderModifier',
      requestHeaderModifier: {
        set: [{ name: 'authorization', value: `Bearer ${secret()}` }],
        add: [{ name: 'x-partner', value: secret() }],
      },
    },
  ];
}

function routeRule(): object {
  return {
    matches: [
      { headers: [{ name: 'cookie', value: secret() }], queryParams: [{ name: 'access_token', value: secret() }] },
    ],
    filters: filters(),
    backendRefs: [{ name: 'cart', port: 80, filters: filters() }],
  };
}

function container(name: string): object {
  return {
    ...{
      name,
      image: `example.com/${name}:1`,
      command: ['/x', `--password=${secret()}`, '--token', secret(), `-p${secret()}`, secret()],
    },
    env: [
      { name: 'DB_PASSWORD', value: IN_ENVIRONMENT },
      { name: 'PLAIN', value: secret() },
      { name: 'SIDEROUTE_LOG_LEVEL', value: 'debug' },
    ],
    livenessProbe: {
      httpGet: { path: `/live?key=${secret()}`, port: 80, httpHeaders: [{ name: 'x-y', value: secret() }] },
      exec: { command: ['curl', secret()] },
    },
  };
}

const POD = {
  metadata: {
    name: 'cart-1',
    namespace: 'shop',
    annotations: { ...LAST_APPLIED, mine: secret() },
    ownerReferences: [{ kind: 'ReplicaSet', name: 'cart-7', controller: true }],
  },
  spec: {
    initContainers: [
      {
        name: 'sideroute',
        image: 'example.com/sideroute:1',
        env: [
          { name: 'SIDEROUTE_LOG_LEVEL', value: 'debug' },
          { name: 'X', value: secret() },
        ],
      },
    ],
    containers: [container('app')],
  },
  status: {
    phase: 'Running',
    conditions: [{ type: 'Ready', status: 'True' }],
    initContainerStatuses: [{ name: 'sideroute', restartCount: 1, state: { running: {} } }],
    containerStatuses: [{ name: 'app', lastState: { terminated: { exitCode: 1, message: secret() } } }],
  },
};

const LOG = [
  `2026-03-02T09:14:07.1Z ${JSON.stringify({ level: 'warn', message: `asked http://u:${secret()}@x/y?z=${secret()}`, error: JSON.stringify({ token: secret() }) })}`,
  `2026-03-02T09:14:07.2Z authorization: Bearer ${secret()}`,
  `2026-03-02T09:14:07.3Z could not log in with ${IN_ENVIRONMENT} at all`,
  `2026-03-02T09:14:07.4Z api_key=${LOGGED} kept`,
  '',
].join('\n');

const IN_HEADER = secret();
const CONFIG = {
  generation: 3,
  valid: true,
  problems: [{ message: `value "${IN_HEADER}" is odd` }],
  filters: [{ requestHeaderModifier: { set: [{ name: 'x-other', value: IN_HEADER }] } }],
  routes: [],
  frontends: [
    {
      namespace: 'shop',
      name: 'cart',
      rules: [{ ...routeRule(), backends: [{ namespace: 'other', name: 'pay', filters: filters() }] }],
    },
  ],
};

const ANSWERS: Readonly<Record<string, unknown>> = {
  '/config': CONFIG,
  '/connections': { downstream: [{ requests: [{ path: `/cart?session=${secret()}` }] }] },
  '/stats': {},
  '/log-level': {},
  '/served': {},
  '/metrics': `sideroute_build_info{version="0.1.0"} 1\nx{url="/a?b=${secret()}"} 1\n`,
  '/readyz': 'ok\n',
  '/livez': 'ok\n',
};

/** Metadata and one field of it. */
function object(kind: string, name: string, more: object = {}): object {
  return {
    kind,
    apiVersion: 'v1',
    metadata: { name, namespace: 'shop', annotations: { ...LAST_APPLIED, other: secret() } },
    ...more,
  };
}

const TEMPLATE = {
  spec: {
    selector: { matchLabels: { app: 'cart' } },
    template: { metadata: { annotations: LAST_APPLIED }, spec: { containers: [container('app')] } },
  },
};

function list(...items: object[]): Answer {
  return { body: { kind: 'List', apiVersion: 'v1', metadata: {}, items } };
}

function cluster(path: string): Answer | null {
  const [plain = '', query = ''] = path.split('?');
  const route = object('HTTPRoute', 'cart', {
    spec: { rules: [routeRule()] },
    status: { parents: [{ message: `http://u:${secret()}@x` }] },
  });
  const events = list(
    object('Event', 'e', { reason: 'Unhealthy', message: `Get "http://10.0.0.1/live?key=${secret()}": EOF` }),
  );
  const answers: Record<string, Answer> = {
    '/version': { body: { gitVersion: 'v1.36.1' } },
    '/api/v1/namespaces/shop': { body: object('Namespace', 'shop') },
    '/api/v1/namespaces/shop/pods/cart-1': { body: POD },
    '/api/v1/namespaces/shop/pods/cart-1/log': { body: LOG },
    '/apis/apps/v1/namespaces/shop/replicasets/cart-7': {
      body: {
        ...object('ReplicaSet', 'cart-7', TEMPLATE),
        metadata: { name: 'cart-7', ownerReferences: [{ kind: 'Deployment', name: 'cart', controller: true }] },
      },
    },
    '/apis/apps/v1/namespaces/shop/deployments/cart': { body: object('Deployment', 'cart', TEMPLATE) },
    '/api/v1/namespaces/shop/pods': list(POD),
    '/api/v1/namespaces/shop/events': events,
    '/api/v1/namespaces/shop/services': list(object('Service', 'cart', { spec: { sessionAffinity: 'ClientIP' } })),
    '/apis/gateway.networking.k8s.io/v1/httproutes': list(route),
    '/apis/apps/v1/deployments': query.includes('controller')
      ? list({
          ...object('Deployment', 'sideroute-controller', TEMPLATE),
          metadata: { name: 'sideroute-controller', namespace: 'sideroute-system' },
        })
      : list(),
    '/api/v1/namespaces/sideroute-system/pods': list({
      metadata: { name: 'sideroute-controller-1', namespace: 'sideroute-system' },
      spec: { containers: [container('controller')] },
    }),
    '/api/v1/namespaces/sideroute-system/pods/sideroute-controller-1/log': { body: LOG },
    '/apis/coordination.k8s.io/v1/namespaces/sideroute-system/leases/sideroute-controller': {
      body: object('Lease', 'sideroute-controller'),
    },
    '/api/v1/nodes': list({
      metadata: { name: 'node-1', annotations: LAST_APPLIED },
      status: { nodeInfo: { kubeletVersion: 'v1.36.1', bootID: secret() } },
    }),
  };
  if (plain.endsWith('/grpcroutes')) return null;
  return answers[plain] ?? (/\/(?:pods|deployments|replicasets|leases)\/./.test(plain) ? null : list());
}

type Serve = (request: IncomingMessage, response: ServerResponse) => void;

/** Both endpoints of a sidecar, on one port. */
async function sidecar(t: Test, serve?: Serve): Promise<string> {
  const server = createServer(
    serve ??
      ((request, response) => {
        const answer = ANSWERS[request.url ?? ''];
        response
          .writeHead(answer === undefined ? 404 : 200)
          .end(typeof answer === 'string' ? answer : JSON.stringify(answer));
      }),
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function asking(address: string): string[] {
  return ['--admin', address, '--metrics', address];
}

interface Unpacked {
  readonly files: readonly string[];
  readonly read: (name: string) => string;
}

function unpack(t: Test, file: string): Unpacked {
  const { path: directory, remove } = temporaryDirectory();
  t.teardown(remove);
  const { status, stderr } = runCommand('tar', ['-xzf', file, '-C', directory]);
  t.equal(status, 0, stderr);
  const [top] = readdirSync(directory);
  const files = runCommand('find', [join(directory, top!), '-type', 'f', '-printf', '%P\n'])
    .stdout.trim()
    .split('\n')
    .sort();
  return { files, read: (name) => readFileSync(join(directory, top!, name), 'utf8') };
}

/** Where bundles are written. */
function place(t: Test): string {
  const { path, remove } = temporaryDirectory();
  t.teardown(remove);
  return join(path, 'bundle.tar.gz');
}

t.test('everything that a report needs, and none of the secrets that are everywhere', async (t) => {
  const [own, api, file] = [await sidecar(t), await apiStandIn(t, cluster), place(t)];
  // As the document has it.
  const document = readFileSync(new URL('docs/cluster-commands.md', packageRoot()), 'utf8');
  const args = /`sideroute (bundle [^`]+)`/.exec(document)![1]!.split(' ');
  const { status, stdout, stderr } = await siderouteMeanwhile(
    ...[...args, '--kubeconfig', api.kubeconfig, '--output', file, ...asking(own)],
  );
  t.same([status, stdout, stderr], [0, `${file}\n`, '']);
  t.equal(statSync(file).mode & 0o777, 0o600, 'for its owner alone');
  const { files, read } = unpack(t, file);
  t.same(files, [
    ...[
      'INDEX.txt',
      'client.json',
      'cluster/check.json',
      'cluster/check.txt',
      'cluster/nodes.json',
      'cluster/version.json',
    ],
    ...[
      'controller/deployments.yaml',
      'controller/lease.yaml',
      'controller/pods.yaml',
      'controller/sideroute-controller-1.log',
    ],
    ...['controller/sideroute-controller-1.metrics.txt', 'controller/sideroute-controller-1.readyz.txt'],
    ...[
      'events/Deployment-cart.yaml',
      'events/ReplicaSet-cart-7.yaml',
      'httproutes.yaml',
      'index.json',
      'namespace.yaml',
    ],
    ...[
      'config.json',
      'connections.json',
      'events.yaml',
      'livez.txt',
      'log-level.json',
      'metrics.txt',
      'pod.yaml',
      'readyz.txt',
      'served.json',
    ].map((name) => `pods/cart-1/${name}`),
    ...['sideroute.log', 'sideroute.previous.log', 'stats.json'].map((name) => `pods/cart-1/${name}`),
    ...['services/shop.yaml', 'workloads.yaml'],
  ]);
  const bytes = gunzipSync(readFileSync(file)).toString('latin1');
  t.ok(planted > 40, `${planted} secrets`);
  t.same([...new Set(bytes.match(/PLANTED-\d+/g))], [], 'none of them is in it');
  t.notMatch(bytes, /token-of-the-test/, 'nor what the command itself logs in with');
  t.notOk(
    api.asked.some((path) => path.includes('/secrets')),
    'no Secret is read',
  );
  t.ok(
    api.asked.filter((path) => path.includes('/configmaps')).every((path) => /labelSelector|fieldSelector/.test(path)),
  );
  for (const [name, kept] of [
    ['pods/cart-1/pod.yaml', /name: DB_PASSWORD\n +value: "?\[left out\]/],
    ['pods/cart-1/pod.yaml', /name: SIDEROUTE_LOG_LEVEL\n +value: debug/],
    ['pods/cart-1/sideroute.log', /could not log in with \[left out\] at all/],
    ['pods/cart-1/sideroute.log', /api_key=\[left out\] kept/],
    ['httproutes.yaml', /name: x-partner\n +value: "?\[left out\]/],
    ['services/shop.yaml', /sessionAffinity: ClientIP/],
    ['cluster/nodes.json', /"kubeletVersion": "v1\.36\.1"/],
    ['INDEX.txt', /DB_PASSWORD/],
    ['INDEX.txt', /the cluster has no kind GRPCRoute/],
    ['INDEX.txt', /nothing: all of it is there/],
  ] as const)
    t.match(read(name), kept, name);
});

t.test('what is forbidden or fails is named, in the bundle, on standard error and by the exit status', async (t) => {
  const own = await sidecar(t);
  const forbidden = {
    status: 403,
    body: { reason: 'Forbidden', message: 'nodes is forbidden: User "me" cannot list resource "nodes"' },
  };
  const api = await apiStandIn(t, (path) => {
    if (path.startsWith('/api/v1/nodes') || path.includes('/log?')) return forbidden;
    // As if it had been deleted in between.
    return path.includes('/replicasets/') ? null : cluster(path);
  });
  const file = place(t);
  const { status, stderr } = await siderouteMeanwhile(
    ...['-n', 'shop', '--kubeconfig', api.kubeconfig, 'bundle', 'cart-1', '--output', file, ...asking(own)],
  );
  t.equal(status, 1);
  for (const text of [stderr, unpack(t, file).read('INDEX.txt')]) {
    t.match(text, /the versions of the nodes: nodes is forbidden: User "me" cannot list/);
    t.match(text, /the log of container sideroute of pod shop\/cart-1: nodes is forbidden/);
    t.match(text, /ReplicaSet shop\/cart-7: .* not found/);
  }
  t.ok(unpack(t, file).files.includes('pods/cart-1/config.json'));
});

t.test('in a pod, without a cluster; to standard output', async (t) => {
  const own = await sidecar(t);
  const file = place(t);
  const script = '"$0" "$@" > "$OUT"';
  const child = spawn('sh', ['-c', script, ...SIDEROUTE, 'bundle', '--output', '-', ...asking(own)], {
    env: { ...process.env, OUT: file, KUBECONFIG: '/nonexistent' },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const [status] = (await once(child, 'exit')) as [number];
  t.equal(status, 0);
  const { files, read } = unpack(t, file);
  t.ok(files.includes('sidecar/config.json') && files.includes('sidecar/metrics.txt'));
  t.match(read('INDEX.txt'), /the pod that it was made in/);
  t.notMatch(gunzipSync(readFileSync(file)).toString('latin1'), /PLANTED/);
});

t.test('a sidecar that answers garbage, too much, or nothing takes nothing else with it', async (t) => {
  const noise = Buffer.alloc(9 * 1024 * 1024, '\u001b[31m\0');
  const own = await sidecar(t, (request, response) => {
    if (request.url === '/config') return void response.end('\u0000<html>\u001b[2J password=PLANTED-0');
    if (request.url === '/stats') return void response.end(noise);
    if (request.url === '/connections') return void request.socket.destroy();
    // Silent for ever.
    if (request.url === '/metrics') return;
    response.end('{}');
  });
  const [api, file] = [await apiStandIn(t, cluster), place(t)];
  const { status, stderr } = await siderouteMeanwhile(
    ...[
      '-n',
      'shop',
      '--kubeconfig',
      api.kubeconfig,
      'bundle',
      'cart-1',
      '--output',
      file,
      '--timeout',
      '8s',
      ...asking(own),
    ],
  );
  t.equal(status, 1);
  t.match(stderr, /\/config of pod shop\/cart-1: what it answers is no JSON/);
  t.match(stderr, /\/stats of pod shop\/cart-1: more than \d+ bytes/);
  t.match(stderr, /the time was over: --timeout gives more/);
  const { files, read } = unpack(t, file);
  t.match(read('pods/cart-1/config.json.txt'), /password=\[left out\]/);
  t.ok(files.includes('pods/cart-1/log-level.json') && files.includes('httproutes.yaml'));
});

t.test('nothing is written where there is nothing to say, and the place is looked at first', async (t) => {
  const api = await apiStandIn(t, cluster);
  const file = place(t);
  const run = (...args: string[]) =>
    siderouteMeanwhile('-n', 'shop', '--kubeconfig', api.kubeconfig, 'bundle', ...args);
  t.match(await run('gone', '--output', file), { status: 1, stderr: /pods\/gone not found \(404\)/ });
  t.match(await siderouteMeanwhile('bundle', '--output', file, ...asking('127.0.0.1:1')), {
    status: 1,
    stderr: /nothing was to be had: .*ECONNREFUSED/,
  });
  t.match(await siderouteMeanwhile('-n', 'shop', 'bundle'), {
    status: 2,
    stderr: /name a pod, too: sideroute -n shop bundle deploy\/NAME/,
  });
  t.same(readdirSync(join(file, '..')), [], 'not even in part');
  const before = api.asked.length;
  // Not when the time for asking is over.
  t.match(await run('cart-1', '--timeout', '1h', '--output', '/nonexistent/x.tgz'), {
    status: 1,
    stderr: /--output \/nonexistent\/x\.tgz: cannot be written: ENOENT/,
  });
  t.match(await run('cart-1', '--output', '/dev/null'), {
    status: 1,
    stderr: /--output \/dev\/null: is there, and is no file/,
  });
  t.equal(api.asked.length, before, 'nobody was asked');
  t.ok(lstatSync('/dev/null').isCharacterDevice());
});

t.test(
  'who interrupts it, or closes the terminal, has no half of a file, and keeps what was at that place',
  async (t) => {
    const asked: string[] = [];
    const own = await sidecar(t, (request) => void asked.push(request.headers.host ?? ''));
    const [node, ...prefix] = SIDEROUTE;
    const ended = async (signal: 'SIGINT' | 'SIGHUP'): Promise<number | null> => {
      const file = place(t);
      writeFileSync(file, 'of yesterday');
      const before = asked.length;
      const child = spawn(node, [...prefix, 'bundle', '--output', file, ...asking(own)], { stdio: 'ignore' });
      await eventually('it asks', () => asked.length > before, 60_000);
      t.ok(existsSync(`${file}.partial-${child.pid}`));
      child.kill(signal);
      const [status] = (await once(child, 'exit')) as [number | null];
      t.same(readdirSync(join(file, '..')), ['bundle.tar.gz']);
      t.equal(readFileSync(file, 'utf8'), 'of yesterday');
      return status;
    };
    t.equal(await ended('SIGINT'), 130);
    t.equal(await ended('SIGHUP'), 129);
  },
);
