/** The results as plots: SVG text by file name. */
import { QUANTILES } from './latency.ts';
import { spread, type Memory, type Results } from './results.ts';
import { barPanels, type Bar, type Panel } from './svg.ts';
import { figure } from './tables.ts';

const COLORS: Readonly<Record<string, string>> = {
  native: '#1f6feb',
  uws: '#7ab4f5',
  haproxy: '#d9822b',
  nginx: '#2e9e5b',
  envoy: '#a347ba',
  nghttpx: '#8c6d46',
  floor: '#a0a6ad',
};
const QUANTILE_NAMES = { p50Us: 'median', p99Us: 'p99', p999Us: 'p99.9' } as const;

function bars<T extends { readonly entrant: string }>(
  results: Results,
  figures: readonly T[],
  values: (each: T) => readonly number[],
): Bar[] {
  return Object.entries(results.names).flatMap(([key, label]) => {
    const found = figures.find(({ entrant }) => entrant === key);
    if (found === undefined) return [];
    const { median, low, high } = spread(values(found));
    return [{ label, color: COLORS[key] ?? '#666', value: median, low, high, text: figure(median) }];
  });
}

/** First the `resident` panels, then the `private` ones. */
function memoryPanels<T extends { readonly entrant: string }>(
  results: Results,
  figures: readonly T[],
  title: string,
  memory: (each: T) => Memory,
): Panel[] {
  return [
    { title: `${title}: private`, bars: bars(results, figures, (each) => [memory(each).privateMiB]) },
    { title: `${title}: resident`, bars: bars(results, figures, (each) => [memory(each).residentMiB]) },
  ];
}

export function plots(results: Results): Map<string, string> {
  const { machine, rounds, cells, latencies, footprints, starts, connections } = results;
  const subtitle = `${machine.processor}, ${machine.cores} cores, Linux ${machine.kernel}, ${results.date}; medians over the rounds (${rounds}), least to greatest`;
  const cpu = cells.map(({ title, unit, entrants }): Panel => ({
    title: `${title}, per ${unit}`,
    bars: bars(results, entrants, (each) => each.cpuUs),
  }));
  const latency = latencies.flatMap(({ title, rate, added }) =>
    QUANTILES.map((quantile): Panel => ({
      title: `${QUANTILE_NAMES[quantile]}: ${title}, ${rate.toLocaleString('en-US')}/s`,
      bars: bars(results, added, (each) => each[quantile]),
    })),
  );
  const memory = [
    ...memoryPanels(results, footprints, 'Idle', ({ idle }) => idle),
    ...memoryPanels(results, footprints, `${connections} idle connections`, (each) => each.idleConnections),
    ...memoryPanels(results, footprints, `${connections} active connections`, (each) => each.activeConnections),
  ];
  const titles = [...new Set(starts.map(({ title }) => title))];
  const start = titles.flatMap((title): Panel[] => {
    const here = starts.filter((each) => each.title === title);
    return [
      { title: `With ${title}: ms`, bars: bars(results, here, ({ readyMs }) => readyMs) },
      { title: `With ${title}: private MiB, idle`, bars: bars(results, here, ({ idle }) => [idle.privateMiB]) },
    ];
  });
  const drawn = [
    { name: 'processor.svg', title: 'Processor time of the proxy, microseconds', panels: cpu },
    { name: 'latency.svg', title: 'Added latency at a fixed rate, microseconds', panels: latency },
    { name: 'memory.svg', title: 'Memory, MiB', panels: footprints.length > 0 ? memory : [] },
    { name: 'start.svg', title: 'From exec to the first response, and memory afterwards', panels: start },
  ];
  return new Map(
    drawn
      .filter(({ panels }) => panels.length > 0)
      .map(({ name, title, panels }) => [name, barPanels(title, subtitle, panels)]),
  );
}
