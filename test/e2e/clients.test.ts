/**
 * Clients as they are, through REDIRECT and the native engine: each gets the status, the header fields and the body that
 * the same request gets in a pod without sideroute, and the server sees the same request.
 */
// Needs: ab.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { BACKENDS, CLIENT_FILES, startClientPods, startNginx, type Backend } from '../support/client-pods.ts';
import { Cluster, type Pod } from '../support/cluster.ts';
import { fixture, temporaryDirectory } from '../support/sidecar.ts';

/** RFC 9110 section 7.6.1, and Date, which differs by the second. */
const NOT_COMPARED = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'date']);

t.setTimeout(120_000);
const cluster = new Cluster();
t.teardown(() => cluster.close());
const directory = temporaryDirectory();
t.teardown(directory.remove);
const { routed, plain, sidecar } = await startClientPods(cluster, directory.path);
const upload = join(directory.path, 'upload');
writeFileSync(upload, Buffer.alloc(2 * 1024 * 1024, 'two mebibytes '));

/** Status codes (interim ones too), compared header lines in order, and the digest of the body. */
interface Answer {
  readonly statuses: readonly string[];
  readonly fields: readonly string[];
  readonly body: string;
}

function curl(pod: Pod, args: readonly string[]): Answer {
  const head = join(directory.path, `${pod.name}.head`);
  const body = join(directory.path, `${pod.name}.body`);
  writeFileSync(body, '');
  const output = args.includes('-I') ? '/dev/null' : body;
  const standardInput = args.includes('-') ? { input: 'x'.repeat(300_000) } : {};
  pod.must(['curl', '-sS', '--max-time', '20', '-D', head, '-o', output, ...args], standardInput);
  const lines = readFileSync(head, 'latin1').split('\r\n');
  return {
    statuses: lines.filter((line) => line.startsWith('HTTP/')).map((line) => line.split(' ')[1]!),
    fields: lines.filter((line) => /^[^ ]+:/.test(line) && !NOT_COMPARED.has(line.split(':')[0]!.toLowerCase())),
    body: createHash('sha256').update(readFileSync(body)).digest('hex'),
  };
}

/**
 * The upstream hop speaks HTTP/1.1 whatever the client speaks (RFC 9110 section 6.2), so an answer to HTTP/1.0 may gain
 * the Content-Length that its server sends only with HTTP/1.1.
 */
function compareHttp10(t: Test, command: readonly string[], title: string): void {
  const direct = curl(plain, command);
  const answer = curl(routed, command);
  const isLength = (line: string) => line.startsWith('Content-Length:');
  const fields = direct.fields.some(isLength) ? answer.fields : answer.fields.filter((line) => !isLength(line));
  t.same({ ...answer, fields }, direct, title);
}

/** Path below the backend's prefix. */
function url(backend: Backend, path: string): string {
  return `http://web-${backend}/${backend}${path}`;
}

/** What routing needs to see: the path says nginx and Node, a header says Python. */
function mark(backend: Backend): string[] {
  return backend === 'python' ? ['-H', 'X-Backend: python'] : [];
}

for (const backend of BACKENDS) {
  const cases: readonly (readonly [title: string, statuses: string, path: string, ...args: string[]])[] = [
    ['GET', '200', '/echo?a=1&b=%20', '-H', 'X-Empty;', '-H', 'x-CASE: Kept', '-H', 'X-Many: 1', '-H', 'X-Many: 2'],
    ['POST with a body', '200', '/echo', '--data-binary', 'a=1&b=2'],
    ['HEAD', '200', '/echo', '-I'],
    ['HTTP/1.0 GET', '200', '/echo', '-0'],
    ['HTTP/1.0 POST', '200', '/echo', '-0', '--data-binary', 'a=1'],
    ...(backend === 'nginx'
      ? ([
          ['a large file', '200', '/3000000.bin'],
          ['an empty file', '200', '/0.bin'],
          ['HEAD of a file', '200', '/100000.bin', '-I'],
          ['a range', '206', '/100000.bin', '-r', '1000-70000'],
          ['an impossible range', '416', '/4096.bin', '-r', '5000-6000'],
          ['a file that did not change', '304', '/1.bin', '-z', 'Tue, 01 Jan 2047 00:00:00 GMT'],
          ['a compressed page', '200', '/page.txt', '-H', 'Accept-Encoding: gzip'],
          ['HTTP/1.0 of a file', '200', '/100000.bin', '-0'],
          ['a redirection', '301', '/moved'],
          ['an error of the server', '410', '/gone'],
          ['no content', '204', '/empty'],
          ['a file that is not there', '404', '/missing'],
        ] as const)
      : ([
          ['chunked upload', '100 200', '/echo', '-T', '-'],
          ['Expect: 100-continue', '100 200', '/echo', '-H', 'Expect: 100-continue', '--data-binary', `@${upload}`],
          ['upload without Expect', '200', '/echo', '-H', 'Expect:', '-T', upload],
          ['a large answer', '200', '/bytes/3000000'],
          ['an answer of unknown length', '200', '/stream'],
          ['HTTP/1.0 of an answer of unknown length', '200', '/stream', '-0'],
          ['DELETE of what is not there', '404', '/missing', '-X', 'DELETE'],
        ] as const)),
  ];
  t.test(`curl to ${backend}`, (t) => {
    for (const [title, statuses, path, ...args] of cases) {
      const command = [...args, ...mark(backend), url(backend, path)];
      const direct = curl(plain, command);
      t.equal(direct.statuses.join(' '), statuses, `${title}: the case does what it says`);
      if (args.includes('-0')) compareHttp10(t, command, title);
      else t.same(curl(routed, command), direct, title);
    }
    t.end();
  });
}

