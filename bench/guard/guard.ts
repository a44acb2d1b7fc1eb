/**
 * What sideroute costs, in figures that do not flake, compared with those of bench/guard/figures.json; fails if one is
 * worse. Usually run by `npm run guard`, which prepares what it needs.
 *
 *     node dist/bench/guard/guard.js [--only MEASURE,MEASURE...] [--update] [--show FIGURE]
 *
 * `--update` records the measured figures instead; `--show` prints one figure in detail.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { flagsOf, someOf } from '../flags.ts';
import { calls, showCalls } from './calls.ts';
import { decisions, showDecisions } from './decisions.ts';
import { advice, compare, isFailure, measureOf, table, update, type Figure, type Figures } from './figures.ts';
import { haproxy, showHaproxy } from './haproxy.ts';
import { idle, showIdle } from './idle.ts';
import { allocations, build, instructions, showAllocations, showInstructions } from './instructions.ts';
import { root } from './root.ts';

interface Measure {
  readonly figures: () => Figure[] | Promise<Figure[]>;
  /** Of a figure: the rest of its name. */
  readonly show: (what: string) => string | Promise<string>;
}

const MEASURES: Readonly<Record<string, Measure>> = {
  instructions: { figures: instructions, show: showInstructions },
  allocations: { figures: allocations, show: showAllocations },
  decisions: { figures: decisions, show: showDecisions },
  calls: { figures: calls, show: showCalls },
  idle: { figures: idle, show: showIdle },
  haproxy: { figures: haproxy, show: showHaproxy },
};

const FILE = join(root, 'bench', 'guard', 'figures.json');

interface Flags {
  readonly only?: readonly string[];
  readonly update?: boolean;
  readonly show?: string;
}

const NAMES = Object.keys(MEASURES);
const values = flagsOf(
  'npm run guard --',
  'What sideroute costs, compared with the figures of bench/guard/figures.json.',
)
  .addOption(someOf('--only <measure,...>', 'Measure some alone', NAMES))
  .option('--update', 'Record what was measured')
  .option('--show <figure>', 'Print one figure in detail, such as calls/get', figureNamed)
  .parse()
  .opts<Flags>();

/** @throws InvalidArgumentError when no measure has that figure */
function figureNamed(text: string): string {
  if (NAMES.includes(measureOf(text))) return text;
  throw new InvalidArgumentError(`No measure has it; there are ${NAMES.join(', ')}.`);
}

async function run(names: readonly string[]): Promise<boolean> {
  const figures: Figure[] = [];
  for (const name of names) {
    const started = performance.now();
    figures.push(...(await MEASURES[name]!.figures()));
    process.stderr.write(`guard: ${name} took ${((performance.now() - started) / 1000).toFixed(0)} s\n`);
  }
  const recorded = JSON.parse(readFileSync(FILE, 'utf8')) as Figures;
  const machine = { processor: process.arch, node: process.versions.node };
  const compared = compare(figures, recorded, machine, names);
  process.stdout.write(`${table(compared, (name) => `npm run guard -- --show ${name}`)}\n`);
  if (values.update) {
    writeFileSync(FILE, `${JSON.stringify(update(figures, recorded, machine, names), null, 2)}\n`);
    process.stdout.write('\nRecorded in bench/guard/figures.json.\n');
    return true;
  }
  const failed = compared.filter(isFailure);
  process.stdout.write(
    ['', ...advice(compared), `${compared.length - failed.length} figures hold, ${failed.length} do not.\n`].join('\n'),
  );
  return failed.length === 0;
}

build();
if (values.show === undefined) {
  process.exitCode = (await run(values.only ?? NAMES)) ? 0 : 1;
} else {
  const [, what = ''] = values.show.split('/');
  process.stdout.write(`${await MEASURES[measureOf(values.show)]!.show(what)}\n`);
}
