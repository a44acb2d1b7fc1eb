/**
 * Applying a configuration of 10,000 rules: how long each part takes, and for how long the event loop stands still.
 *
 *     node --expose-gc dist/bench/micro/compile.js [--quick]
 *
 * Parts: `parse` turns the bytes of the files into resources, `compile` turns these into a route table (attaching
 * included), both in slices as in the sidecar. A block is the time between two turns of an event loop that turns as
 * fast as it can. On a busy machine its length includes the time other processes took. The processor time of the
 * thread, garbage collection included, is what the work itself needs; on a quiet machine the two are equal. The figures
 * are medians of several rounds, for blocks the worst too. With `--quick` one round with a fiftieth of the routes only
 * shows that it runs.
 */
import { createHash } from 'node:crypto';
import { attachInSteps } from '../../src/config/attach.ts';
import type { DirectoryRead } from '../../src/config/directory-reader.ts';
import { RouteFiles } from '../../src/config/route-files.ts';
import { parseRoutesBesides } from '../../src/config/route-parser.ts';
import { compileTableInSteps } from '../../src/routing/table.ts';
import { Slicer } from '../../src/slices.ts';
import { largeRouteFiles, type LargeRoutes } from '../../test/support/large-routes.ts';
import { flagsOf } from '../flags.ts';
import { median } from '../median.ts';
import { compileDeps } from './decision-cases.ts';
import { Heartbeat } from './heartbeat.ts';

const { quick } = flagsOf(
  'node --expose-gc dist/bench/micro/compile.js',
  'Applying a configuration of 10,000 rules: each part, and for how long the event loop stands still.',
)
  .option('--quick', 'Only show that it runs')
  .parse()
  .opts<{ readonly quick?: boolean }>();
const ROUNDS = quick ? 1 : 7;

const SHAPES: Readonly<Record<string, LargeRoutes>> = {
  '625 routes x 16 rules, 50 Services': {
    routes: 625,
    rulesPerRoute: 16,
    services: 50,
    format: 'documents',
    files: 3,
  },
  '10,000 routes, 50 Services': { routes: 10_000, rulesPerRoute: 1, services: 50, format: 'documents', files: 5 },
  '10,000 routes, 1 Service': { routes: 10_000, rulesPerRoute: 1, services: 1, format: 'documents', files: 5 },
  '625 routes x 16 rules, kind: List': { routes: 625, rulesPerRoute: 16, services: 50, format: 'list', files: 1 },
  '200 routes x 16 rules, JSON': { routes: 200, rulesPerRoute: 16, services: 50, format: 'json', files: 1 },
};

interface Part {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly blockMs: number;
  readonly blockCpuMs: number;
  readonly turns: number;
}

async function measure<T>(work: () => Promise<T>): Promise<{ part: Part; result: T }> {
  const heartbeat = new Heartbeat();
  const startedMs = performance.now();
  const before = process.cpuUsage();
  const result = await work();
  const { user, system } = process.cpuUsage(before);
  const wallMs = performance.now() - startedMs;
  // One more turn, so that the end of the work is seen too.
  await new Promise((resolve) => setImmediate(resolve));
  heartbeat.stop();
  const { blockMs, blockCpuMs, turns } = heartbeat;
  return { part: { wallMs, cpuMs: (user + system) / 1000, blockMs, blockCpuMs, turns }, result };
}

function directoryRead(files: ReadonlyMap<string, string>): DirectoryRead {
  return {
    layout: 'plain',
    ignored: [],
    identity: '',
    files: [...files].map(([name, text]) => {
      const content = Buffer.from(text);
      return { name, content, digest: createHash('sha256').update(content).digest('hex') };
    }),
  };
}

function report(name: string, parts: readonly Part[]): string {
  const figure = (values: readonly number[], digits: number): string => {
    const worst = Math.max(...values).toFixed(digits);
    return `${median(values).toFixed(digits).padStart(5)} ms (worst ${worst})`;
  };
  const column = (key: keyof Part): number[] => parts.map((part) => part[key]);
  return (
    `  ${name.padEnd(8)} ${median(column('wallMs')).toFixed(0).padStart(5)} ms, ` +
    `CPU ${median(column('cpuMs')).toFixed(0).padStart(4)} ms, in ${median(column('turns'))} turns; ` +
    `longest block ${figure(column('blockMs'), 1)}, of CPU ${figure(column('blockCpuMs'), 1)}\n`
  );
}

const collect = globalThis.gc;
if (collect === undefined) throw new Error('run with --expose-gc');
const slicer = new Slicer();
const never = new AbortController().signal;

for (const [name, full] of Object.entries(SHAPES)) {
  const shape = quick ? { ...full, routes: Math.ceil(full.routes / 50) } : full;
  const parses: Part[] = [];
  const compiles: Part[] = [];
  const deps = compileDeps();
  let bytes = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const files = largeRouteFiles({ ...shape, generation: round });
    const read = directoryRead(files);
    bytes = read.files.reduce((sum, { content }) => sum + (Buffer.isBuffer(content) ? content.length : 0), 0);
    collect();
    const routeFiles = new RouteFiles((file, text) => parseRoutesBesides(file, text, null, slicer, never));
    const parse = await measure(() => routeFiles.update(read));
    const resources = parse.result!.resources;
    if (parse.result?.valid !== true) throw new Error(parse.result!.problems[0]!.message);
    const compile = await measure(() =>
      slicer.run(
        (function* () {
          return yield* compileTableInSteps(yield* attachInSteps({ resources, namespace: 'shop' }), deps);
        })(),
      ),
    );
    const rules = compile.result.frontends.reduce((sum, table) => sum + (table?.matches.length ?? 0), 0);
    if (rules !== shape.routes * shape.rulesPerRoute) throw new Error(`${rules} rules`);
    parses.push(parse.part);
    compiles.push(compile.part);
  }
  process.stdout.write(`${name} (${(bytes / 1024 / 1024).toFixed(1)} MiB)\n`);
  process.stdout.write(report('parse', parses));
  process.stdout.write(report('compile', compiles));
}
