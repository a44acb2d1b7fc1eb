/** Commands on pods of a cluster, through a stand-in of the API server to a sidecar that is one. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { KubeClient } from '../../src/kube/client.ts';
import { kubeTarget } from '../../src/kube/kubeconfig.ts';
import { forwardPort } from '../../src/kube/port-forward.ts';
import { packageRoot } from '../../src/package-root.ts';
import { apiStandIn, podObject, type Answer, type ApiStandIn } from '../support/api-stand-in.ts';
import { siderouteMeanwhile } from '../support/cli.ts';
import { within } from '../support/eventually.ts';
import { matches } from '../support/match.ts';

const TAPPED = '{"dropped":0}\n{"code":503}\n{"dropped":0,"end":"duration"}\n';
const CONFIG = { generation: 3, hash: '0123456789abcdef', valid: true, problems: [], routes: [], frontends: [] };

interface Sidecar {
  readonly port: number;
  readonly asked: string[];
}

/** The private endpoint of one; it answers nobody who asks for a name, as the real one. */
async function sidecar(t: Test): Promise<Sidecar> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    if (request.headers.host?.startsWith('127.0.0.1:') !== true) return response.writeHead(403).end();
    const [path] = (request.url ?? '').split('?');
    const answers: Record<string, unknown> = {
      '/config': CONFIG,
      '/connections': { downstream: [], tunnels: [], upstream: [] },
      '/log-level': { level: { value: 'debug', configured: 'info', remaining: '10m' } },
    };
    if (path === '/tap') return response.end(TAPPED);
    if (path === '/explain') return response.end('why: because\n');
    return response.end(JSON.stringify(answers[path!]));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => void server.close());
  return { port: (server.address() as AddressInfo).port, asked };
}

const PODS = '/api/v1/namespaces/shop/pods';

/** Two pods of a Deployment, one without sidecar, one that does not run. */
function objects(path: string): Answer | null {
  const one = /^\/api\/v1\/namespaces\/shop\/pods\/([^/?]+)$/.exec(path)?.[1];
  if (one !== undefined) {
    const pods: Record<string, object> = {
      'cart-1': podObject('cart-1', { ready: false }),
      plain: podObject('plain', { sidecar: false }),
      pulling: podObject('pulling', { running: false }),
    };
    return pods[one] === undefined ? null : { body: pods[one] };
  }
  if (path === '/apis/apps/v1/namespaces/shop/deployments/cart') {
    const matchExpressions = [{ key: 'tier', operator: 'In', values: ['a', 'b'] }];
    return { body: { spec: { selector: { matchLabels: { app: 'cart' }, matchExpressions } } } };
  }
  if (path === '/api/v1/namespaces/shop/services/cart') return { body: { spec: { selector: { app: 'cart' } } } };
  if (path === '/api/v1/namespaces/shop/services/outside') return { body: { spec: {} } };
  if (path.startsWith(`${PODS}?`)) {
    return { body: { items: [podObject('cart-2'), podObject('cart-1', { ready: false })] } };
  }
  if (path.startsWith('/api/v1/namespaces/other/')) {
    const message =
      'pods "x" is forbidden: User "me" cannot get resource "pods" in API group "" in the namespace "other"';
    return { status: 403, body: { reason: 'Forbidden', message } };
  }
  return null;
}

function run(api: ApiStandIn, port: number, ...args: readonly string[]) {
  return siderouteMeanwhile(...args, '--kubeconfig', api.kubeconfig, '--admin', `127.0.0.1:${port}`);
}

t.test('a pod by name, a Deployment and a Service: the ready pod is asked, the answer is that of within', async (t) => {
  const [own, api] = [await sidecar(t), await apiStandIn(t, objects)];
  const within = await siderouteMeanwhile('status', '--admin', `127.0.0.1:${own.port}`);
  t.match(within.stdout, /^generation 3/);
  const named = await run(api, own.port, 'status', 'cart-1');
  t.same(named, { status: 0, stdout: within.stdout, stderr: '' });
  const deployment = await run(api, own.port, 'status', 'deploy/cart');
  t.same({ ...deployment, stderr: '' }, within);
  t.equal(deployment.stderr, 'sideroute: deploy/cart has 2 pods; this is cart-2, --all asks every one\n');
  t.ok(api.asked.includes(`GET ${PODS}?labelSelector=app%3Dcart%2Ctier+in+%28a%2Cb%29&limit=500`));
  t.ok(api.asked.includes(`UPGRADE ${PODS}/cart-2/portforward?ports=${own.port}`));
  t.equal((await run(api, own.port, 'status', 'services/cart')).stdout, within.stdout);
});

