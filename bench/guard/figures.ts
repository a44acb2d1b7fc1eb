/**
 * Figures of the guard: compares measured with recorded figures and explains the result. Pure.
 *
 * Stage before: the measures in this folder. Stage after: guard.ts, which prints the result and sets the exit status.
 */

/** What a figure depends on beside the sources: the kind of processor, or the version of Node too. */
export type DependsOn = 'processor' | 'node';

export interface Figure {
  /** Name as in `figures.json`: the measure, a slash, and the subject. */
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly dependsOn: DependsOn;
  /**
   * Tolerance for a figure that is recorded for the first time: the part by which it may grow without being a
   * regression.
   */
  readonly tolerance: number;
}

export interface Recorded {
  readonly value: number;
  readonly tolerance: number;
}

/** By place (see `placeOf`), then by name. */
export type Figures = Readonly<Record<string, Readonly<Record<string, Recorded>>>>;

export interface Machine {
  /** As `process.arch`. */
  readonly processor: string;
  /** As `process.versions.node`. */
  readonly node: string;
}

/** `better`: by more than the tolerance, so that the record protects little. `GONE`: recorded, but not measured. */
export type Verdict = 'ok' | 'better' | 'WORSE' | 'UNKNOWN' | 'GONE';

export interface Comparison {
  readonly name: string;
  readonly unit: string;
  readonly place: string;
  readonly expected: number | null;
  readonly seen: number | null;
  readonly tolerance: number | null;
  /** Measured divided by recorded. */
  readonly ratio: number | null;
  readonly verdict: Verdict;
}

export function placeOf(dependsOn: DependsOn, { processor, node }: Machine): string {
  return dependsOn === 'processor' ? processor : `${processor}, Node ${node.split('.')[0]}`;
}

export const isFailure = ({ verdict }: Comparison): boolean =>
  verdict === 'WORSE' || verdict === 'UNKNOWN' || verdict === 'GONE';

function verdictOn(seen: number, { value, tolerance }: Recorded): Verdict {
  // If 0 is recorded, anything more is a regression.
  if (seen > value * (1 + tolerance)) return 'WORSE';
  return seen < value * (1 - tolerance) ? 'better' : 'ok';
}

const ratioOf = (seen: number, expected: number): number => (seen === expected ? 1 : seen / expected);

/** `measures`: those that ran; none of their figures may be missing. */
export function compare(
  figures: readonly Figure[],
  recorded: Figures,
  machine: Machine,
  measures: readonly string[],
): Comparison[] {
  const compared = figures.map(({ name, unit, value, dependsOn }): Comparison => {
    const place = placeOf(dependsOn, machine);
    const known = recorded[place]?.[name];
    const seen = { name, unit, place, seen: value };
    if (known === undefined) return { ...seen, expected: null, tolerance: null, ratio: null, verdict: 'UNKNOWN' };
    const { value: expected, tolerance } = known;
    return { ...seen, expected, tolerance, ratio: ratioOf(value, expected), verdict: verdictOn(value, known) };
  });
  const gone = (['processor', 'node'] as const).flatMap((dependsOn) => {
    const place = placeOf(dependsOn, machine);
    return Object.entries(recorded[place] ?? {})
      .filter(([name]) => measures.includes(measureOf(name)))
      .filter(([name]) => !figures.some((figure) => figure.name === name && figure.dependsOn === dependsOn))
      .map(([name, { value, tolerance }]): Comparison => {
        return { name, unit: '', place, expected: value, seen: null, tolerance, ratio: null, verdict: 'GONE' };
      });
  });
  return [...compared, ...gone];
}

export const measureOf = (name: string): string => name.split('/')[0]!;

/** The figures to record after a run: figures of other places and tolerances that were edited stay. */
export function update(
  figures: readonly Figure[],
  recorded: Figures,
  machine: Machine,
  measures: readonly string[],
): Figures {
  const here = (['processor', 'node'] as const).map((dependsOn) => placeOf(dependsOn, machine));
  const stays = (place: string, name: string): boolean => !here.includes(place) || !measures.includes(measureOf(name));
  const places: Record<string, Record<string, Recorded>> = {};
  for (const [place, known] of Object.entries(recorded))
    places[place] = Object.fromEntries(Object.entries(known).filter(([name]) => stays(place, name)));
  for (const { name, value, dependsOn, tolerance } of figures) {
    const place = placeOf(dependsOn, machine);
    places[place] ??= {};
    places[place][name] = { value, tolerance: recorded[place]?.[name]?.tolerance ?? tolerance };
  }
  const sorted = <T>(record: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
  return sorted(Object.fromEntries(Object.entries(places).map(([place, known]) => [place, sorted(known)])));
}

function shown(value: number | null): string {
  if (value === null) return '-';
  return Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 3 : 1);
}

/** `commandOf`: the command that shows a figure in detail. */
export function table(comparisons: readonly Comparison[], commandOf: (name: string) => string): string {
  const rows = comparisons.map(({ name, unit, expected, seen, ratio, tolerance, verdict }) => [
    name,
    unit,
    shown(expected),
    shown(seen),
    ratio === null || !Number.isFinite(ratio) ? '-' : ratio.toFixed(3),
    tolerance === null ? '-' : (1 + tolerance).toFixed(2),
    verdict,
    verdict === 'ok' ? '' : commandOf(name),
  ]);
  const all = [['figure', 'unit', 'expected', 'seen', 'ratio', 'at most', '', 'shown in detail by'], ...rows];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all
    .map((row) =>
      row
        .map((cell, column) =>
          column >= 2 && column <= 5 ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** What a reader who does not know the guard needs for these failures, one line for each kind. */
export function advice(comparisons: readonly Comparison[]): string[] {
  const of = (verdict: Verdict): Comparison[] => comparisons.filter((each) => each.verdict === verdict);
  const names = (list: readonly Comparison[]): string => list.map(({ name }) => name).join(', ');
  const lines: string[] = [];
  const [worse, unknown, gone, better] = [of('WORSE'), of('UNKNOWN'), of('GONE'), of('better')];
  if (worse.length > 0)
    lines.push(`Worse than recorded: ${names(worse)}. The command beside each shows where it goes.`);
  for (const place of new Set(unknown.map((each) => each.place))) {
    const there = unknown.filter((each) => each.place === place);
    lines.push(
      `bench/guard/figures.json has nothing for ${place}: ${names(there)}. npm run guard -- --update records it.`,
    );
  }
  if (gone.length > 0)
    lines.push(`Recorded, but not measured any more: ${names(gone)}. npm run guard -- --update forgets it.`);
  if (better.length > 0) lines.push(`Better than recorded: ${names(better)}. npm run guard -- --update keeps it so.`);
  return lines;
}
