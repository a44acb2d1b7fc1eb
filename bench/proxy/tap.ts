/**
 * What a tap costs: CPU time per proxied request of one sidecar with a tap and without.
 *
 *     node dist/bench/proxy/tap.js [--pairs 20] [--sample 0.1] [--connections 32] [--access-log errors]
 *
 * Place and measure are those of `compare.ts`: one network namespace, the sidecar on core 0, wrk, backends and who reads the tap on core 1, processor
 * time from /proc/PID/task/TID/schedstat divided by the requests wrk counted. It is one and the same process in turns of a second, a tap open or
 * none, and the other way round in the next pair; figures are medians, the ratio is pair by pair. A machine with other work moves both
 * alike, but what a tap costs for each second weighs the more the fewer requests there are: the turns say how many. Needs root, wrk, nginx, curl, taskset.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpus, loadavg } from 'node:os';
import { Option } from 'commander';
import { ACCESS_LOG_MODES } from '../../src/addon/access-log.ts';
import { eventually } from '../../test/support/eventually.ts';
import { stopProcess } from '../../test/support/processes.ts';
import { count, flagsOf, share } from '../flags.ts';
import { BenchPlace } from './place.ts';
import { cpuMicroseconds, quantile } from './processor-time.ts';

const values = flagsOf('node dist/bench/proxy/tap.js', 'What a tap costs: CPU time per request with a tap and without.')
  .option('--pairs <n>', 'Pairs of turns of a second', count, 20)
  .option('--sample <share>', 'Share of the requests that the tap shows', share, 0.1)
  .option('--connections <n>', 'Connections of the load', count, 32)
  .addOption(new Option('--access-log <mode>', 'Which requests are logged').choices(ACCESS_LOG_MODES).default('errors'))
  .parse()
  .opts<{
    readonly pairs: number;
    readonly sample: number;
    readonly connections: number;
    readonly accessLog: string;
  }>();
const PORT = 15001;
const ADMIN = `http://127.0.0.1:${PORT + 200}`;
const METRICS = `http://127.0.0.1:${PORT + 100}/metrics`;
const SECOND_CORE = ['taskset', '-c', '1'];
const WARM_UP_TURNS = 5;

interface Turn {
  /** Of processor time, for each request. */
  readonly us: number;
  readonly requests: number;
}

class Stage {
  readonly #place: BenchPlace;
  readonly #proxy: ChildProcess;

  constructor(place: BenchPlace, proxy: ChildProcess) {
    this.#place = place;
    this.#proxy = proxy;
  }

  turn(): Turn {
    const before = cpuMicroseconds(this.#proxy.pid!);
    const requests = this.#place.load(String(values.connections), SECOND_CORE);
    return { us: (cpuMicroseconds(this.#proxy.pid!) - before) / requests, requests };
  }

  async tapped(): Promise<Turn> {
    const url = `${ADMIN}/tap?sample=${values.sample}&duration=1h`;
    const reader = this.#place.pod.spawn([...SECOND_CORE, 'curl', '-sN', '-o', '/dev/null', url]);
    await eventually('the tap is open', () => this.metric('sideroute_taps_open') === 1);
    const cost = this.turn();
    reader.kill('SIGKILL');
    await once(reader, 'exit');
    await eventually('the tap is closed', () => this.metric('sideroute_taps_open') === 0);
    return cost;
  }

  metric(name: string): number {
    const { stdout } = this.#place.pod.run(['curl', '-s', '-m', '5', METRICS]);
    return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(stdout)?.[1]);
  }
}

function summary(name: string, figures: readonly number[], digits: number): string {
  const [low, middle, high] = [0.25, 0.5, 0.75].map((part) => quantile(figures, part).toFixed(digits));
  return `${name}: ${middle} (${low} - ${high})\n`;
}

const us = (turns: readonly Turn[]): number[] => turns.map((turn) => turn.us);

async function measure(stage: Stage): Promise<void> {
  for (let turn = 0; turn < WARM_UP_TURNS; turn++) stage.turn();
  const [off, on]: [Turn[], Turn[]] = [[], []];
  for (let pair = 0; pair < values.pairs; pair++) {
    // Alternates the order, so that a drift over time favours neither.
    if (pair % 2 === 0) off.push(stage.turn());
    on.push(await stage.tapped());
    if (pair % 2 === 1) off.push(stage.turn());
    const told = [off, on].map((turns) => `${turns.at(-1)!.us.toFixed(2)} us (${turns.at(-1)!.requests} requests)`);
    process.stderr.write(`pair ${pair + 1}: ${told.join(' off, ')} on\n`);
  }
  const ratios = on.map(({ us }, at) => us / off[at]!.us);
  const [records, dropped] = [
    stage.metric('sideroute_tap_records_total'),
    stage.metric('sideroute_tap_dropped_records_total'),
  ];
  process.stdout.write(
    `${cpus()[0]?.model ?? ''}, Node ${process.version}, load ${loadavg()[0]!.toFixed(1)}, ${values.connections} connections, ` +
      `${values.pairs} pairs of turns of a second, access log ${values.accessLog}, sample ${values.sample}: median (quartiles)\n` +
      summary('CPU us / request, no tap', us(off), 2) +
      summary('CPU us / request, a tap', us(on), 2) +
      summary('ratio, pair by pair', ratios, 3) +
      `${records} records, ${dropped} dropped\n`,
  );
}

const place = new BenchPlace(PORT, SECOND_CORE);
try {
  const proxy = await place.start(PORT, { accessLog: values.accessLog, under: ['taskset', '-c', '0'] });
  try {
    await measure(new Stage(place, proxy));
  } finally {
    await stopProcess(proxy);
  }
} finally {
  place.close();
}
