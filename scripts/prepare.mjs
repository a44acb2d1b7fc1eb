/**
 * Brings a fresh clone to the point where the demo and the tests run: system packages, programs that are built, npm
 * packages, the native addon, the compiled TypeScript. Does only what is missing, so a second run costs little. Plain
 * JavaScript without imports from node_modules, because it runs before they exist.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BUILT, NEEDED, PYTHON, programsOf, root } from './needed.mjs';

export { root };

/** A build takes minutes; after this many it is given up. */
const BUILD_MINUTES = 30;

/** Packages whose programs are needed but not their services: nothing should listen on ports 80 and 9090. */
const SERVICES = { 'nginx-light': 'nginx', haproxy: 'haproxy', prometheus: 'prometheus', containerd: 'containerd' };
/** Purposes that do not need what the demo needs. */
const BY_ITSELF = new Set(['lint', 'package']);
/** Packages ask this script before they start their service; exit status 101 forbids it (invoke-rc.d(8)). */
const START_POLICY = '/usr/sbin/policy-rc.d';

/** `program`: a name, or a path if it is not on the PATH. */
export function has(program) {
  if (program.startsWith('/')) return existsSync(program);
  for (const directory of [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']) {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      // Not in this directory.
    }
  }
  return false;
}

function step(title) {
  process.stderr.write(`prepare: ${title}\n`);
}

/** Runs a command with its output shown on standard error; ends the process with a clear line when it fails. */
function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], ...options });
  if (result.error || result.status !== 0) {
    process.stderr.write(
      `prepare: ${command} ${args.join(' ')} failed: ${result.error?.message ?? `exit ${result.status ?? result.signal}`}\n`,
    );
    process.exit(1);
  }
}

