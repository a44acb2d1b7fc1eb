/**
 * `npm run guard -- [--update] [--show FIGURE] ...`: prepares what is missing, then measures; see bench/guard/guard.ts.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { prepare, root } from './prepare.mjs';

prepare('guard');
const program = join(root, 'dist', 'bench', 'guard', 'guard.js');
const result = spawnSync(process.execPath, ['--enable-source-maps', program, ...process.argv.slice(2)], {
  stdio: 'inherit',
});
process.exit(result.status ?? 1);
