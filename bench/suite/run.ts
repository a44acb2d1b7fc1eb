/** Measures everything that was asked for. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { stopProcess } from '../../test/support/processes.ts';
import { CELLS, SETTINGS, type Cell, type SettingKey } from './cells.ts';
import { measureFootprints, measureStarts } from './footprint.ts';
import { measureLatency, newLatencyCell, saturation } from './latency.ts';
import { machineFacts } from './machine.ts';
import type { Options } from './options.ts';
import { measureCell, warmUp, type Rates } from './processor.ts';
import { Progress } from './progress.ts';
import type { CellFigures, Footprint, LatencyCell, Results, Starts } from './results.ts';
import {
  durations,
  rememberers,
  settleSeconds,
  STARTED,
  starters,
  startSeconds,
  takersOf,
  totalSeconds,
} from './schedule.ts';
import { Stage, type Running } from './stage.ts';

class Run {
  readonly #options: Options;
  readonly #stages = new Map<SettingKey, Stage>();
  readonly #directory = mkdtempSync(join(tmpdir(), 'sideroute-bench-'));
  readonly #progress: Progress;
  readonly #cells: ReadonlyMap<Cell, CellFigures>;
  readonly #latencies = new Map<Cell, LatencyCell>();

  constructor(options: Options) {
    this.#options = options;
    const { schedule, cells, entrants } = options;
    chmodSync(this.#directory, 0o777);
    this.#progress = new Progress(totalSeconds(schedule, options, entrants));
    this.#cells = new Map(
      cells.map((cell) => [cell, { cell: cell.key, title: cell.title, unit: cell.unit, entrants: [] }]),
    );
  }

  close(): void {
    for (const stage of this.#stages.values()) stage.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #stage(setting: SettingKey): Stage {
    let stage = this.#stages.get(setting);
    if (stage === undefined) this.#stages.set(setting, (stage = new Stage(setting, this.#directory)));
    return stage;
  }

  async measure(): Promise<Results> {
    const { schedule, cells, beside, entrants, absent, envoy, command } = this.#options;
    const footprints = beside.includes('memory') ? await this.#footprints() : [];
    const starts: Starts[] = [];
    if (beside.includes('start'))
      for (const { setting, title } of STARTED) starts.push(...(await this.#starts(setting, title)));
    const settings = [...new Set(cells.map(({ setting }) => setting))];
    for (let round = 1; round <= schedule.rounds; round++)
      for (const setting of settings) await this.#round(round, setting);
    return {
      machine: machineFacts(
        entrants.map(({ key }) => key),
        envoy,
      ),
      ...{ date: new Date().toISOString().slice(0, 10), command, absent },
      ...{ rounds: schedule.rounds, turns: schedule.turns, turnMs: schedule.turnMs },
      ...{ connections: schedule.connections, footprints, starts },
      names: Object.fromEntries(entrants.map(({ key, name }) => [key, name])),
      cells: [...this.#cells.values()],
      latencies: [...this.#latencies.values()],
    };
  }

  /** Every proxy is started anew, then they take turns. */
  async #round(round: number, setting: SettingKey): Promise<void> {
    const { schedule, entrants } = this.#options;
    const each = durations(schedule);
    const cells = this.#options.cells.filter((cell) => cell.setting === setting);
    const taking = entrants.filter((entrant) => cells.some((cell) => entrant.takes(cell)));
    const stage = this.#stage(setting);
    const running: Running[] = [];
    const rates: Rates = new Map();
    try {
      for (const entrant of taking) {
        const started = await stage.start(entrant, true);
        running.push(started);
        warmUp(
          stage,
          started,
          cells.find((cell) => entrant.takes(cell))!,
          schedule.warmUpMs,
          rates,
        );
      }
      const startedMs = performance.now();
      this.#progress.done(
        entrants.length * each.start,
        `round ${round} of ${schedule.rounds}: ${SETTINGS[setting].title}`,
      );
      for (const cell of cells) {
        const text = measureCell(stage, running, cell, schedule, this.#cells.get(cell)!, rates);
        this.#progress.done(
          takersOf(cell, entrants) * each.cell,
          `round ${round}, ${cell.title}, CPU us per ${cell.unit}: ${text}`,
        );
      }
      const timed = cells.filter(({ isTimed }) => isTimed);
      if (timed.length > 0) {
        await delay(Math.max(0, startedMs + schedule.settleMs - performance.now()));
        this.#progress.done(settleSeconds(schedule, cells, entrants), `round ${round}, what a start causes is over`);
      }
      for (const cell of timed) {
        this.#progress.done(
          takersOf(cell, entrants) * each.latency,
          `round ${round}, ${cell.title}, ${this.#latency(stage, running, cell)}`,
        );
      }
    } finally {
      for (const { child } of running) await stopProcess(child);
    }
  }

  #latency(stage: Stage, running: readonly Running[], cell: Cell): string {
    let figures = this.#latencies.get(cell);
    if (figures === undefined) {
      figures = newLatencyCell(cell, this.#options.rate, saturation(stage, running, cell));
      this.#latencies.set(cell, figures);
    }
    return measureLatency(stage, running, cell, this.#options.schedule, figures);
  }

  async #footprints(): Promise<Footprint[]> {
    const { schedule } = this.#options;
    const entrants = rememberers(this.#options.entrants);
    if (entrants.length === 0) return [];
    const { footprint } = durations(schedule);
    const weight = footprint + (2 * schedule.idleSeconds) / entrants.length;
    return await measureFootprints(this.#stage('http'), entrants, CELLS[0]!, schedule, (text) =>
      this.#progress.done(weight, text),
    );
  }

  async #starts(setting: SettingKey, title: string): Promise<Starts[]> {
    const { schedule } = this.#options;
    const entrants = starters(this.#options.entrants, setting);
    if (entrants.length === 0) return [];
    const weight = startSeconds(schedule, entrants.length) / (entrants.length * schedule.starts);
    return await measureStarts(this.#stage(setting), entrants, title, schedule, (text) =>
      this.#progress.done(weight, text),
    );
  }
}

export async function measure(options: Options): Promise<Results> {
  const run = new Run(options);
  // Network namespaces outlive the process that made them.
  const interrupted = (): void => {
    run.close();
    process.exit(130);
  };
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  try {
    return await run.measure();
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
    run.close();
  }
}
