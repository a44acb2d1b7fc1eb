/**
 * Makes dist/bin/, the program as it is shipped: src/ with the libraries that it uses, one file for what every command needs and one for each
 * part that is loaded on demand. A sidecar is ready after half the processor time that it takes from several hundred files, and keeps a third
 * less memory of its own. `prepare.mjs` and the Dockerfile run it after the compiler, which checks the types.
 *
 *     node scripts/bundle.mjs [--image] [--into DIRECTORY]
 *
 * `--image`: for an image, which has no env(1) to find Node with, and no source maps.
 *
 * Beside the code: `LICENSES.txt`, the texts of the licences of what is in it; and, not in an image, `inputs.json`, by file the sources in it.
 */
import { buildSync } from 'esbuild';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const { values } = parseArgs({
  options: { image: { type: 'boolean', default: false }, into: { type: 'string', default: join(root, 'dist', 'bin') } },
});
const target = resolve(values.into);

/** Programs get a first line that names Node; the thread is started by the code. */
const PROGRAMS = { sideroute: 'src/main.ts', 'sideroute-init': 'init-container/entrypoint.ts' };
const THREADS = { 'parse-worker': 'src/config/parse-worker.ts' };
/** Those of a package that are bundled may ask for a module of Node by require, which ECMAScript modules do not have. */
const REQUIRE = `import { createRequire as requireOf } from 'node:module';\nconst require = requireOf(import.meta.url);`;

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
const { metafile } = buildSync({
  absWorkingDir: root,
  entryPoints: Object.fromEntries(
    Object.entries({ ...PROGRAMS, ...THREADS }).map(([name, path]) => [name, join(root, path)]),
  ),
  outdir: target,
  bundle: true,
  splitting: true,
  // Threads are found beside the file that starts them, so all files are in one directory.
  chunkNames: '[name]-[hash]',
  format: 'esm',
  platform: 'node',
  target: 'node20',
  charset: 'utf8',
  // Native code.
  external: ['uWebSockets.js'],
  sourcemap: values.image ? false : 'linked',
  sourcesContent: false,
  legalComments: 'none',
  banner: { js: REQUIRE },
  metafile: true,
  logLevel: 'warning',
});

for (const name of Object.keys(PROGRAMS)) {
  const file = join(target, `${name}.js`);
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, text.replace(/^#!.*\n/, `#!${values.image ? '/usr/local/bin/node' : '/usr/bin/env node'}\n`));
  chmodSync(file, 0o755);
}

/** Directory of the package that a file of node_modules is of. */
function packageOf(path) {
  return /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? null;
}

const inputs = Object.fromEntries(
  Object.entries(metafile.outputs)
    .filter(([path]) => path.endsWith('.js'))
    .map(([path, output]) => [basename(path), Object.keys(output.inputs).sort()]),
);
if (!values.image) writeFileSync(join(target, 'inputs.json'), `${JSON.stringify(inputs, null, 1)}\n`);

const packages = [...new Set(Object.values(inputs).flat().map(packageOf))].filter((path) => path !== null).sort();
const licences = packages.map((path) => {
  const directory = join(root, path);
  const { name, version, license } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
  const file = readdirSync(directory).find((entry) => /^licen[cs]e/i.test(entry));
  if (file === undefined && license === undefined) throw new Error(`${path} says nothing of its licence`);
  const text = file === undefined ? `Licence: ${license}\n` : readFileSync(join(directory, file), 'utf8');
  return `${name} ${version}\n\n${text.trim()}\n`;
});
writeFileSync(join(target, 'LICENSES.txt'), licences.join(`\n${'-'.repeat(80)}\n\n`));
