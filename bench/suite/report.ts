/** Writes the results of a run: tables, figures, plots, and how the proxies were set up. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { configurations } from './configurations.ts';
import { allEntrants } from './entrants.ts';
import { plots } from './plots.ts';
import type { Results } from './results.ts';
import { tables } from './tables.ts';

const HEADINGS: Readonly<Record<string, string>> = {
  'processor.svg': 'Processor time of the proxies',
  'latency.svg': 'Added latency',
  'memory.svg': 'Memory',
  'start.svg': 'Start',
};

export function writeReport(directory: string, results: Results, envoyProgram: string): void {
  mkdirSync(directory, { recursive: true });
  const drawn = plots(results);
  for (const [name, text] of drawn) writeFileSync(join(directory, name), text);
  writeFileSync(join(directory, 'results.json'), `${JSON.stringify(results, null, 1)}\n`);
  // The programs that took part in the run, not those that could take part on this machine.
  const entrants = allEntrants(envoyProgram).filter(({ key }) => Object.hasOwn(results.names, key));
  writeFileSync(join(directory, 'configurations.md'), `${configurations(entrants, envoyProgram)}\n`);
  const images = [...drawn.keys()].map((name) => `![${HEADINGS[name]}](${name})\n`).join('\n');
  const text = `# A run of the benchmark

What the figures are, and how to read them: [PERFORMANCE.md](../PERFORMANCE.md#everything-side-by-side). How the proxies were set up:
[configurations.md](configurations.md). All figures of all rounds: [results.json](results.json).

${images}
${tables(results)}`;
  writeFileSync(join(directory, 'report.md'), `${text.trimEnd()}\n`);
}
