/** `sideroute tap`: what it asks, what it prints of a stream, how it ends; through a stand-in of the API server as well. */
import { spawn } from 'node:child_process';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { parseAllDocuments } from 'yaml';
import { apiStandIn, podObject, type Answer } from '../support/api-stand-in.ts';
import { siderouteMeanwhile } from '../support/cli.ts';
import { eventually } from '../support/eventually.ts';
import { SIDEROUTE } from '../support/sidecar.ts';

const RECORD = {
  ...{ time: '2026-03-02T09:14:07.512Z', kind: 'request', method: 'GET', path: '/cart', host: 'cart.shop' },
  ...{ code: 504, grpc_status: null, reason: 'timeout', retries: 1, duration_ms: 500.212 },
  ...{ route: 'shop/cart', rule: 'new', backend: 'shop/cart-v2:80' },
};
const CALL = {
  ...{
    time: '2026-03-02T09:14:08.001Z',
    method: 'POST',
    path: '/a.B/C',
    host: 'b',
    code: 200,
    grpc_status: 'NOT_FOUND',
  },
  ...{ reason: null, retries: 0, duration_ms: 1.9, route: null, rule: null, backend: null },
  headers: { 'x-user': '\u001b[31mme' },
};
const BEGIN = { dropped: 0 };
const END = { dropped: 0, end: 'duration', records: 2, total_dropped: 3 };

const text = (lines: readonly object[]): string => lines.map((line) => `${JSON.stringify(line)}\n`).join('');

interface Endpoint {
  readonly port: number;
  readonly asked: string[];
  readonly flag: string;
}

/** The private endpoint of a sidecar. */
async function endpoint(t: Test, answer: (response: ServerResponse) => void): Promise<Endpoint> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    answer(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { port, asked, flag: `--admin=127.0.0.1:${port}` };
}

t.test('a table for people, with the sum at the end', async (t) => {
  const own = await endpoint(t, (response) => {
    // Wherever the pieces end.
    const whole = text([BEGIN, RECORD, { dropped: 3 }, CALL, END]);
    response.write(whole.slice(0, 100));
    response.end(whole.slice(100));
  });
  const result = await siderouteMeanwhile('tap', own.flag);
  t.equal(result.status, 0);
  t.equal(
    result.stdout,
    [
      'TIME          CODE  TOOK      ROUTE      RULE  BACKEND          REQUEST',
      '09:14:07.512  504   500.2ms   shop/cart  new   shop/cart-v2:80  GET cart.shop/cart (timeout, 1 retry)',
      '09:14:08.001  200 NOT_FOUND  1.9ms     -          -     -                POST b/a.B/C (x-user: \\x1b[31mme)',
      '',
    ].join('\n'),
  );
  t.match(
    result.stderr,
    /^sideroute: 2 requests in \d+\.\ds: 1 2xx, 1 5xx; 3 more were left out, --sample takes a share\n$/,
  );
  t.same(own.asked, ['/tap']);
});

t.test('JSON and YAML have all of it, and what was left out', async (t) => {
  const lines = [BEGIN, RECORD, { dropped: 3 }, CALL, END];
  const own = await endpoint(t, (response) => response.end(text(lines)));
  const json = await siderouteMeanwhile('tap', own.flag, '-o', 'json');
  t.equal(json.stdout, text([RECORD, { dropped: 3 }, CALL]));
  const yaml = await siderouteMeanwhile('tap', own.flag, '-o', 'yaml');
  t.same(
    parseAllDocuments(yaml.stdout).map((document) => (document as { toJS(): unknown }).toJS()),
    [RECORD, { dropped: 3 }, CALL],
  );
});

t.test('filters go to the sidecar as they are; it ends with its limit by itself', async (t) => {
  const own = await endpoint(t, (response) => response.write(text([BEGIN, RECORD, RECORD, RECORD])));
  const filters = ['--route', 'shop/cart', '--rule', 'new', '--code', '5xx', '--path', '/a b', '--sample', '0.1'];
  const others = ['--header', 'x-user: me', '--header', 'x-trace', '--limit', '2', '--duration', '30s'];
  const { status, stdout, stderr } = await siderouteMeanwhile('tap', own.flag, '-o', 'json', ...filters, ...others);
  t.same([status, stdout], [0, text([RECORD, RECORD])]);
  t.match(stderr, /^sideroute: 2 requests in /);
  const query =
    'route=shop%2Fcart&rule=new&code=5xx&path=%2Fa+b&sample=0.1&limit=2&duration=30s&header=x-user%3A+me&header=x-trace';
  t.same(own.asked, [`/tap?${query}`]);
});

