/**
 * Makes dist/bin/, the program as it is shipped: src/ with the libraries it uses, in one file for what every command
 * needs and one for each part that is loaded on demand. A bundled sidecar needs half the processor time to start, and a
 * third less private memory, than one of several hundred files. `prepare.mjs` and the Dockerfile run it after the
 * compiler, which checks the types.
 *
 *     node scripts/bundle.mjs [--image|--package] [--into DIRECTORY] [--commit HASH]
 *
 * `--package`: what is installed elsewhere, without source maps and without the init container's program, but with the one that kubectl asks
 * what may be typed. `--image`: without source maps, and for an image, which has no env(1) to find Node with. `--commit`: what `sideroute version` shows.
 *
 * The files are CommonJS. Node's loader of ECMAScript modules takes a megabyte of each sidecar, and makes every getter of a module of its own
 * run, which for `node:http` of Node 22 loads a client of the Fetch API: six megabytes. V8 keeps the text of what has been loaded, so there is
 * neither indentation in it nor a character outside ASCII, of which one alone would double the text; names and lines stay, for stack traces.
 *
 * Beside the code: `node_modules/`, one file for each library; `LICENSES.txt`, the texts of the licences of what is in it; and, in a clone,
 * `inputs.json`, by file the sources in it.
 */
import { build, transformSync } from 'esbuild';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const { values } = parseArgs({
  options: {
    image: { type: 'boolean', default: false },
    package: { type: 'boolean', default: false },
    into: { type: 'string', default: join(root, 'dist', 'bin') },
    commit: { type: 'string', default: '' },
  },
});
const target = resolve(values.into);
const isShipped = values.image || values.package;

/** A program's first line names Node; a thread is started by the code. */
const PROGRAMS = {
  sideroute: 'src/main.ts',
  ...(values.package
    ? { 'kubectl-complete': 'src/kubectl-complete.ts' }
    : { 'sideroute-init': 'init-container/entrypoint.ts' }),
};
const THREADS = { 'parse-worker': 'src/config/parse-worker.ts' };
/**
 * Bundled separately: each worker loads it again, and its existence must not change how the files of a single-threaded
 * sidecar are split.
 */
const WORKERS = { 'proxy-worker': 'src/proxy/proxy-worker.ts' };
/** Loaded by name, each when something of it is first needed. */
const LIBRARIES = ['commander', 'find-my-way', 'prom-client', 're2js', 'ws', 'yaml'];
const LINE_CHARS = 140;
const COMPACT = {
  charset: 'ascii',
  minifyWhitespace: true,
  minifySyntax: true,
  lineLimit: LINE_CHARS,
  target: 'node20',
};

rmSync(target, { recursive: true, force: true });
mkdirSync(join(target, 'node_modules'), { recursive: true });
const PARTS = {
  absWorkingDir: root,
  outdir: target,
  bundle: true,
  // All files are in one directory, because threads are found beside the file that starts them.
  chunkNames: '[name]-[hash]',
  format: 'esm',
  platform: 'node',
  target: 'node20',
  external: LIBRARIES,
  // Only the used parts of a library that is not loaded by name are bundled, which needs its ECMAScript modules.
  mainFields: ['module', 'main'],
  sourcemap: isShipped ? false : 'inline',
  sourcesContent: false,
  legalComments: 'none',
  metafile: true,
  write: false,
  logLevel: 'warning',
};

function entryPoints(entries) {
  return Object.fromEntries(Object.entries(entries).map(([name, path]) => [name, join(root, path)]));
}

// Splitting into shared files works for ECMAScript modules only.
const parts = [
  await build({ ...PARTS, entryPoints: entryPoints({ ...PROGRAMS, ...THREADS }), splitting: true }),
  await build({ ...PARTS, entryPoints: entryPoints(WORKERS) }),
];

/** The parts that something loads. esbuild also writes parts that only unused code of a library would have loaded. */
const needed = new Set(parts.flatMap(({ metafile }) => reachable(metafile.outputs)));
const outputFiles = parts
  .flatMap((part) => part.outputFiles)
  .filter(({ path }) => needed.has(relative(root, path.replace(/\.map$/, ''))));

function reachable(outputs) {
  const found = new Set();
  const follow = (path) => {
    if (found.has(path) || !Object.hasOwn(outputs, path)) return;
    found.add(path);
    for (const { path: imported } of outputs[path].imports) follow(imported);
  };
  for (const [path, { entryPoint }] of Object.entries(outputs)) {
    const name = basename(path, '.js');
    if (entryPoint !== undefined && [PROGRAMS, THREADS, WORKERS].some((entries) => Object.hasOwn(entries, name)))
      follow(path);
  }
  return [...found];
}

for (const { path, text } of outputFiles) {
  const name = basename(path, '.js');
  const { code, map } = transformSync(text.replace(/^#!.*\n/, ''), {
    ...COMPACT,
    format: 'cjs',
    platform: 'node',
    sourcefile: `${name}.js`,
    sourcemap: isShipped ? false : 'external',
    sourcesContent: false,
    // import() becomes require(), because the files are CommonJS.
    supported: { 'dynamic-import': false },
    define: { 'import.meta.url': '__url' },
    banner: `${shebang(name)}const __url=require('node:url').pathToFileURL(__filename).href;`,
    logLevel: 'warning',
  });
  const link = isShipped ? '' : `//# sourceMappingURL=${name}.js.map\n`;
  writeFileSync(path, `${code}${link}`);
  if (!isShipped) writeFileSync(`${path}.map`, map);
  if (Object.hasOwn(PROGRAMS, name)) chmodSync(path, 0o755);
}
const isKnown = /^[0-9a-f]{7,64}(?:-dirty)?$/.test(values.commit);
const manifest = { type: 'commonjs', ...(isKnown ? { commit: values.commit } : {}) };
writeFileSync(join(target, 'package.json'), `${JSON.stringify(manifest)}\n`);

function shebang(name) {
  if (!Object.hasOwn(PROGRAMS, name)) return '';
  return `#!${values.image ? '/usr/local/bin/node' : '/usr/bin/env node'}\n`;
}

const libraries = await build({
  absWorkingDir: root,
  entryPoints: LIBRARIES,
  outdir: join(target, 'node_modules'),
  bundle: true,
  format: 'cjs',
  platform: 'node',
  mainFields: ['main'],
  conditions: ['require'],
  ...COMPACT,
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
});

/** Directory of the package in node_modules that a file belongs to. */
function packageOf(path) {
  return /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? null;
}

const outputs = [...parts, libraries]
  .flatMap(({ metafile }) => Object.entries(metafile.outputs))
  .filter(([path]) => needed.has(path) || Object.hasOwn(libraries.metafile.outputs, path));
const inputs = Object.fromEntries(
  outputs
    .filter(([path]) => path.endsWith('.js'))
    .map(([path, output]) => [relative(target, join(root, path)), Object.keys(output.inputs).sort()]),
);
if (!isShipped) writeFileSync(join(target, 'inputs.json'), `${JSON.stringify(inputs, null, 1)}\n`);

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
