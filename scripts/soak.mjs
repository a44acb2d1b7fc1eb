/**
 * `npm run soak -- [--minutes 60] ...`: prepares what is missing, then runs the soak; see test/soak/soak.ts for the
 * flags.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { prepare, root } from './prepare.mjs';

prepare('test');
const program = join(root, 'dist', 'test', 'soak', 'soak.js');
const result = spawnSync(process.execPath, ['--enable-source-maps', program, ...process.argv.slice(2)], {
  stdio: 'inherit',
});
process.exit(result.status ?? 1);
