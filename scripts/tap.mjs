/**
 * Runs compiled test files under tap, and ends with the failures and the counts: for `npm test` and `npm run
 * test:cluster`.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createWriteStream, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { root } from './prepare.mjs';

/**
 * @param {string} directory
 * @param {string} [except] a directory below it
 * @returns {string[]}
 */
export function compiledTests(directory, except) {
  if (directory === except) return [];
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return compiledTests(path, except);
    // A compiled test without its source is stale.
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
    // The line that closes a subtest repeats the failures within it.
    if (closed !== undefined && failed.length > closed.before) continue;
    let end = at + 1;
    if (/^ *---$/.test(lines[end] ?? '')) while (end < lines.length && !/^ *\.\.\.$/.test(lines[end])) end += 1;
    const shown = lines.slice(at, Math.min(end + 1, at + 40)).map((text) => text.slice(indent));
    failed.push([...inside.map((outer) => `in ${outer.name}`), ...shown].join('\n'));
  }
  return failed;
}

/**
 * The files that took longest, as seconds and name, for whoever keeps a run short.
 * @param {string} text a TAP report
 */
function slowest(text) {
  return [...text.matchAll(/^(?:not )?ok \d+ - (\S+\.test\.js) # time=([\d.]+)ms/gm)]
    .map(([, file, ms]) => ({ file, seconds: Math.round(Number(ms) / 1000) }))
    .sort((a, b) => b.seconds - a.seconds)
    .slice(0, 10);
}

/** Passes a signal that ends this process on to the tests; `received` is that signal. */
function passSignalsOn(child) {
  const signals = { received: null };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(signal, () => {
      signals.received ??= signal;
      child.kill(signal);
    });
  return signals;
}

/**
 * The child is killed with this process, however it ends: tests hold resources that only they can remove, and check for
 * their runner.
 */
function spawnNode(args, options) {
  return spawn('setpriv', ['--pdeathsig', 'KILL', '--', process.execPath, ...args], { cwd: root, ...options });
}

/** Runs tap's runner: several files at a time. */
function runUnderTap(files, report, options) {
  const tapCli = join(root, 'node_modules', 'tap', 'dist', 'esm', 'run.mjs');
  // By itself tap builds its plugins during the first run, and only the next run leaves out those that .taprc drops.
  if (!existsSync(join(root, '.tap', 'plugins'))) {
    const built = spawnSync(process.execPath, [tapCli, 'build'], { cwd: root, stdio: ['ignore', 2, 2] });
    if (built.status !== 0) process.exit(1);
  }
  const args = [tapCli, 'run', '--reporter=terse', `--output-file=${report}`, ...options, ...files];
  return spawnNode(args, { stdio: ['ignore', 'inherit', 'inherit'] });
}

/** The same as in .taprc. */
const TIMEOUT_SECONDS = 300;
/** How long a file may take to end after its last assertion. */
const TO_END_MS = 60_000;

/** A single file runs without the runner, whose start takes longer than most files. */
function runAlone(file, report) {
  const child = spawnNode(['--enable-source-maps', file], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { TAP_TIMEOUT: String(TIMEOUT_SECONDS), ...process.env },
  });
  const output = createWriteStream(report);
  // The report must be complete before it is read.
  const written = new Promise((resolve) => output.once('close', resolve));
  createInterface({ input: child.stdout })
    .on('line', (line) => {
      output.write(`${line}\n`);
      if (!/^# \{ .* \}$/.test(line)) return;
      setTimeout(() => {
        process.stdout.write(`${file} has reported its end and does not end\n`);
        child.kill('SIGKILL');
      }, TO_END_MS).unref();
    })
    .once('close', () => output.end());
  return { child, written };
}

/**
 * Resolves with the counts and whether every assertion held. A signal that ends this process ends the tests before.
 * @param {string[]} files compiled test files
 * @param {string[]} options of tap, beside those of .taprc
 */
export async function runTests(files, options = []) {
  const report = join(root, '.tap', 'report.tap');
  mkdirSync(join(root, '.tap'), { recursive: true });
  rmSync(report, { force: true });
  const isAlone = files.length === 1 && files[0].endsWith('.js') && options.length === 0;
  const { child, written } = isAlone ? runAlone(files[0], report) : { child: runUnderTap(files, report, options) };
  const signals = passSignalsOn(child);
  const status = await new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 128)));
  await written;
  const counts = { pass: 0, fail: 0, skip: 0, todo: 0 };
  const text = existsSync(report) ? readFileSync(report, 'utf8') : '';
  for (const [, name, value] of (/^# \{ (.*) \}$/m.exec(text)?.[1] ?? '').matchAll(/(\w+): (\d+)/g))
    counts[name] = Number(value);
  // Repeats the failures before the counts: of a long run only the end may be visible.
  const failures = failedTests(text);
  for (const failure of failures.slice(0, 20)) process.stdout.write(`${failure}\n\n`);
  if (failures.length > 20) process.stdout.write(`and ${failures.length - 20} more in .tap/report.tap\n\n`);
  if (files.length > 20)
    for (const { file, seconds } of slowest(text)) process.stdout.write(`${String(seconds).padStart(5)} s ${file}\n`);
  if (isAlone && status !== 0 && failures.length === 0) process.stdout.write(`${files[0]} ended with ${status}\n\n`);
  process.stdout.write(`${counts.pass} passed, ${counts.fail} failed, ${counts.skip + counts.todo} skipped\n`);
  if (signals.received !== null) process.exitCode = 128 + constants.signals[signals.received];
  return { counts, held: signals.received === null && status === 0 && counts.fail === 0 };
}
