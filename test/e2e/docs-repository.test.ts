/**
 * Command blocks of the documents that are about the repository itself are run as they are printed, in a copy of it. Where that takes long, a
 * shorter form of the same command stands for it, and SIDEROUTE_FULL=1 runs the whole: linting everything, measuring.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { isInstalled, repositoryCopy } from '../support/docs/places.ts';
import { blocks, isOfRepository, Places, skip, succeeded, type Runner } from '../support/docs/running.ts';
import { ROOT } from '../support/manifests.ts';

const FULL = process.env['SIDEROUTE_FULL'] === '1';
const places = new Places();

/** In a copy of the repository. `shorter`: what a run takes instead unless SIDEROUTE_FULL=1. */
function inRepository(prints: readonly string[], shorter: (script: string) => string = (script) => script): Runner {
  return async (t, { text }) => {
    const copy = await places.get(repositoryCopy);
    const script = FULL ? text : shorter(text);
    succeeded(t, await copy.run(script), prints);
  };
}

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

/** Linting everything takes a minute: one file stands for the others. */
function lintInShort(script: string): string {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Readonly<Record<string, string>>;
  };
  const lint = scripts['lint']!.replaceAll(/ \.(?= |$)/g, ' scripts/test.mjs').replaceAll(
    /\b(?=eslint |prettier )/g,
    'npx ',
  );
  return script.replace(/^npm run lint$/m, lint);
}

/** The suite cannot run itself: that line is left out; the next one runs the same script for a few files. */
const development: Runner = (t, block) => {
  const text = block.text.replace(/^npm test +#.*\n/m, '');
  return inRepository(['passed, 0 failed'], lintInShort)(t, { ...block, text });
};

const RUN: Readonly<Record<string, Runner>> = {
  'README.md > See it in 60 seconds': inRepository(['Every answer was right.']),
  'README.md > Development': development,
  'docs/soak.md > The soak': inRepository(['## Result'], (script) =>
    script.replace('--minutes 60 --report docs/soak.md', '--minutes 0.2 --rate 100'),
  ),
  'docs/PERFORMANCE.md > CPU time per proxied request': benchmark(
    ['sideroute native', 'HAProxy', 'nginx', 'sideroute uws'],
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
  'docs/PERFORMANCE.md > The access log': benchmark(
    ['sideroute native', 'access log errors', 'access log all'],
    '--rounds 1 --seconds 1',
    ['wrk', 'taskset'],
  ),
  'docs/PERFORMANCE.md > Metrics': benchmark(['2 scrapes: longest block', 'beside'], '--quick', ['curl']),
  'docs/PERFORMANCE.md > Memory': benchmark(['100 '], '--rules 100 --reloads 4'),
  'docs/PERFORMANCE.md > The decision': benchmark(['prefix paths', 'exact paths', 'one header'], '--quick'),
  'docs/PERFORMANCE.md > Applying a configuration': benchmark(['625 routes x 16 rules, 50 Services'], '--quick'),
};

t.test('the table has no blocks that are not there', async (t) => {
  for (const title of Object.keys(RUN))
    t.ok(
      blocks.some((block) => block.title === title && isOfRepository(block)),
      title,
    );
});

t.test('every block about the repository does what it says', { skip, timeout: 280_000 }, async (t) => {
  t.teardown(() => places.close());
  for (const block of blocks.filter(isOfRepository))
    await t.test(`${block.title}, line ${block.line}`, (t) => (RUN[block.title] ?? inRepository([]))(t, block));
});
