/**
 * What a second worker gives: requests a second and CPU time per request of a sidecar with two workers, and of one with one.
 *
 *     node dist/bench/proxy/workers.js [--pairs 10] [--share 0.2] [--connections 64]
 *
 * A second worker needs a second free processor, in addition to those of the load generator and the backends, so two processors are not enough.
 * Therefore each worker gets a smaller processor of its own: the kernel lets its thread run for `--share` of the time (CFS bandwidth of cgroup
 * v1, periods of 10 ms), and the rest of the machine is free for the others. The output says how much of its share each worker used. Below nine
 * tenths, something else limited the requests, and the ratio means nothing. One network namespace, REDIRECT to the sidecar, nginx behind it, wrk.
 * Both sidecars run all the time and take turns of a second. Figures are medians; ratios are taken pair by pair. Needs root, the cpu controller
 * of cgroup v1 at /sys/fs/cgroup/cpu, wrk and nginx.
 */
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { stopProcess } from '../../test/support/processes.ts';
import { count, flagsOf, share } from '../flags.ts';
import { BenchPlace } from './place.ts';
import { cpuMicroseconds, quantile } from './processor-time.ts';
import { redirect } from './redirect.ts';

const values = flagsOf(
  'node dist/bench/proxy/workers.js',
  'What a second worker gives: requests a second, and CPU time per request.',
)
  .option('--pairs <n>', 'Pairs of turns of a second', count, 10)
  .option('--share <share>', 'Share of a processor that each worker has', share, 0.2)
  .option('--connections <n>', 'Connections of the load', count, 64)
  .parse()
  .opts<{ readonly pairs: number; readonly share: number; readonly connections: number }>();
const FIRST_PORT = 15001;
const CGROUPS = '/sys/fs/cgroup/cpu';
const PERIOD_US = 10_000;
const WARM_UP_TURNS = 2;

interface Turn {
  readonly perSecond: number;
  /** Microseconds of processor time per request. */
  readonly us: number;
  /** The part of its share that each worker used. */
  readonly used: readonly number[];
}

function threads(pid: number): Map<string, number> {
  const each = readdirSync(`/proc/${pid}/task`).map((thread): [string, number] => {
    const [nanoseconds] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ');
    return [thread, Number(nanoseconds)];
  });
  return new Map(each);
}

class Sidecar {
  readonly workers: number;
  readonly #place: BenchPlace;
  readonly #port: number;
  readonly #child: ChildProcess;
  readonly #groups: string[] = [];

  private constructor(place: BenchPlace, workers: number, port: number, child: ChildProcess) {
    this.#place = place;
    this.workers = workers;
    this.#port = port;
    this.#child = child;
  }

  static async start(place: BenchPlace, workers: number): Promise<Sidecar> {
    const port = FIRST_PORT + workers;
    const sidecar = new Sidecar(
      place,
      workers,
      port,
      await place.start(port, { more: ['--workers', String(workers)] }),
    );
    sidecar.#limit();
    return sidecar;
  }

  /** The threads that carry connections are those that are busy while there are requests. */
  #limit(): void {
    const before = threads(this.#child.pid!);
    for (let turn = 0; turn < WARM_UP_TURNS; turn++) this.#place.load(String(values.connections));
    const busiest = [...threads(this.#child.pid!)]
      .map(([thread, nanoseconds]) => ({ thread, spent: nanoseconds - (before.get(thread) ?? 0) }))
      .sort((a, b) => b.spent - a.spent)
      .slice(0, this.workers);
    for (const { thread } of busiest) {
      const group = join(CGROUPS, `sideroute-bench-${process.pid}-${thread}`);
      mkdirSync(group);
      this.#groups.push(group);
      writeFileSync(join(group, 'cpu.cfs_period_us'), String(PERIOD_US));
      writeFileSync(join(group, 'cpu.cfs_quota_us'), String(Math.round(PERIOD_US * values.share)));
      writeFileSync(join(group, 'tasks'), thread);
    }
  }

  turn(): Turn {
    redirect(this.#place.pod, '-R', this.#port);
    const limited = this.#groups.map((group) => group.slice(group.lastIndexOf('-') + 1));
    const [before, total, started] = [threads(this.#child.pid!), cpuMicroseconds(this.#child.pid!), performance.now()];
    const requests = this.#place.load(String(values.connections));
    const seconds = (performance.now() - started) / 1000;
    const after = threads(this.#child.pid!);
    return {
      perSecond: requests / seconds,
      us: (cpuMicroseconds(this.#child.pid!) - total) / requests,
      used: limited.map((thread) => (after.get(thread)! - before.get(thread)!) / 1e9 / seconds / values.share),
    };
  }

  async stop(): Promise<void> {
    await stopProcess(this.#child);
    for (const group of this.#groups) rmdirSync(group);
  }
}

function summary(name: string, figures: readonly number[], digits: number): string {
  const [low, middle, high] = [0, 0.5, 1].map((part) => quantile(figures, part).toFixed(digits));
  return `${name}: ${middle} (${low} - ${high})\n`;
}

function report(one: readonly Turn[], two: readonly Turn[]): string {
  const pairs = two.map((turn, at) => ({ turn, beside: one[at]! }));
  return (
    `${cpus()[0]?.model ?? ''}, Node ${process.version}, load ${loadavg()[0]!.toFixed(1)}, ${values.connections} connections, ${values.pairs} pairs of turns ` +
    `of a second, ${values.share} of a processor for each worker: median (least - greatest)\n` +
    [one, two]
      .map((turns, index) => {
        const name = ['one worker', 'two workers'][index]!;
        return (
          summary(
            `${name}, requests / s`,
            turns.map(({ perSecond }) => perSecond),
            0,
          ) +
          summary(
            `${name}, CPU us / request`,
            turns.map(({ us }) => us),
            2,
          ) +
          summary(
            `${name}, used of its share, each`,
            turns.flatMap(({ used }) => used),
            2,
          )
        );
      })
      .join('') +
    summary(
      'two to one, requests / s',
      pairs.map(({ turn, beside }) => turn.perSecond / beside.perSecond),
      2,
    ) +
    summary(
      'two to one, CPU us / request',
      pairs.map(({ turn, beside }) => turn.us / beside.us),
      3,
    )
  );
}

if (!existsSync(join(CGROUPS, 'tasks'))) {
  process.stderr.write(
    `${CGROUPS} is not the cpu controller of cgroup v1, without which a thread cannot have a part of a processor\n`,
  );
  process.exit(1);
}
const place = new BenchPlace(FIRST_PORT);
const sidecars: Sidecar[] = [];
try {
  for (const workers of [1, 2]) sidecars.push(await Sidecar.start(place, workers));
  const turns: Turn[][] = sidecars.map(() => []);
  for (let pair = 0; pair < values.pairs; pair++) {
    // Alternates the order, so that a drift over time favours neither.
    for (const index of pair % 2 === 0 ? [0, 1] : [1, 0]) turns[index]!.push(sidecars[index]!.turn());
    process.stderr.write(
      `pair ${pair + 1}: ${turns.map((each) => each.at(-1)!.perSecond.toFixed(0)).join(' and ')} requests / s\n`,
    );
  }
  process.stdout.write(report(turns[0]!, turns[1]!));
} finally {
  for (const sidecar of sidecars) await sidecar.stop();
  place.close();
}
