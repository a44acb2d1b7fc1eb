/**
 * `npm run test:cluster [-- FILE...]`: prepares what is missing, builds a Kubernetes, and runs the tests that need one
 * (or the named compiled test files), one after another. Ends with a list of the pods that really ran. If it cannot
 * run, it says why and fails; a skipped test is a failure too. `--hold api` or `--hold node` instead starts a cluster
 * for manual use, until Ctrl-C; `--build` ends when everything is built.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { has, prepare, root } from './prepare.mjs';
import { compiledTests, runTests } from './tap.mjs';

/** Per file; the official suite runs several times in one file. */
const TIMEOUT_SECONDS = 3600;

function refuse(why) {
  process.stderr.write(`\ntest:cluster CANNOT RUN: ${why}\nNothing was tested.\n`);
  process.exit(1);
}

if (process.platform !== 'linux' || process.getuid() !== 0)
  refuse('it needs Linux and root: pods are namespaces and mounts');
if (!has('go')) refuse('Kubernetes is built from its Go modules, and Go (1.26 or later) is not on the PATH');
prepare('cluster');

const named = process.argv.slice(2);
if (named[0] === '--hold') {
  process.argv.splice(2, 1);
  await import('../dist/test/cluster/serve.js');
  // Runs until it is interrupted.
  await new Promise(() => undefined);
}
const { buildPrograms } = await import('../dist/test/cluster/programs.js');
const { removeStale } = await import('../dist/test/cluster/workspace.js');
const started = performance.now();
await buildPrograms('all').catch((error) => refuse(error.message));
process.stderr.write(`test cluster: programs are there after ${Math.round((performance.now() - started) / 1000)} s\n`);
if (named[0] === '--build') process.exit(0);

const directory = mkdtempSync(join(tmpdir(), 'sideroute-pods-'));
const pods = join(directory, 'pods');
process.env.SIDEROUTE_CLUSTER_PODS = pods;
// Where tests write what they report while they run.
const said = join(directory, 'said');
writeFileSync(said, '');
process.env.SIDEROUTE_CLUSTER_SAYS = said;
let shown = 0;
function showSaid() {
  const text = readFileSync(said, 'utf8');
  process.stderr.write(text.slice(shown));
  shown = text.length;
}
const follow = setInterval(showSaid, 500);
const files = named.length > 0 ? named : compiledTests(join(root, 'dist', 'test', 'cluster'));
const { counts, held } = await runTests(files, ['--jobs=1', `--timeout=${TIMEOUT_SECONDS}`]);
clearInterval(follow);
showSaid();
// Removes the remains of files that were killed.
removeStale();
process.stdout.write(existsSync(pods) ? readFileSync(pods, 'utf8') : 'no pod ran\n');
rmSync(directory, { recursive: true });
const left = counts.skip + counts.todo;
if (left > 0) process.stdout.write(`${left} skipped, which is a failure here\n`);
process.exit(process.exitCode || (held && counts.pass > 0 && left === 0 ? 0 : 1));
