/** The results as Markdown tables. */
import { QUANTILES } from './latency.ts';
import { ratios, spread, type CellFigures, type Footprint, type Memory, type Results, type Starts } from './results.ts';

/** One decimal below a hundred, none above. */
export function figure(value: number): string {
  return Math.abs(value) < 99.95 ? value.toFixed(1) : Math.round(value).toLocaleString('en-US');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`;
  return `${line(head)}|${'---|'.repeat(head.length)}\n${rows.map(line).join('')}`;
}

/** The entrants in these figures, in their order. */
function keysOf(results: Results, figures: readonly { readonly entrant: string }[]): string[] {
  return Object.keys(results.names).filter((key) => figures.some(({ entrant }) => entrant === key));
}

const nameOf = (results: Results, key: string): string => results.names[key] ?? key;

function cellTable(
  results: Results,
  title: string,
  cells: readonly CellFigures[],
  keys: readonly string[],
  text: (cell: CellFigures, key: string) => string,
): string {
  const rows = cells.map((cell) => [
    cell.title,
    cell.unit,
    ...keys.map((key) => (cell.entrants.some(({ entrant }) => entrant === key) ? text(cell, key) : '')),
  ]);
  return table([title, 'per', ...keys.map((key) => nameOf(results, key))], rows);
}

function of(
  cell: CellFigures,
  key: string,
): { readonly cpuUs: readonly number[]; readonly perSecond: readonly number[] } {
  return cell.entrants.find(({ entrant }) => entrant === key)!;
}

function processorTables(results: Results): string {
  const { cells } = results;
  const keys = keysOf(
    results,
    cells.flatMap(({ entrants }) => entrants),
  );
  const [first, ...others] = keys;
  if (first === undefined) return '';
  const cpu = cellTable(results, 'CPU us, median', cells, keys, (cell, key) =>
    figure(spread(of(cell, key).cpuUs).median),
  );
  const comparable = cells.filter((cell) => cell.entrants.some(({ entrant }) => entrant === first));
  const relative = cellTable(results, `${nameOf(results, first)} relative to`, comparable, others, (cell, key) => {
    const { median, low, high } = spread(ratios(of(cell, first).cpuUs, of(cell, key).cpuUs));
    return `${median.toFixed(2)}x (${low.toFixed(2)} - ${high.toFixed(2)})`;
  });
  const rate = cellTable(results, 'a second, median', cells, keys, (cell, key) =>
    figure(spread(of(cell, key).perSecond).median),
  );
  return `## Processor time

Microseconds of processor time of the proxy for a request, or for a MiB of bodies; medians over the rounds.

${cpu}
Pair by pair within a round: median, least and greatest. Below 1 is less processor time.

${relative}
What they served in that time, with a load that waits for responses. The proxy has one core, load and backends the other, which is what
limits some.

${rate}
`;
}

function latencyTables(results: Results): string {
  return results.latencies
    .map(({ title, rate, slowest, direct, added }) => {
      const row = (name: string, each: (typeof added)[number]): string[] => [
        name,
        ...QUANTILES.map((quantile) => {
          const { median, low, high } = spread(each[quantile]);
          return `${figure(median)} (${figure(low)} - ${figure(high)})`;
        }),
      ];
      const rows = keysOf(results, added).map((key) =>
        row(
          nameOf(results, key),
          added.find(({ entrant }) => entrant === key)!,
        ),
      );
      return `## Added latency: ${title}

At ${rate.toLocaleString('en-US')} requests/s; the slowest serves ${slowest.toLocaleString('en-US')}. Microseconds beyond those of the same requests without a proxy in the
same round; median, least and greatest of the rounds.

${table(['', 'p50', 'p99', 'p99.9'], [...rows, row('without a proxy, all of it', direct)])}
`;
    })
    .join('');
}

const memory = ({ residentMiB, privateMiB }: Memory): string[] => [figure(residentMiB), figure(privateMiB)];

function footprintTable(results: Results): string {
  if (results.footprints.length === 0) return '';
  const row = (each: Footprint): string[] => [
    nameOf(results, each.entrant),
    ...[each.idle, each.idleConnections, each.activeConnections].flatMap(memory),
    figure(each.wakeUpsPerSecond),
  ];
  const count = results.connections.toLocaleString('en-US');
  const head = ['idle', `${count} idle connections`, `${count} active`].flatMap((name) => [
    `${name}: resident`,
    'private',
  ]);
  return `## Memory and wake-ups

MiB, summed over the processes of a proxy; private is what they have written. Wake-ups are context switches of all threads a second, idle.

${table(['', ...head, 'wake-ups/s'], results.footprints.map(row))}
`;
}

function startTable(results: Results): string {
  if (results.starts.length === 0) return '';
  const row = (each: Starts): string[] => {
    const { median, low, high } = spread(each.readyMs);
    return [
      ...[nameOf(results, each.entrant), each.title, `${median.toFixed(0)} (${low.toFixed(0)} - ${high.toFixed(0)})`],
      ...[spread(each.cpuMs).median.toFixed(0), ...memory(each.idle)],
    ];
  };
  const head = ['', 'with', 'ready after ms', 'CPU ms until then', 'MiB resident, idle', 'private'];
  return `## Start

From exec to the first response, on all cores, with files that have been read before; median, least and greatest. Memory some seconds later.

${table(head, results.starts.map(row))}
`;
}

function machineText({ machine, date, command, rounds, turns, turnMs, absent }: Results): string {
  const versions = Object.entries(machine.versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ');
  const without = absent.map((text) => ` Without: ${text}.`).join('');
  return `${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}, Linux ${machine.kernel}. ${versions}.
${date}, \`${command}\`: rounds: ${rounds}, turns of each cell: ${turns} of ${turnMs} ms.${without}
`;
}

export function tables(results: Results): string {
  const parts = [processorTables(results), latencyTables(results), footprintTable(results), startTable(results)];
  return `${machineText(results)}\n${parts.join('')}`;
}
