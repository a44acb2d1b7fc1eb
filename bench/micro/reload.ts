/**
 * What a reload of many routes costs a sidecar, and what a change of the code has done to that cost.
 *
 *     node dist/bench/micro/reload.js [--routes 5000] [--rounds 10] [--before DIR] [--quick]
 *
 * The proxy is started as in a pod, without traffic. In a reload `all` every rule differs from the one before; in a
 * reload `one` a single route does. The figures are the processor time from the swap of the volume until half a second
 * after the new configuration is in force: of all threads, from /proc/PID/stat, and of the thread that serves requests,
 * from its schedstat; medians over the rounds. With `--before`, another built checkout takes turns with this one, and
 * the ratios are those of pairs within a round.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ConfigMapMount } from '../../test/support/config-map-mount.ts';
import { largeRouteFiles } from '../../test/support/large-routes.ts';
import { stopProcess, waitForLine } from '../../test/support/processes.ts';
import { count, flagsOf } from '../flags.ts';
import { median } from '../median.ts';
import { programOf } from '../program.ts';

interface Flags {
  readonly routes: number;
  readonly rounds: number;
  readonly before?: string;
  readonly quick?: boolean;
}

const values = flagsOf('node dist/bench/micro/reload.js', 'What a reload of many routes costs a sidecar.')
  .option('--routes <n>', 'Size of the configuration', count, 5_000)
  .option('--rounds <n>', 'Rounds', count, 10)
  .option('--before <dir>', 'Another checkout that has been built, which takes turns with this one')
  .option('--quick', 'Only show that it runs')
  .parse()
  .opts<Flags>();
const ROUTES = values.quick ? 100 : values.routes;
const ROUNDS = values.quick ? 1 : values.rounds;
/** Collections and updates of the engine come after the log line. */
const AFTERWARDS_MS = 500;
const MS_PER_TICK = 10;
const NS_PER_MS = 1e6;

interface Cost {
  readonly allMs: number;
  readonly servingMs: number;
}

function spent({ pid }: ChildProcess): Cost {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [serving] = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ');
  return {
    allMs: (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK,
    servingMs: Number(serving) / NS_PER_MS,
  };
}

/** `changed`: how many of the routes have this generation; the others have that of the start. */
function files(generation: number, changed: number): Record<string, string> {
  const shape = { rulesPerRoute: 1, services: 50, format: 'documents', files: 5 } as const;
  const all = largeRouteFiles({ ...shape, routes: ROUTES, generation: changed === ROUTES ? generation : 0 });
  if (changed === ROUTES) return Object.fromEntries(all);
  const [name, text] = [...all].at(-1)!;
  const at = text.lastIndexOf('t0-');
  return Object.fromEntries(all.set(name, `${text.slice(0, at)}t${generation}-${text.slice(at + 3)}`));
}

class Sidecar {
  readonly volume: ConfigMapMount;
  readonly process: ChildProcess;

  constructor(root: string, directory: string, name: string) {
    this.volume = new ConfigMapMount(join(directory, name), files(0, ROUTES));
    const resolvConf = join(directory, 'resolv.conf');
    writeFileSync(resolvConf, 'nameserver 127.0.0.1\n');
    const heap = ['--max-old-space-size=128', '--max-semi-space-size=2'];
    const where = ['--capture', '127.0.0.1:0', '--metrics', '127.0.0.1:0', '--admin', 'none'];
    const options = ['--routes', this.volume.path, '--resolv-conf', resolvConf, '--log-level', 'info', ...where];
    this.process = spawn(process.execPath, [...heap, programOf(root), 'proxy', ...options], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    // Each awaited line adds listeners.
    for (const emitter of [this.process, this.process.stdout!, this.process.stderr!]) emitter.setMaxListeners(0);
  }

  async reload(content: Record<string, string>): Promise<Cost> {
    const before = spent(this.process);
    const applied = waitForLine(this.process, /"message":"configuration applied"/, 60_000);
    this.volume.write(content);
    await applied;
    await sleep(AFTERWARDS_MS);
    const after = spent(this.process);
    return { allMs: after.allMs - before.allMs, servingMs: after.servingMs - before.servingMs };
  }
}

const directory = mkdtempSync(join(tmpdir(), 'sideroute-reload-'));
const roots = [
  fileURLToPath(new URL('../../..', import.meta.url)),
  ...(values.before === undefined ? [] : [values.before]),
];
const sidecars = roots.map((root, index) => new Sidecar(root, directory, `routes-${index}`));
try {
  for (const { process } of sidecars) await waitForLine(process, /"message":"ready"/, 60_000);
  let generation = 0;
  for (const [kind, changed] of [['all', ROUTES] as const, ['one', 1] as const]) {
    const costs: Cost[][] = sidecars.map(() => []);
    // The first reload of each kind compiles code that later ones reuse.
    for (let round = -1; round < ROUNDS; round++) {
      generation++;
      const content = files(generation, changed);
      const turns = [...sidecars.entries()];
      for (const [index, sidecar] of generation % 2 === 0 ? turns : turns.reverse()) {
        const cost = await sidecar.reload(content);
        if (round >= 0) costs[index]!.push(cost);
      }
    }
    for (const part of ['allMs', 'servingMs'] as const) {
      const of = costs.map((each) => each.map((cost) => cost[part]));
      const figures = of.map((each, index) => `${index === 0 ? 'this' : 'before'} ${median(each).toFixed(0)} ms`);
      const ratio = of[1]?.map((other, round) => of[0]![round]! / other);
      const compared = ratio === undefined ? '' : `, ${median(ratio).toFixed(3)} of before`;
      const threads = part === 'allMs' ? 'all threads' : 'the serving thread';
      console.log(`${kind} of ${ROUTES} routes, ${threads}: ${figures.join(', ')}${compared}`);
    }
  }
} finally {
  for (const { process } of sidecars) await stopProcess(process);
  rmSync(directory, { recursive: true, force: true });
}
