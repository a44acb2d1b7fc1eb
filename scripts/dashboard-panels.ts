/**
 * Draws a panel of the dashboard from the answers to its queries, by its kind, unit, stacking, thresholds and legend,
 * as SVG made by Vega-Lite. Grafana's own features (hovering, zooming, its colours) are not imitated.
 *
 * Stage before: `draw-dashboard.ts`, which reads the dashboard and the recording.
 */
import { parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';

export interface Panel {
  readonly type: 'row' | 'stat' | 'timeseries';
  readonly title: string;
  readonly description?: string;
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
  readonly fieldConfig?: {
    readonly defaults: {
      readonly unit: string;
      readonly min?: number;
      readonly max?: number;
      readonly thresholds?: { readonly steps: readonly { readonly color: string; readonly value: number | null }[] };
      readonly custom?: { readonly fillOpacity: number; readonly stacking: { readonly mode: string } };
    };
  };
  readonly options?: { readonly legend?: { readonly calcs: readonly string[] } };
}

export interface Recording {
  readonly seconds: number;
  readonly stepSeconds: number;
  readonly queries: readonly {
    readonly title: string;
    readonly expr: string;
    readonly series: readonly {
      readonly labels: Readonly<Record<string, string>>;
      readonly values: readonly (number | null)[];
    }[];
  }[];
}

interface Line {
  readonly name: string;
  readonly values: readonly (number | null)[];
}

interface Point {
  readonly second: number;
  readonly value: number | null;
  readonly series: string;
}

const [WIDTH, HEIGHT] = [420, 190];
const MAX_LINES = 10;
const STAT = { width: 200, height: 86 };
const FONT = 'system-ui, "DejaVu Sans", sans-serif';
const COLORS = [
  '#3452c9',
  '#c25e00',
  '#157a46',
  '#c0263c',
  '#7a3fb0',
  '#00788a',
  '#8a6d00',
  '#d1479b',
  '#5b6b82',
  '#5a3d2b',
];
const GRAFANA_COLORS: Readonly<Record<string, string>> = {
  ...{ blue: '#1f60c4', green: '#37872d', orange: '#b04e00', red: '#c4162a' },
};

/** By Grafana unit: divisors and the suffix of each. */
const UNITS: Readonly<Record<string, readonly (readonly [divisor: number, suffix: string])[]>> = {
  short: [
    [1e6, ' Mil'],
    [1e3, ' K'],
    [1, ''],
  ],
  percentunit: [[0.01, '%']],
  reqps: [
    [1e3, 'K req/s'],
    [1, ' req/s'],
  ],
  cps: [
    [1e3, 'K c/s'],
    [1, ' c/s'],
  ],
  ops: [
    [1e3, 'K ops/s'],
    [1, ' ops/s'],
  ],
  s: [
    [1, ' s'],
    [1e-3, ' ms'],
    [1e-6, ' µs'],
  ],
  bytes: [
    [2 ** 30, ' GiB'],
    [2 ** 20, ' MiB'],
    [2 ** 10, ' KiB'],
    [1, ' B'],
  ],
  Bps: [
    [1e6, ' MB/s'],
    [1e3, ' kB/s'],
    [1, ' B/s'],
  ],
};

function unitFor(value: number, unit: string): readonly [number, string] {
  const steps = UNITS[unit];
  if (steps === undefined) throw new Error(`no drawing has the unit ${unit}`);
  return steps.find(([divisor]) => Math.abs(value) >= divisor) ?? steps.at(value === 0 && unit === 's' ? 0 : -1)!;
}

export function formatValue(value: number | null, unit: string): string {
  if (value === null) return 'no data';
  const [divisor, suffix] = unitFor(value, unit);
  return `${Number((value / divisor).toPrecision(3))}${suffix}`;
}

/** Replaces `{{label}}` in a legend format. */
function nameOf(format: string, labels: Readonly<Record<string, string>>): string {
  return format.replaceAll(/\{\{ *(\w+) *\}\}/g, (_, label: string) => labels[label] ?? '');
}

function reduced(values: readonly (number | null)[], reducer: string): number | null {
  const there = values.filter((value) => value !== null);
  if (there.length === 0) return null;
  if (reducer === 'lastNotNull') return there.at(-1)!;
  if (reducer === 'mean') return there.reduce((all, value) => all + value, 0) / there.length;
  throw new Error(`no drawing has the reducer ${reducer}`);
}

/** Limits the number of lines: of those that are always 0, one stands for all. */
function distinct(lines: readonly Line[]): readonly Line[] {
  if (lines.length <= MAX_LINES) return lines;
  const isQuiet = ({ values }: Line): boolean => values.every((value) => value === null || value === 0);
  const quiet = lines.filter(isQuiet);
  const others = lines.filter((line) => !isQuiet(line));
  const one = quiet.slice(0, 1).map(({ name, values }) => ({
    name: quiet.length === 1 ? name : `${name} and ${quiet.length - 1} others`,
    values,
  }));
  return [...others, ...one].slice(0, MAX_LINES);
}

/** The lines of the panel. Throws if the recording is of another query. */
function linesOf(panel: Panel, recording: Recording): Line[] {
  const lines = panel.targets!.flatMap(({ expr, legendFormat }) => {
    const found = recording.queries.find((query) => query.title === panel.title && query.expr === expr);
    if (found === undefined) throw new Error(`${panel.title}: the recording has another query: record it anew`);
    return found.series.map(({ labels, values }) => ({ name: nameOf(legendFormat, labels), values }));
  });
  if (lines.length === 0) throw new Error(`${panel.title}: the recording has nothing to show: record it anew`);
  return lines;
}

function statSpec(panel: Panel, lines: readonly Line[]): TopLevelSpec {
  const { unit, thresholds } = panel.fieldConfig!.defaults;
  const value = reduced(lines[0]?.values ?? [], 'lastNotNull');
  const steps = thresholds!.steps.filter((step) => step.value === null || (value ?? 0) >= step.value);
  const { color } = steps.at(-1)!;
  const middle = { x: { value: STAT.width / 2 } };
  return {
    ...{ width: STAT.width, height: STAT.height, padding: 4, background: '#fff' },
    data: { values: [{}] },
    layer: [
      {
        mark: { type: 'rect', color: GRAFANA_COLORS[color]!, cornerRadius: 4 },
        encoding: { x: { value: 0 }, x2: { value: STAT.width }, y: { value: 0 }, y2: { value: STAT.height } },
      },
      {
        mark: { type: 'text', text: panel.title, color: '#fff', fontSize: 13, font: FONT, baseline: 'top' },
        encoding: { ...middle, y: { value: 10 } },
      },
      {
        mark: { type: 'text', text: formatValue(value, unit), color: '#fff', fontSize: 28, font: FONT },
        encoding: { ...middle, y: { value: 54 } },
      },
    ],
    config: { view: { stroke: null } },
  };
}

function chartSpec(panel: Panel, lines: readonly Line[], { seconds, stepSeconds }: Recording): TopLevelSpec {
  const { unit, custom, max } = panel.fieldConfig!.defaults;
  const { calcs } = panel.options!.legend!;
  const stacked = custom!.stacking.mode === 'normal';
  const names = lines.map(({ name, values }) => {
    const numbers = calcs.map(
      (calc) => `${calc === 'mean' ? 'mean' : 'last'} ${formatValue(reduced(values, calc), unit)}`,
    );
    return `${name} · ${numbers.join(' · ')}`;
  });
  const most = Math.max(...lines.flatMap(({ values }) => values.map((value) => value ?? 0)));
  // Chosen so that the axis has round numbers.
  const [divisor, suffix] = unitFor(most, unit);
  const points: Point[] = lines.flatMap(({ values }, line) =>
    values.map((value, step) => ({
      second: step * stepSeconds,
      value: value === null ? (stacked ? 0 : null) : value / divisor,
      series: names[line]!,
    })),
  );
  // The axis begins at 0, and a line at 0 must be visible.
  const scale = {
    nice: true,
    zero: true,
    ...(most === 0 || max !== undefined ? { domain: [0, (max ?? 1) / divisor] } : {}),
  };
  const minutes = Array.from({ length: seconds / 60 + 1 }, (_, minute) => minute * 60);
  return {
    ...{ width: WIDTH, height: HEIGHT, padding: 8, background: '#fff' },
    title: { text: panel.title, anchor: 'start', fontSize: 13, font: FONT },
    data: { values: points },
    mark: stacked
      ? { type: 'area', line: { strokeWidth: 1.4 }, fillOpacity: custom!.fillOpacity / 100 }
      : { type: 'line', strokeWidth: 1.6, strokeCap: 'round' },
    encoding: {
      x: {
        field: 'second',
        type: 'quantitative',
        scale: { domain: [0, seconds], nice: false },
        axis: { title: null, values: minutes, labelExpr: `floor(datum.value / 60) + ':00'`, grid: false },
      },
      y: {
        field: 'value',
        type: 'quantitative',
        stack: stacked ? 'zero' : null,
        scale,
        axis: { title: null, tickCount: 4, labelExpr: `format(datum.value, '.3~g') + '${suffix}'` },
      },
      color: {
        field: 'series',
        type: 'nominal',
        scale: { domain: names, range: names.map((_, index) => COLORS[index % COLORS.length]!) },
        legend: { title: null, orient: 'bottom', columns: 1, labelLimit: 0, symbolType: 'stroke' },
      },
    },
    config: {
      font: FONT,
      axis: { labelColor: '#444', gridColor: '#e3e7ee', domainColor: '#9aa5b5', tickColor: '#9aa5b5' },
      view: { stroke: null },
    },
  };
}

export async function draw(panel: Panel, recording: Recording): Promise<string> {
  const lines = linesOf(panel, recording);
  const spec = panel.type === 'stat' ? statSpec(panel, lines) : chartSpec(panel, distinct(lines), recording);
  const view = new View(parse(compile(spec).spec), { renderer: 'none' });
  const svg = await view.toSVG();
  view.finalize();
  return `${svg}\n`;
}
