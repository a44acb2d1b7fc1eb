/**
 * Standard error and standard output that fail: without a reader, with one that stalls, full, closed. Traffic goes on, the
 * process neither ends nor grows, lost lines are counted, and told of when writing works again.
 */
import { execFileSync, type ChildProcess } from 'node:child_process';
import { chmodSync, constants, openSync, readFileSync, readSync, closeSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ConfigMapMount } from '../support/config-map-mount.ts';
import { eventually } from '../support/eventually.ts';
import { A_START_MS, stopProcess, waitForLine } from '../support/processes.ts';
import { fixture, PROXY_UID, SIDEROUTE } from '../support/sidecar.ts';
import { serviceFile } from '../support/services.ts';
import { startTwoPods } from '../support/two-pods.ts';

const ROUTE = `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: web, port: 80}]
  rules: [{backendRefs: [{name: v1, port: 80}]}]
`;
const GOOD = { 'services.yaml': serviceFile('web', 'v1'), 'route.yaml': ROUTE };
/** As many lines of the log. */
const PROBLEMS = 2_000;
/** Their lines of the access log, which nobody reads, are 2 MiB. */
const REQUESTS = 4_000;
const GROWTH_LIMIT_MIB = 8;

/** Routes with one problem each; all of them are other ones with each generation. */
function faulty(generation: number): Record<string, string> {
  const routes = Array.from(
    { length: PROBLEMS },
    (_, index) => `---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: faulty-${generation}-${index}, namespace: shop}
spec: {parentRefs: [{group: "", kind: Service, name: web, port: 80}], ${'x'.repeat(100)}: 1, rules: []}
`,
  );
  return { ...GOOD, 'faulty.yaml': routes.join('') };
}

t.setTimeout(280_000);
t.test('a sidecar whose standard streams fail', async (t) => {
  const { client, directory } = await startTwoPods(t);
  client.must([...SIDEROUTE, 'iptables', 'apply', '--service-cidrs', '10.96.0.0/16']);
  const routes = join(directory, 'routes');
  const volume = new ConfigMapMount(routes, GOOD);

  const curl = (url: string) => client.run(['curl', '-s', '--max-time', '10', url]);
  const metric = (name: string): number => {
    const text = curl('http://127.0.0.1:15020/metrics').stdout;
    return Number(new RegExp(`^${name}(?:\\{reason="bad_request"\\})? (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
  };
  /** A running sidecar; `redirections` as bash has them. */
  const start = async (t: Test, redirections: string): Promise<ChildProcess> => {
    const command = [...SIDEROUTE, 'proxy', '--routes', routes, '--drain-timeout', '0s'].join(' ');
    const child = client.spawn(['bash', '-c', `exec ${command} ${redirections}`], {
      asUid: PROXY_UID,
      stdio: 'ignore',
    });
    t.teardown(() => stopProcess(child, 'SIGKILL'));
    const isReady = (): boolean => {
      if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}`);
      return curl('http://127.0.0.1:15020/readyz').status === 0;
    };
    await eventually('ready', isReady, A_START_MS);
    return child;
  };
  const malformed = async (count: number): Promise<void> => {
    const flood = client.spawn(fixture('malformed-client', '10.96.0.10', '80', String(count)));
    t.equal(await waitForLine(flood, /^answered/, 120_000), `answered ${count}`);
  };
  const serves = (t: Test): void => {
    t.equal(curl('http://10.96.0.10/').stdout, 'Hello from Version 1\n', 'requests are served');
  };

  for (const [what, redirections] of [
    ['standard error has no reader any more', '2> >(exec true)'],
    ['both have no reader any more', '> >(exec true) 2>&1'],
    ['both are files on a disk that is full', '> /dev/full 2>&1'],
    ['standard error is closed', '2>&-'],
    ['both are closed', '>&- 2>&-'],
  ] as const) {
    await t.test(what, async (t) => {
      const child = await start(t, redirections);
      await malformed(20);
      t.equal(metric('sideroute_refused_requests_total'), 20);
      serves(t);
      volume.write(faulty(1));
      await eventually('applied', () => metric('sideroute_config_valid') === 0, 30_000);
      volume.write(GOOD);
      await eventually('applied', () => metric('sideroute_config_valid') === 1, 30_000);
      serves(t);
      // A closed descriptor is /dev/null to Node, which takes everything.
      if (!redirections.includes('&-')) t.ok(metric('sideroute_log_dropped_lines_total') > PROBLEMS, 'lines are lost');
      if (redirections.startsWith('>') && !redirections.includes('&-')) {
        t.equal(metric('sideroute_access_log_dropped_lines_total'), 20);
      }
      t.equal(await stopProcess(child), 0);
    });
  }

  await t.test('both have a reader that stalls, and reads on later', async (t) => {
    const paths = ['output', 'error'].map((name) => join(directory, name));
    execFileSync('mkfifo', paths);
    for (const path of paths) chmodSync(path, 0o666);
    const readers = paths.map((path) => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK));
    t.teardown(() => readers.forEach((fd) => closeSync(fd)));
    const child = await start(t, `> ${paths[0]} 2> ${paths[1]}`);
    const resident = (): number =>
      Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${child.pid}/status`, 'latin1'))![1]) / 1024;
    await malformed(REQUESTS);
    const before = resident();
    await malformed(REQUESTS);
    const growth = resident() - before;
    t.ok(growth < GROWTH_LIMIT_MIB, `${growth.toFixed(1)} MiB more for lines that nobody takes`);
    for (let generation = 1; generation <= 4; generation++) {
      volume.write(faulty(generation));
      await eventually('applied', () => metric('sideroute_config_generation') === generation + 1, 30_000);
    }
    serves(t);
    t.ok(metric('sideroute_log_dropped_lines_total') > PROBLEMS);
    t.ok(metric('sideroute_access_log_dropped_lines_total') > 0);

    const texts = ['', ''];
    const read = (index: number): string => {
      const buffer = Buffer.alloc(64 * 1024);
      for (;;) {
        try {
          const length = readSync(readers[index]!, buffer);
          if (length === 0) return texts[index]!;
          texts[index] = `${texts[index]!}${buffer.toString('latin1', 0, length)}`;
        } catch {
          return texts[index]!;
        }
      }
    };
    const told = (index: number, pattern: RegExp): number =>
      read(index)
        .split('\n')
        .filter((line) => pattern.test(line))
        .reduce((sum, line) => sum + (JSON.parse(line) as { lines: number }).lines, 0);
    await eventually(
      'the loss of log lines is told of',
      () => told(1, /"message":"lines of the log were lost"/) === metric('sideroute_log_dropped_lines_total'),
      30_000,
    );
    await eventually(
      'the loss of lines of the access log is told of',
      () => told(0, /"kind":"dropped"/) === metric('sideroute_access_log_dropped_lines_total'),
      30_000,
    );
    volume.write(GOOD);
    await eventually('later lines come', () => read(1).includes('"valid":true,"frontends":1'), 30_000);
    for (const index of [0, 1]) {
      const lines = read(index).split('\n').slice(0, -1);
      t.ok(lines.length > 100);
      for (const line of lines) JSON.parse(line);
    }
    t.equal(await stopProcess(child), 0);
  });
});