t.test('config, connections, log-level and explain ask what they ask within the pod', async (t) => {
  const [own, api] = [await sidecar(t), await apiStandIn(t, objects)];
  t.same(JSON.parse((await run(api, own.port, 'config', 'cart-1')).stdout), CONFIG);
  t.equal((await run(api, own.port, 'connections', 'cart-1', '--state', 'idle')).stdout, 'no connections\n');
  t.equal(
    (await run(api, own.port, 'log-level', 'cart-1', 'debug', '--ttl', '10m')).stdout,
    'level: debug for 10m, then info\n',
  );
  const explain = ['explain', 'cart-1', '--service', 'cart.shop:80', '--path', '/a?c=d&e', '-H', 'x: ä'];
  t.equal((await run(api, own.port, ...explain)).stdout, 'why: because\n');
  t.same(own.asked, [
    'GET /config',
    'GET /connections?state=idle',
    'PUT /log-level?level=debug&ttl=10m',
    'GET /explain?service=cart.shop%3A80&method=GET&path=%2Fa%3Fc%3Dd%26e&header=x%3A%C3%A4&format=text',
  ]);
});

t.test('the commands of docs/cluster-commands.md do what they say', async (t) => {
  const own = await sidecar(t);
  const api = await apiStandIn(t, objects, () => own.port);
  const document = readFileSync(new URL('docs/cluster-commands.md', packageRoot()), 'utf8');
  const commands = [...document.matchAll(/^\| `sideroute ([^`]+)` \|/gm)]
    .map(([, text]) => text!.split(' '))
    // These two have tests of their own: diff.test.ts and bundle.test.ts.
    .filter(([name]) => name !== 'diff' && name !== 'bundle');
  t.equal(commands.length, 6);
  for (const args of commands) {
    const { status, stdout, stderr } = await siderouteMeanwhile(...args, '--kubeconfig', api.kubeconfig);
    t.same([status, stdout !== ''], [0, true], `${args.join(' ')}: ${stderr}`);
  }
  matches(t, own.asked, [
    /^GET \/config/,
    /^GET \/explain/,
    /^GET \/connections/,
    /^GET \/tap/,
    /^GET \/config/,
    /^PUT \/log-level/,
  ]);
});

t.test('--all asks every pod and names each', async (t) => {
  const [own, api] = [await sidecar(t), await apiStandIn(t, objects)];
  const text = await run(api, own.port, 'status', 'deploy/cart', '--all');
  t.match(text.stdout, /^pod shop\/cart-2\ngeneration 3.*\n0 frontends\n\npod shop\/cart-1\ngeneration 3/s);
  const json = await run(api, own.port, 'status', 'deploy/cart', '--all', '-o', 'json');
  t.same(
    JSON.parse(json.stdout),
    ['shop/cart-2', 'shop/cart-1'].map((pod) => ({ pod, answer: CONFIG })),
  );
});

t.test('flags of the cluster stand in front of a command, too; those behind it count', async (t) => {
  const [own, api] = [await sidecar(t), await apiStandIn(t, objects)];
  const admin = ['--admin', `127.0.0.1:${own.port}`];
  const front = await siderouteMeanwhile('-n', 'shop', '--kubeconfig', api.kubeconfig, 'status', 'cart-1', ...admin);
  t.equal(front.status, 0, front.stderr);
  const both = await siderouteMeanwhile(
    '-n',
    'nowhere',
    '--kubeconfig',
    api.kubeconfig,
    'status',
    'cart-1',
    '-n',
    'shop',
    ...admin,
  );
  t.equal(both.status, 0, both.stderr);
  const other = await siderouteMeanwhile('-n', 'shop', 'inject');
  t.match(other, { status: 2, stderr: /--namespace: sideroute inject asks no pods of a cluster/ });
  const alone = await siderouteMeanwhile('-n', 'shop', 'status');
  t.match(alone, { status: 2, stderr: /--namespace: name a pod, too: sideroute -n shop status deploy\/NAME/ });
});

const FAULTS: readonly (readonly [string, readonly string[], RegExp])[] = [
  [
    'no sidecar',
    ['plain'],
    /shop\/plain has no container sideroute: .*sideroute\.dev\/injection=enabled.*rollout restart/,
  ],
  [
    'not running',
    ['pulling'],
    /pod shop\/pulling is Pending, and its container sideroute ImagePullBackOff; kubectl -n shop describe pod/,
  ],
  ['no such pod', ['gone'], /context "here" .*\/pods\/gone not found \(404\)/],
  ['a Service without selector', ['svc/outside'], /svc\/outside in namespace shop selects no pods; name a pod/],
  ['forbidden', ['x', '-n', 'other'], /cannot get resource "pods" .*docs\/cluster-commands\.md has the role/],
  ['an unknown kind', ['secret/x'], /got "secret\/x", expected a POD, or deploy\/NAME/],
  ['no such context', ['x', '--context', 'there'], /--context: there is no context "there"; there are: here/],
];

t.test('what cannot be asked is told, with what to type next', async (t) => {
  const api = await apiStandIn(t, objects);
  for (const [title, args, message] of FAULTS) {
    const { status, stdout, stderr } = await run(api, 15000, 'status', ...args);
    t.match(stderr, message, title);
    t.equal(stderr.split('\n').length, 2, `one line: ${title}`);
    t.same([status === 1 || status === 2, stdout], [true, ''], title);
  }
});

t.test('a port on which nothing listens, a port-forward that is refused, and a server that is gone', async (t) => {
  const message =
    'pods "cart-1" is forbidden: User "me" cannot create resource "pods/portforward" in API group "" in the namespace "shop"';
  let answer: string | Answer = 'error forwarding port 15000: dial tcp4 127.0.0.1:15000: connect: connection refused';
  const api = await apiStandIn(t, objects, () => answer);
  t.match(await run(api, 15000, 'status', 'cart-1'), {
    status: 1,
    stderr: /port 15000 of pod shop\/cart-1: nothing listens there/,
  });
  answer = { status: 403, body: { reason: 'Forbidden', message } };
  t.match(await run(api, 15000, 'status', 'cart-1'), {
    status: 1,
    stderr: /cannot create resource "pods\/portforward"/,
  });
  answer = { status: 401, body: { message: 'Unauthorized' } };
  t.match(await run(api, 15000, 'status', 'cart-1'), {
    status: 1,
    stderr: /does not take these credentials \(401\); log in anew/,
  });
});

t.test(
  'what passes a port-forward arrives whole, however large, and who reads slowly holds the sender up',
  async (t) => {
    const api = await apiStandIn(t, objects);
    const size = 20 * 1024 * 1024;
    const server = createTcpServer((socket) => {
      let got = 0;
      socket.on('data', (chunk) => {
        got += chunk.length;
        if (got === size) socket.end(Buffer.alloc(size, 'x'));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.teardown(() => void server.close());
    const client = new KubeClient(kubeTarget({ kubeconfig: api.kubeconfig }, {}).access, 'test');
    const { port } = server.address() as AddressInfo;
    const stream = await forwardPort(client, { namespace: 'shop', pod: 'cart-1', port });
    stream.end(Buffer.alloc(size, 'y'));
    let received = 0;
    let held = 0;
    await within(
      (async () => {
        for await (const chunk of stream as AsyncIterable<Buffer>) {
          received += chunk.length;
          held = Math.max(held, stream.readableLength);
        }
      })(),
      'everything has come',
      60_000,
    );
    t.equal(received, size);
    t.ok(held < 2 * 1024 * 1024, `${held} bytes were held`);
    client.close();
  },
);
