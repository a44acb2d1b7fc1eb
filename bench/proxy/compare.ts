/**
 * CPU time per proxied request, side by side: sideroute (each engine), HAProxy and nginx in the same place.
 *
 *     node dist/bench/proxy/compare.js [--rounds 5] [--seconds 5] [--connections 32] [--access-log off,errors,all] [--before DIR]
 *
 * One network namespace; wrk dials the ClusterIP, REDIRECT takes it to the proxy under test, which chooses one of two
 * backends by a header. The proxy alone has core 0; load generator and backends have core 1. Every proxy runs in every
 * round, so that what disturbs the machine disturbs all; figures are utime + stime of the proxy from /proc/PID/stat
 * divided by the requests wrk counted, medians over the rounds, and ratios pair by pair within a round. With
 * `--access-log` the native engine runs against itself, once in each of the modes, the first one being the measure; its
 * log goes to a pipe that a process on core 1 empties. With `--before` it runs against the one of another checkout that
 * has been built: what a change costs. Needs root, wrk, haproxy, nginx, taskset.
 */
import type { ChildProcess } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Cluster, type Pod } from '../../test/support/cluster.ts';
import { ConfigMapMount } from '../../test/support/config-map-mount.ts';
import { eventually } from '../../test/support/eventually.ts';
import { stopProcess } from '../../test/support/processes.ts';
import { PROXY_UID, SIDEROUTE } from '../../test/support/sidecar.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '5' },
    connections: { type: 'string', default: '32' },
    'access-log': { type: 'string' },
    before: { type: 'string' },
  },
});
const PORT = 15001;
const TICKS_PER_SECOND = 100;
const SCENARIO = new URL('../../../test/fixtures/scenario/', import.meta.url);

interface Contender {
  readonly name: string;
  readonly command: readonly string[];
}

interface Sample {
  readonly cpuUs: number;
  readonly requestsPerSecond: number;
}

/** utime + stime of a process and its children that still run, in microseconds. */
function cpuMicroseconds(pid: number): number {
  let ticks = 0;
  for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (Number(entry) === pid || Number(fields[1]) === pid) ticks += Number(fields[11]) + Number(fields[12]);
    } catch {
      // Ended between the listing and the reading.
    }
  }
  return (ticks / TICKS_PER_SECOND) * 1_000_000;
}

function contenders(directory: string): Contender[] {
  writeFileSync(
    join(directory, 'haproxy.cfg'),
    `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 3s
  timeout client 1h
  timeout server 1h
  option http-keep-alive
  http-reuse always
frontend in
  bind 127.0.0.1:${PORT}
  use_backend v2 if { req.hdr(version) -m str new }
  default_backend v1
backend v1
  server s 10.96.0.11:80
backend v2
  server s 10.96.0.12:80
`,
  );
  writeFileSync(
    join(directory, 'nginx.conf'),
    `daemon off; worker_processes 1; pid ${directory}/nginx.pid; error_log ${directory}/nginx.log;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 100000000; keepalive_timeout 1h;
  client_body_temp_path ${directory}/nginx-body; proxy_temp_path ${directory}/nginx-proxy;
  fastcgi_temp_path ${directory}/nginx-f; uwsgi_temp_path ${directory}/nginx-u; scgi_temp_path ${directory}/nginx-s;
  upstream v1 { server 10.96.0.11:80; keepalive 64; keepalive_requests 100000000; }
  upstream v2 { server 10.96.0.12:80; keepalive 64; keepalive_requests 100000000; }
  map $http_version $choice { default v1; new v2; }
  server {
    listen 127.0.0.1:${PORT};
    location / { proxy_pass http://$choice; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host; }
  }
}
`,
  );
  const routes = new ConfigMapMount(join(directory, 'routes'), {
    'services.yaml': readFileSync(new URL('services.yaml', SCENARIO), 'utf8'),
    'route.yaml': readFileSync(new URL('my-server-route.yaml', SCENARIO), 'utf8'),
  });
  /** Without `accessLog` with the one that is the default. */
  const sideroute = (engine: string, accessLog?: string) => ({
    name: accessLog === undefined ? `sideroute ${engine}` : `sideroute ${engine}, access log ${accessLog}`,
    command: [
      ...[...SIDEROUTE, 'proxy', '--routes', routes.path, '--engine', engine, '--drain-quiet', '0s'],
      ...['--log-level', 'error', ...(accessLog === undefined ? [] : ['--access-log', accessLog])],
    ],
  });
  const modes = values['access-log'];
  if (modes !== undefined) return modes.split(',').map((mode) => sideroute('native', mode));
  if (values.before !== undefined) {
    const [node, sourceMaps, , ...args] = sideroute('native').command;
    const main = join(resolve(values.before), 'dist', 'src', 'main.js');
    return [sideroute('native'), { name: 'sideroute native before', command: [node!, sourceMaps!, main, ...args] }];
  }
  return [
    sideroute('native'),
    { name: 'HAProxy', command: ['haproxy', '-db', '-f', join(directory, 'haproxy.cfg')] },
    { name: 'nginx', command: ['nginx', '-p', directory, '-c', join(directory, 'nginx.conf')] },
    sideroute('uws'),
  ];
}

