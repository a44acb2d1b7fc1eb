/**
 * Bytes that a decision allocates on the JavaScript heap: `decide` alone, for the shapes of bench/micro/decide.ts.
 *
 *     node --expose-gc dist/bench/guard/decisions.js run      prints them as JSON, by shape
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { attach } from '../../src/config/attach.ts';
import { decide } from '../../src/routing/decide.ts';
import { compileTable } from '../../src/routing/table.ts';
import { compileDeps, requests, routes, SHAPES, type Shape } from '../micro/decision-cases.ts';
import type { Figure } from './figures.ts';

const RULES = 100;
const DECISIONS = 10_000;
const REQUESTS = 1_000;
/** After these everything is compiled; a busy machine compiles late and needs some of the rounds. */
const WARM_UPS = 60;
const ROUNDS = 30;

function bytesOf(shape: Shape, collect: NonNullable<typeof globalThis.gc>): number {
  const table = compileTable(attach({ resources: routes(shape, RULES), namespace: 'ns' }), compileDeps());
  const heads = requests(shape, RULES, RULES, REQUESTS);
  const run = (): void => {
    let forwarded = 0;
    for (let i = 0; i < DECISIONS; i++) if (decide(table, 0, heads[i % REQUESTS]!).kind === 'forward') forwarded++;
    if (forwarded !== DECISIONS) throw new Error(`${shape.name}: ${forwarded} of ${DECISIONS} forwarded`);
  };
  for (let i = 0; i < WARM_UPS; i++) run();
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < ROUNDS; i++) {
    collect();
    const before = process.memoryUsage().heapUsed;
    run();
    const after = process.memoryUsage().heapUsed;
    // If it is less than before, there was a collection in between.
    if (after >= before) least = Math.min(least, (after - before) / DECISIONS);
  }
  // The measurement allocates some bytes too, which the rounding removes.
  return Math.round(least);
}

/** `exact-paths` for `exact paths`. */
const nameOf = (shape: string): string => shape.replaceAll(/,.*$/g, '').replaceAll(' ', '-');

function all(): Record<string, number> {
  const program = fileURLToPath(import.meta.url);
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', program, 'run'], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Record<string, number>;
}

export function decisions(): Figure[] {
  return Object.entries(all()).map(([shape, bytes]) => ({
    name: `decisions/${shape}`,
    value: bytes,
    unit: 'bytes per decision',
    dependsOn: 'node',
    tolerance: 0.1,
  }));
}

export function showDecisions(shape: string): string {
  const bytes = all()[shape];
  if (bytes === undefined) throw new Error(`no shape ${shape}`);
  return `${bytes} bytes of the heap per decision: ${shape}, ${RULES} rules`;
}

if (process.argv[2] === 'run') {
  const collect = globalThis.gc;
  if (collect === undefined) throw new Error('run with --expose-gc');
  process.stdout.write(
    JSON.stringify(Object.fromEntries(SHAPES.map((shape) => [nameOf(shape.name), bytesOf(shape, collect)]))),
  );
}
