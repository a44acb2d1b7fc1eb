/**
 * Time and allocation of `decide`, and time to compile a table, for 1, 100 and 10,000 rules.
 *
 *     node --expose-gc dist/bench/micro/decide.js [--quick]
 *
 * Each case asks 1,000 different requests in turn, for 16 rules (the working set of a busy proxy) and for 1,000 (where a
 * large table is read from memory, not from the processor's cache), evenly spread over the table. Figures are lower
 * quartiles of many short rounds; the cases take turns, so that a busy machine slows all of them alike. With `--quick`
 * one round of small tables shows that it runs; its figures mean nothing.
 */
import { attach } from '../../src/config/attach.ts';
import { decide } from '../../src/routing/decide.ts';
import { compileTable } from '../../src/routing/table.ts';
import { flagsOf } from '../flags.ts';
import { compileDeps, requests, routes, SHAPES, type Shape } from './decision-cases.ts';

const { quick } = flagsOf(
  'node --expose-gc dist/bench/micro/decide.js',
  'Time and allocation of a decision, by the number of rules.',
)
  .option('--quick', 'Only show that it runs')
  .parse()
  .opts<{ readonly quick?: boolean }>();
const SIZES = quick ? [1, 10, 100] : [1, 100, 10_000];
const ROUNDS = quick ? 1 : 100;
const DECISIONS = 10_000;
const REQUESTS = 1000;
/** Rules that the requests of a case are spread over: those a busy proxy uses all the time, and far more than that. */
const HOT_RULES = [16, 1000];

interface Case {
  readonly label: string;
  readonly compileMs: number;
  readonly attachMs: number;
  readonly run: () => number;
  readonly nanoseconds: number[];
  bytes: number;
}

/** In processor time, so that other load of the machine only adds cache misses. */
function milliseconds(work: () => void): number {
  const started = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(started);
  return (user + system) / 1000;
}

function lowerQuartile(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 2]!;
}

function prepare(shape: Shape, size: number, hotRules: number): Case {
  const resources = routes(shape, size);
  const input = { resources, namespace: 'ns' };
  const attachment = attach(input);
  const compileMs = lowerQuartile([1, 2, 3, 4].map(() => milliseconds(() => compileTable(attachment, compileDeps()))));
  const attachMs = lowerQuartile([1, 2, 3, 4].map(() => milliseconds(() => attach(input))));
  const table = compileTable(attachment, compileDeps());
  const heads = requests(shape, size, hotRules, REQUESTS);
  return {
    label: `${shape.name}, ${size} rules, ${Math.min(size, hotRules)} in use`,
    compileMs,
    attachMs,
    nanoseconds: [],
    bytes: 0,
    run() {
      let forwarded = 0;
      for (let i = 0; i < DECISIONS; i++) {
        if (decide(table, 0, heads[i % heads.length]!).kind === 'forward') forwarded++;
      }
      return forwarded;
    },
  };
}

const collect = globalThis.gc;
if (collect === undefined) throw new Error('run with --expose-gc');

for (const [shape, hotRules] of SHAPES.flatMap((entry) => HOT_RULES.map((hot) => [entry, hot] as const))) {
  const cases = SIZES.map((size) => prepare(shape, size, hotRules));
  // In a sidecar the table has left the young generation of the heap long ago.
  collect();
  collect();
  for (const entry of cases) for (let i = 0; i < (quick ? 1 : 30); i++) entry.run();
  for (let round = 0; round < ROUNDS; round++) {
    for (const entry of cases) {
      let forwarded = 0;
      const elapsed = milliseconds(() => {
        forwarded = entry.run();
      });
      if (forwarded !== DECISIONS) throw new Error(`${entry.label}: ${forwarded} of ${DECISIONS} matched`);
      entry.nanoseconds.push((elapsed * 1e6) / DECISIONS);
    }
  }
  for (const entry of cases) {
    let bytes = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 5; i++) {
      collect();
      const before = process.memoryUsage().heapUsed;
      entry.run();
      const after = process.memoryUsage().heapUsed;
      if (after >= before) bytes = Math.min(bytes, (after - before) / DECISIONS);
    }
    entry.bytes = bytes;
  }
  const base = lowerQuartile(cases[0]!.nanoseconds);
  for (const entry of cases) {
    const nanoseconds = lowerQuartile(entry.nanoseconds);
    process.stdout.write(
      `${entry.label.padEnd(58)} ${nanoseconds.toFixed(0).padStart(5)} ns/decide  ${(nanoseconds / base).toFixed(2)}x  ` +
        `${entry.bytes.toFixed(0).padStart(4)} B/decide  attach ${entry.attachMs.toFixed(1)} ms  ` +
        `compile ${entry.compileMs.toFixed(1)} ms\n`,
    );
  }
}
