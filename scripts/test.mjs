/**
 * `npm test [-- FILE...]`: prepare what is missing, run the suite (or the named compiled test files), close with the
 * counts on one line.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { prepare, root } from './prepare.mjs';

prepare('test');

function compiledTests(directory) {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return compiledTests(path);
    // A compiled test whose source is gone is stale, not a test.
    const source = path.replace(`${join(root, 'dist')}/`, `${root}/`).replace(/\.js$/, '.ts');
    return entry.name.endsWith('.test.js') && existsSync(source) ? [path] : [];
  });
}

const named = process.argv.slice(2);
const files = named.length > 0 ? named : compiledTests(join(root, 'dist', 'test'));
const report = join(root, '.tap', 'report.tap');
mkdirSync(join(root, '.tap'), { recursive: true });
rmSync(report, { force: true });
const tapCli = join(root, 'node_modules', 'tap', 'dist', 'esm', 'run.mjs');
// Left to itself, tap builds its plugins during the first run and only the next one goes without those that .taprc drops.
if (!existsSync(join(root, '.tap', 'plugins'))) {
  const built = spawnSync(process.execPath, [tapCli, 'build'], { cwd: root, stdio: ['ignore', 2, 2] });
  if (built.status !== 0) process.exit(1);
}
const tap = spawnSync(process.execPath, [tapCli, 'run', '--reporter=terse', `--output-file=${report}`, ...files], {
  cwd: root,
  stdio: ['ignore', 'inherit', 'inherit'],
});
const counts = { pass: 0, fail: 0, skip: 0, todo: 0 };
const text = existsSync(report) ? readFileSync(report, 'utf8') : '';
for (const [, name, value] of (/^# \{ (.*) \}$/m.exec(text)?.[1] ?? '').matchAll(/(\w+): (\d+)/g))
  counts[name] = Number(value);
process.stdout.write(`${counts.pass} passed, ${counts.fail} failed, ${counts.skip + counts.todo} skipped\n`);
// Files that were asked for may all have a reason to be skipped; a suite that ran nothing has failed.
const ran = counts.pass > 0 || (named.length > 0 && counts.skip > 0);
process.exit(tap.status === 0 && ran && counts.fail === 0 ? 0 : 1);
