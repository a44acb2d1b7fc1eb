/**
 * Processor time per request relative to HAProxy, by bench/proxy/compare.ts with few and short rounds: the only figure
 * of the guard that includes the kernel. Both take turns of a second, so that other load of the machine slows both; a
 * wide tolerance covers the rest.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { Figure } from './figures.ts';
import { root } from './root.ts';

const ROUNDS = 3;
const SECONDS = 3;

function comparison(more: readonly string[] = []): string {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      join(root, 'dist', 'bench', 'proxy', 'compare.js'),
      ...['--rounds', String(ROUNDS), '--seconds', String(SECONDS), '--proxies', 'native,haproxy', ...more],
    ],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`compare.js: ${stderr}`);
  return stdout;
}

/** The median of the pairs, from the line `| HAProxy | CPU time | ratio (quartiles) | rate |`. */
export function ratioIn(report: string): number {
  const ratio = /^\| HAProxy \|[^|]*\| (\d+\.\d+)x/m.exec(report)?.[1];
  if (ratio === undefined) throw new Error(`no ratio in:\n${report}`);
  return Number(ratio);
}

export function haproxy(): Figure[] {
  return [
    {
      name: 'haproxy/get',
      value: ratioIn(comparison()),
      unit: 'of its processor time per request',
      dependsOn: 'node',
      tolerance: 0.3,
    },
  ];
}

export const showHaproxy = (): string => comparison(['--rounds', '5']);
