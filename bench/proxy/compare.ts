/**
 * CPU time per proxied request, side by side: sideroute (each engine), HAProxy and nginx in the same place.
 *
 *     node dist/bench/proxy/compare.js [--rounds 5] [--seconds 5] [--connections 32] [--new-connections] [--system-calls]
 *         [--access-log off,errors,all] [--before DIR] [--proxies native,before,haproxy,nginx,uws]
 *
 * One network namespace; wrk dials the ClusterIP, REDIRECT takes it to the proxy under test, which chooses one of two
 * backends by a header. The proxy alone has core 0; load generator and backends have core 1. In every round every proxy is
 * started anew, and then they take turns of a second, `--seconds` each, so that what disturbs the machine disturbs all;
 * figures are the processor time of the proxy from /proc/PID/task/TID/schedstat divided by the requests wrk counted, medians
 * over the rounds, and ratios pair by pair within a round. With `--new-connections` each request has a connection of its own
 * (`Connection: close`), `--connections` of them at a time. With `--system-calls` the proxies run under strace, and what is
 * counted is what each of them asks of the kernel; no time means anything then. With `--access-log` the native engine runs
 * against itself, once in each of the modes, the first one being the measure; its log goes to a pipe that a process on core
 * 1 empties. With `--before` it runs against the one of another checkout that has been built: what a change costs. With
 * `--proxies native@PATH,native@PATH` it runs on those programs of Node. Needs root, wrk, haproxy, nginx, taskset, strace.
 */
