/**
 * What each version of Node costs an idle sidecar: the time it takes to start, and the memory it holds.
 *
 *     node dist/bench/micro/nodes.js --nodes PATH,PATH... [--rounds 5] [--idle 10]
 *
 * With the routes of the scenario and the heap limits of the manifests; each Node runs once in every round. Ready: from
 * exec to the log line `ready`, by the clock and in processor time. Resident and private: from /proc/PID/smaps_rollup,
 * `--idle` seconds later. Private pages were written to; they are what one more sidecar costs a machine that has one
 * already, because the program itself is shared. All figures are medians.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ConfigMapMount } from '../../test/support/config-map-mount.ts';
import { stopProcess, waitForLine } from '../../test/support/processes.ts';
import { count, flagsOf, list, positive } from '../flags.ts';
import { median } from '../median.ts';

interface Flags {
  readonly nodes: readonly string[];
  readonly rounds: number;
  readonly idle: number;
}

const values = flagsOf(
  'node dist/bench/micro/nodes.js',
  'What each version of Node costs an idle sidecar: start and memory.',
)
  .option('--nodes <path,...>', 'Programs of Node', list, [process.execPath])
  .option('--rounds <n>', 'Starts of each', count, 5)
  .option('--idle <seconds>', 'When memory is measured', positive, 10)
  .parse()
  .opts<Flags>();
const HEAP = ['--max-old-space-size=128', '--max-semi-space-size=2'];
const SCENARIO = new URL('../../../test/fixtures/scenario/', import.meta.url);
const main = fileURLToPath(new URL('../../bin/sideroute.js', import.meta.url));
const FIGURES = ['ready ms', 'ready CPU ms', 'resident MiB', 'private MiB'] as const;

type Figures = Record<(typeof FIGURES)[number], number>;

/** Processor time of all threads, user and kernel. */
function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // A tick is 10 ms.
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function memoryMib(pid: number, name: string): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(rollup)![1]) / 1024;
}

async function measure(node: string, routes: string): Promise<Figures> {
  const startedMs = performance.now();
  const flags = ['--routes', routes, '--namespace', 'devopssong', '--log-level', 'info', '--drain-quiet', '0s'];
  const ports = ['--capture', '127.0.0.1:0', '--metrics', '127.0.0.1:0', '--admin', '127.0.0.1:0'];
  const proxy = spawn(node, [...HEAP, main, 'proxy', ...flags, ...ports], { stdio: ['ignore', 'pipe', 'pipe'] });
  await waitForLine(proxy, /"message":"ready"/, 60_000);
  const pid = proxy.pid!;
  const ready = { 'ready ms': performance.now() - startedMs, 'ready CPU ms': cpuMs(pid) };
  await delay(values.idle * 1_000);
  const resident = memoryMib(pid, 'Rss');
  const own = memoryMib(pid, 'Private_Dirty');
  await stopProcess(proxy);
  return { ...ready, 'resident MiB': resident, 'private MiB': own };
}

const directory = mkdtempSync(join(tmpdir(), 'sideroute-nodes-'));
try {
  const routes = new ConfigMapMount(join(directory, 'routes'), {
    'services.yaml': readFileSync(new URL('services.yaml', SCENARIO), 'utf8'),
    'route.yaml': readFileSync(new URL('my-server-route.yaml', SCENARIO), 'utf8'),
  });
  const measured = new Map<string, Figures[]>(values.nodes.map((node) => [node, []]));
  // Reads the program and its files into the page cache before anything is measured.
  for (const node of measured.keys()) await measure(node, routes.path);
  for (let round = 1; round <= values.rounds; round += 1) {
    for (const [node, figures] of measured) figures.push(await measure(node, routes.path));
  }
  process.stdout.write(`| Node | ${FIGURES.join(' | ')} |\n|---|${FIGURES.map(() => '---|').join('')}\n`);
  for (const [node, figures] of measured) {
    const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
    const cells = FIGURES.map((name) =>
      median(figures.map((each) => each[name])).toFixed(name.endsWith('MiB') ? 1 : 0),
    );
    process.stdout.write(`| ${version} | ${cells.join(' | ')} |\n`);
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