/** Returns a function that allows starting again. */
function forbidStarting(services) {
  if (services.length === 0 || existsSync(START_POLICY)) return () => undefined;
  writeFileSync(START_POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  const remove = () => rmSync(START_POLICY, { force: true });
  // On exit, because a failed installation ends the process.
  process.once('exit', remove);
  return remove;
}

/** `only`: which of the programs the purpose needs beside those of the demo; null: all. */
function systemPackages(purpose, only) {
  const needed = BY_ITSELF.has(purpose) ? NEEDED[purpose] : { ...NEEDED.demo, ...NEEDED[purpose] };
  const isWanted = (program) => only === null || only.has(program) || Object.hasOwn(NEEDED.demo, program);
  const absent = Object.keys(needed).filter((program) => isWanted(program) && !has(program));
  const missing = [...new Set(absent.flatMap((program) => needed[program].split(' ')))];
  if (missing.length === 0) return;
  const install = ['apt-get', 'install', '-y', '--no-install-recommends', ...missing];
  if (process.getuid() !== 0 || !has('apt-get')) {
    process.stderr.write(
      `prepare: missing: ${missing.join(', ')}\nprepare: install them (Debian: sudo apt-get update && sudo ${install.join(' ')}) and run this again.\n`,
    );
    process.exit(1);
  }
  step(`installing ${missing.join(', ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  run('apt-get', ['update', '-qq'], { env });
  const services = missing.filter((name) => Object.hasOwn(SERVICES, name)).map((name) => SERVICES[name]);
  const removePolicy = forbidStarting(services);
  run(install[0], install.slice(1), { env });
  removePolicy();
  if (services.length > 0 && existsSync('/run/systemd/system')) run('systemctl', ['disable', '--quiet', ...services]);
}

/** The cache of what the tests build for themselves, shared by all clones. */
const cache = () => join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'sideroute', 'bin');

const without = (why, name) => step(`${why}: the tests that need ${name} are skipped`);

/** A failed build is not an error: the tests that need the program skip themselves, and a line says why. */
function buildOnce(name, { version, lacks, title, command, made }) {
  const at = join(cache(), name);
  const stamp = `${at}.version`;
  if (existsSync(at) && existsSync(stamp) && readFileSync(stamp, 'utf8') === version) return;
  if (lacks !== null) {
    without(lacks, name);
    return;
  }
  mkdirSync(cache(), { recursive: true });
  // One of several runs builds; a lock older than a build may take was left by a run that was killed.
  const lock = `${at}.building`;
  if (existsSync(lock) && Date.now() - statSync(lock).mtimeMs > BUILD_MINUTES * 60_000)
    rmSync(lock, { recursive: true });
  try {
    mkdirSync(lock);
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    without(`${name} is being built by another run`, name);
    return;
  }
  step(`${title}, once: this takes some minutes`);
  const { program, args, env } = command(lock);
  const built = spawnSync(program, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: BUILD_MINUTES * 60_000,
  });
  if (built.status === 0) {
    rmSync(at, { recursive: true, force: true });
    renameSync(join(lock, made), at);
    writeFileSync(stamp, version);
  } else {
    process.stderr.write(built.stderr ?? '');
    without(`${name} cannot be built`, name);
  }
  rmSync(lock, { recursive: true, force: true });
}

/** `wanted`: names of `BUILT`. */
export function builtPrograms(wanted = Object.keys(BUILT)) {
  for (const name of wanted) {
    const { module, version } = BUILT[name];
    if (has(name)) continue;
    buildOnce(name, {
      version,
      lacks: has('go') ? null : `neither ${name} nor Go to build it with is on the PATH`,
      title: `building ${name} ${version}`,
      command: (folder) => ({
        program: 'go',
        args: ['install', `${module}@${version}`],
        env: { GOBIN: folder, GOFLAGS: '' },
      }),
      made: basename(module),
    });
  }
}

/** `wanted`: names of `PYTHON`. Installed separately for each version of Python, because parts are compiled. */
export function pythonPackages(wanted = Object.keys(PYTHON)) {
  if (wanted.length === 0) return;
  const asked = spawnSync('python3', ['-c', 'import sys, pip; print(sys.implementation.cache_tag)'], {
    encoding: 'utf8',
  });
  for (const name of wanted) {
    const packages = PYTHON[name].join(' ');
    const isThere = asked.status === 0;
    buildOnce(name, {
      version: `${isThere ? asked.stdout.trim() : ''} ${packages}`,
      lacks: isThere ? null : 'python3 has no pip',
      title: `installing ${packages}`,
      command: (folder) => ({
        program: 'python3',
        args: [
          ...[
            '-m',
            'pip',
            'install',
            '--quiet',
            '--no-input',
            '--disable-pip-version-check',
            '--root-user-action=ignore',
          ],
          ...['--only-binary', ':all:', '--target', join(folder, name), ...PYTHON[name]],
        ],
        env: {},
      }),
      made: name,
    });
  }
}

function npmPackages() {
  const installed = join(root, 'node_modules', '.package-lock.json');
  const stamp = join(root, 'node_modules', '.sideroute-lock');
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  if (existsSync(installed) && existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  step('installing npm packages');
  // Uses npm's own CLI under the Node that runs this script, whatever `npm` is on the PATH.
  const npmCli = process.env.npm_execpath;
  if (npmCli) run(process.execPath, [npmCli, 'ci', '--no-audit', '--loglevel=error']);
  else run('npm', ['ci', '--no-audit', '--loglevel=error']);
  // Removes what tap built for plugins of the old node_modules.
  rmSync(join(root, '.tap'), { recursive: true, force: true });
  writeFileSync(stamp, lock);
}

/** `except`: a folder to leave out. */
function* filesBelow(directory, except = null) {
  for (const entry of readdirSync(directory, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(directory, entry.name);
    if (path === except) continue;
    if (entry.isDirectory()) yield* filesBelow(path, except);
    else yield path;
  }
}

/** Digest of the sources for this processor architecture. */
function digestOf(files) {
  const hash = createHash('sha256').update(process.arch);
  for (const file of files) hash.update(file.slice(root.length)).update('\0').update(readFileSync(file));
  return hash.digest('hex');
}

function nativeAddon() {
  // Independent of the Node version: Node-API and libuv keep their ABI, and the addon checks both when it is loaded.
  const digest = digestOf([join(root, 'native', 'binding.gyp'), ...filesBelow(join(root, 'native', 'src'))]);
  const stamp = join(root, 'native', 'build', '.sources');
  const addon = join(root, 'native', 'build', 'Release', 'sideroute.node');
  if (existsSync(addon) && existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return;
  step('building the native addon');
  // Uses the headers of the running Node if they exist; otherwise node-gyp downloads those of its version.
  const prefix = dirname(dirname(process.execPath));
  const nodedir = existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? [`--nodedir=${prefix}`] : [];
  run(process.execPath, [
    join(root, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js'),
    ...['rebuild', '--directory', 'native', '--jobs', 'max', '--loglevel', 'warn', ...nodedir],
  ]);
  writeFileSync(stamp, digest);
}

function compiledTypeScript() {
  // tsc is incremental, but starting it costs a second, so first look whether a source is newer than the last build.
  // Not by .tsbuildinfo, which `npm run types` writes too without emitting anything.
  const stamp = join(root, 'dist', '.compiled');
  const built = existsSync(stamp) ? statSync(stamp).mtimeMs : 0;
  const startedAt = new Date();
  const sources = ['src', 'test', 'bench', 'scripts', 'init-container'].filter((name) => existsSync(join(root, name)));
  const newest = Math.max(
    ...[
      join(root, 'tsconfig.json'),
      join(root, 'package-lock.json'),
      // Without the C++ of the benchmark, which another run may be building.
      ...sources.flatMap((name) => [...filesBelow(join(root, name), join(root, 'bench', 'native'))]),
    ].map((file) => statSync(file).mtimeMs),
  );
  if (newest <= built) return;
  step('compiling TypeScript');
  mkdirSync(join(root, 'dist'), { recursive: true });
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  run(process.execPath, [tsc, '-p', '.', '--noEmitOnError']);
  // Browser code has its own settings and is bundled.
  run(process.execPath, [tsc, '-p', join('src', 'page')]);
  run(process.execPath, [join('scripts', 'admin-page.mjs')]);
  run(process.execPath, [join('scripts', 'bundle.mjs')]);
  writeFileSync(stamp, '');
  // A source saved during the compilation must count as newer.
  utimesSync(stamp, startedAt, startedAt);
}

/**
 * Builds the load generator and the floor of `npm run bench`. They are moved into place, because other runs may use
 * them.
 */
function benchPrograms() {
  const folder = join(root, 'bench', 'native');
  const files = readdirSync(folder).filter((name) => /\.(?:cc|h)$|^Makefile$/.test(name));
  const digest = digestOf([
    ...files.map((name) => join(folder, name)),
    join(root, 'native', 'src', 'net', 'unique_fd.h'),
  ]);
  const build = join(folder, 'build');
  const stamp = join(build, '.sources');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return;
  step("building the benchmark's programs");
  mkdirSync(build, { recursive: true });
  const made = mkdtempSync(join(tmpdir(), 'sideroute-bench-'));
  run('make', ['--silent', '-C', folder, `BUILD=${made}`, 'all']);
  for (const name of ['load', 'floor']) {
    copyFileSync(join(made, name), join(build, `${name}.made`));
    renameSync(join(build, `${name}.made`), join(build, name));
  }
  rmSync(made, { recursive: true });
  writeFileSync(stamp, digest);
}

/**
 * `purpose`: `demo`, `test`, `bench`, `guard`, `cluster`, `fuzz`, `images` or `package`; `lint` or `types` if only the
 * sources are read. `files`: the tests to run; empty: all. `programs`: which programs of the purpose are needed beside
 * those of the demo; null: all.
 */
export function prepare(purpose, files = [], programs = null) {
  if (purpose === 'lint' || purpose === 'types') {
    if (purpose === 'lint') systemPackages(purpose, null);
    npmPackages();
    return;
  }
  const only = files.length === 0 ? programs : programsOf(files);
  systemPackages(purpose, only);
  if (purpose === 'cluster') builtPrograms(['helm']);
  if (purpose === 'test') {
    const isWanted = (name) => only === null || only.has(name);
    builtPrograms(Object.keys(BUILT).filter(isWanted));
    pythonPackages(Object.keys(PYTHON).filter(isWanted));
  }
  npmPackages();
  nativeAddon();
  if (purpose === 'bench') benchPrograms();
  compiledTypeScript();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) prepare(process.argv[2] ?? 'demo');