interface Exchange {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
}

function withoutHopByHop<T extends Exchange>(transcript: readonly T[]): T[] {
  return transcript.map((exchange) => ({
    ...exchange,
    headers: exchange.headers.filter(([name]) => !NOT_COMPARED.has(name.toLowerCase())),
  }));
}

for (const backend of ['node', 'python'] as const) {
  t.test(`Node's fetch to ${backend}`, (t) => {
    const run = (pod: Pod) =>
      withoutHopByHop(JSON.parse(pod.must(fixture('fetch-client', url(backend, '')))) as Exchange[]);
    const direct = run(plain);
    t.equal(direct.map(({ status }) => status).join(' '), `200 200 200 200 200 404${' 200'.repeat(20)}`);
    t.same(run(routed), direct);
    t.end();
  });

  t.test(`Python's http.client to ${backend}`, (t) => {
    const run = (pod: Pod) => {
      const command = ['python3', join(CLIENT_FILES, 'client.py'), `web-${backend}`, `/${backend}`];
      const { kept, transcript } = JSON.parse(pod.must(command)) as { kept: boolean; transcript: Exchange[] };
      return { kept, transcript: withoutHopByHop(transcript) };
    };
    const direct = run(plain);
    t.ok(direct.kept && direct.transcript.every(({ status }) => status === 200), 'one connection, every answer 200');
    t.same(run(routed), direct);
    t.end();
  });
}

t.test("nginx with the defaults of proxy_pass as the application's client", async (t) => {
  const locations = BACKENDS.map(
    (name) =>
      `location /${name}/ { proxy_pass http://web-${name}; ${name === 'python' ? 'proxy_set_header X-Backend python;' : ''} }`,
  );
  for (const pod of [routed, plain]) {
    await startNginx(pod, join(directory.path, pod.name), 8000, locations.join('\n'));
  }
  for (const path of [
    '/nginx/3000000.bin',
    '/nginx/missing',
    '/node/echo?a=1',
    '/node/stream',
    '/python/bytes/500000',
  ]) {
    const command = [`http://127.0.0.1:8000${path}`];
    compareHttp10(t, command, `GET ${path}`);
  }
  writeFileSync(upload, Buffer.alloc(900_000, 'below the limit of nginx '));
  for (const path of ['/node/echo', '/python/echo']) {
    const command = ['--data-binary', `@${upload}`, '-H', 'Content-Type: text/plain', `http://127.0.0.1:8000${path}`];
    compareHttp10(t, command, `POST ${path}`);
  }
});

t.test('ab', (t) => {
  const requests = 200;
  /** Lines of its report that do not depend on time or on hop-by-hop fields. */
  const run = (pod: Pod, args: readonly string[]) => {
    const report = pod.must(['ab', '-q', '-s', '20', '-n', String(requests), '-c', '4', ...args]);
    const kept = Number(/^Keep-Alive requests: +(\d+)$/m.exec(report)?.[1] ?? 0);
    const lines = report.split('\n').filter((line) => /^(Server S|Doc|Complete|Failed|Non-2xx|HTML)/.test(line));
    return { kept, lines };
  };
  for (const keep of [[], ['-k']]) {
    for (const [backend, path] of [
      ['nginx', '/4096.bin'],
      ['node', '/bytes/4096'],
    ] as const) {
      const command = [...keep, url(backend, path)];
      const direct = run(plain, command);
      const answer = run(routed, command);
      t.match(direct.lines.join('\n'), /Failed requests: +0$/m);
      t.same(answer.lines, direct.lines, `ab ${command.join(' ')}`);
      t.equal(answer.kept, keep.length > 0 ? requests : 0, 'connections are kept when asked for, as with HTTP/1.0');
    }
  }
  t.end();
});

t.test('a WebSocket: text and binary frames of many sizes, ping, closing handshake', (t) => {
  const run = (pod: Pod) => pod.must(['timeout', '20', ...fixture('websocket-client', url('node', '/socket'))]);
  const direct = run(plain);
  t.match(JSON.parse(direct), { status: 101, accepted: true, ended: true });
  t.equal((JSON.parse(direct) as { received: unknown[] }).received.length, 17, 'welcome and an echo of each frame');
  t.equal(run(routed), direct);
  t.end();
});

t.test('sideroute carried every request to the backend that its path or header names', async (t) => {
  for (const backend of BACKENDS) {
    const served = sidecar.metric(new RegExp(`^sideroute_requests_total\\{.*backend_name="${backend}".*code="200"`));
    t.ok(served > 0, `${backend}: ${served} requests`);
  }
  t.equal(await sidecar.stop(), 0);
});