function startBackends(pod: Pod, directory: string): ChildProcess {
  const prefix = join(directory, 'backend');
  mkdirSync(prefix);
  writeFileSync(
    join(prefix, 'nginx.conf'),
    `daemon off; worker_processes 1; user root; pid ${prefix}/pid; error_log ${prefix}/log;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 100000000; keepalive_timeout 1h;
  client_body_temp_path ${prefix}/b; proxy_temp_path ${prefix}/p; fastcgi_temp_path ${prefix}/f; uwsgi_temp_path ${prefix}/u; scgi_temp_path ${prefix}/s;
  server { listen 10.96.0.11:80; location / { return 200 "Hello from Version 1\\n"; } }
  server { listen 10.96.0.12:80; location / { return 200 "Hello from Version 2\\n"; } }
}
`,
  );
  return pod.spawn(['taskset', '-c', '1', 'nginx', '-p', prefix, '-c', join(prefix, 'nginx.conf')], {
    stdio: 'ignore',
  });
}

async function measure(pod: Pod, contender: Contender, script: string, output: number): Promise<Sample> {
  const child = pod.spawn(['taskset', '-c', '0', ...contender.command], {
    asUid: PROXY_UID,
    stdio: ['ignore', output, 'ignore'],
  });
  const wrk = (seconds: string) =>
    pod.must([
      ...['taskset', '-c', '1', 'wrk', '-t', '1', '-c', values.connections, '-d', `${seconds}s`],
      ...['-s', script, 'http://10.96.0.10/'],
    ]);
  try {
    for (const [header, version] of [
      ['Version: old', '1'],
      ['Version: new', '2'],
    ] as const) {
      await eventually(`${contender.name} serves`, () => {
        const { stdout } = pod.run(['curl', '-s', '-m', '2', '-H', header, 'http://10.96.0.10/']);
        return stdout === `Hello from Version ${version}\n`;
      });
    }
    wrk('2');
    const before = cpuMicroseconds(child.pid!);
    const report = wrk(values.seconds);
    const cpuUs = cpuMicroseconds(child.pid!) - before;
    const requests = Number(/(\d+) requests in/.exec(report)?.[1]);
    if (/Non-2xx|Socket errors/.test(report)) throw new Error(`${contender.name}: ${report}`);
    return { cpuUs: cpuUs / requests, requestsPerSecond: requests / Number(values.seconds) };
  } finally {
    await stopProcess(child);
    await eventually(
      'the port is free',
      () => !pod.run(['ss', '-Hltn', `sport = :${PORT}`]).stdout.includes(String(PORT)),
    );
  }
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

const directory = mkdtempSync(join(tmpdir(), 'sideroute-bench-'));
chmodSync(directory, 0o777);
const cluster = new Cluster();
let backends: ChildProcess | null = null;
let logReader: ChildProcess | null = null;
try {
  const pod = cluster.addPod('bench');
  for (const last of ['10', '11', '12']) pod.must(['ip', 'addr', 'add', `10.96.0.${last}/32`, 'dev', 'lo']);
  pod.must([
    ...[
      'iptables',
      '-w',
      '-t',
      'nat',
      '-A',
      'OUTPUT',
      '-p',
      'tcp',
      '-d',
      '10.96.0.0/16',
      '-m',
      'owner',
      '!',
      '--uid-owner',
    ],
    ...[String(PROXY_UID), '-j', 'REDIRECT', '--to-ports', String(PORT)],
  ]);
  pod.must(['sysctl', '-qw', 'net.ipv4.ip_unprivileged_port_start=0']);
  const script = join(directory, 'alternate.lua');
  writeFileSync(
    script,
    'local n = 0\nrequest = function() n = n + 1; wrk.headers["Version"] = n % 2 == 0 and "new" or "old"; return wrk.format("GET", "/") end\n',
  );
  backends = startBackends(pod, directory);
  const pipe = join(directory, 'log');
  pod.must(['mkfifo', pipe]);
  logReader = pod.spawn(['taskset', '-c', '1', 'dd', `if=${pipe}`, 'of=/dev/null', 'bs=64k'], { stdio: 'ignore' });
  const output = openSync(pipe, 'w');
  const all = contenders(directory);
  const samples = new Map<string, Sample[]>(all.map(({ name }) => [name, []]));
  for (let round = 1; round <= Number(values.rounds); round += 1) {
    for (const contender of all) {
      const sample = await measure(pod, contender, script, output);
      samples.get(contender.name)!.push(sample);
      process.stderr.write(
        `round ${round} ${contender.name}: ${sample.cpuUs.toFixed(2)} us, ${sample.requestsPerSecond.toFixed(0)} req/s\n`,
      );
    }
  }
  const [own] = all;
  process.stdout.write(
    `${cpus()[0]?.model ?? ''}, Node ${process.version}, ${values.connections} connections, ${values.rounds} rounds of ${values.seconds} s\n\n`,
  );
  process.stdout.write(
    `| Proxy | CPU us / request (median) | ${own!.name} relative to it, pair by pair (median) | requests/s |\n|---|---|---|---|\n`,
  );
  for (const { name } of all) {
    const list = samples.get(name)!;
    const ratio = median(list.map((sample, index) => samples.get(own!.name)![index]!.cpuUs / sample.cpuUs));
    process.stdout.write(
      `| ${name} | ${median(list.map((sample) => sample.cpuUs)).toFixed(1)} | ${ratio.toFixed(2)}x | ${median(list.map((sample) => sample.requestsPerSecond)).toFixed(0)} |\n`,
    );
  }
} finally {
  backends?.kill('SIGKILL');
  logReader?.kill('SIGKILL');
  cluster.close();
  rmSync(directory, { recursive: true, force: true });
}
