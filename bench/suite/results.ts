/** What a run has measured: the form of results.json, from which the tables and the plots are made; and how far figures are apart. */
import { median } from '../median.ts';
import type { MachineFacts } from './machine.ts';

export interface ProcessorFigures {
  readonly entrant: string;
  /** Of each round: microseconds of processor time for a unit of the cell, and units a second. */
  readonly cpuUs: number[];
  readonly perSecond: number[];
}

export interface CellFigures {
  readonly cell: string;
  readonly title: string;
  readonly unit: 'request' | 'MiB';
  readonly entrants: ProcessorFigures[];
}

/** Of each round, in microseconds. */
export interface LatencyFigures {
  readonly entrant: string;
  readonly p50Us: number[];
  readonly p99Us: number[];
  readonly p999Us: number[];
}

export interface LatencyCell {
  readonly cell: string;
  readonly title: string;
  /** Requests a second, and what those of the slowest entrant were without a limit. */
  readonly rate: number;
  readonly slowest: number;
  /** Without a proxy. */
  readonly direct: LatencyFigures;
  /** Less the ones without a proxy of the same round. */
  readonly added: LatencyFigures[];
}

export interface Memory {
  readonly residentMiB: number;
  /** What was written. */
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
  /** Of each start, from exec to the first response, by the clock and in processor time. */
  readonly readyMs: number[];
  readonly cpuMs: number[];
  /** Some seconds after the last of them. */
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

/** One relative to another, pair by pair within a round. */
export function ratios(one: readonly number[], other: readonly number[]): number[] {
  return one.map((figure, round) => figure / other[round]!);
}
