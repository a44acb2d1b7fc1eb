/** How long each thing is measured, and so how long a run takes. */
import { CELLS, SETTINGS, type Cell, type Chosen, type SettingKey } from './cells.ts';
import type { Entrant } from './entrants.ts';

export interface Schedule {
  readonly rounds: number;
  /** Per proxy, cell and round. */
  readonly turns: number;
  readonly turnMs: number;
  readonly warmUpMs: number;
  readonly latencyMs: number;
  /** From the last start to the first latency: V8 still collects garbage of the start meanwhile. */
  readonly settleMs: number;
  /** After a start, and then of what is measured of an idle proxy. */
  readonly idleSeconds: number;
  readonly connections: number;
  readonly starts: number;
}

export const FULL: Schedule = {
  ...{ rounds: 5, turns: 2, turnMs: 300, warmUpMs: 600 },
  ...{ latencyMs: 4000, settleMs: 15_000, idleSeconds: 10, connections: 1000, starts: 5 },
};

/** Takes less than three minutes. */
export const QUICK: Schedule = {
  ...{ rounds: 2, turns: 1, turnMs: 200, warmUpMs: 300 },
  ...{ latencyMs: 750, settleMs: 0, idleSeconds: 5, connections: 1000, starts: 2 },
};

/** Shows that it works; its figures mean nothing. */
export const TRIAL: Schedule = {
  ...{ rounds: 1, turns: 1, turnMs: 50, warmUpMs: 50 },
  ...{ latencyMs: 100, settleMs: 0, idleSeconds: 0.1, connections: 10, starts: 1 },
};

/** The settings whose starts are timed. */
export const STARTED = [
  { setting: 'http', title: '1 route' },
  { setting: 'routes', title: `${SETTINGS.routes.setting.rules.toLocaleString('en-US')} routes` },
] as const;

/** Overhead in seconds of a turn, and of starting a proxy and sending it a request. */
const TURN = 0.06;
const START = 0.5;

export interface Durations {
  readonly cell: number;
  readonly start: number;
  readonly latency: number;
  readonly footprint: number;
  readonly timedStart: number;
}

/** Duration of one step for one entrant, in seconds. */
export function durations(schedule: Schedule): Durations {
  return {
    cell: schedule.turns * (schedule.turnMs / 1000 + TURN),
    start: START + schedule.warmUpMs / 1000,
    latency: schedule.latencyMs / 1000 + TURN,
    footprint: 2,
    timedStart: START,
  };
}

/** The entrants whose memory is measured: all except those for HTTP/2 only. */
export function rememberers(entrants: readonly Entrant[]): readonly Entrant[] {
  return entrants.filter((entrant) => entrant.takes(CELLS[0]!));
}

/** The entrants whose starts are timed with that setting: not the floor, which has no routes. */
export function starters(entrants: readonly Entrant[], setting: SettingKey): readonly Entrant[] {
  const cell = CELLS.find((each) => each.setting === setting)!;
  return entrants.filter((entrant) => !entrant.isFloor && entrant.takes(cell));
}

/** For this many starters with one setting. */
export function startSeconds(schedule: Schedule, starters: number): number {
  return starters === 0 ? 0 : starters * schedule.starts * durations(schedule).timedStart + schedule.idleSeconds;
}

/** How many entrants take part in that cell. */
export function takersOf(cell: Cell, entrants: readonly Entrant[]): number {
  return entrants.filter((entrant) => entrant.takes(cell)).length;
}

/** How long a round with these cells of one setting waits for its latencies: what the cells leave of that time. */
export function settleSeconds(schedule: Schedule, cells: readonly Cell[], entrants: readonly Entrant[]): number {
  if (!cells.some(({ isTimed }) => isTimed)) return 0;
  const turns = cells.reduce((sum, cell) => sum + takersOf(cell, entrants), 0);
  return Math.max(0, schedule.settleMs / 1000 - turns * durations(schedule).cell);
}

export function totalSeconds(schedule: Schedule, { cells, beside }: Chosen, entrants: readonly Entrant[]): number {
  const each = durations(schedule);
  const settings = [...new Set(cells.map(({ setting }) => setting))];
  const settling = settings.map((key) =>
    settleSeconds(
      schedule,
      cells.filter(({ setting }) => setting === key),
      entrants,
    ),
  );
  const ofRound =
    cells.reduce((sum, cell) => sum + takersOf(cell, entrants) * (each.cell + (cell.isTimed ? each.latency : 0)), 0) +
    settings.length * entrants.length * each.start +
    settling.reduce((sum, seconds) => sum + seconds, 0);
  const ofMemory = beside.includes('memory')
    ? rememberers(entrants).length * each.footprint + 2 * schedule.idleSeconds
    : 0;
  const ofStarts = beside.includes('start')
    ? STARTED.reduce((sum, { setting }) => sum + startSeconds(schedule, starters(entrants, setting).length), 0)
    : 0;
  return schedule.rounds * ofRound + ofMemory + ofStarts;
}
