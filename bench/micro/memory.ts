/**
 * Memory of a sidecar by the size of its configuration, and whether reloads add to it.
 *
 *     node dist/bench/micro/memory.js [--rules 0,1000,10000] [--rules-per-route 16] [--as files|json|set] [--reloads 12] [--heap 128]
 *
 * The proxy is started as in a pod, without traffic. Every reload changes every rule and is applied before the next
 * one. Live: the JavaScript heap after full collections. Resident: resident memory of the process after the first and
 * after the last configuration, without forced collections, and its maximum. Private: pages the process has written,
 * some time after the first configuration. Flat: whether reloads retain memory, as live after the second half of them
 * relative to live after the first half.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Option } from 'commander';
import { ConfigMapMount } from '../../test/support/config-map-mount.ts';
import { largeRouteFiles, largeRouteObjects } from '../../test/support/large-routes.ts';
import { stopProcess, waitForLine } from '../../test/support/processes.ts';
import { setFiles } from '../../test/support/route-set.ts';
import { count, flagsOf, sizes } from '../flags.ts';

const SIZES = [0, 1_000, 10_000];

interface Flags {
  readonly rules: readonly number[];
  readonly rulesPerRoute: number;
  readonly as: string;
  readonly reloads: number;
  readonly heap: number;
}

const values = flagsOf(
  'node dist/bench/micro/memory.js',
  'Memory by the size of the configuration, and whether reloads add to it.',
)
  .addOption(new Option('--rules <n,...>', 'Sizes of the configuration').argParser(sizes).default(SIZES, SIZES.join()))
  .option('--rules-per-route <n>', 'Rules of a route', count, 16)
  .addOption(new Option('--as <form>', 'What the volume holds').choices(['files', 'json', 'set']).default('files'))
  .option('--reloads <n>', 'Reloads of each configuration', count, 12)
  .option('--heap <mib>', 'Limit of the JavaScript heap', count, 128)
  .parse()
  .opts<Flags>();
const RULES_PER_ROUTE = values.rulesPerRoute;
const SERVICES = 50;
const MIB = 1024 * 1024;
/** After this time a sidecar has given back what a configuration left over. */
const GIVEN_BACK_MS = 20_000;
/** However busy the machine is. */
const MOST_MS = 300_000;
const main = fileURLToPath(new URL('../../bin/sideroute.js', import.meta.url));
/** On SIGUSR2 prints the heap that is left after full collections. */
const PRELOAD = `data:text/javascript,process.on('SIGUSR2',()=>{gc();gc();setTimeout(()=>{gc();console.log('live '+process.memoryUsage().heapUsed)},50)})`;

function files(rules: number, generation: number): Record<string, string | Buffer> {
  if (rules === 0) return { 'empty.yaml': `# ${generation}\n` };
  const shape = { routes: Math.ceil(rules / RULES_PER_ROUTE), rulesPerRoute: Math.min(rules, RULES_PER_ROUTE) };
  const all = { ...shape, services: SERVICES, generation };
  if (values.as === 'set') return setFiles(largeRouteObjects(all), generation);
  if (values.as === 'json') return jsonDocuments(largeRouteObjects(all));
  return Object.fromEntries(largeRouteFiles({ ...all, format: 'documents', files: 3 }));
}

/** One document after another, in three files. */
function jsonDocuments(objects: readonly object[]): Record<string, string> {
  const texts: string[][] = [[], [], []];
  for (const [index, object] of objects.entries()) texts[index % 3]!.push(JSON.stringify(object));
  return Object.fromEntries(texts.map((each, index) => [`routes-${index}.json`, each.join('\n---\n')]));
}

function residentMib(process: ChildProcess, field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${process.pid}/status`, 'utf8');
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)![1]) / 1024;
}

function privateMib({ pid }: ChildProcess): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^(?:Pss|Private)_Dirty:\s+(\d+) kB$/m.exec(rollup)![1]) / 1024;
}

async function liveMib(process: ChildProcess): Promise<number> {
  const line = waitForLine(process, /^live /, MOST_MS);
  process.kill('SIGUSR2');
  return Number((await line).slice('live '.length)) / MIB;
}

async function measure(rules: number, reloads: number, directory: string): Promise<void> {
  const volume = new ConfigMapMount(join(directory, `routes-${rules}`), files(rules, 0));
  const resolvConf = join(directory, 'resolv.conf');
  writeFileSync(resolvConf, 'nameserver 127.0.0.1\n');
  const proxy = spawn(
    process.execPath,
    [
      ...[
        `--max-old-space-size=${values.heap}`,
        '--max-semi-space-size=2',
        '--expose-gc',
        '--import',
        PRELOAD,
        main,
        'proxy',
      ],
      ...['--routes', volume.path, '--resolv-conf', resolvConf, '--log-level', 'info', '--drain-quiet', '0s'],
      ...['--capture', '127.0.0.1:0', '--metrics', '127.0.0.1:0', '--admin', 'none'],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  // Each awaited line adds listeners.
  for (const emitter of [proxy, proxy.stdout, proxy.stderr]) emitter.setMaxListeners(0);
  await waitForLine(proxy, /"message":"ready"/, MOST_MS);
  const first = residentMib(proxy, 'VmRSS');
  await delay(GIVEN_BACK_MS);
  const own = privateMib(proxy);
  const live: number[] = [];
  for (let generation = 1; generation <= reloads; generation++) {
    const applied = waitForLine(proxy, /"message":"configuration applied"/, MOST_MS);
    volume.write(files(rules, generation));
    await applied;
    if (generation === reloads >> 1) live.push(await liveMib(proxy));
  }
  const last = residentMib(proxy, 'VmRSS');
  live.push(await liveMib(proxy));
  const figures = [
    `${String(rules).padStart(6)} rules`,
    `private ${own.toFixed(1)} MiB`,
    `live ${live[1]!.toFixed(1)} MiB (flat: ${(live[1]! / live[0]!).toFixed(3)})`,
    `resident ${first.toFixed(0)} MiB, after ${reloads} reloads ${last.toFixed(0)} MiB, highest ${residentMib(proxy, 'VmHWM').toFixed(0)} MiB`,
  ];
  process.stdout.write(`${figures.join('  ')}\n`);
  await stopProcess(proxy);
}

const directory = mkdtempSync(join(tmpdir(), 'sideroute-memory-'));
try {
  for (const rules of values.rules) await measure(rules, values.reloads, directory);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
