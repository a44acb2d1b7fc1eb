/** What proxies add to the response time, at a rate that all of them can serve easily. */
import type { Cell } from './cells.ts';
import { loadOf } from './processor.ts';
import type { LatencyCell, LatencyFigures } from './results.ts';
import type { Schedule } from './schedule.ts';
import type { Running, Stage } from './stage.ts';

type Quantile = 'p50Us' | 'p99Us' | 'p999Us';
type Answered = Readonly<Record<Quantile, number>>;

export const QUANTILES: readonly Quantile[] = ['p50Us', 'p99Us', 'p999Us'];
const SATURATING_MS = 300;
/** More than are ever in use at half of saturation, so that no request waits for a connection. */
const CONNECTIONS = 64;
/** Requests per second, whatever other load the machine has. */
const LEAST_RATE = 100;

/** The rate of the slowest proxy without a limit, in requests per second. */
export function saturation(stage: Stage, running: readonly Running[], cell: Cell): number {
  const rates = running
    .filter(({ entrant }) => !entrant.isFloor)
    .map((each) => {
      stage.choose(each, cell);
      const { requests, seconds } = loadOf(stage, cell, SATURATING_MS);
      return requests / seconds;
    });
  return Math.min(...rates);
}

function figuresOf(entrant: string): LatencyFigures {
  return { entrant, p50Us: [], p99Us: [], p999Us: [] };
}

export function newLatencyCell({ key, title }: Cell, rate: number | null, slowest: number): LatencyCell {
  return {
    ...{ cell: key, title, rate: Math.round(Math.max(rate ?? slowest / 2, LEAST_RATE)), slowest: Math.round(slowest) },
    ...{ direct: figuresOf('direct'), added: [] },
  };
}

/** Adds the figures of this round, and returns a summary. */
export function measureLatency(
  stage: Stage,
  running: readonly Running[],
  cell: Cell,
  { latencyMs }: Schedule,
  figures: LatencyCell,
): string {
  const flags = ['--rate', String(figures.rate), '--ms', String(latencyMs), '--connections', String(CONNECTIONS)];
  const direct = stage.load('open', cell, flags, true) as Answered;
  for (const quantile of QUANTILES) figures.direct[quantile].push(direct[quantile]);
  const texts = running.map((each) => {
    stage.choose(each, cell);
    const through = stage.load('open', cell, flags) as Answered;
    let own = figures.added.find(({ entrant }) => entrant === each.entrant.key);
    if (own === undefined) figures.added.push((own = figuresOf(each.entrant.key)));
    for (const quantile of QUANTILES) own[quantile].push(through[quantile] - direct[quantile]);
    return `${each.entrant.name} ${(through.p99Us - direct.p99Us).toFixed(0)}`;
  });
  return `added p99 in us at ${figures.rate} requests/s: ${texts.join(', ')}`;
}
