/** `npm run demo`: prepares what is missing, then plays the scenario. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { prepare, root } from './prepare.mjs';

prepare('demo');
const result = spawnSync(
  process.execPath,
  ['--enable-source-maps', join(root, 'dist', 'scripts', 'demo.js'), ...process.argv.slice(2)],
  {
    stdio: 'inherit',
  },
);
process.exit(result.status ?? 1);
