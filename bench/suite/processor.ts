/** Processor time per request or mebibyte: proxies take turns, so that a disturbance of the machine affects all. */
import { cpuMicroseconds } from '../proxy/processor-time.ts';
import { mebibytes, type Cell } from './cells.ts';
import type { CellFigures, ProcessorFigures } from './results.ts';
import type { Schedule } from './schedule.ts';
import type { Running, Stage } from './stage.ts';

interface Sample {
  cpuUs: number;
  requests: number;
  seconds: number;
}

interface Closed {
  readonly requests: number;
  readonly seconds: number;
}

const WARM_UP_CALLS = 500;
const TRIES = 200;

/** Sends as many requests as are answered within that time. */
export function loadOf(stage: Stage, cell: Cell, milliseconds: number): Closed {
  const flags = ['--connections', String(cell.connections), '--ms', String(milliseconds)];
  return stage.load('closed', cell, flags) as Closed;
}

/** Calls per second of each proxy, from its warm-up: an HTTP/2 turn is a number of calls. */
export type Rates = Map<Running, number>;

export function warmUp(stage: Stage, each: Running, cell: Cell, milliseconds: number, rates: Rates): void {
  stage.choose(each, cell);
  if (stage.setting !== 'h2c') {
    loadOf(stage, cell, milliseconds);
    return;
  }
  // The first run tells how many calls fill the time.
  const first = WARM_UP_CALLS / stage.http2Load(cell, WARM_UP_CALLS);
  const calls = Math.max(WARM_UP_CALLS, Math.round((first * milliseconds) / 1000));
  rates.set(each, calls / stage.http2Load(cell, calls));
}

function turn(stage: Stage, each: Running, cell: Cell, milliseconds: number, rates: Rates): Closed {
  if (stage.setting !== 'h2c') return loadOf(stage, cell, milliseconds);
  const least = 4 * cell.connections * (cell.atOnce ?? 1);
  const requests = Math.max(least, Math.round((rates.get(each)! * milliseconds) / 1000));
  return { requests, seconds: stage.http2Load(cell, requests) };
}

/** Adds the figures of this round, and returns a summary. */
export function measureCell(
  stage: Stage,
  running: readonly Running[],
  cell: Cell,
  { turns, turnMs }: Schedule,
  figures: CellFigures,
  rates: Rates,
): string {
  const taking = running.filter(({ entrant }) => entrant.takes(cell));
  const samples = new Map(taking.map((each): [Running, Sample] => [each, { cpuUs: 0, requests: 0, seconds: 0 }]));
  for (let number = 0; number < turns; number++) {
    // Alternates the order, so that no proxy always follows the same one.
    const order = number % 2 === 0 ? taking : [...taking].reverse();
    for (const each of order) {
      const sample = samples.get(each)!;
      stage.choose(each, cell);
      const before = cpuMicroseconds(each.pid);
      // On a busy machine a short turn may pass without a response.
      for (let tries = 1; sample.requests === 0 || tries === 1; tries++) {
        if (tries > TRIES) throw new Error(`${each.entrant.name}: no response in ${TRIES} turns: ${cell.title}`);
        const { requests, seconds } = turn(stage, each, cell, turnMs, rates);
        sample.requests += requests;
        sample.seconds += seconds;
      }
      sample.cpuUs += cpuMicroseconds(each.pid) - before;
    }
  }
  return taking
    .map((each) => {
      const { cpuUs, requests, seconds } = samples.get(each)!;
      const units = cell.unit === 'MiB' ? requests * mebibytes(cell) : requests;
      const own = figuresOf(figures, each);
      own.cpuUs.push(cpuUs / units);
      own.perSecond.push(units / seconds);
      return `${each.entrant.name} ${(cpuUs / units).toFixed(1)}`;
    })
    .join(', ');
}

function figuresOf({ entrants }: CellFigures, { entrant }: Running): ProcessorFigures {
  const found = entrants.find((each) => each.entrant === entrant.key);
  if (found !== undefined) return found;
  const made = { entrant: entrant.key, cpuUs: [], perSecond: [] };
  entrants.push(made);
  return made;
}
