/**
 * `npm run test:sanitize [-- FILE...]`: runs the tests of the native engine and acceptor (or the named compiled test
 * files) with the addon built under AddressSanitizer and UndefinedBehaviorSanitizer, in a temporary copy, so
 * `native/build` stays as it is. Fails on a finding, including a leak of the addon, or on a failing test.
 */
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { prepare, root } from './prepare.mjs';

/** These files measure memory and time, which mean nothing under a sanitizer. */
const MEASURING = new Set(['native-bulk.test.js', 'passthrough-volume.test.js', 'thread-heaps.test.js']);

prepare('test');
const scratch = mkdtempSync(join(tmpdir(), 'sideroute-sanitize-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
// Writable for all, because processes of other uids load the addon and write reports.
chmodSync(scratch, 0o1777);
for (const name of ['package.json', 'dist', 'test', 'native/binding.gyp', 'native/src', 'native/test']) {
  cpSync(join(root, name), join(scratch, name), { recursive: true });
}
symlinkSync(join(root, 'node_modules'), join(scratch, 'node_modules'));

const prefix = dirname(dirname(process.execPath));
const nodedir = existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? [`--nodedir=${prefix}`] : [];
const built = spawnSync(
  process.execPath,
  [
    join(root, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js'),
    ...['rebuild', '--directory', join(scratch, 'native'), '--jobs', 'max', '--loglevel', 'warn', ...nodedir],
    ...['--', '-Dsanitize=1'],
  ],
  { stdio: ['ignore', 2, 2] },
);
if (built.status !== 0) process.exit(1);

function library(name) {
  return spawnSync('gcc', [`-print-file-name=${name}`], { encoding: 'utf8' }).stdout.trim();
}

function testsIn(directory, prefixOfName) {
  return readdirSync(join(root, directory))
    .filter((name) => name.startsWith(prefixOfName) && name.endsWith('.test.js') && !MEASURING.has(name))
    .map((name) => join(directory, name));
}

const named = process.argv.slice(2).map((file) => relative(root, resolve(file)));
const files =
  named.length > 0
    ? named
    : [...testsIn('dist/test/integration/engine', ''), ...testsIn('dist/test/integration/native', '')];
const reports = join(scratch, 'report');
const env = {
  ...process.env,
  // Everything takes several times as long.
  TAP_TIMEOUT: '300',
  // Includes libstdc++, because libasan looks for its functions at load time, before Node loads the addon.
  LD_PRELOAD: ['libasan.so', 'libubsan.so', 'libstdc++.so.6'].map(library).join(':'),
  ASAN_OPTIONS: `detect_leaks=1:exitcode=99:log_path=${reports}`,
  // Leaks do not decide the exit status, because Node with threads and other programs of the tests keep memory to their
  // end. `findingsIn` looks for leaks of the addon.
  LSAN_OPTIONS: 'exitcode=0',
  UBSAN_OPTIONS: `print_stacktrace=1:log_path=${reports}`,
};
let failed = 0;

/** Resolves when the test file has ended; prints its output if it has failed. */
function run(file) {
  const child = spawn(process.execPath, [join(scratch, file)], {
    cwd: scratch,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (said += text));
  return new Promise((resolve) =>
    child.once('close', (status) => {
      process.stdout.write(`${status === 0 ? 'ok' : 'not ok'} ${file}\n`);
      if (status !== 0) {
        failed++;
        process.stdout.write(said);
      }
      resolve();
    }),
  );
}

// Two at a time, as in .taprc.
const waiting = [...files];
async function runWaiting() {
  for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) await run(file);
}
await Promise.all([runWaiting(), runWaiting()]);

/** The part of a report that concerns the addon: all of it, or the leaks of a list that the addon caused. */
function findingsIn(report) {
  return report.includes('LeakSanitizer') ? report.split('\n\n').filter(isLeakOfTheAddon) : [report];
}

/**
 * Whether the addon, or Node-API for it, allocated the leaked memory. Pages of V8's heap and allocations of JavaScript
 * that the addon calls are V8's.
 */
function isLeakOfTheAddon(part) {
  if (!/(?:Direct|Indirect) leak of/.test(part)) return false;
  const ours = part.search(/sideroute::|sideroute\.node/);
  // The frame of a template function begins with its return type.
  if (ours < 0 || /#1 \S+ in (?:\S+ )?v8::/.test(part)) return false;
  return !part.slice(0, ours).includes('Builtins_JSEntry');
}

const findings = readdirSync(scratch)
  .filter((name) => name.startsWith('report.'))
  .flatMap((name) => findingsIn(readFileSync(join(scratch, name), 'utf8')));
for (const finding of findings) process.stdout.write(`${finding}\n`);
process.stdout.write(`${files.length - failed} files passed, ${failed} failed, ${findings.length} sanitizer reports\n`);
process.exit(failed === 0 && findings.length === 0 ? 0 : 1);