t.test('Ctrl-C ends it, with the sum', async (t) => {
  const own = await endpoint(t, (response) => response.write(text([BEGIN, RECORD])));
  const [node, ...args] = SIDEROUTE;
  const child = spawn(node, [...args, 'tap', own.flag, '-o', 'json'], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => (stdout += String(chunk)));
  child.stderr.on('data', (chunk) => (stderr += String(chunk)));
  const closed = new Promise((resolve) => child.once('close', resolve));
  await eventually('a request', () => stdout !== '', 60_000);
  child.kill('SIGINT');
  t.equal(await closed, 0);
  t.equal(stdout, text([RECORD]));
  t.match(stderr, /^sideroute: 1 request in \d+\.\ds: 1 5xx\n$/);
});

t.test('what is wrong', async (t) => {
  const cases: readonly (readonly [string, (response: ServerResponse) => void, number, RegExp])[] = [
    ['a parameter', (r) => r.writeHead(400).end('code: got "x"\n'), 2, /^sideroute: code: got "x"\n$/],
    [
      'too many',
      (r) => r.writeHead(429).end('there are 8 taps already\n'),
      1,
      /answered 429: there are 8 taps already\n$/,
    ],
    [
      'an older version',
      (r) => r.writeHead(404).end('There is:\n/\n'),
      1,
      /no such endpoint: an older version of sideroute\n$/,
    ],
    ['broken off', (r) => r.end(text([BEGIN, RECORD])), 1, /the sidecar: the connection broke off\n$/],
    [
      'ended',
      (r) => r.end(text([BEGIN, { ...END, end: 'shutdown' }])),
      0,
      /^sideroute: the sidecar has ended\nsideroute: 0 requests/,
    ],
  ];
  for (const [title, answer, status, message] of cases) {
    const own = await endpoint(t, answer);
    const result = await siderouteMeanwhile('tap', own.flag, '-o', 'json');
    t.equal(result.status, status, title);
    t.match(result.stderr, message, title);
  }
  const nobody = await siderouteMeanwhile('tap', '--admin', '127.0.0.1:1');
  t.match(nobody, { status: 1, stderr: /^sideroute: http:\/\/127\.0\.0\.1:1\/tap: / });
  t.match(await siderouteMeanwhile('tap', '--limit', '0'), { status: 2, stderr: /--limit <number>.*got "0"/ });
  t.match(await siderouteMeanwhile('tap', '--all'), { status: 2, stderr: /--all: name a pod, too/ });
});

const PODS = '/api/v1/namespaces/shop/pods';

function objects(path: string): Answer | null {
  if (path === '/apis/apps/v1/namespaces/shop/deployments/cart')
    return { body: { spec: { selector: { matchLabels: { app: 'cart' } } } } };
  if (path.startsWith(`${PODS}?`)) return { body: { items: [podObject('cart-1'), podObject('cart-2')] } };
  return null;
}

t.test(
  'the pods of a Deployment together, each line with its pod; one that cannot be asked leaves the others alone',
  async (t) => {
    const one = await endpoint(t, (response) => response.end(text([BEGIN, RECORD, { ...END, records: 1 }])));
    const broken = await endpoint(t, (response) => response.writeHead(429).end('there are 8 taps already\n'));
    let second = one;
    const api = await apiStandIn(t, objects, (pod) => (pod === 'cart-1' ? one.port : second.port));
    const run = (...args: string[]) =>
      siderouteMeanwhile('tap', 'deploy/cart', '--kubeconfig', api.kubeconfig, '--code', '5xx', ...args);
    const both = await run('--all', '-o', 'json');
    t.equal(both.status, 0, both.stderr);
    t.same(
      both.stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as unknown)
        .sort((a, b) => ((a as { pod: string }).pod < (b as { pod: string }).pod ? -1 : 1)),
      ['shop/cart-1', 'shop/cart-2'].map((pod) => ({ ...RECORD, pod })),
    );
    t.match(both.stderr, /^sideroute: 2 requests in /);
    t.same(one.asked, ['/tap?code=5xx', '/tap?code=5xx']);

    second = broken;
    const first = await run('--all');
    t.equal(first.status, 1);
    t.match(first.stdout, /^POD +TIME .*\nshop\/cart-1  09:14:07\.512  504 [^\n]*\n$/s);
    t.match(
      first.stderr,
      /^sideroute: pod shop\/cart-2, .*: answered 429: there are 8 taps already\nsideroute: 1 request in /,
    );

    const ready = await run('-o', 'json');
    t.equal(ready.stdout, text([RECORD]));
    t.match(ready.stderr, /^sideroute: deploy\/cart has 2 pods; this is cart-1, --all asks every one\n/);
  },
);
