/**
 * `npm run bench -- [--quick] ...`: prepares what is missing, then measures; bench/suite/bench.ts explains the flags.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { NEEDED } from './needed.mjs';
import { prepare, root } from './prepare.mjs';

/** The list after a flag, `--flag a,b` or `--flag=a,b`; null if the flag is missing. */
function listed(flag) {
  const args = process.argv.slice(2);
  const at = args.findLastIndex((arg) => arg === flag || arg.startsWith(`${flag}=`));
  if (at < 0) return null;
  return (args[at] === flag ? (args[at + 1] ?? '') : args[at].slice(flag.length + 1)).split(',');
}

/** The programs needed: nginx and nghttp2 as servers, and what the chosen proxies and cells need. */
function wanted() {
  const [proxies, cells] = [listed('--proxies'), listed('--cells')];
  const has = (list, test) => list === null || list.some(test);
  const programs = ['taskset', 'nginx'];
  if (has(proxies, (name) => name === 'haproxy')) programs.push('haproxy');
  if (has(cells, (name) => name.startsWith('tcp')) && has(proxies, (name) => name === 'nginx'))
    programs.push(Object.keys(NEEDED.bench).find((name) => name.endsWith('ngx_stream_module.so')));
  if (has(cells, (name) => name.startsWith('h2c'))) {
    programs.push('h2load', 'nghttpd');
    if (has(proxies, (name) => name === 'nghttpx')) programs.push('nghttpx');
  }
  return new Set(programs);
}

prepare('bench', [], wanted());
const program = join(root, 'dist', 'bench', 'suite', 'bench.js');
const result = spawnSync(process.execPath, ['--enable-source-maps', program, ...process.argv.slice(2)], {
  stdio: 'inherit',
});
process.exit(result.status ?? 1);
