/**
 * Which nghttp2 the addon compresses headers with: all of its functions are those of the Node that runs, also where another
 * copy is loaded.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';

import { packageRoot } from '../../../src/package-root.ts';

const ADDON = fileURLToPath(new URL('native/build/Release/sideroute.node', packageRoot()));
/** The one that curl uses. */
const OTHER = '/usr/lib/x86_64-linux-gnu/libnghttp2.so.14';

function nghttp2Of(preload: string): { file: string; versions: string } {
  const script = `
    const { nghttp2 } = require(${JSON.stringify(ADDON)});
    const { readFileSync, realpathSync } = require('node:fs');
    const file = realpathSync(nghttp2);
    const libraries = new Set(readFileSync('/proc/self/maps', 'utf8').match(/\\S*libnghttp2\\.so\\S*/g) ?? []);
    console.log(JSON.stringify({ file, versions: [...libraries].join(' ') }));`;
  const env = { ...process.env, LD_PRELOAD: preload };
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], { env, encoding: 'utf8' });
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as { file: string; versions: string };
}

t.test('it is the one within Node', (t) => {
  t.same(nghttp2Of(''), { file: process.execPath, versions: '' });
  t.end();
});

t.test('it stays so where a library of that name is loaded', { skip: !existsSync(OTHER) && 'no such library' }, (t) => {
  const { file, versions } = nghttp2Of(OTHER);
  t.equal(file, process.execPath);
  t.match(versions, 'libnghttp2.so.14', 'it is loaded');
  t.end();
});
