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

/**
 * The assertions that failed, each with the tests around it and its diagnostics, 40 lines at most.
 * @param {string} text a TAP report
 */
function failedTests(text) {
  const lines = text.split('\n');
  /** The subtests that the line at hand is in, by their indentation. */
  let around = [];
  const failed = [];
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at];
    const indent = line.search(/\S/);
    const subtest = /^ *# Subtest: (.*)$/.exec(line);
    if (subtest !== null) {
      around = [
        ...around.filter((outer) => outer.indent < indent),
        { indent, name: subtest[1], before: failed.length },
      ];
      continue;
    }
    if (!/^ *not ok /.test(line) || / # (SKIP|TODO)/.test(line)) continue;
    const inside = around.filter((outer) => outer.indent < indent);
    const closed = around[inside.length];
    around = inside;
    // The line that closes a subtest repeats what failed within.
    if (closed !== undefined && failed.length > closed.before) continue;
    let end = at + 1;
    if (/^ *---$/.test(lines[end] ?? '')) while (end < lines.length && !/^ *\.\.\.$/.test(lines[end])) end += 1;
    const shown = lines.slice(at, Math.min(end + 1, at + 40)).map((text) => text.slice(indent));
    failed.push([...inside.map((outer) => `in ${outer.name}`), ...shown].join('\n'));
  }
  return failed;
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
// What failed, once more before the counts: of a long run only the end may be at hand.
const failures = failedTests(text);
for (const failure of failures.slice(0, 20)) process.stdout.write(`${failure}\n\n`);
if (failures.length > 20) process.stdout.write(`and ${failures.length - 20} more in .tap/report.tap\n\n`);
process.stdout.write(`${counts.pass} passed, ${counts.fail} failed, ${counts.skip + counts.todo} skipped\n`);
// Files that were asked for may all have a reason to be skipped; a suite that ran nothing has failed.
const ran = counts.pass > 0 || (named.length > 0 && counts.skip > 0);
process.exit(tap.status === 0 && ran && counts.fail === 0 ? 0 : 1);