import type { ChildProcess } from 'node:child_process';
import { chmodSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { ACCESS_LOG_MODES } from '../../src/addon/access-log.ts';
import { UWS_NODE_VERSIONS } from '../../src/uws-library/library.ts';
import { Cluster, type Pod } from '../../test/support/cluster.ts';
import { eventually } from '../../test/support/eventually.ts';
import { stopProcess } from '../../test/support/processes.ts';
import { PROXY_UID } from '../../test/support/sidecar.ts';
import { choicesOf, count, flagsOf, list, someOf } from '../flags.ts';
import { backendCommand } from '../peers/backends.ts';
import { CONTENDERS, makeContenders, type Contender } from './contenders.ts';
import { cpuMicroseconds, processes, quantile } from './processor-time.ts';
import { redirect } from './redirect.ts';
import { countedCalls } from './system-calls.ts';

interface Flags {
  readonly rounds: number;
  readonly seconds: number;
  readonly connections: number;
  readonly newConnections?: boolean;
  readonly systemCalls?: boolean;
  readonly accessLog?: readonly string[];
  readonly before?: string;
  readonly proxies?: readonly string[];
}

/** @throws InvalidArgumentError when there is no such proxy */
function contenderKeys(text: string): string[] {
  const keys = list(text);
  for (const key of keys) choicesOf(CONTENDERS)(key.replace(/[:@].*/s, ''));
  return keys;
}

const values = flagsOf('node dist/bench/proxy/compare.js', 'CPU time per proxied request, beside HAProxy and nginx.')
  .option('--rounds <n>', 'Rounds, each with proxies that are started anew', count, 5)
  .option('--seconds <n>', 'Turns of a second for each proxy in a round', count, 5)
  .option('--connections <n>', 'Connections of the load', count, 32)
  .option('--new-connections', 'Each request has a connection of its own')
  .option('--system-calls', 'Count system calls instead')
  .addOption(someOf('--access-log <mode,...>', 'Modes of the access log to compare', ACCESS_LOG_MODES))
  .option('--before <dir>', 'Compare with another checkout that has been built')
  .option('--proxies <name,...>', `Who takes part, of ${CONTENDERS.join(', ')}, native@NODE`, contenderKeys)
  .parse()
  .opts<Flags>();
const FIRST_PORT = 15001;
const WARM_UP_SECONDS = 2;
// Long, for a machine with other load.
const START_DEADLINE_MS = 60_000;

interface Sample {
  cpuUs: number;
  requests: number;
  seconds: number;
}

interface Running extends Contender {
  readonly child: ChildProcess;
}

function keys(): readonly string[] {
  const modes = values.accessLog;
  if (modes !== undefined) return modes.map((mode) => `native:${mode}`);
  if (values.proxies !== undefined) return values.proxies;
  if (values.before !== undefined) return ['native', 'before'];
  const hasUws = UWS_NODE_VERSIONS.includes(Number(process.versions.node.split('.')[0]));
  return ['native', 'haproxy', 'nginx', ...(hasUws ? ['uws'] : [])];
}

class Stage {
  readonly pod: Pod;
  readonly #script: string;

  constructor(pod: Pod, directory: string) {
    this.pod = pod;
    for (const last of ['10', '11', '12']) pod.must(['ip', 'addr', 'add', `10.96.0.${last}/32`, 'dev', 'lo']);
    pod.must(['sysctl', '-qw', 'net.ipv4.ip_unprivileged_port_start=0']);
    redirect(pod, '-A', FIRST_PORT);
    this.#script = join(directory, 'alternate.lua');
    const close = values.newConnections ? 'wrk.headers["Connection"] = "close"\n' : '';
    writeFileSync(
      this.#script,
      `local n = 0\n${close}request = function() n = n + 1; wrk.headers["Version"] = n % 2 == 0 and "new" or "old"; return wrk.format("GET", "/") end\n`,
    );
  }

  /** From now on connections go there. */
  choose(contender: Contender): void {
    redirect(this.pod, '-R', contender.port);
  }

  /** Requests that were answered. */
  load(name: string, seconds: number): number {
    const report = this.pod.must([
      ...['taskset', '-c', '1', 'wrk', '-t', '1', '-c', String(values.connections), '-d', `${seconds}s`],
      ...['-s', this.#script, 'http://10.96.0.10/'],
    ]);
    if (/Non-2xx|Socket errors/.test(report)) throw new Error(`${name}: ${report}`);
    return Number(/(\d+) requests in/.exec(report)?.[1]);
  }

  async start(contender: Contender, output: number): Promise<Running> {
    const child = this.pod.spawn(['taskset', '-c', '0', ...contender.command], {
      asUid: PROXY_UID,
      stdio: ['ignore', output, 'ignore'],
    });
    this.choose(contender);
    for (const [header, version] of [
      ['Version: old', '1'],
      ['Version: new', '2'],
    ] as const) {
      await eventually(
        `${contender.name} serves`,
        () => {
          const { stdout } = this.pod.run(['curl', '-s', '-m', '2', '-H', header, 'http://10.96.0.10/']);
          return stdout === `Hello from Version ${version}\n`;
        },
        START_DEADLINE_MS,
      );
    }
    this.load(contender.name, WARM_UP_SECONDS);
    return { ...contender, child };
  }
}

/** One sample for each contender, in their order. */
async function round(stage: Stage, contenders: readonly Contender[], output: number): Promise<Sample[]> {
  const running: Running[] = [];
  try {
    for (const contender of contenders) running.push(await stage.start(contender, output));
    const samples = running.map((): Sample => ({ cpuUs: 0, requests: 0, seconds: 0 }));
    for (let turn = 0; turn < values.seconds; turn++) {
      for (const [index, each] of running.entries()) {
        const sample = samples[index]!;
        stage.choose(each);
        const before = cpuMicroseconds(each.child.pid!);
        sample.requests += stage.load(each.name, 1);
        sample.cpuUs += cpuMicroseconds(each.child.pid!) - before;
        sample.seconds++;
      }
    }
    return samples;
  } finally {
    for (const { child } of running) await stopProcess(child);
  }
}

async function compareTime(stage: Stage, contenders: readonly Contender[], output: number): Promise<void> {
  const costs = contenders.map((): number[] => []);
  const rates = contenders.map((): number[] => []);
  for (let number = 1; number <= values.rounds; number++) {
    for (const [index, sample] of (await round(stage, contenders, output)).entries()) {
      costs[index]!.push(sample.cpuUs / sample.requests);
      rates[index]!.push(sample.requests / sample.seconds);
      const figures = `${costs[index]!.at(-1)!.toFixed(2)} us, ${rates[index]!.at(-1)!.toFixed(0)} req/s`;
      process.stderr.write(`round ${number} ${contenders[index]!.name}: ${figures}\n`);
    }
  }
  const load = values.newConnections ? 'a connection for each request' : 'keep-alive';
  process.stdout.write(
    `${cpus()[0]?.model ?? ''}, Node ${process.version}, ${values.connections} connections, ${load}, ${values.rounds} rounds of ${values.seconds} s\n\n` +
      `| Proxy | CPU us / request (median) | ${contenders[0]!.name} relative to it, pair by pair (median, quartiles) | requests/s |\n|---|---|---|---|\n`,
  );
  for (const [index, { name }] of contenders.entries()) {
    const ratios = costs[index]!.map((cost, at) => costs[0]![at]! / cost);
    const [low, middle, high] = [0.25, 0.5, 0.75].map((part) => quantile(ratios, part).toFixed(2));
    const [cost, rate] = [quantile(costs[index]!, 0.5).toFixed(1), quantile(rates[index]!, 0.5).toFixed(0)];
    process.stdout.write(`| ${name} | ${cost} | ${middle}x (${low} - ${high}) | ${rate} |\n`);
  }
}

/** System calls of each contender per request, by name. */
async function countSystemCalls(stage: Stage, contenders: readonly Contender[], output: number): Promise<void> {
  for (const contender of contenders) {
    const running = await stage.start(contender, output);
    try {
      let requests = 0;
      const calls = await countedCalls(processes(running.child.pid!), () => {
        requests = stage.load(contender.name, values.seconds);
      });
      process.stdout.write(`${contender.name}: calls for each of ${requests} requests\n`);
      const sum = [...calls.values()].reduce((before, count) => before + count, 0);
      for (const [name, count] of [...calls, ['total', sum] as const]) {
        const each = count / requests;
        if (each >= 0.005) process.stdout.write(`  ${each.toFixed(2).padStart(6)} ${name}\n`);
      }
    } finally {
      await stopProcess(running.child);
    }
  }
}

const directory = mkdtempSync(join(tmpdir(), 'sideroute-bench-'));
chmodSync(directory, 0o777);
const cluster = new Cluster();
const helpers: ChildProcess[] = [];
try {
  const pod = cluster.addPod('bench');
  const stage = new Stage(pod, directory);
  helpers.push(pod.spawn(['taskset', '-c', '1', ...backendCommand(directory)], { stdio: 'ignore' }));
  const pipe = join(directory, 'log');
  pod.must(['mkfifo', pipe]);
  helpers.push(pod.spawn(['taskset', '-c', '1', 'dd', `if=${pipe}`, 'of=/dev/null', 'bs=64k'], { stdio: 'ignore' }));
  const output = openSync(pipe, 'w');
  const contenders = makeContenders({ directory, keys: keys(), before: values.before, firstPort: FIRST_PORT });
  await (values.systemCalls ? countSystemCalls : compareTime)(stage, contenders, output);
} finally {
  for (const helper of helpers) helper.kill('SIGKILL');
  cluster.close();
  rmSync(directory, { recursive: true, force: true });
}
