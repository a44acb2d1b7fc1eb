/**
 * `npm test [-- FILE...]`: prepares what is missing, runs the suite (or the named test files), and ends with the counts
 * on one line.
 */
import { join, relative, resolve } from 'node:path';
import { prepare, root } from './prepare.mjs';
import { compiledTests, runTests } from './tap.mjs';

const flag = process.argv.slice(2).find((argument) => argument.startsWith('-'));
if (flag !== undefined) {
  process.stderr.write(`test: unknown flag ${flag}. Usage: npm test [-- FILE...], such as test/unit/errors.test.ts\n`);
  process.exit(2);
}

// A source file stands for its compiled file.
const named = process.argv.slice(2).map((file) => {
  const source = relative(root, resolve(file));
  return source.startsWith('test/') ? join('dist', source.replace(/\.ts$/, '.js')) : file;
});
prepare('test', named);

const compiled = join(root, 'dist', 'test');
// Tests that need a Kubernetes are run by `npm run test:cluster`.
const files = named.length > 0 ? named : compiledTests(compiled, join(compiled, 'cluster'));
const { counts, held } = await runTests(files);
// Named files may all have a reason to be skipped; but a suite in which nothing ran has failed.
const ran = counts.pass > 0 || (named.length > 0 && counts.skip > 0);
process.exit(process.exitCode || (held && ran ? 0 : 1));
