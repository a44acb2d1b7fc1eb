/**
 * The results of a run: the format of results.json, from which tables and plots are made; and the spread of figures.
 */
import { median } from '../median.ts';
import type { MachineFacts } from './machine.ts';

export interface ProcessorFigures {
  readonly entrant: string;
  /** By round: microseconds of processor time per unit of the cell, and units per second. */
  readonly cpuUs: number[];
  readonly perSecond: number[];
}

export interface CellFigures {
  readonly cell: string;
  readonly title: string;
  readonly unit: 'request' | 'MiB';
  readonly entrants: ProcessorFigures[];
}

/** By round, in microseconds. */
export interface LatencyFigures {
  readonly entrant: string;
  readonly p50Us: number[];
  readonly p99Us: number[];
  readonly p999Us: number[];
}

export interface LatencyCell {
  readonly cell: string;
  readonly title: string;
  /** Requests per second, and the rate of the slowest entrant without a limit. */
  readonly rate: number;
  readonly slowest: number;
  /** Without a proxy. */
  readonly direct: LatencyFigures;
  /** Minus the latencies without a proxy in the same round. */
  readonly added: LatencyFigures[];
}

export interface Memory {
  readonly residentMiB: number;
  /** Memory that was written. */
  readonly privateMiB: number;
}

export interface Footprint {
  readonly entrant: string;
  readonly idle: Memory;
  readonly idleConnections: Memory;
  readonly activeConnections: Memory;
  /** Of all threads, without connections. */
  readonly wakeUpsPerSecond: number;
}

export interface Starts {
  readonly entrant: string;
  readonly title: string;
  /** By start: time from exec to the first response, by the clock and in processor time. */
  readonly readyMs: number[];
  readonly cpuMs: number[];
  /** Some seconds after the last start. */
  readonly idle: Memory;
}

export interface Results {
  readonly machine: MachineFacts;
  readonly date: string;
  readonly command: string;
  readonly rounds: number;
  readonly turns: number;
  readonly turnMs: number;
  readonly names: Readonly<Record<string, string>>;
  /** What could not take part, and why. */
  readonly absent: readonly string[];
  readonly cells: readonly CellFigures[];
  readonly latencies: readonly LatencyCell[];
  readonly connections: number;
  readonly footprints: readonly Footprint[];
  readonly starts: readonly Starts[];
}

export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

export function spread(figures: readonly number[]): Spread {
  return { median: median(figures), low: Math.min(...figures), high: Math.max(...figures) };
}

/** Ratios of two figures, pair by pair within a round. */
export function ratios(one: readonly number[], other: readonly number[]): number[] {
  return one.map((figure, round) => figure / other[round]!);
}
