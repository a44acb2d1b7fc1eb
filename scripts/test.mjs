/**
 * `npm test [-- FILE...]`: prepare what is missing, run the suite (or the named test files), close with the
 * counts on one line.
 */
import { join, relative, resolve } from 'node:path';
import { prepare, root } from './prepare.mjs';
import { compiledTests, runTests } from './tap.mjs';

// A source stands for what is compiled from it.
const named = process.argv.slice(2).map((file) => {
  const source = relative(root, resolve(file));
  return source.startsWith('test/') ? join('dist', source.replace(/\.ts$/, '.js')) : file;
});
prepare('test', named);

const compiled = join(root, 'dist', 'test');
// Those that need a Kubernetes are `npm run test:cluster`'s.
const files = named.length > 0 ? named : compiledTests(compiled, join(compiled, 'cluster'));
const { counts, held } = await runTests(files);
// Files that were asked for may all have a reason to be skipped; a suite that ran nothing has failed.
const ran = counts.pass > 0 || (named.length > 0 && counts.skip > 0);
process.exit(process.exitCode || (held && ran ? 0 : 1));
