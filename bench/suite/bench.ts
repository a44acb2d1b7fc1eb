/**
 * `npm run bench`: what sideroute, HAProxy, nginx and Envoy cost in the same place, over the matrix of cells.ts.
 *
 *     npm run bench -- [--quick] [--rounds 5] [--turns 2] [--turn-ms 300] [--latency-ms 2000] [--rate R] [--cells get-32,close,...]
 *         [--proxies native,uws,haproxy,nginx,envoy,nghttpx,floor] [--envoy PATH] [--report DIR] [--from RESULTS.json] [--trial]
 *
 * docs/PERFORMANCE.md says how it measures and how to read the results. `--from` makes the report from the results of
 * another run. `--trial` measures almost nothing and only shows that everything works. Needs root and two cores.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseOptions } from './options.ts';
import { writeReport } from './report.ts';
import type { Results } from './results.ts';
import { measure } from './run.ts';
import { tables } from './tables.ts';

async function resultsOf(options: ReturnType<typeof parseOptions>): Promise<Results> {
  if (options.from !== null) return JSON.parse(readFileSync(options.from, 'utf8')) as Results;
  if (process.getuid?.() !== 0) throw new Error('it needs root: proxies are in network namespaces');
  if (availableParallelism() < 2) throw new Error('it needs two cores: one is of the proxy alone');
  for (const text of options.absent) process.stderr.write(`without it: ${text}\n`);
  return await measure(options);
}

try {
  const options = parseOptions(process.argv.slice(2));
  const results = await resultsOf(options);
  process.stdout.write(tables(results));
  if (options.report !== null) writeReport(options.report, results, options.envoy);
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
