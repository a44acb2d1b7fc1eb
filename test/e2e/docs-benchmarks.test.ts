/** What docs/PERFORMANCE.md measures can be measured as it says; in short, which says nothing of the figures. */
import { existsSync } from 'node:fs';
import { isInstalled } from '../support/docs/places.ts';
import { inRepository, isBenchmark, runBlocks } from '../support/docs/in-repository.ts';
import type { Runner } from '../support/docs/running.ts';
import { withoutUws } from '../support/uws-loads.ts';

/** Programs that a benchmark compares with; it is not run without them. */
function benchmark(
  prints: readonly string[],
  flags: string,
  programs: readonly string[] = [],
  filled: (script: string) => string = (script) => script,
): Runner {
  const run = inRepository(prints, (script) => filled(script).trim().replaceAll(/$/gm, ` ${flags}`));
  return async (t, block) => {
    const missing = programs.filter((program) => !isInstalled(program));
    if (missing.length > 0) t.plan(0, `not installed: ${missing.join(', ')}`);
    else await run(t, block);
  };
}

/** Only cgroup v1 gives a thread a part of a processor. */
function withThreadShares(run: Runner): Runner {
  return async (t, block) => {
    if (existsSync('/sys/fs/cgroup/cpu/tasks')) await run(t, block);
    else t.plan(0, 'no cpu controller of cgroup v1');
  };
}

const RUN: Readonly<Record<string, Runner>> = {
  'docs/PERFORMANCE.md > Everything side by side': benchmark(
    ['small GET, 1 connection', 'sideroute native'],
    // test/e2e/bench.test.ts has more of it.
    '--trial --cells get-1 --proxies native',
    ['nginx', 'taskset'],
  ),
  'docs/PERFORMANCE.md > CPU time per proxied request': benchmark(
    ['sideroute native', 'HAProxy', 'nginx', ...(withoutUws === false ? ['sideroute uws'] : [])],
    '--rounds 1 --seconds 1',
    ['wrk', 'haproxy', 'nginx', 'taskset'],
  ),
  'docs/PERFORMANCE.md > A connection for each request': benchmark(
    ['sideroute native before', 'HAProxy', 'nginx', 'accept4'],
    '--rounds 1 --seconds 1',
    ['wrk', 'haproxy', 'nginx', 'taskset', 'strace'],
    // This version stands for the one before.
    (script) => script.replaceAll('--before DIR', '--before .'),
  ),
  'docs/PERFORMANCE.md > By version of Node': benchmark(['private MiB'], '--rounds 1 --idle 0.1', [], (script) =>
    script.replace('PATH,PATH...', process.execPath),
  ),
  'docs/PERFORMANCE.md > By version of Node (2)': benchmark(
    [`Node ${process.version}`],
    '--rounds 1 --seconds 1',
    ['wrk', 'taskset'],
    (script) => script.replace('native@PATH,native@PATH...', `native@${process.execPath}`),
  ),
  'docs/PERFORMANCE.md > The access log': benchmark(
    ['sideroute native', 'access log errors', 'access log all'],
    '--rounds 1 --seconds 1',
    ['wrk', 'taskset'],
  ),
  'docs/PERFORMANCE.md > Calls over HTTP/2': benchmark(
    ['sideroute', 'HAProxy'],
    '--quick --loads 32x1,4x16:16384 --proxies native,haproxy',
    [...['h2load', 'nghttpd', 'haproxy', 'taskset']],
  ),
  'docs/PERFORMANCE.md > Metrics': benchmark(['2 scrapes: longest block', 'beside'], '--quick', ['curl']),
  'docs/PERFORMANCE.md > Memory': benchmark(['100 '], '--rules 100 --reloads 4'),
  'docs/PERFORMANCE.md > Two workers': withThreadShares(
    benchmark(['two workers, used of its share', 'two to one, requests / s'], '--pairs 1', ['wrk', 'nginx']),
  ),
  'docs/PERFORMANCE.md > The decision': benchmark(['prefix paths', 'exact paths', 'one header'], '--quick'),
  'docs/PERFORMANCE.md > Applying a configuration': benchmark(['625 routes x 16 rules, 50 Services'], '--quick'),
  'docs/PERFORMANCE.md > Applying a configuration (2)': benchmark(
    ['all of 100 routes, all threads', 'the serving thread', 'one of 100 routes', 'of before'],
    '--quick',
    [],
    // This version stands for the one before.
    (script) => script.replace('--before DIR', '--before .'),
  ),
};

runBlocks(RUN, isBenchmark);
